// `tandem te` from end to end: over a grid whose plan is made, or read and checked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "app/commands.h"
#include "base/file.h"
#include "base/json.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

using testing::HasSubstr;

const std::string kExamples = std::string(TANDEM_SOURCE_DIR) + "/examples/";

std::string te_prints(const TeOptions& options, int status = 0) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(run_te(options), status);
  const std::string errors = testing::internal::GetCapturedStderr();
  return testing::internal::GetCapturedStdout() + errors;
}

std::string plan_json(const std::string& grid, uint32_t periods = 0) {
  PlanOptions options;
  options.grid = grid;
  options.work = 100;
  options.periods = periods;
  options.json = true;
  testing::internal::CaptureStdout();
  EXPECT_EQ(run_plan(options), 0);
  return testing::internal::GetCapturedStdout();
}

Json::Object without_time(const std::string& json) {
  auto document = parse_json(json).value().object();
  document.erase("time_ms");
  return document;
}

TEST(TeCommand, APlanThatIsReadGivesWhatTheSameOneMadeDoes) {
  const test_support::TemporaryDirectory directory;
  TeOptions options;
  options.grid = kExamples + "planes.yaml";
  options.work = 100;
  options.json = true;
  const std::string made = te_prints(options);
  Json::Object plan = parse_json(plan_json(options.grid)).value().object();
  options.plan = directory.path() / "plan.json";
  // What it says of its first tokens is not trusted.
  Json::Array demands = plan["demands"].array();
  for (Json& demand : demands) {
    Json::Object row = demand.object();
    Json::Array splits = row["splits"].array();
    for (Json& split : splits) {
      Json::Object changed = split.object();
      changed["ttft_ms"] = 0;
      split = changed;
    }
    row["splits"] = splits;
    demand = row;
  }
  plan["demands"] = demands;
  std::ofstream(options.plan) << to_json(plan);
  EXPECT_EQ(to_json(without_time(te_prints(options))), to_json(without_time(made)));
}

// The pictures' only other span leads abroad where they may not go.
TEST(TeCommand, ABoundIsSaidWithWhatItLeavesInPlace) {
  const test_support::TemporaryDirectory directory;
  TeOptions options;
  options.grid = kExamples + "planes.yaml";
  options.work = 100;
  EXPECT_THAT(te_prints(options), HasSubstr("; no routing can have less than 24.00%"));
  std::string example = *read_file(options.grid, 1 << 24);
  const auto change = [&](std::string_view after, std::string_view from, std::string_view to) {
    example.replace(example.find(from, example.find(after)), from.size(), to);
  };
  change("id: leo,", "jurisdiction: ES", "jurisdiction: PT");
  change("id: lonja,", "residency: [ES, PT]", "residency: [ES]");
  options.grid = directory.path() / "grid.yaml";
  std::ofstream(options.grid) << example;
  EXPECT_THAT(te_prints(options), testing::ContainsRegex("; with [0-9]+ left on their plain paths, no routing can have "
                                                         "less than 48.00%"));
}

TEST(TeCommand, RefusesAPlanThatDoesNotHoldInTheGrid) {
  const test_support::TemporaryDirectory directory;
  TeOptions options;
  options.grid = kExamples + "planes.yaml";
  options.plan = directory.path() / "plan.json";
  std::ofstream(options.plan) << plan_json(kExamples + "national.yaml");
  EXPECT_THAT(te_prints(options, 2), HasSubstr("of this grid"));
  Json::Object plan = parse_json(plan_json(options.grid)).value().object();
  plan["demands"] = Json::Array{};
  std::ofstream(options.plan) << to_json(plan);
  EXPECT_THAT(te_prints(options, 2), HasSubstr("does not hold in this grid"));
  std::ofstream(options.plan) << plan_json(options.grid, 2);
  EXPECT_THAT(te_prints(options, 2), HasSubstr("has the plans of a day"));
  std::ofstream(options.plan) << "no plan";
  EXPECT_THAT(te_prints(options, 2), HasSubstr("is no plan"));
}

// A grid whose links carry next to nothing is not drawn as one whose links are full.
TEST(TeCommand, NextToNothingIsNoFullBar) {
  const test_support::TemporaryDirectory directory;
  TeOptions options;
  options.graph = directory.path() / "two.graph";
  options.demands = directory.path() / "two.demands";
  ASSERT_TRUE(write_file_durably(options.graph,
                                 "NODES 2\nlabel x y\na 0 0\nb 1 1\n\nEDGES 2\nlabel src dest weight bw delay\n"
                                 "ab 0 1 1 1000000 1\nba 1 0 1 1000000 1\n"));
  const auto prints = [&](const char* rate) {
    EXPECT_TRUE(write_file_durably(options.demands, std::string("DEMANDS 1\nlabel src dest bw\nd 0 1 ") + rate + "\n"));
    return te_prints(options);
  };
  const std::string little = prints("200");
  EXPECT_THAT(little, HasSubstr("<0.1%"));
  EXPECT_THAT(little, HasSubstr("no link is 1 % full"));
  EXPECT_EQ(little.find("█"), std::string::npos) << little;
  const std::string much = prints("200000");
  EXPECT_THAT(much, HasSubstr("█"));
  EXPECT_THAT(much, HasSubstr("20.0%"));
  EXPECT_EQ(much.find("no link is"), std::string::npos);
}

}  // namespace
}  // namespace tandem::app
