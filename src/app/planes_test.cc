// The example with flexible algorithms, as the commands see it: planned, failed and engineered within its topologies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/commands.h"
#include "base/file.h"
#include "base/json.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

using testing::HasSubstr;

const std::filesystem::path kPlanes = std::filesystem::path(TANDEM_SOURCE_DIR) / "examples/planes.yaml";

template <class Options>
std::string standard_output(int (*run)(const Options&), const Options& options) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(run(options), 0);
  return testing::internal::GetCapturedStdout();
}

template <class Options>
Json json_of(int (*run)(const Options&), Options options) {
  options.json = true;
  return parse_json(standard_output(run, options)).value_or(Json());
}

const Json& row_of(const Json& rows, std::string_view key, std::string_view value) {
  static const Json none;
  for (const Json& row : rows.array())
    if (row[key].text() == value) return row;
  ADD_FAILURE() << "no " << key << " " << value;
  return none;
}

// The grid with one piece of its text replaced.
std::filesystem::path with(const test_support::TemporaryDirectory& directory, std::string_view from,
                           std::string_view to) {
  std::string text = read_file(kPlanes, 1 << 20).value();
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  const auto path = directory.path() / "changed.yaml";
  EXPECT_TRUE(write_file_durably(path, text.replace(at, from.size(), to)));
  return path;
}

TEST(Planes, EachDemandTakesThePathsOfItsTopology) {
  PlanOptions options;
  options.grid = kPlanes;
  const Json plan = json_of(run_plan, options);
  for (const Json& demand : plan["demands"].array()) EXPECT_EQ(demand["rejected"].number(), 0) << to_json(demand);
  const auto round_trip_us = [&](std::string_view demand) {
    const Json::Array& splits = row_of(plan["demands"], "id", demand)["splits"].array();
    return splits.empty() ? 0 : splits[0]["round_trip_us"].number();
  };
  // Along the coast it is 1,520 km from Vigo to Madrid, over León 700, over Valladolid 680.
  EXPECT_GT(round_trip_us("demo-galicia"), 21'000);
  EXPECT_LT(round_trip_us("locutor-galicia"), 13'300);
  EXPECT_LT(round_trip_us("caja-galicia"), 13'500);
}

TEST(Planes, WhatATopologyRefusesIsSaidInTheTable) {
  const test_support::TemporaryDirectory directory;
  PlanOptions options;
  options.grid = with(directory, "exclude_any: [abroad]}", "include_any: [ring]}");
  const std::string table = standard_output(run_plan, options);
  EXPECT_THAT(table, HasSubstr("BLOCKED BY   WHY, AND WHAT WOULD ADMIT IT"));
  EXPECT_THAT(table, HasSubstr("caja-galicia   100%  unreachable  the nearest miss is mad-h100-80gb: no path in flex "
                               "algorithm 129; a path from galicia to mad-h100-80gb in flex algorithm 129 would admit "
                               "it\n"));
}

TEST(Planes, FailuresRerouteThemWithinTheirTopologies) {
  WhatIfOptions options;
  options.grid = kPlanes;
  options.verify = 100;
  const Json sweep = json_of(run_whatif, options);
  EXPECT_EQ(sweep["verify"]["differences"].integer(), 0);
  EXPECT_EQ(sweep["promises"].integer(), 5);
  options.links = {"vig-vll", "vig-leo"};
  const Json cut = json_of(run_whatif, options);
  EXPECT_EQ(cut["promises_broken"].integer(), 3) << "both of 128 in Galicia, and what is not to leave Spain";
}

TEST(Planes, PoliciesRelieveTheFullestLinkWithinIt) {
  TeOptions options;
  options.grid = kPlanes;
  options.failures = true;
  const Json answer = json_of(run_te, options);
  EXPECT_NEAR(answer["mlu_before"].number(), 0.48, 0.001) << "pictures from Galicia, all over Valladolid";
  EXPECT_NEAR(answer["mlu"].number(), 0.24, 0.001);
  EXPECT_NEAR(answer["bound"].number(), 0.24, 0.001);
  EXPECT_EQ(row_of(answer["policies"], "flex_algo", "128")["demand"].text(),
            "locutor: vig-upf > mad-r1 in flex algorithm 128");
  for (const Json& policy : answer["policies"].array()) {
    if (policy["flex_algo"].is_null()) continue;
    for (const Json& segment : policy["segments"].array())
      EXPECT_THAT(segment.text(), testing::AnyOf("leo-r1", "vll-r1", "vig-r1"));
  }
  EXPECT_EQ(answer["failures"]["scenarios"].integer(), 13) << "links, each once whatever planes it is in";
}

// Nobody may take 0.1 ms longer than planned: then nothing of 128 moves, and the table says so.
TEST(Planes, PoliciesBreakNoPromise) {
  const test_support::TemporaryDirectory directory;
  TeOptions options;
  options.grid = with(directory, "ttft_ms: 700, tpot_ms: 60", "ttft_ms: 299, tpot_ms: 60");
  const std::string table = standard_output(run_te, options);
  EXPECT_THAT(table, HasSubstr("stay on their plain paths: others would break a promise or leave a residency"));
}

}  // namespace
}  // namespace tandem::app
