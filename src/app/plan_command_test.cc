// `tandem plan` from end to end: a plan written as JSON is confirmed from the grid alone, and one that was touched is
// not.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "app/commands.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

std::string printed_by(const PlanOptions& options, int status) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(run_plan(options), status);
  return testing::internal::GetCapturedStdout();
}

TEST(PlanCommand, WritesPlansThatItsCheckConfirmsUnlessTheyWereTouched) {
  const test_support::TemporaryDirectory directory;
  PlanOptions options;
  options.grid = std::string(TANDEM_SOURCE_DIR) + "/examples/national.yaml";
  options.work = 100;
  options.json = true;
  const std::string written = printed_by(options, 0);
  options.check = directory.path() / "plan.json";
  std::ofstream(options.check) << written;
  EXPECT_THAT(printed_by(options, 0), testing::HasSubstr("\"holds\": true"));
  const auto document = parse_json(written);
  ASSERT_TRUE(document.has_value());
  Json::Object touched = document->object();
  touched["bound_eur_per_hour"] = touched["cost_eur_per_hour"];
  std::ofstream(options.check) << to_json(touched);
  EXPECT_THAT(printed_by(options, 1), testing::HasSubstr("its prices prove"));
  std::ofstream(options.check) << "no plan";
  testing::internal::CaptureStderr();
  printed_by(options, 2);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::Not(testing::IsEmpty()));
}

TEST(PlanCommand, PlansADayInPeriodsThatItsCheckConfirms) {
  const test_support::TemporaryDirectory directory;
  const auto grid = directory.path() / "made.yaml";
  ASSERT_EQ(run_generate({.sites = 8, .demands = 12, .models = 3, .days = true, .output = grid}), 0);
  PlanOptions options;
  options.grid = grid;
  options.work = 100;
  options.periods = 4;
  const std::string table = printed_by(options, 0);
  EXPECT_THAT(table, testing::ContainsRegex("FROM +TO +HOURS +REPLICAS"));
  EXPECT_THAT(table, testing::HasSubstr("the busiest hours' deployments all day"));
  EXPECT_THAT(table, testing::HasSubstr("each period's own plan, moves paid"));
  options.json = true;
  const std::string written = printed_by(options, 0);
  const auto document = parse_json(written);
  ASSERT_TRUE(document.has_value());
  const Json::Array& periods = (*document)["periods"].array();
  ASSERT_GE(periods.size(), 2u);
  ASSERT_LE(periods.size(), 4u);
  int64_t hours = 0;
  for (const Json& period : periods) {
    hours += period["hours"].integer();
    EXPECT_TRUE(period["plan"]["deployments"].is_array());
  }
  EXPECT_EQ(hours, 24);
  EXPECT_LE((*document)["cost_eur_per_day"].number(), (*document)["peak_all_day"]["cost_eur_per_day"].number());
  EXPECT_LE((*document)["bound_eur_per_day"].number(), (*document)["cost_eur_per_day"].number());
  options.check = directory.path() / "day.json";
  std::ofstream(options.check) << written;
  EXPECT_THAT(printed_by(options, 0), testing::HasSubstr("\"holds\": true"));
}

TEST(PlanCommand, NamesTwoWaysWhereTheGridAsksForThem) {
  const test_support::TemporaryDirectory directory;
  const std::string example = *read_file(std::string(TANDEM_SOURCE_DIR) + "/examples/national.yaml", 1 << 24);
  const auto with = [&](std::string_view diversity) {  // of every tenant
    std::string text;
    bool tenants = false;
    for (std::string_view line : split(example, '\n')) {
      if (!line.starts_with(' ')) tenants = line.starts_with("tenants:");
      if (line.starts_with("policy:"))
        line = "policy: {restoration: {cases: [\"links:1\"]}}";
      else if (tenants && line.starts_with("  - {"))
        text += fmt::format("  - {{diversity: {}, ", diversity), line.remove_prefix(5);
      text += std::string(line) + "\n";
    }
    return text;
  };
  PlanOptions options;
  options.grid = directory.path() / "grid.yaml";
  options.work = 100;
  options.json = true;
  std::ofstream(options.grid) << with("node_and_shared_risk");
  const std::string written = printed_by(options, 0);
  EXPECT_THAT(written, testing::HasSubstr("\"second\": ["));
  options.check = directory.path() / "plan.json";
  std::ofstream(options.check) << written;
  EXPECT_THAT(printed_by(options, 0), testing::HasSubstr("\"holds\": true"));
  std::ofstream(options.grid) << with("none");
  EXPECT_THAT(printed_by(options, 1), testing::HasSubstr("names ways, and asks for none"));
  std::ofstream(options.grid) << with("ducts");
  testing::internal::CaptureStderr();
  printed_by(options, 2);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("diversity is 'ducts'; write one of none, link, node, shared_risk"));
}

TEST(PlanCommand, NamesWhatIsWrongWithADayByLine) {
  const test_support::TemporaryDirectory directory;
  PlanOptions options;
  options.grid = directory.path() / "wrong.yaml";
  options.periods = 4;
  std::ofstream(options.grid)
      << "tandem: 1\nday_profiles:\n  - {id: short, rate_fraction: [1, 0.5]}\n  - {id: high,\n"
         "     rate_fraction: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,\n"
         "       0, 2]}\n";
  testing::internal::CaptureStderr();
  printed_by(options, 2);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said,
              testing::HasSubstr("wrong.yaml:3: error: day_profile 'short': rate_fraction has 2 items; write 24"));
  EXPECT_THAT(said,
              testing::HasSubstr("wrong.yaml:6: error: day_profile 'high': rate_fraction is 2; write a number from 0"));
}

}  // namespace
}  // namespace tandem::app
