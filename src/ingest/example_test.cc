#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "base/digest.h"
#include "grid/geography.h"
#include "ingest/ingest.h"

namespace tandem::ingest {
namespace {

std::string file(const std::string& path) {
  std::ifstream stream(TANDEM_SOURCE_DIR "/" + path);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

grid::Snapshot national() {
  const GridSnapshot read = read_grid(file("examples/national.yaml"), "examples/national.yaml");
  for (const Diagnostic& diagnostic : read.diagnostics) ADD_FAILURE() << to_string(diagnostic);
  return read.snapshot.value_or(grid::Snapshot{});
}

TEST(Example, IsCleanAndOfTheSizeItSays) {
  const grid::Snapshot s = national();
  EXPECT_EQ(s.sites.size(), 65u);
  EXPECT_EQ(s.links.size(), 159u);
  EXPECT_EQ(s.shared_risk_groups.size(), 92u);
  EXPECT_EQ(s.models.size(), 9u);
  EXPECT_EQ(s.accelerators.size(), 6u);
  EXPECT_EQ(s.tenants.size(), 9u);
  EXPECT_GE(s.demands.size(), 100u);
  EXPECT_EQ(s.regions.size(), 39u);
  EXPECT_EQ(s.jurisdictions, (std::vector<std::string>{"AT", "DE", "IE", "US"}));
  std::set<grid::Tier> tiers;
  for (const grid::Site& site : s.sites) tiers.insert(site.tier);
  EXPECT_EQ(tiers.size(), 5u);
  EXPECT_TRUE(s.simulated);
}

TEST(Example, TheDemoKeyIsAcceptedOnLoopbackOnly) {
  const grid::Snapshot s = national();
  for (const grid::Tenant& tenant : s.tenants)
    for (const grid::ApiKey& key : tenant.keys) EXPECT_TRUE(key.loopback_only) << tenant.id;
  const grid::Tenant& demo = s.tenants[s.tenants.find("demo")];
  ASSERT_EQ(demo.keys.size(), 1u);
  EXPECT_EQ(demo.keys[0].sha256, sha256("sk-demo"));
}

// The README says so, and the console shows it.
TEST(Example, NearestByMapIsNotNearestByAnchor) {
  const grid::Snapshot s = national();
  for (const char* id : {"bodensee", "vorarlberg"}) {
    const grid::Region& region = s.regions[s.regions.find(id)];
    const auto distance = [&](const grid::Site& site) {
      return grid::great_circle({region.latitude, region.longitude}, {site.latitude, site.longitude});
    };
    const grid::Site& anchor_site = s.sites[s.nodes[region.anchors[0].node].site];
    bool nearer = false;
    for (const grid::Site& site : s.sites) nearer |= distance(site) < distance(anchor_site);
    EXPECT_TRUE(nearer) << id;
  }
}

TEST(Example, ADuctTakesSeveralLinks) {
  const grid::Snapshot s = national();
  std::vector<size_t> links(s.shared_risk_groups.size());
  for (const grid::Link& link : s.links)
    for (const auto group : link.shared_risk_groups) ++links[group.value];
  EXPECT_GE(std::count_if(links.begin(), links.end(), [](size_t n) { return n > 1; }), 20);
}

TEST(Example, IsWhatItsScriptWrites) {
  if (std::system("python3 --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "skipped: no python3";
  FILE* script = popen("python3 " TANDEM_SOURCE_DIR "/examples/make_national.py", "r");
  ASSERT_NE(script, nullptr);
  std::string written;
  std::array<char, 65536> buffer{};
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), script)) written.append(buffer.data(), n);
  EXPECT_EQ(pclose(script), 0);
  EXPECT_TRUE(written == file("examples/national.yaml")) << "run examples/make_national.py > examples/national.yaml";
}

}  // namespace
}  // namespace tandem::ingest
