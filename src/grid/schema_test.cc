#include "grid/schema.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace tandem::grid {
namespace {

using testing::HasSubstr;

std::vector<Problem> problems_of(std::string_view kind, Json::Object attributes) {
  std::vector<Problem> problems;
  const Json::Object canonical = check_attributes(*find_kind(kind), attributes, problems);
  if (problems.empty()) check_entity(*find_kind(kind), canonical, problems);
  return problems;
}

Json::Object good_link() { return {{"a", "x"}, {"b", "y"}, {"capacity_gbps", 100}, {"length_km", 10}}; }

TEST(Schema, EveryNameIsUniqueAndEveryReferenceMeansAKindAboveIt) {
  std::set<std::string_view> kinds_seen, sections;
  for (const Kind& kind : kinds()) {
    std::set<std::string_view> names{"id"};
    const auto check = [&](const Attribute& a) {
      EXPECT_FALSE(a.description.empty()) << kind.name << "." << a.name;
      EXPECT_EQ(a.type == Type::choice, !a.choices.empty()) << a.name;
      EXPECT_EQ(a.type == Type::record, !a.fields.empty()) << a.name;
      EXPECT_TRUE(a.type != Type::reference || kinds_seen.contains(a.refers_to)) << kind.name << "." << a.name;
    };
    for (const Attribute& attribute : kind.attributes) {
      EXPECT_TRUE(names.insert(attribute.name).second) << kind.name << "." << attribute.name;
      check(attribute);
      for (const Attribute& field : attribute.fields) check(field);
    }
    EXPECT_TRUE(kinds_seen.insert(kind.name).second);
    EXPECT_TRUE(sections.insert(kind.section).second);
    EXPECT_EQ(find_kind(kind.name), &kind);
  }
  EXPECT_EQ(kinds().front().name, kGrid);
}

TEST(Schema, DefaultsAreThemselvesAllowed) {
  for (const Kind& kind : kinds()) {
    for (const Attribute& attribute : kind.attributes) {
      if (attribute.absent.is_null()) continue;
      std::vector<Problem> problems;
      EXPECT_EQ(check_value(attribute, attribute.absent, {}, problems), attribute.absent)
          << kind.name << "." << attribute.name;
      EXPECT_TRUE(problems.empty()) << kind.name << "." << attribute.name;
    }
  }
}

TEST(Schema, NumbersTakeOneForm) {
  std::vector<Problem> problems;
  const Json::Object canonical = check_attributes(*find_kind("link"), good_link(), problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(canonical.at("capacity_gbps"), Json(100.0));
  const Json::Object pool = check_attributes(*find_kind("pool"), {{"count", 4.0}}, problems);
  EXPECT_EQ(pool.at("count"), Json(int64_t{4}));
}

TEST(Schema, ANumberWithAUnitIsToldWhatToWrite) {
  Json::Object link = good_link();
  link["capacity_gbps"] = "100G";
  const auto problems = problems_of("link", link);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].message, "capacity_gbps is '100G'");
  EXPECT_EQ(problems[0].fix, "write a plain number of Gbit/s, above 0 and at most 1000000");
}

TEST(Schema, RefusesWhatIsOutOfRange) {
  const auto with = [](std::string_view key, Json value) {
    Json::Object link = good_link();
    link[std::string(key)] = std::move(value);
    return problems_of("link", link).size();
  };
  EXPECT_EQ(with("capacity_gbps", 0), 1u);
  EXPECT_EQ(with("capacity_gbps", -1), 1u);
  EXPECT_EQ(with("igp_metric", 0.5), 1u);
  EXPECT_EQ(with("delay_us", -1e-9), 1u);
  EXPECT_EQ(with("b", "x"), 1u) << "a link to itself";
  EXPECT_EQ(with("length_km", 0), 1u) << "no delay and no length";
  EXPECT_EQ(with("state", "off"), 1u);
  EXPECT_EQ(with("shared_risk_groups", "duct"), 1u) << "not a list";
  EXPECT_EQ(with("a", "no spaces"), 1u);
  EXPECT_EQ(with("capacity_gbps", nullptr), 1u) << "required, so it cannot be taken back";
  EXPECT_EQ(with("delay_us", nullptr), 0u);
  EXPECT_EQ(with("members", 0), 1u);
  EXPECT_EQ(with("members_min", 2), 1u) << "of a bundle of one";
  EXPECT_EQ(with("members_down", 1), 0u);
  EXPECT_EQ(problems_of("node", {{"site", "s"}, {"overload", "yes"}}).size(), 1u);
}

TEST(Schema, UnknownKeysNameTheNearest) {
  Json::Object link = good_link();
  link["capcity_gbps"] = 5;
  const auto problems = problems_of("link", link);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].path, Path{std::string("capcity_gbps")});
  EXPECT_EQ(problems[0].fix, "did you mean 'capacity_gbps'?");
}

TEST(Schema, ProblemsWithinRecordsCarryTheirPath) {
  const auto problems =
      problems_of("region", {{"latitude_deg", 1},
                             {"longitude_deg", 1},
                             {"anchors", Json::Array{Json::Object{{"node", "x"}, {"acces_delay_us", 3}}}}});
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(to_string(problems[0].path), "anchors[0].acces_delay_us");
  EXPECT_THAT(problems[0].fix, HasSubstr("access_delay_us"));
}

TEST(Schema, AttributesOfOneEntityMustAgree) {
  const auto point = [](int batch) {
    return Json::Object{{"batch", batch}, {"decode_ms_per_token", 1}, {"power_w", 1}};
  };
  Json::Object profile{{"model", "m"},
                       {"accelerator", "a"},
                       {"prefill_tokens_per_s", 1},
                       {"kv_memory_gb", 1},
                       {"points", Json::Array{point(1), point(4), point(4)}},
                       {"source", "s"}};
  const auto unordered = problems_of("profile", profile);
  ASSERT_EQ(unordered.size(), 1u);
  EXPECT_EQ(to_string(unordered[0].path), "points[2].batch");

  const Json::Object reserve{{"from_hour", 1}, {"to_hour", 2}, {"accelerators", 5}};
  EXPECT_EQ(
      problems_of(
          "pool",
          {{"site", "s"}, {"node", "n"}, {"accelerator", "a"}, {"count", 4}, {"radio_reserve", Json::Array{reserve}}})
          .size(),
      1u);
}

TEST(Schema, ADayHasTwentyFourHours) {
  for (const size_t hours : {23u, 25u}) {
    const auto problems = problems_of("day_profile", {{"rate_fraction", Json::Array(hours, Json(0.5))}});
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].message, fmt::format("rate_fraction has {} items", hours));
    EXPECT_EQ(problems[0].fix, "write 24");
  }
  Json::Array beyond(24, Json(0.5));
  beyond[7] = 1.5;
  const auto problems = problems_of("day_profile", {{"rate_fraction", beyond}});
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(to_string(problems[0].path), "rate_fraction[7]");
}

TEST(Schema, Ids) {
  EXPECT_FALSE(check_id("ber-1.core_a:x"));
  for (const char* bad : {"", "-a", "a b", "a/b", "ä", "a\n"}) EXPECT_TRUE(check_id(bad)) << bad;
  EXPECT_FALSE(check_id(std::string(kIdBytesMax, 'a')));
  EXPECT_TRUE(check_id(std::string(kIdBytesMax + 1, 'a')));
}

TEST(Schema, UnitsComeFromTheEndOfTheName) {
  EXPECT_EQ(unit_of("price_eur_per_hour"), "EUR/h");
  EXPECT_EQ(unit_of("kv_bytes_per_token"), "bytes/token");
  EXPECT_EQ(unit_of("decode_ms_per_token"), "ms/token");
  EXPECT_EQ(unit_of("batch"), "");
}

TEST(Schema, ThePublishedJsonSchemaIsTheTable) {
  std::ifstream file(TANDEM_SOURCE_DIR "/docs/grid.schema.json");
  std::stringstream text;
  text << file.rdbuf();
  if (text.str() == json_schema()) return;
  const std::string path = testing::TempDir() + "grid.schema.json";
  std::ofstream(path) << json_schema();
  FAIL() << "docs/grid.schema.json is not what the table says; it was written to " << path << " to be copied there";
}

}  // namespace
}  // namespace tandem::grid
