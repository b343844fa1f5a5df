#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/random.h"
#include "base/text.h"
#include "ingest/ingest.h"
#include "ingest/small_grid.h"
#include "support/mutate_yaml.h"

namespace tandem::ingest {
namespace {

using testing::HasSubstr;

std::string text_of(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += to_string(diagnostic) + "\n";
  return text;
}

// The small grid with one piece of its text replaced.
std::string with(std::string_view from, std::string_view to) {
  std::string text(kSmallGrid);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string problems_of(std::string_view text) { return text_of(parse_grid_file(text, "g.yaml").diagnostics); }

TEST(GridFile, ReadsAGoodFileWithoutAWord) {
  const GridFile file = parse_grid_file(kSmallGrid, "g.yaml");
  EXPECT_EQ(text_of(file.diagnostics), "");
  EXPECT_EQ(file.entities.size(), 20u);
  EXPECT_EQ(file.entities[0].kind, "grid");
  const GridSnapshot read = read_grid(kSmallGrid, "g.yaml");
  ASSERT_TRUE(read.snapshot);
  const grid::Snapshot& s = *read.snapshot;
  EXPECT_EQ(s.name, "Kleinnetz: a test");
  EXPECT_TRUE(s.simulated);
  EXPECT_EQ(s.policy.link_headroom, 0.7);
  EXPECT_EQ(s.policy.restoration,
            (grid::Restoration{{grid::RestorationCase::links, grid::RestorationCase::shared_risk_groups}, 0.9}));
  EXPECT_EQ(s.tenants[size_t{0}].diversity, grid::Diversity::link);
  EXPECT_EQ(s.demands[size_t{0}].diversity, grid::Diversity::shared_risk);
  EXPECT_EQ(s.sites[s.sites.find("muc")].name, "München");
  EXPECT_EQ(s.sites[s.sites.find("sbg")].state, grid::State::down);
  EXPECT_EQ(s.links[s.links.find("muc-sbg")].capacity_ba, Gbps(40));
  EXPECT_DOUBLE_EQ(s.links[s.links.find("muc-sbg")].delay.value(), 735);
  EXPECT_EQ(s.models[size_t{0}].version, "3.10") << "a text that looks like a number keeps its form";
  EXPECT_EQ(s.regions[size_t{0}].anchors.size(), 2u);
}

TEST(GridFile, WritesWhatItReads) {
  const GridFile file = parse_grid_file(kSmallGrid, "g.yaml");
  const std::string written = write_grid_file(file.entities);
  const GridFile again = parse_grid_file(written, "again.yaml");
  EXPECT_EQ(text_of(again.diagnostics), "") << written;
  EXPECT_EQ(grid::make_snapshot(again.rows, 0), grid::make_snapshot(file.rows, 0));
  EXPECT_EQ(write_grid_file(again.entities), written);
  for (const std::string_view line : split(written, '\n')) EXPECT_LE(line.size(), 200u) << line;
}

struct Fault {
  const char* from;
  const char* to;
  const char* diagnostic;  // the whole line
};

constexpr Fault kFaults[] = {
    {"capacity_gbps: 100,", "capacity_gbps: 100G,",
     "g.yaml:23: error: link 'muc-sbg': capacity_gbps is '100G'; write a plain number of Gbit/s, above 0 and at most "
     "1000000\n"},
    {"capacity_gbps: 100,", "capacity_gbps: -100,",
     "g.yaml:23: error: link 'muc-sbg': capacity_gbps is -100; write a plain number of Gbit/s, above 0 and at most "
     "1000000\n"},
    {"    latitude_deg: 47.8\n    longitude_deg: 13", "    latitude_deg: 147.8\n    longitude_deg: 13",
     "g.yaml:11: error: site 'sbg': latitude_deg is 147.8; write a plain number of degrees from -90 to 90\n"},
    {"    tier: near_edge", "    teir: near_edge",
     "g.yaml:8: error: site 'sbg': tier is missing; write one of device, far_edge, near_edge, core, cloud\n"
     "g.yaml:10: error: site 'sbg': a site has no key 'teir'; did you mean 'tier'?\n"},
    {"igp_metric: 15,", "igp_metric: 15, members: 4, members_min: 5,",
     "g.yaml:23: error: link 'muc-sbg': members_min is 5 in a bundle of 4; write at most 'members'\n"},
    {"igp_metric: 15,", "igp_metric: 15, members: 4, members_down: 5,",
     "g.yaml:23: error: link 'muc-sbg': members_down is 5 in a bundle of 4; write at most 'members'\n"},
    {"igp_metric: 15,", "igp_metric: 15, members_min: 2,",
     "g.yaml:23: error: link 'muc-sbg': members_min is 2 in a bundle of 1; write at most 'members'\n"},
    {"igp_metric: 15,", "igp_metric: 15, members: -4,",
     "g.yaml:23: error: link 'muc-sbg': members is -4; write a whole number from 1 to 1000\n"},
    {"igp_metric: 15,", "igp_metric: 15, members: 4, members_down: -1,",
     "g.yaml:23: error: link 'muc-sbg': members_down is -1; write a whole number from 0 to 1000\n"},
    {"igp_metric: 15,", "igp_metric: 15, members: 2.5,",
     "g.yaml:23: error: link 'muc-sbg': members is 2.5; write a whole number from 1 to 1000\n"},
    {"{id: muc-r, site: muc}", "{id: muc-r, site: muc, overload: 1}",
     "g.yaml:17: error: node 'muc-r': overload is 1; write true or false\n"},
    {"a: muc-r, b: sbg-r", "a: muc-r, b: sgb-r",
     "g.yaml:23: error: link 'muc-sbg': b: there is no node 'sgb-r'; did you mean 'sbg-r'?\n"},
    {"  - {id: muc-upf, site: muc, role: upf", "  - {id: muc-r, site: muc, role: upf",
     "g.yaml:18: error: there are two nodes with the id 'muc-r'; the first is in line 17; give each its own\n"},
    {"      - {node: sbg-r, access_delay_us: 4000}", "      - {node: sbg-r, access_delay: 4000}",
     "g.yaml:35: error: region 'oberland': anchors has no key 'access_delay'; did you mean 'access_delay_us'?\n"},
    {"fallback: \"\"", "fallback: small-8b",
     "g.yaml:43: error: model 'small-8b': the fallbacks go in a circle: small-8b -> small-8b; let the smallest of "
     "them have no fallback\n"},
    {"fallback: \"\"", "fallback: small",
     "g.yaml:43: error: model 'small-8b': fallback: there is no model 'small'; name it by its id, not an "
     "alias\n"},
    {"to_site: muc, share_fraction: 0.1", "share_fraction: 0.1",
     "g.yaml:68: error: trial 'at-home': it tries the model with itself; name another model in to_model, or a site "
     "in to_site\n"},
    {"share_fraction: 0.1", "share_fraction: 1.1",
     "g.yaml:68: error: trial 'at-home': share_fraction is 1.1; write a number from 0 to 1\n"},
    {"site: muc, node: muc-r, accelerator: l4", "site: sbg, node: sbg-r, accelerator: l4",
     "g.yaml:68: error: trial 'at-home': site 'muc' has no pool; name a site that can serve 'small-8b': sbg\n"},
    {"{batch: 8,", "{batch: 1,",
     "g.yaml:54: error: profile 'small-8b-l4': batch 1 follows batch 1; list the points by ascending batch\n"},
    {"accelerators: 2}]", "accelerators: 20}]",
     "g.yaml:39: error: pool 'muc-l4': 20 accelerators are kept for radio, of 8 there are; reserve at most the "
     "count\n"},
    {"priority: 5, diversity: link", "priority: 5, diversity: links",
     "g.yaml:60: error: tenant 'bank': diversity is 'links'; did you mean 'link'?\n"},
    {"diversity: shared_risk}", "diversity: total}",
     "g.yaml:64: error: demand 'bank-oberland': diversity is 'total'; write one of none, link, node, shared_risk, "
     "node_and_shared_risk\n"},
    {"cases: [\"links:1\", \"srlgs:1\"]", "cases: [\"links:2\"]",
     "g.yaml:4: error: cases is 'links:2'; did you mean 'links:1'?\n"},
    {"link_headroom: 0.9}", "link_headroom: 0}",
     "g.yaml:4: error: link_headroom is 0; write a number, above 0 and at most 1\n"},
    {"link_headroom: 0.9}", "head_room: 0.9}",
     "g.yaml:4: error: restoration has no key 'head_room'; its keys are cases, link_headroom\n"},
    {"igp_metric: 15,", "igp_metric: 15, te_metric: 0,",
     "g.yaml:23: error: link 'muc-sbg': te_metric is 0; write a number from 1 to 4294967295\n"},
    {"regions:", "flex_algos:\n  - {id: 99, metric: delay}\nregions:",
     "g.yaml:27: error: flex_algo '99': '99' is not the number of a flex algorithm; choose one from 128 to 255 (RFC "
     "9350)\n"},
    {"regions:", "flex_algos:\n  - {id: 128, metric: hops}\nregions:",
     "g.yaml:27: error: flex_algo '128': metric is 'hops'; write one of igp, delay, te\n"},
    {"regions:", "flex_algos:\n  - {id: 128, participants: [muc-r, sbg]}\nregions:",
     "g.yaml:27: error: flex_algo '128': participants: there is no node 'sbg'"},
    {"diversity: shared_risk}", "flex_algo: 130}",
     "g.yaml:64: error: demand 'bank-oberland': flex_algo: there is no flex_algo '130'\n"},
    {"tandem: 1", "tandem: 2", "g.yaml:1: error: this format of grid file is not known; write tandem: 1\n"},
    {"name: \"Kleinnetz: a test\"", "name: [x]", "g.yaml:2: error: name is a list; write a text\n"},
    {"simulated: true", "simulated: yes", "g.yaml:3: error: simulated is 'yes'; write true or false\n"},
    {"regions:", "region:", "g.yaml:26: error: a grid file has no section 'region'; did you mean 'regions'?\n"},
    {"    population: 300000", "    population: 300000\n    name: Twice",
     "g.yaml:32: error: the key 'name' is there twice; keep this one or the one in line 28\n"},
    {"{id: bg, ", "{", "g.yaml:66: error: a traffic has no id; write id: with a name of its own\n"},
    {"id: bg,", "id: b g,",
     "g.yaml:66: error: the id 'b g' cannot be used: an id has only ASCII letters, digits and . _ - :; choose "
     "another\n"},
    {"  - {id: bg,", "  - just text\n  - {id: bg,",
     "g.yaml:66: error: this entry of 'traffic' is not a record; write id: …, and the other keys\n"},
    {"power_feeds: [north, south]", "power_feeds: north",
     "g.yaml:7: error: site 'muc': power_feeds is 'north', not a list; write a list: [ … ]\n"},
    {"count: 8", "count: 8.5",
     "g.yaml:39: error: pool 'muc-l4': count is 8.5; write a whole number from 0 to 1000000\n"},
    {"rate_per_s: 2.5", "rate_per_s: \"2.5\"",
     "g.yaml:63: error: demand 'bank-oberland': rate_per_s is '2.5'; write a plain number of requests/s from 0 to "
     "10000000\n"},
    {"10.1.0.0/16", "10.1.2.0/16",
     "g.yaml:32: error: region 'oberland': prefixes has '10.1.2.0/16'; bits beyond the first 16 must be zero\n"},
    {"residency: [DE]", "residency: []",
     "g.yaml:60: error: tenant 'bank': residency is empty; name at least one, or leave the key out if it has a "
     "default\n"},
    {"residency: [DE]", "residency: [Germany]",
     "g.yaml:60: error: tenant 'bank': residency is 'Germany'; write an ISO 3166 alpha-2 code such as DE\n"},
};

TEST(GridFile, SaysWhereAndWhatWouldBeRight) {
  for (const Fault& fault : kFaults)
    EXPECT_THAT(problems_of(with(fault.from, fault.to)), HasSubstr(fault.diagnostic)) << fault.to;
}

TEST(GridFile, ListsAllProblemsByLine) {
  std::string text = with("capacity_gbps: 100,", "capacity_gbps: 100G,");
  text.replace(text.find("jurisdiction: AT"), 16, "jurisdiction: at");
  text.replace(text.find("pool: muc-l4"), 12, "pool: muc-l5");
  const GridFile file = parse_grid_file(text, "g.yaml");
  ASSERT_EQ(file.diagnostics.size(), 3u) << text_of(file.diagnostics);
  EXPECT_LT(file.diagnostics[0].line, file.diagnostics[1].line);
  EXPECT_LT(file.diagnostics[1].line, file.diagnostics[2].line);
}

TEST(GridFile, RefusesWhatIsNotAGridAtAll) {
  EXPECT_THAT(problems_of(""), HasSubstr("not a mapping of sections"));
  EXPECT_THAT(problems_of("[1, 2]"), HasSubstr("not a mapping of sections"));
  EXPECT_THAT(problems_of("tandem: 1\n"), HasSubstr("g.yaml:1: error: the grid has no region"));
  EXPECT_THAT(problems_of("a: [1\nb: 2\n"), HasSubstr("this is not YAML"));
  EXPECT_THAT(problems_of("tandem: 1\n---\ntandem: 1\n"), HasSubstr("g.yaml:2: error: a second document starts here"));
  EXPECT_THAT(problems_of("tandem: 1\nname: \"M\xFCnchen\"\n"), HasSubstr("g.yaml:2: error: the bytes are not UTF-8"));
  EXPECT_THAT(problems_of(std::string_view("tandem: 1\nname: a\0b\n", 20)),
              HasSubstr("g.yaml:2: error: there is a control character"));
  EXPECT_THAT(problems_of("tandem: 1\nsites: {a: b}\n"), HasSubstr("'sites' is not a list"));
  EXPECT_THAT(problems_of("tandem: 1\n? [a]\n: b\n"), HasSubstr("a key must be a name"));
}

TEST(GridFile, RefusesYamlThatExpands) {
  EXPECT_THAT(problems_of("a: &x [1]\nb: *x\n"), HasSubstr("g.yaml:1: error: anchors (&name) are not allowed"));
  EXPECT_THAT(problems_of("tandem: 1\nname: *x\n"), HasSubstr("g.yaml:2: error:"));
  EXPECT_THAT(problems_of("tandem: 1\nname: !!binary aGk=\n"), HasSubstr("tags (!name) are not allowed"));
  EXPECT_THAT(problems_of("tandem: 1\nname: " + std::string(100'000, '[')), HasSubstr("g.yaml:2: error:"));
  EXPECT_THAT(problems_of("tandem: 1\nname: " + std::string(50, '[') + std::string(50, ']')),
              HasSubstr("nesting is deeper than"));
  std::string block = "tandem: 1\n";
  for (size_t depth = 0; depth < 2'000; ++depth) block += std::string(depth, ' ') + "a:\n";
  EXPECT_THAT(problems_of(block), HasSubstr("nesting is deeper than"));
  EXPECT_THAT(problems_of(std::string(kGridFileBytesMax + 1, ' ')), HasSubstr("at most 67108864 are allowed"));
}

TEST(GridFile, SaysHowManyProblemsItLeftOut) {
  std::string text = "tandem: 1\nnodes:\n";
  for (size_t i = 0; i < kDiagnosticsMax + 10; ++i) text += "  - {id: n" + std::to_string(i) + ", site: nowhere}\n";
  const GridFile file = parse_grid_file(text, "g.yaml");
  EXPECT_EQ(file.diagnostics.size(), kDiagnosticsMax + 1);
  EXPECT_THAT(file.diagnostics.back().message, HasSubstr("more problems"));
}

TEST(GridFile, TenThousandMutationsAreCleanOrExplained) {
  Random random(20'240'601);
  size_t clean = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string text = test_support::mutate_yaml(std::string(kSmallGrid), random);
    const GridFile file = parse_grid_file(text, "g.yaml");
    if (!has_errors(file.diagnostics)) {
      ++clean;
      const GridFile again = parse_grid_file(write_grid_file(file.entities), "again.yaml");
      EXPECT_FALSE(has_errors(again.diagnostics)) << text << text_of(again.diagnostics);
      EXPECT_EQ(grid::make_snapshot(again.rows, 0), grid::make_snapshot(file.rows, 0)) << text;
      continue;
    }
    for (const Diagnostic& diagnostic : file.diagnostics) {
      ASSERT_GE(diagnostic.line, 1) << to_string(diagnostic);
      ASSERT_FALSE(diagnostic.message.empty());
    }
  }
  EXPECT_GT(clean, 100u);
  EXPECT_LT(clean, 9'000u);
}

}  // namespace
}  // namespace tandem::ingest
