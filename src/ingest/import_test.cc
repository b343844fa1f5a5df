#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/random.h"
#include "ingest/country_codes.h"
#include "ingest/ingest.h"
#include "ingest/lines.h"
#include "ingest/topology.h"

namespace tandem::ingest {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

std::string report_of(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += to_string(diagnostic) + "\n";
  return text;
}

std::string read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

// The snapshot of an import, which must be free of errors and survive being written and read.
grid::Snapshot snapshot_of(const Imported& imported) {
  EXPECT_FALSE(has_errors(imported.diagnostics)) << report_of(imported.diagnostics);
  const grid::GridRows made = grid::make_rows(imported.entities);
  EXPECT_TRUE(made.problems.empty());
  const std::string written = write_grid_file(imported.entities);
  EXPECT_THAT(written, Not(ContainsRegex("[0-9][.][0-9]{7}"))) << "figures are rounded to what matters";
  const GridSnapshot again = read_grid(written, "written.yaml");
  EXPECT_EQ(report_of(again.diagnostics), "");
  grid::Snapshot snapshot = grid::make_snapshot(made.rows, 0);
  EXPECT_TRUE(again.snapshot && *again.snapshot == snapshot);
  return snapshot;
}

constexpr std::string_view kGml = R"(Creator "hand"
graph [
  label "Testnet"
  node [ id 0 label "Z&#252;rich" Country "Switzerland" Latitude 47.37 Longitude 8.54 Internal 1 ]
  node [ id 1 label "K&ouml;ln" Country "Germany" Latitude 50.94 Longitude 6.96 ]
  node [ id 2 label "K&ouml;ln" Country "Germany" Latitude 50.95 Longitude 6.95 ]
  node [
    id 3
    label "Halfway"
    Country "Atlantis"
  ]
  # a comment
  node [ id 4 label "None" hyperedge 1 ]
  edge [ source 0 target 1 LinkSpeedRaw 40000000000.0 LinkLabel "40 Gbps" ]
  edge [ source 0 target 1 ]
  edge [ source 1 target 1 ]
  edge [ source 0 target 3 LinkSpeedRaw 155000000.0 ]
  edge [ source 3 target 2 ]
  edge [ source 3 target 4 ]
]
)";

TEST(ImportTopologyZoo, MendsAndReportsWhatTheFileLacks) {
  const Imported imported = import_topology(kGml, "test.gml", TopologyFormat::automatic, {});
  const grid::Snapshot s = snapshot_of(imported);
  EXPECT_EQ(s.name, "Testnet");
  ASSERT_EQ(s.sites.size(), 5u);
  EXPECT_EQ(s.sites[s.sites.find("zuerich")].name, "Zürich");
  EXPECT_TRUE(s.sites.find("koeln").valid());
  EXPECT_TRUE(s.sites.find("koeln-2").valid());
  EXPECT_EQ(s.jurisdictions, (std::vector<std::string>{"CH", "DE", "XX"}));
  ASSERT_EQ(s.links.size(), 5u) << "the self-loop is dropped, the parallel link is kept";
  EXPECT_EQ(s.links[s.links.find("zuerich--koeln")].capacity_ab, Gbps(40));
  EXPECT_EQ(s.links[s.links.find("zuerich--koeln-2")].capacity_ab, Gbps(100));
  EXPECT_EQ(s.links[s.links.find("zuerich--halfway")].capacity_ab, Gbps(10)) << "raised";
  const grid::Site& halfway = s.sites[s.sites.find("halfway")];
  EXPECT_NEAR(halfway.latitude.value(), (47.37 + 50.95) / 2, 0.05);
  const std::string report = report_of(imported.diagnostics);
  EXPECT_THAT(report, HasSubstr("test.gml:6: warning: the label 'Köln' is also in line 5; this node is 'koeln-2'"));
  EXPECT_THAT(
      report,
      HasSubstr("test.gml:7: warning: node 'Halfway' has no coordinates; it is placed at the mean of its neighbours"));
  EXPECT_THAT(report, HasSubstr("test.gml:7: warning: the country 'Atlantis' is not known; its jurisdiction is XX"));
  EXPECT_THAT(report, HasSubstr("test.gml:16: warning: this edge goes from 'Köln' to itself; it is dropped"));
  EXPECT_THAT(report, HasSubstr("there is another edge between"));
  EXPECT_EQ(s.regions.size(), 4u) << "nobody lives at a junction";
}

TEST(ImportTopologyZoo, DelayIsTheGreatCircleTimesTheRouteFactor) {
  ImportOptions options;
  options.route_factor = 2;
  const grid::Snapshot s = snapshot_of(import_topology(kGml, "test.gml", TopologyFormat::topology_zoo, options));
  const grid::Link& link = s.links[s.links.find("zuerich--koeln")];
  EXPECT_NEAR(link.length.value(), 2 * 414, 3);
  EXPECT_NEAR(link.delay.value(), link.length.value() * 4.9, 1e-6);
}

TEST(ImportTopologyZoo, Latin1TextIsRead) {
  const Imported imported = import_topology("graph [ node [ id 1 label \"D\xFCsseldorf\" Latitude 51 Longitude 7 ] ]",
                                            "x.gml", TopologyFormat::automatic, {});
  EXPECT_EQ(snapshot_of(imported).sites[size_t{0}].name, "Düsseldorf");
}

// The same network as kGml.
constexpr std::string_view kGraphml = R"(<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="label" attr.type="string" for="all" id="d0"/><key attr.name="Country" attr.type="string" for="node" id="d1"/>
  <key attr.name="Latitude" attr.type="double" for="node" id="d2"/><key attr.name="Longitude" attr.type="double" for="node" id="d3"/>
  <key attr.name="hyperedge" attr.type="int" for="node" id="d4"/><key attr.name='LinkSpeedRaw' attr.type='double' for='edge' id='d5'/>
  <graph edgedefault="undirected">
    <data key="d0">Testnet</data>
    <node id="0"><data key="d0">Z&#xFC;rich</data><data key="d1">Switzerland</data><data key="d2">47.37</data><data key="d3">8.54</data></node>
    <node id="1"><data key="d0">K&ouml;ln</data><data key="d1">Germany</data><data key="d2">50.94</data><data key="d3">6.96</data></node>
    <node id="2"><data key="d0"><![CDATA[Köln]]></data><data key="d1">Germany</data><data key="d2"> 50.95 </data><data key="d3">6.95</data></node>
    <node id="Halfway"><data key="d1">Atlantis</data></node> <!-- <node id="9"/> -->
    <node id="4"><data key="d0">None</data><data key="d4">1</data></node>
    <edge source="0" target="1"><data key="d5">40000000000.0</data></edge>
    <edge source="0" target="1"/>
    <edge source="1" target="1"/>
    <edge source="0" target="Halfway"><data key="d5">155000000.0</data></edge>
    <edge source="Halfway" target="2"/>
    <edge source="Halfway" target="4"/>
  </graph>
</graphml>
)";

TEST(ImportGraphml, SaysWhatTheSameNetworkSaysAsGml) {
  const Imported imported = import_topology(kGraphml, "test.xml", TopologyFormat::automatic, {});
  const grid::Snapshot s = snapshot_of(imported);
  EXPECT_EQ(s, snapshot_of(import_topology(kGml, "test.gml", TopologyFormat::automatic, {})));
  EXPECT_THAT(report_of(imported.diagnostics), HasSubstr("test.xml:10: warning: the label 'Köln' is also in line 9"));
}

TEST(ImportGraphml, ErrorsHaveTheirLine) {
  const auto problems = [](std::string_view text) {
    std::vector<Diagnostic> diagnostics;
    parse_graphml(text, "x.graphml", diagnostics);
    return report_of(diagnostics);
  };
  EXPECT_EQ(problems("<graphml><graph><node id='a'/><node id='b'/><edge source='a' target='b'/></graph></graphml>"),
            "");
  EXPECT_THAT(problems("<graphml>\n<graph>\n<node id='1'/><node\nid='1'/></graph></graphml>"),
              HasSubstr("x.graphml:3: error: there are two nodes with the id 1"));
  EXPECT_THAT(problems("<graph>\n<node/></graph>"), HasSubstr("x.graphml:2: error: a node has no id"));
  EXPECT_THAT(problems("<graph><node id='1'/>\n<edge source='1' target='7'/></graph>"),
              HasSubstr("x.graphml:2: error: the target of this edge is '7', which is no node"));
  EXPECT_THAT(problems("<graph><node id='1'>\n</edge></graph>"),
              HasSubstr("x.graphml:2: error: </edge> closes nothing that is open; </node> was expected"));
  EXPECT_THAT(problems("<graph>\n<node id='1'><node id='2'/></node></graph>"), HasSubstr("close that first"));
  EXPECT_THAT(problems("<graph>\n<graph></graph></graph>"), HasSubstr("x.graphml:2: error: there is another graph"));
  EXPECT_THAT(problems("<graph>\n<node id=1/></graph>"), HasSubstr("x.graphml:2: error: an attribute of <node>"));
  EXPECT_THAT(problems("\n<graph><node"), HasSubstr("x.graphml:2: error: an attribute of <node>"));
  EXPECT_THAT(problems("<graph>\n<!-- <node"), HasSubstr("x.graphml:2: error: '<!--' has no end; end it with -->"));
  EXPECT_THAT(problems("<!DOCTYPE g [<!ENTITY a 'aaaa'>]><graph/>"), HasSubstr("x.graphml:1: error: a document type"));
  EXPECT_THAT(problems("<graphml>\n<graph>"), HasSubstr("x.graphml:2: error: <graph> of line 2 does not end"));
  EXPECT_THAT(problems("<graph><hyperedge/></graph>"), HasSubstr("x.graphml:1: warning: a hyperedge is not read"));
  EXPECT_THAT(problems("nothing"), HasSubstr("there is no graph"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_THAT(problems(deep), HasSubstr("nested deeper"));
}

TEST(ImportTopologyZoo, ErrorsHaveTheirLine) {
  const auto problems = [](std::string_view text) {
    std::vector<Diagnostic> diagnostics;
    parse_topology_zoo(text, "x.gml", diagnostics);
    return report_of(diagnostics);
  };
  EXPECT_THAT(problems("graph [\n node [ id 1 ]\n node [ id 1 ]\n]"),
              HasSubstr("x.gml:3: error: there are two nodes with the id 1"));
  EXPECT_THAT(problems("graph [\n node [ label \"a\" ]\n]"), HasSubstr("x.gml:2: error: a node has no id"));
  EXPECT_THAT(problems("graph [\n node [ id 1 ]\n edge [ source 1 target 7 ]\n]"),
              HasSubstr("x.gml:3: error: the target of this edge is '7', which is no node"));
  EXPECT_THAT(problems("graph [\n node [ id 1"), HasSubstr("does not end"));
  EXPECT_THAT(problems("nothing"), HasSubstr("there is no graph"));
  std::string deep = "graph [";
  for (int i = 0; i < 100'000; ++i) deep += " a [";
  EXPECT_THAT(problems(deep), HasSubstr("nested deeper"));
}

constexpr std::string_view kSndlib = R"(?SNDlib native format; type: network; version: 1.0
# network tiny
META (
  origin = somebody (and somebody else)
)
NODES (
  A ( 8.0 50.0 )
  B ( 9.0 50.0 )
  C ( 9.0 51.0 )
)
LINKS (
  L1 ( A B ) 10.00 0.00 0.00 0.00 ( 40.00 133.00 )
  L2 ( B C ) 0.00 0.00 0.00 0.00 ( 20.00 1.00 40.00 2.00 )
)
DEMANDS (
  D1 ( A C ) 1 3.00 UNLIMITED
  D2 ( C A ) 1 1.00 UNLIMITED
)
ADMISSIBLE_PATHS (
)
)";

TEST(ImportSndlib, KeepsRatiosAndScalesTheMatrix) {
  const Imported imported = import_topology(kSndlib, "tiny.txt", TopologyFormat::automatic, {});
  const grid::Snapshot s = snapshot_of(imported);
  EXPECT_EQ(s.name, "tiny");
  EXPECT_EQ(s.links[s.links.find("b--c")].capacity_ab, Gbps(400)) << "the largest module";
  EXPECT_EQ(s.links[s.links.find("a--b")].capacity_ab, Gbps(100)) << "what is installed";
  // A–B is busiest: 3 of 10 units forward. Scaled to 40 % of its 100 Gbit/s.
  EXPECT_EQ(s.traffic[s.traffic.size() == 2 ? size_t{0} : size_t{99}].rate, Gbps(40));
  EXPECT_NEAR(s.traffic[size_t{1}].rate.value(), 40.0 / 3, 1e-5);
}

TEST(ImportSndlib, ErrorsHaveTheirLine) {
  const auto problems = [](std::string_view text) {
    std::vector<Diagnostic> diagnostics;
    parse_sndlib(text, "x.txt", diagnostics);
    return report_of(diagnostics);
  };
  EXPECT_THAT(problems("NODES (\n"), HasSubstr("x.txt:1: error: the first line is not SNDlib's"));
  EXPECT_THAT(problems("?SNDlib native format\nNODES (\n A ( x 1 )\n)\n"),
              HasSubstr("x.txt:3: error: the place of node 'A' cannot be read"));
  EXPECT_THAT(problems("?SNDlib native format\nNODES (\n A ( 1 1 )\n)\nLINKS (\n L ( A Q ) 1 0 0 0 ( )\n)\n"),
              HasSubstr("x.txt:6: error: there is no node 'Q'"));
}

constexpr std::string_view kGraph = R"(NODES 3
label x y
0_Wien 16.37 48.2
1_Graz 15.44 47.07
2_Linz 14.29 48.31

EDGES 5
label src dest weight bw delay
e0 0 1 10 100000000 700
e1 1 0 10 40000000 700
e2 0 2 20 100000000 800
e3 2 0 21 100000000 800
e4 1 2 5 1000000 900
)";

TEST(ImportRepetita, PairsDirectedEdges) {
  ImportOptions options;
  options.jurisdiction = "AT";
  options.demands = "DEMANDS 2\nlabel src dest bw\nd0 0 1 1000\nd1 1 1 5\n";
  const Imported imported = import_topology(kGraph, "x.graph", TopologyFormat::automatic, options);
  const grid::Snapshot s = snapshot_of(imported);
  EXPECT_EQ(s.sites[s.sites.find("wien")].name, "Wien");
  ASSERT_EQ(s.links.size(), 3u);
  const grid::Link& link = s.links[s.links.find("wien--graz")];
  EXPECT_EQ(link.capacity_ab, Gbps(100));
  EXPECT_EQ(link.capacity_ba, Gbps(40));
  EXPECT_EQ(link.igp_metric, 10);
  EXPECT_EQ(s.traffic.size(), 1u);
  const std::string report = report_of(imported.diagnostics);
  EXPECT_THAT(report, HasSubstr("different weights"));
  EXPECT_THAT(report, HasSubstr("there is no edge back"));
}

TEST(ImportRepetita, WhereThereIsNoGeographyTheFilesDelayCounts) {
  std::string text(kGraph);
  for (const char* place : {"16.37 48.2", "15.44 47.07", "14.29 48.31"})
    text.replace(text.find(place), std::string_view(place).size(), "0.0 0.0");
  const grid::Snapshot s = snapshot_of(import_topology(text, "x.graph", TopologyFormat::automatic, {}));
  EXPECT_NEAR(s.links[s.links.find("wien--graz")].delay.value(), 700, 0.01);
}

TEST(ImportRepetita, ErrorsHaveTheirLine) {
  const auto problems = [](std::string_view text) {
    std::vector<Diagnostic> diagnostics;
    Topology topology = parse_repetita(text, "x.graph", diagnostics);
    if (!has_errors(diagnostics))
      parse_repetita_demands("DEMANDS 1\nlabel src dest bw\nd 0 9 1\n", "x.demands", topology, diagnostics);
    return report_of(diagnostics);
  };
  EXPECT_THAT(problems(kGraph), HasSubstr("x.demands:3: error: '9' is no node"));
  EXPECT_THAT(problems("NODES 99999999999\n"), HasSubstr("x.graph:1: error: 'NODES' and a count were expected here"));
  EXPECT_THAT(problems("NODES 2\nlabel x y\na 1 1\n"), HasSubstr("the file ends too early"));
}

constexpr const char* kSiteList =
    "SITE_ID,LATITUDE,LONGITUDE,NAME\n"
    "1,-37.81,144.95,\"Corner of Spencer, North\"\n2,-37.81,144.97,East\n3,-37.82,144.96,South\n4,-37.8105,144.96,\n";

TEST(ImportSiteList, JoinsNeighboursAndCountsUsersAtTheNearest) {
  ImportOptions options;
  options.jurisdiction = "AU";
  options.users = "Latitude,Longitude\n-37.8201,144.9601\n-37.8199,144.96\n-37.811,144.951\n";
  options.users_file_name = "x-users.csv";
  const Imported imported = import_topology(kSiteList, "x-sites.csv", TopologyFormat::automatic, options);
  const grid::Snapshot s = snapshot_of(imported);
  ASSERT_EQ(s.sites.size(), 4u);
  EXPECT_TRUE(s.sites.find("corner-of-spencer-north").valid());
  EXPECT_TRUE(s.sites.find("1-37-81").valid() || s.sites.find("site-5").valid()) << "named by its line";
  EXPECT_EQ(s.links.size(), 3u) << "the fourth lies between west and east, and next to south";
  const auto people = [&](const char* region) { return s.regions[s.regions.find(region)].population; };
  EXPECT_EQ(people("south"), 200);
  EXPECT_EQ(people("corner-of-spencer-north"), 100);
  EXPECT_EQ(people("east"), 100) << "nobody was seen there";
}

TEST(ImportSiteList, ErrorsHaveTheirLine) {
  const auto errors = [](const std::string& text) {
    const Imported imported = import_topology(text, "x.csv", TopologyFormat::site_list, {});
    EXPECT_TRUE(imported.entities.empty());
    return imported.diagnostics.empty() ? std::string() : to_string(imported.diagnostics[0]);
  };
  EXPECT_NE(errors("a,b\n1,2\n").find("x.csv:1: error: the first line names no columns"), std::string::npos);
  EXPECT_NE(errors("latitude,longitude\n1,2\n91,2\n").find("x.csv:3: error: '91', '2' is no place"), std::string::npos);
  EXPECT_NE(errors("latitude,longitude\n1\n").find("x.csv:2"), std::string::npos);
  EXPECT_NE(errors("latitude,longitude\n").find("no node"), std::string::npos);
  std::string many = "latitude,longitude\n";
  for (int i = 0; i <= 2'000; ++i) many += "1,2\n";
  EXPECT_NE(errors(many).find("x.csv:2002: error: there are more than 2000 rows"), std::string::npos);
}

TEST(Import, TheSameSeedGivesTheSameGrid) {
  ImportOptions options;
  const auto text = [&] {
    return write_grid_file(import_topology(kGml, "x.gml", TopologyFormat::automatic, options).entities);
  };
  const std::string first = text();
  EXPECT_EQ(text(), first);
  options.seed = 2;
  EXPECT_NE(text(), first);
}

TEST(Import, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(report_of(import_topology("hello", "x", TopologyFormat::automatic, {}).diagnostics),
              HasSubstr("no topology that is known"));
  EXPECT_THAT(report_of(import_topology("graph [ ]", "x.gml", TopologyFormat::automatic, {}).diagnostics),
              HasSubstr("has no node"));
  ImportOptions options;
  options.route_factor = 0.5;
  options.jurisdiction = "Germany";
  EXPECT_EQ(import_topology(kGml, "x.gml", TopologyFormat::automatic, options).diagnostics.size(), 2u);
}

TEST(Import, Countries) {
  EXPECT_EQ(country_code("germany"), "DE");
  EXPECT_EQ(country_code("AT"), "AT");
  EXPECT_EQ(country_code("Zimbabwe"), "ZW");
  EXPECT_FALSE(country_code("Atlantis"));
  EXPECT_FALSE(country_code(""));
}

TEST(Import, Entities) {
  EXPECT_EQ(decode_entities("M&#252;nchen &amp; &Ouml;&#x74;z &nope; & &#x;"), "München & Ötz &nope; & &#x;");
  EXPECT_EQ(clean_label(" a\x01"
                        "b\n "),
            "ab");
}

std::vector<fs::path> public_topologies() {
  const char* set = std::getenv("TANDEM_DATA");
  const fs::path data = set != nullptr ? fs::path(set) : fs::path(TANDEM_SOURCE_DIR "/../shared/data");
  std::vector<fs::path> paths;
  for (const char* folder : {"topology-zoo", "sndlib", "repetita"})
    if (fs::exists(data / folder))
      for (const auto& entry : fs::directory_iterator(data / folder))
        if (const auto extension = entry.path().extension();
            extension == ".gml" || extension == ".txt" || extension == ".graph")
          paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(ImportPublic, EveryPublicTopologyBecomesAGridThatIsClean) {
  const auto paths = public_topologies();
  if (paths.empty()) GTEST_SKIP() << "skipped: no ../shared/data";
  for (const fs::path& path : paths) {
    SCOPED_TRACE(path.filename());
    fs::path demands = path;
    demands.replace_extension(fs::exists(fs::path(demands).replace_extension("demands")) ? "demands" : "0000.demands");
    const std::string matrix = path.extension() == ".graph" ? read(demands) : std::string();
    ImportOptions options;
    options.demands = matrix;
    options.demands_file_name = demands.native();
    const grid::Snapshot s =
        snapshot_of(import_topology(read(path), path.native(), TopologyFormat::automatic, options));
    EXPECT_GE(s.sites.size(), 9u);
    EXPECT_GE(s.links.size(), s.sites.size() / 2);
    EXPECT_GE(s.pools.size(), 2u);
    EXPECT_EQ(s.traffic.empty(), path.extension() == ".gml");
  }
}

// Bytes changed, removed, repeated and cut off, in a format's own text.
void mutate_and_import(std::string_view original, TopologyFormat format, const char* name, int rounds) {
  Random random(7);
  for (int round = 0; round < rounds; ++round) {
    std::string text(original);
    for (uint64_t edits = 1 + random.below(5); edits > 0 && !text.empty(); --edits) {
      const size_t at = random.below(text.size());
      switch (random.below(5)) {
        case 0: text[at] = static_cast<char>(random.below(256)); break;
        case 1: text.erase(at, 1 + random.below(30)); break;
        case 2: text.insert(at, text.substr(random.below(text.size()), random.below(60))); break;
        case 3: text.insert(at, random.chance(0.5) ? "[" : "-1e300"); break;
        default: text.resize(at);
      }
    }
    ImportOptions options;
    options.demands = "DEMANDS 1\nlabel src dest bw\nd 0 1 5\n";
    const Imported imported = import_topology(text, name, format, options);
    EXPECT_EQ(imported.entities.empty(), has_errors(imported.diagnostics)) << text;
  }
}

TEST(ImportMutations, EachIsImportedOrExplained) {
  mutate_and_import(kGml, TopologyFormat::topology_zoo, "x.gml", 1'000);
  mutate_and_import(kGraphml, TopologyFormat::graphml, "x.graphml", 1'000);
  mutate_and_import(kSndlib, TopologyFormat::sndlib, "x.txt", 1'000);
  mutate_and_import(kGraph, TopologyFormat::repetita, "x.graph", 1'000);
  mutate_and_import(kSiteList, TopologyFormat::site_list, "x.csv", 1'000);
}

}  // namespace
}  // namespace tandem::ingest
