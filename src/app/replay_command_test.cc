#include <gtest/gtest.h>

#include "app/commands.h"
#include "base/file.h"
#include "base/json.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

ReplayCommandOptions replay_options(const std::filesystem::path& output) {
  ReplayCommandOptions options;
  options.grid = TANDEM_SOURCE_DIR "/examples/national.yaml";
  options.policies = {"tandem", "nearest"};
  options.duration_s = 60;
  options.warm_up_s = 10;
  options.work = 500;
  options.json = true;
  options.output = output;
  return options;
}

TEST(ReplayCommand, TheSameSeedWritesTheSameBytes) {
  const test_support::TemporaryDirectory directory;
  const auto first = directory.path() / "first.json", second = directory.path() / "second.json";
  ASSERT_EQ(run_replay(replay_options(first)), 0);
  ASSERT_EQ(run_replay(replay_options(second)), 0);
  const std::string bytes = read_file(first, 1 << 26).value();
  EXPECT_EQ(bytes, read_file(second, 1 << 26).value());
  const Json report = parse_json(bytes).value();
  ASSERT_EQ(report["policies"].array().size(), 2u);
  EXPECT_EQ(report["policies"].array()[0]["policy"].text(), "tandem");
  EXPECT_GT(report["policies"].array()[0]["goodput"].number(), 0.8);
  EXPECT_EQ(report["policies"].array()[0]["residency_violations"].integer(), 0);
  EXPECT_FALSE(report["verdict"].text().empty());
}

TEST(ReplayCommand, ReplaysATrace) {
  const test_support::TemporaryDirectory directory;
  const auto trace = directory.path() / "trace.csv", output = directory.path() / "report.json";
  std::string rows = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int i = 0; i < 60; ++i)
    rows += "2023-11-16 18:15:" + std::string(i < 10 ? "0" : "") + std::to_string(i) + ".0000000," +
            std::to_string(100 + 10 * i) + ",40\n";
  ASSERT_TRUE(write_file_durably(trace, rows));
  ReplayCommandOptions options = replay_options(output);
  options.policies = {"tandem"};
  options.trace = trace;
  ASSERT_EQ(run_replay(options), 0);
  const Json report = parse_json(read_file(output, 1 << 26).value()).value();
  EXPECT_GT(report["requests"].integer(), 1'000);
  EXPECT_GT(report["tenants"].object().size(), 3u);
}

TEST(ReplayCommand, RefusesWhatItDoesNotKnow) {
  const test_support::TemporaryDirectory directory;
  ReplayCommandOptions options = replay_options(directory.path() / "none.json");
  options.policies = {"best"};
  EXPECT_EQ(run_replay(options), 2);
  options = replay_options(directory.path() / "none.json");
  options.sizes = "large";
  EXPECT_EQ(run_replay(options), 2);
  options = replay_options(directory.path() / "none.json");
  options.duration_s = -1;
  EXPECT_EQ(run_replay(options), 2);
  options = replay_options(directory.path() / "none.json");
  options.grid = directory.path() / "missing.yaml";
  EXPECT_EQ(run_replay(options), 2);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "none.json"));
}

}  // namespace
}  // namespace tandem::app
