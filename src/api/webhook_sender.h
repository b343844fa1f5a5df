// Delivers events to those who registered for them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "api/log_signal.h"
#include "base/metrics.h"
#include "base/result.h"
#include "inventory/inventory.h"
#include "log/log.h"

namespace tandem::api {

struct WebhookSenderOptions {
  std::filesystem::path directory;           // made when it is not there, readable by its owner alone
  std::filesystem::path authorities = {};    // PEM file of those trusted beside the system's; empty: none
  Duration timeout = seconds(10);            // to connect, for an answer to begin, and between its pieces
  Duration retry_first = milliseconds(500);  // then twice as long each time
  Duration retry_max = seconds(60);
};

struct Webhook;

// What is known of one delivery. A copy.
struct DeliveryStatus {
  log::Offset delivered = 0;  // everything up to there has been acknowledged, or was not asked for
  uint32_t failures = 0;      // attempts in a row
  std::string last_error;     // empty when the last attempt was taken
  std::optional<Instant> last_attempt;
  bool has_secret = true;
};

// For each webhook the events it asked for go to its address one at a time, in order; one that is not answered with 2xx
// is sent again, later and later, for as long as the webhook is registered, and nothing overtakes it.
//
// How often: the place it has come to is on disk before the next event goes out, so a receiver that acknowledges sees
// each event id once. Where the program is killed, or the answer lost, between a receiver's work and our note of it,
// the one event under way is sent again with the same `idempotency-key`: once per key for receivers that keep it, at
// least once for those that do not. After a power failure up to a second of events may come again.
//
// Kept in the directory, outside the log: `<id>.secret`, and `<id>.position`, which follow the webhooks of the log:
// files of webhooks that are gone are removed. Threads: one of its own; every method may be called from any thread.
class WebhookSender {
 public:
  // `log`, `signal`, `clock` and `metrics` must outlive it. Errors: io, invalid_argument (the authorities).
  static Result<std::unique_ptr<WebhookSender>> open(const log::Log& log, LogSignal& signal, const Clock& clock,
                                                     Metrics& metrics, WebhookSenderOptions options);
  ~WebhookSender();  // stops at once; what is under way is sent again after the next start
  WebhookSender(const WebhookSender&) = delete;
  WebhookSender& operator=(const WebhookSender&) = delete;

  // Durable on return; a delivery under way signs with it from then on. Errors: io, resource_exhausted.
  Result<void> keep_secret(const std::string& id, std::string_view secret);
  void forget(const std::string& id);  // a webhook whose registration came to nothing

  // The webhooks as the published state has them: entities of the kind "webhook".
  void follow(const inventory::Snapshot& believed);
  std::optional<DeliveryStatus> status(const std::string& id) const;

 private:
  struct Delivery;
  WebhookSender(const log::Log& log, LogSignal& signal, const Clock& clock, Metrics& metrics,
                WebhookSenderOptions options);
  Result<void> prepare(Delivery& delivery);
  void note(Delivery& delivery, const Result<void>& attempted);
  void move_to(Delivery& delivery, log::Offset offset);
  void start(const std::string& id, const Webhook& webhook);
  void remove_files(const std::string& id);
  void remove_strange_files(const std::map<std::string, Webhook>& webhooks);
  boost::asio::awaitable<void> run(std::shared_ptr<Delivery> delivery);
  boost::asio::awaitable<void> deliver_batch(Delivery& delivery, const log::Batch& batch);
  boost::asio::awaitable<bool> deliver(Delivery& delivery, log::Offset offset, const std::string& body);
  boost::asio::awaitable<Result<void>> attempt(Delivery& delivery, log::Offset offset, const std::string& body);
  std::filesystem::path path_of(const std::string& id, std::string_view extension) const;

  const log::Log& log_;
  LogSignal& signal_;
  const Clock& clock_;
  WebhookSenderOptions options_;
  Counter& delivered_;
  Counter& failed_;

  mutable std::mutex mutex_;  // guards what follows, and each delivery's status
  std::map<std::string, std::shared_ptr<Delivery>, std::less<>> deliveries_;
  std::optional<log::Offset> followed_;  // when a webhook last changed, as followed

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

// "t=<seconds>,v1=<hex HMAC-SHA256 of "<seconds>.<body>">": what `x-tandem-signature` carries.
std::string sign_webhook(std::string_view secret, int64_t at_s, std::string_view body);

}  // namespace tandem::api
