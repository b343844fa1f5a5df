#include "generate/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "ingest/ingest.h"

namespace tandem::generate {
namespace {

grid::Snapshot snapshot_of(const Options& options) {
  const auto entities = generate_grid(options);
  EXPECT_TRUE(entities);
  auto rows = grid::make_rows(*entities);
  for (const auto& [entity, problem] : rows.problems)
    ADD_FAILURE() << (entity == grid::EntityProblem::kNoEntity ? "grid" : (*entities)[entity].id) << ": "
                  << problem.message;
  return grid::make_snapshot(std::move(rows.rows), 0);
}

// Which nodes the first core site reaches when the links of one group are gone.
std::set<std::string> sites_cut_off(const grid::Snapshot& s, std::optional<grid::SharedRiskGroupIndex> lost) {
  std::vector<bool> seen(s.nodes.size(), false);
  std::vector<grid::NodeIndex> open{s.nodes.find("c001-r1")};
  seen[open[0].value] = true;
  while (!open.empty()) {
    const grid::NodeIndex at = open.back();
    open.pop_back();
    for (const grid::Arc& arc : s.adjacency->out_of(at)) {
      const auto& groups = s.links[arc.link].shared_risk_groups;
      if (seen[arc.to.value] || (lost && std::find(groups.begin(), groups.end(), *lost) != groups.end())) continue;
      seen[arc.to.value] = true;
      open.push_back(arc.to);
    }
  }
  std::set<std::string> cut_off;
  for (size_t i = 0; i < s.nodes.size(); ++i)
    if (!seen[i]) cut_off.insert(s.sites[s.nodes[i].site].id);
  return cut_off;
}

TEST(Generate, IsAsLargeAsAskedAndPassesEveryCheck) {
  for (const uint64_t sites : {4u, 5u, 6u, 9u, 20u, 64u, 200u}) {
    SCOPED_TRACE(sites);
    const grid::Snapshot s =
        snapshot_of({.sites = sites, .demands = 5 * sites, .models = 1 + sites / 4, .seed = sites});
    EXPECT_EQ(s.sites.size(), sites);
    EXPECT_EQ(s.demands.size(), 5 * sites);
    EXPECT_EQ(s.models.size(), 1 + sites / 4);
    EXPECT_TRUE(s.simulated);
    EXPECT_TRUE(sites_cut_off(s, std::nullopt).empty());
  }
}

TEST(Generate, DaysAddRhythmsAndLeaveAllElseAsItWas) {
  Options options{.sites = 30, .demands = 100};
  const auto plain = generate_grid(options);
  options.days = true;
  auto with_days = generate_grid(options);
  ASSERT_TRUE(plain && with_days);
  const grid::Snapshot s = snapshot_of(options);
  EXPECT_EQ(s.day_profiles.size(), 5u);
  std::set<uint32_t> followed;
  for (const grid::Demand& demand : s.demands) followed.insert(demand.day_profile.value);
  EXPECT_EQ(followed.size(), 6u) << "all of them, and none";
  std::erase_if(*with_days, [](const grid::Entity& entity) { return entity.kind == "day_profile"; });
  for (grid::Entity& entity : *with_days) {
    entity.attributes.erase("day_profile");
    entity.attributes.erase("utc_offset_hour");
  }
  EXPECT_EQ(*with_days, *plain);
}

TEST(Generate, ReadsBackFromAFileAndIsTheSameForTheSameSeed) {
  const Options options{.sites = 60, .demands = 300, .models = 12, .seed = 7};
  const std::string text = ingest::write_grid_file(*generate_grid(options));
  EXPECT_EQ(text, ingest::write_grid_file(*generate_grid(options)));
  EXPECT_THAT(text, testing::Not(testing::ContainsRegex("[0-9][.][0-9]{7}"))) << "figures are as people write them";
  const ingest::GridSnapshot read = ingest::read_grid(text, "generated.yaml");
  EXPECT_TRUE(read.diagnostics.empty()) << to_string(read.diagnostics.front());
  ASSERT_TRUE(read.snapshot);
  EXPECT_EQ(read.snapshot->demands.size(), 300u);
  EXPECT_NE(text, ingest::write_grid_file(*generate_grid({.sites = 60, .demands = 300, .models = 12, .seed = 8})));
}

TEST(Generate, MoreDemandsLeaveTheMapAlone) {
  const grid::Snapshot few = snapshot_of({.sites = 50, .demands = 40, .seed = 3}),
                       many = snapshot_of({.sites = 50, .demands = 400, .seed = 3});
  EXPECT_TRUE(few.sites == many.sites);
  EXPECT_TRUE(few.links == many.links);
  EXPECT_TRUE(few.regions == many.regions);
  EXPECT_TRUE(few.pools == many.pools);
}

TEST(Generate, CoreAndNearEdgeSitesSurviveTheLossOfAnyDuct) {
  for (const uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {
    SCOPED_TRACE(seed);
    const grid::Snapshot s = snapshot_of({.sites = 120, .demands = 10, .seed = seed});
    std::set<std::string> ever_cut_off;
    for (size_t group = 0; group < s.shared_risk_groups.size(); ++group) {
      for (const std::string& site : sites_cut_off(s, grid::SharedRiskGroupIndex(group))) {
        EXPECT_EQ(s.sites[s.sites.find(site)].tier, grid::Tier::far_edge)
            << site << " without " << s.shared_risk_groups[group].id;
        ever_cut_off.insert(site);
      }
    }
    size_t far_edge = 0;
    for (const grid::Site& site : s.sites) far_edge += site.tier == grid::Tier::far_edge;
    EXPECT_LT(ever_cut_off.size(), far_edge * 2 / 3);  // the others stand on rings
    EXPECT_GT(ever_cut_off.size(), 0u);
  }
}

TEST(Generate, SomeDuctsCarrySeveralLinks) {
  const grid::Snapshot s = snapshot_of({.sites = 120, .demands = 10});
  std::map<uint32_t, int> links;
  for (const grid::Link& link : s.links)
    for (const auto group : link.shared_risk_groups) ++links[group.value];
  EXPECT_TRUE(std::any_of(links.begin(), links.end(), [](const auto& entry) { return entry.second > 1; }));
}

TEST(Generate, CitiesFollowTheRankSizeRule) {
  const grid::Snapshot s = snapshot_of({.sites = 600, .demands = 10});
  std::map<std::string, double> cities;  // a city's districts are named after it
  for (const grid::Region& region : s.regions)
    cities[region.name.substr(0, region.name.find(' '))] += region.population;
  std::vector<double> people;
  for (const auto& [name, population] : cities) people.push_back(population);
  std::sort(people.begin(), people.end(), std::greater<>());
  double sum = 0;
  for (const double p : people) sum += p;
  EXPECT_NEAR(sum, 50e6, 1e6);
  // The slope of log size over log rank, between ranks 5 and 50, of 1 / (rank + 1.5): nearly Zipf's −1.
  const double slope = std::log(people[49] / people[4]) / std::log(50.0 / 5);
  EXPECT_NEAR(slope, std::log(6.5 / 51.5) / std::log(10.0), 0.15);
}

TEST(Generate, SomeRegionsSurfaceFurtherAwayThanTheNearestGateway) {
  const grid::Snapshot s = snapshot_of({.sites = 200, .demands = 10});
  size_t swapped = 0;
  for (const grid::Region& region : s.regions)
    swapped += region.anchors.size() == 2 && region.anchors[0].backhaul_delay > region.anchors[1].backhaul_delay;
  EXPECT_GT(swapped, 0u);
  EXPECT_LT(swapped, s.regions.size() / 2);
}

TEST(Generate, LoadScalesTheRatesAndNothingElse) {
  const grid::Snapshot dense = snapshot_of({.sites = 60, .demands = 200, .load = 0.6}),
                       pilot = snapshot_of({.sites = 60, .demands = 200, .load = 0.02});
  ASSERT_EQ(dense.demands.size(), pilot.demands.size());
  for (size_t i = 0; i < dense.demands.size(); ++i) {
    EXPECT_EQ(dense.demands[i].id, pilot.demands[i].id);
    EXPECT_NEAR(dense.demands[i].rate_per_s / pilot.demands[i].rate_per_s, 30, 0.5);
  }
}

TEST(Generate, WithoutDemandsThereIsStillEverydayTraffic) {
  const grid::Snapshot s = snapshot_of({.sites = 100, .demands = 0});
  EXPECT_TRUE(s.demands.empty());
  EXPECT_FALSE(s.traffic.empty());
  for (const grid::Traffic& traffic : s.traffic) EXPECT_GT(traffic.rate.value(), 0);
  for (const grid::Link& link : s.links) EXPECT_GE(link.capacity_ab.value(), 25);
}

TEST(Generate, RefusesWhatItCannotMake) {
  for (const Options& options :
       {Options{.sites = 3}, Options{.sites = kSitesMax + 1}, Options{.demands = kDemandsMax + 1}, Options{.models = 0},
        Options{.load = 0}, Options{.load = 1.1}}) {
    const auto made = generate_grid(options);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::invalid_argument);
  }
}

}  // namespace
}  // namespace tandem::generate
