// `tandem plan` from end to end: a plan written as JSON is confirmed from the grid alone, and one that was touched is
// not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "app/commands.h"
#include "base/json.h"
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

}  // namespace
}  // namespace tandem::app
