// A sender of webhooks with a log behind it, for tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "api/testing.h"
#include "api/webhook_sender.h"
#include "support/small_world.h"

namespace tandem::api {

// A log of events, and a sender that follows webhooks of the test's own.
struct Delivering {
  explicit Delivering(size_t events) {
    log::BatchHeader head;
    head.count = 0;
    for (size_t i = 0; i < events; ++i) {
      const log::EncodedBatch batch =
          log::encode_batch(head, 1, {static_cast<int64_t>(i)},
                            {test_support::fact(i % 3 == 2 ? "link" : "site", "x", {{"pue", double(i)}})});
      EXPECT_TRUE(log.append(batch));
      head = batch.header;
    }
    signal.grew(events);
    start();
  }
  void start(std::filesystem::path authorities = {}) {
    sender = std::move(*WebhookSender::open(log, signal, clock, metrics,
                                            {.directory = directory.path,
                                             .authorities = std::move(authorities),
                                             .retry_first = milliseconds(10),
                                             .retry_max = milliseconds(50)}));
  }
  void want(const std::string& id, Json::Object attributes) {
    attributes.try_emplace("from_offset", 1);
    attributes.try_emplace("placed_offset", 0);
    believed.fold(test_support::fact("webhook", id, attributes), believed.offset() + 1, {});
    sender->follow(believed);
  }
  bool until(const std::function<bool()>& condition) const {
    for (int i = 0; i < 2'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  TestDirectory directory;
  log::SimulatedLog log{1};
  LogSignal signal;
  SystemClock clock;
  Metrics metrics;
  inventory::Snapshot believed;
  std::unique_ptr<WebhookSender> sender;
};

}  // namespace tandem::api
