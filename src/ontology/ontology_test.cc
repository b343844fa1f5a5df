#include "ontology/ontology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ontology/embedded.h"

namespace tandem::ontology {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string all(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += to_string(diagnostic) + "\n";
  return text;
}

TEST(BuiltIn, HasNoErrors) {
  std::vector<Diagnostic> diagnostics;
  const auto loaded = Ontology::load(embedded_files(), grid::kinds(), diagnostics);
  EXPECT_TRUE(loaded.has_value()) << all(diagnostics);
  EXPECT_THAT(diagnostics, IsEmpty());
}

TEST(BuiltIn, HoldsEveryNounWholeAndEveryKindOfTheField) {
  const Ontology& ontology = Ontology::built_in();
  for (const grid::Kind& noun : grid::kinds()) {
    const Kind* kind = ontology.find(noun.name);
    ASSERT_NE(kind, nullptr) << noun.name;
    EXPECT_TRUE(kind->noun);
    for (const grid::Attribute& attribute : noun.attributes)
      EXPECT_NE(kind->find(attribute.name), nullptr) << noun.name;
  }
  for (const char* name :
       {"room",     "rack",    "card",      "port",       "interface", "transceiver", "duct",         "span",
        "splice",   "cable",   "fibre",     "wavelength", "bundle",    "router",      "base_station", "upf",
        "server",   "vnf",     "container", "vlan",       "vrf",       "prefix",      "address",      "service",
        "customer", "contact", "licence",   "alarm",      "ticket",    "source",      "deviation"}) {
    const Kind* kind = ontology.find(name);
    ASSERT_NE(kind, nullptr) << name;
    EXPECT_FALSE(kind->noun) << name;
  }
}

TEST(BuiltIn, EveryKindHasTheCommonAttributesAndAGroup) {
  for (const Kind& kind : Ontology::built_in().kinds()) {
    for (const char* name : {"name", "description", "status", "external_ids", "tags"})
      EXPECT_NE(kind.find(name), nullptr) << kind.name << " " << name;
    EXPECT_FALSE(kind.group.empty()) << kind.name;
    std::set<std::string_view> names;
    for (const grid::Attribute& attribute : kind.attributes)
      EXPECT_TRUE(names.insert(attribute.name).second) << kind.name << " has two " << attribute.name;
  }
}

TEST(BuiltIn, ConstraintsOfAKindHaveNamesOfTheirOwn) {
  for (const Kind& kind : Ontology::built_in().kinds()) {
    std::set<std::string> names;
    for (const Constraint& constraint : kind.constraints)
      EXPECT_TRUE(names.insert(name_of(constraint)).second) << kind.name;
  }
}

TEST(BuiltIn, EveryRelationIsSeenFromItsTargets) {
  const Ontology& ontology = Ontology::built_in();
  for (const Kind& kind : ontology.kinds())
    for (const Relation& relation : kind.relations)
      for (const std::string_view target : relation.targets) {
        const auto incoming = ontology.incoming(target);
        EXPECT_TRUE(std::ranges::any_of(
            incoming, [&](const Incoming& in) { return in.relation == &relation && in.kind == &kind; }))
            << kind.name << "." << relation.attribute << " -> " << target;
      }
}

TEST(BuiltIn, ADeviceIsMountedInARackWhichHoldsIt) {
  const Kind& device = *Ontology::built_in().find("device");
  const Relation* rack = device.relation("rack");
  ASSERT_NE(rack, nullptr);
  EXPECT_EQ(rack->name, "mounted_in");
  EXPECT_EQ(rack->inverse, "holds");
  EXPECT_THAT(rack->targets, ElementsAre("rack"));
  EXPECT_TRUE(rack->located_in);
  EXPECT_EQ(rack->impact, Impact::on_holder);
  EXPECT_EQ(device.mapping.netbox, "dcim.device");
  EXPECT_EQ(device.mapping.tmf_type, "PhysicalResource");
}

TEST(BuiltIn, UnknownKindsAreMetWithTheNearest) {
  EXPECT_EQ(Ontology::built_in().unknown_kind("devise"), "no kind 'devise'; did you mean 'device'?");
  EXPECT_EQ(Ontology::built_in().find("devise"), nullptr);
  EXPECT_THAT(Ontology::built_in().incoming("devise"), SizeIs(0));
}

std::vector<grid::Problem> problems_of(std::string_view kind, const Json::Object& attributes) {
  std::vector<grid::Problem> problems;
  const Kind& found = *Ontology::built_in().find(kind);
  check_entity(found, grid::check_attributes(found, attributes, problems), problems);
  return problems;
}

TEST(Checks, AttributesOfAnyKindAreJudgedAsThoseOfNouns) {
  EXPECT_THAT(problems_of("device", {{"serial", "A1"}, {"rack", "r1"}, {"position_u", 3}, {"role", "router"}}),
              IsEmpty());
  EXPECT_THAT(problems_of("device", {{"role", "ruter"}}),
              ElementsAre(testing::Field(&grid::Problem::fix, "did you mean 'router'?")));
  EXPECT_THAT(problems_of("device", {{"seriel", "A1"}}),
              ElementsAre(testing::Field(&grid::Problem::fix, "did you mean 'serial'?")));
  EXPECT_THAT(problems_of("vlan", {{"vid", 4095}}), SizeIs(2));  // out of range, and so not there
}

TEST(Checks, WhatIsPlainlyCanonicalIsWhatTheWholeCheckGivesBack) {
  const std::vector<Json> values{true,
                                 0,
                                 1,
                                 7,
                                 -3,
                                 4095,
                                 1e16,
                                 0.0,
                                 -0.0,
                                 0.5,
                                 1e300,
                                 "",
                                 "DE",
                                 "de",
                                 "a b",
                                 "tab\t",
                                 "caf\u00e9",
                                 "10.0.0.1",
                                 "10.0.0.1/24",
                                 "up",
                                 "core",
                                 "rack/r",
                                 "rack/",
                                 "r1",
                                 "-r1",
                                 "x:y",
                                 "a@b",
                                 "2026-11-21",
                                 "http://h",
                                 "02:00:00:00:00:00",
                                 "02:00:00:00:00:0A",
                                 "02-00-00-00-00-00",
                                 nullptr,
                                 Json::Array{"a"},
                                 Json::Object{{"node", "n"}}};
  size_t plain = 0;
  for (const Kind& kind : Ontology::built_in().kinds())
    for (const grid::Attribute& attribute : kind.attributes)
      for (const Json& value : values) {
        const bool is_plain = value.is_bool()      ? grid::is_plainly_canonical(attribute, value.boolean())
                              : value.is_integer() ? grid::is_plainly_canonical(attribute, value.integer())
                              : value.is_number()  ? grid::is_plainly_canonical(attribute, value.number())
                              : value.is_string()  ? grid::is_plainly_canonical(attribute, value.text())
                                                   : false;
        if (!is_plain) continue;
        ++plain;
        std::vector<grid::Problem> problems;
        EXPECT_EQ(grid::check_value(attribute, value, {}, problems), value)
            << kind.name << "." << attribute.name << " " << to_json(value);
        EXPECT_THAT(problems, IsEmpty()) << kind.name << "." << attribute.name << " " << to_json(value);
      }
  EXPECT_GT(plain, 1000u);
}

TEST(Checks, AReferenceToOneOfSeveralKindsNamesTheKind) {
  EXPECT_THAT(problems_of("cable", {{"a_end", "interface/i1"}}), IsEmpty());
  EXPECT_THAT(problems_of("cable", {{"a_end", "i1"}}), SizeIs(1));
  EXPECT_THAT(problems_of("cable", {{"a_end", "interfacs/i1"}}),
              ElementsAre(testing::Field(&grid::Problem::fix, "did you mean 'interface/i1'?")));
  EXPECT_THAT(problems_of("cable", {{"a_end", "interface/"}}), SizeIs(1));
  EXPECT_EQ(grid::target_of(*Ontology::built_in().find("cable")->find("a_end"), "port/p/1"),
            (grid::Target{"port", "p/1"}));
}

TEST(Checks, WhatIsOrderedIsCompared) {
  EXPECT_THAT(problems_of("service", {{"starts", "2026-01-01"}, {"ends", "2025-01-01"}}), SizeIs(1));
  EXPECT_THAT(problems_of("service", {{"starts", "2026-01-01"}, {"ends", "2026-01-01"}}), IsEmpty());
  EXPECT_THAT(problems_of("device", {{"power_typical_w", 300}, {"power_max_w", 200}}), SizeIs(1));
}

std::vector<std::string> values(std::string_view kind, std::string_view attribute, const Json::Object& attributes) {
  const Kind& found = *Ontology::built_in().find(kind);
  for (const Constraint& constraint : found.constraints)
    if (const auto* unique = std::get_if<Unique>(&constraint); unique && unique->attributes.front() == attribute)
      return unique_values(found, *unique, attributes);
  return {"no such constraint"};
}

TEST(UniqueValues, HaveAScopeAndAreEmptyWithoutAKey) {
  EXPECT_NE(values("interface", "name", {{"device", "a"}, {"name", "eth0"}}),
            values("interface", "name", {{"device", "b"}, {"name", "eth0"}}));
  EXPECT_THAT(values("interface", "name", {{"device", "a"}}), IsEmpty());
  EXPECT_THAT(values("interface", "name", {{"name", "eth0"}}), SizeIs(1));
}

TEST(UniqueValues, OfAListEachItemAndOfAnAddressNotItsLength) {
  EXPECT_THAT(values("device", "external_ids", {{"external_ids", Json::Array{"netbox:1", "cmdb:x", "netbox:1"}}}),
              SizeIs(2));
  EXPECT_EQ(values("address", "address", {{"address", "10.0.0.1/24"}}),
            values("address", "address", {{"address", "10.0.0.1"}}));
}

TEST(Describe, SaysTheRuleInASentence) {
  const Kind& interface = *Ontology::built_in().find("interface");
  std::vector<std::string> sentences;
  for (const Constraint& constraint : interface.constraints) sentences.push_back(describe(constraint, interface));
  EXPECT_THAT(sentences, testing::Contains("no two of kind interface of the same device and host have the same name"));
}

}  // namespace
}  // namespace tandem::ontology
