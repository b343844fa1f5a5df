#include "telemetry/access_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/json.h"
#include "base/text.h"
#include "telemetry/record_lane.h"
#include "telemetry/testing.h"

namespace tandem::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

class AccessLogFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "tandem-telemetry-XXXXXX").string();
    CHECK(mkdtemp(pattern.data()) != nullptr);
    directory = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  std::unique_ptr<AccessLog> open() {
    AccessLogOptions options;
    options.file = directory / "access.log";
    options.round = milliseconds(1);
    auto log = AccessLog::open(options, metrics);
    CHECK(log.has_value());
    return std::move(*log);
  }
  std::vector<Json> lines(const char* file) const {
    std::ifstream in(directory / file);
    std::stringstream text;
    text << in.rdbuf();
    const std::string whole = text.str();
    std::vector<Json> read;
    for (const std::string_view line : split(whole, '\n'))
      if (!line.empty()) read.push_back(parse_json(line).value_or(Json()));
    return read;
  }
  uint64_t written() { return metrics.counter("tandem_access_log_lines_total", "").value(); }

  std::filesystem::path directory;
  Metrics metrics;
};

TEST(AccessLine, SaysWhatTheRequestWasAndNothingOfItsText) {
  const std::string line = access_line(served_record());
  const Json json = parse_json(line).value_or(Json());
  EXPECT_EQ(json["time"].text(), "1970-01-01T00:16:40.000000000Z");
  EXPECT_EQ(json["request_id"].text(), "mine-1");
  EXPECT_EQ(json["id"].text(), "d-1");
  EXPECT_EQ(json["tenant"].text(), "acme");
  EXPECT_EQ(json["path"].text(), "/v1/chat/completions");
  EXPECT_EQ(json["status"].integer(), 200);
  EXPECT_EQ(json["reason"].text(), "cheapest");
  EXPECT_EQ(json["output_tokens"].integer(), 3);
  EXPECT_EQ(json["ttft_us"].integer(), 1'234);
  EXPECT_EQ(json["overhead_us"].integer(), 41);
  EXPECT_EQ(json["answer_bytes"].integer(), 900);
  EXPECT_EQ(json["trace_id"].text(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_THAT(line, Not(HasSubstr("my prompt"))) << "an engine's error may repeat the prompt";
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  gateway::RequestRecord refused;
  refused.refused = "invalid_api_key";
  refused.status = 401;
  const Json other = parse_json(access_line(refused)).value_or(Json());
  EXPECT_EQ(other["refused"].text(), "invalid_api_key");
  EXPECT_EQ(other["reason"].text(), "") << "no decision was made";
  EXPECT_TRUE(other["ttft_us"].is_null());
}

TEST_F(AccessLogFile, ALineForEachRequestOfEachLane) {
  auto log = open();
  gateway::RecordSink& one = log->lane();
  gateway::RecordSink& two = log->lane();
  for (int i = 0; i < 3; ++i) one.on_request(shared_record("one"));
  two.on_request(shared_record("two"));
  log.reset();  // writes what waits
  EXPECT_EQ(lines("access.log").size(), 4u);
  EXPECT_EQ(lines("access.log").at(3)["tenant"].text(), "two");
  EXPECT_EQ(written(), 4u);
  open()->lane().on_request(shared_record());
  EXPECT_EQ(lines("access.log").size(), 5u) << "a later start appends";
}

TEST_F(AccessLogFile, ReopensWhereTheOldOneWasMovedAway) {
  auto log = open();
  gateway::RecordSink& lane = log->lane();
  lane.on_request(shared_record("before"));
  while (written() < 1) std::this_thread::yield();
  std::filesystem::rename(directory / "access.log", directory / "access.log.1");
  log->reopen();
  lane.on_request(shared_record("after"));
  log.reset();
  EXPECT_EQ(lines("access.log.1").size(), 1u);
  ASSERT_EQ(lines("access.log").size(), 1u);
  EXPECT_EQ(lines("access.log")[0]["tenant"].text(), "after");
}

TEST_F(AccessLogFile, AFileThatCannotBeOpenedIsAnError) {
  AccessLogOptions options;
  options.file = directory / "nowhere" / "access.log";
  EXPECT_EQ(AccessLog::open(options, metrics).error().code, ErrorCode::not_found);
}

TEST(RecordLane, AFullOneDropsAndCounts) {
  Metrics metrics;
  Counter& dropped = metrics.counter("dropped", "");
  RecordLane lane(2, dropped, false);
  for (const char* tenant : {"a", "b", "c"}) lane.on_request(shared_record(tenant));
  EXPECT_EQ(dropped.value(), 1u);
  std::string drained;
  EXPECT_EQ(lane.drain(1, [&](const gateway::RequestRecord& record) { drained += record.tenant; }), 1u);
  lane.on_request(shared_record("d"));
  lane.drain(9, [&](const gateway::RequestRecord& record) { drained += record.tenant; });
  EXPECT_EQ(drained, "abd");
}

TEST(RecordLane, KeepsTheOrderBetweenTwoThreads) {
  constexpr uint64_t kRecords = 20'000;
  Metrics metrics;
  Counter& dropped = metrics.counter("dropped", "");
  RecordLane lane(64, dropped, false);
  std::atomic<bool> ended = false;
  std::thread producer([&] {
    for (uint64_t offset = 1; offset <= kRecords; ++offset) {
      auto record = std::make_shared<gateway::RequestRecord>();
      record->offset = offset;
      lane.on_request(std::move(record));
    }
    ended = true;
  });
  uint64_t last = 0;
  uint64_t drained = 0;
  const auto take = [&](const gateway::RequestRecord& record) {
    EXPECT_LT(last, record.offset);
    last = record.offset;
    ++drained;
  };
  while (!ended) lane.drain(SIZE_MAX, take);
  producer.join();
  lane.drain(SIZE_MAX, take);
  EXPECT_EQ(drained + dropped.value(), kRecords);
}

}  // namespace
}  // namespace tandem::telemetry
