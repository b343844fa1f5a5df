#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/feed_testing.h"

namespace tandem::ingest {
namespace {

using inventory::UpsertCounts;
using testing::Contains;
using testing::HasSubstr;

// As an implementation of TMF639 v4 answers GET /resource, with characteristics in its own spelling.
constexpr std::string_view kResources = R"([
 {"id": "55-1", "href": "https://erp.example/tmf-api/resourceInventoryManagement/v4/resource/55-1", "@type": "PhysicalResource", "@baseType": "Resource",
  "category": "Rack", "name": "R7", "description": "by the door", "resourceStatus": "available", "administrativeState": "unlocked",
  "operationalState": "enable", "usageState": "active", "serialNumber": "RX-7", "startOperatingDate": "2020-01-01T00:00:00Z",
  "place": {"id": "7", "href": "https://erp.example/place/7", "role": "installed at", "@referredType": "GeographicSite"},
  "relatedParty": [{"id": "1", "role": "owner", "@referredType": "Organization"}],
  "resourceCharacteristic": [{"name": "heightU", "valueType": "number", "value": 47}, {"name": "paint", "value": "blue"}],
  "resourceRelationship": [{"relationshipType": "site", "resource": {"id": "site:par", "href": "/resource/site:par"}}]},
 {"id": "55-2", "@type": "Device", "name": "r9", "resourceStatus": "suspended",
  "resourceCharacteristic": [{"name": "role", "value": "router"}],
  "resourceRelationship": [{"relationshipType": "rack", "resource": {"id": "55-1"}}, {"relationshipType": "isSoldBy", "resource": {"id": "9"}}]}])";

FeedSettings erp() {
  FeedSettings settings;
  settings.options.system = "erp";
  return settings;
}

inventory::Snapshot with_a_site() {
  return read_feed(
             FeedFormat::yaml,
             "site: [{id: par, tier: core, latitude_deg: 48, longitude_deg: 2, jurisdiction: FR, power_limit_kw: 1}]")
      .after;
}

TEST(Tmf639Feed, ReadsResources) {
  const FeedResult result = read_feed(FeedFormat::tmf639, kResources, with_a_site(), erp());
  ASSERT_TRUE(result.accepted) << result.columns[0] << " " << result.problems[0].message;
  EXPECT_EQ(result.counts, (UpsertCounts{.created = 2}));
  EXPECT_EQ(
      to_json(result.after.attributes("rack", "par:r7")),
      R"({"description":"by the door","external_ids":["erp:55-1"],"height_u":47.0,"name":"R7","serial":"RX-7","site":"par","status":"active"})");
  EXPECT_EQ(to_json(result.after.attributes("device", "r9")),
            R"({"external_ids":["erp:55-2"],"name":"r9","rack":"par:r7","role":"router","status":"maintenance"})");
  EXPECT_THAT(result.notes, Contains(HasSubstr("characteristic 'paint'")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("relationship 'isSoldBy'")));
  EXPECT_EQ(read_feed(FeedFormat::tmf639, kResources, result.after, erp()).counts, (UpsertCounts{.unchanged = 2}));
}

TEST(Tmf639Feed, ReadsPlacesAndParties) {
  const inventory::Snapshot before = read_feed(FeedFormat::yaml, R"(
site: [{id: par, tier: core, latitude_deg: 48, longitude_deg: 2, jurisdiction: FR, power_limit_kw: 1, external_ids: ["erp:S-7"]}]
room: [{id: cellar, site: par}]
customer: [{id: acme, external_ids: ["erp:C-1"]}]
contact: [{id: eve}, {id: bob, external_ids: ["erp:P-2"]}])")
                                         .after;
  constexpr std::string_view kPlaced = R"([
   {"id": "1", "category": "device", "name": "r1", "resourceCharacteristic": [{"name": "role", "value": "router"}],
    "place": {"id": "S-7", "role": "installed at", "@referredType": "GeographicSite"},
    "relatedParty": [{"id": "C-1", "role": "owner", "@referredType": "Organization"}, {"id": "contact:eve", "role": "contact"},
                     {"id": "P-2", "role": "contact"}, {"id": "C-1", "role": "payer"}]},
   {"id": "2", "category": "rack", "name": "k1", "place": [{"id": "site:par"}, {"id": "room:cellar"}]},
   {"id": "3", "category": "rack", "name": "k2", "place": {"id": "room:cellar", "@referredType": "Room"}},
   {"id": "4", "category": "rack", "name": "k3", "place": {"id": "elsewhere", "@referredType": "GeographicLocation"},
    "resourceRelationship": [{"relationshipType": "room", "resource": {"id": "room:cellar"}}]},
   {"id": "5", "category": "customer", "name": "c", "place": {"id": "S-7", "@referredType": "GeographicAddress"}}])";
  const FeedResult result = read_feed(FeedFormat::tmf639, kPlaced, before, erp());
  ASSERT_TRUE(result.accepted) << result.columns[0] << " " << result.problems[0].message;
  const auto said = [&](const char* kind, const char* external_id) {
    std::string found;
    result.after.for_each_json(kind, [&](const std::string&, Json::Object attributes) {
      if (to_json(attributes["external_ids"]) != fmt::format("[\"erp:{}\"]", external_id)) return true;
      for (const char* name : {"external_ids", "name", "role"}) attributes.erase(name);
      found = to_json(attributes);
      return false;
    });
    return found;
  };
  EXPECT_EQ(said("device", "1"), R"({"contacts":["eve","bob"],"owner":"customer/acme","site":"par"})");
  EXPECT_EQ(said("rack", "2"), R"({"room":"cellar","site":"par"})");
  EXPECT_EQ(said("rack", "3"), R"({"room":"cellar"})");
  EXPECT_EQ(said("rack", "4"), R"({"room":"cellar"})");
  EXPECT_THAT(result.notes, Contains(HasSubstr("the role 'payer'")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("'GeographicAddress' is no place of customer")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("site of rack: left out 1 time")));
  EXPECT_EQ(read_feed(FeedFormat::tmf639, kPlaced, result.after, erp()).counts, (UpsertCounts{.unchanged = 5}));
  // And out again, where those who read no relationships find them.
  std::string text;
  ASSERT_TRUE(export_feed(FeedFormat::tmf639, result.after, {}, [&](std::string_view bytes) { text += bytes; }));
  EXPECT_THAT(text, HasSubstr(R"("place":{"@referredType":)"));
  EXPECT_THAT(text, HasSubstr(R"("id":"site:par","role":"located in"})"));
  EXPECT_THAT(text, HasSubstr(R"("id":"customer:acme","role":"owner"})"));
  EXPECT_EQ(read_feed(FeedFormat::tmf639, text, result.after, erp()).counts.unchanged, result.after.size());
}

TEST(Tmf639Feed, NamesThePlaceOfWhatIsWrong) {
  const auto problem = [](std::string_view text) {
    const FeedResult result = read_feed(FeedFormat::tmf639, text, {}, erp());
    EXPECT_FALSE(result.accepted);
    return result.problems.empty() ? std::string() : result.columns[0] + ": " + result.problems[0].message;
  };
  EXPECT_EQ(problem(R"([{"name":"x"}])"), "/0/id: the resource has no id");
  EXPECT_EQ(problem(R"([{"id":"1","@type":"Teapot"}])"), "/0/@type: no kind stands for @type 'Teapot', category ''");
  EXPECT_EQ(problem(R"([{"id":"1","category":"rack","resourceCharacteristic":[{"name":"x"}]}])"),
            "/0/resourceCharacteristic: an item has no name or no value");
  EXPECT_THAT(
      problem(R"([{"id":"1","category":"rack","resourceCharacteristic":[{"name":"height_u","value":"tall"}]}])"),
      HasSubstr("/0 (height_u)"));
  EXPECT_EQ(problem(R"([{"id":"1","category":"rack","place":7}])"),
            "/0/place: it is neither an object nor a list of them");
  EXPECT_EQ(problem(R"([{"id":"1","category":"rack","relatedParty":{"id":"2"}}])"),
            "/0/relatedParty: it is not a list");
  EXPECT_THAT(problem(R"([{"id":"1",}])"), HasSubstr("not valid JSON"));
  EXPECT_THAT(problem(R"([1])"), HasSubstr("no JSON object"));
  EXPECT_THAT(read_feed(FeedFormat::tmf639, R"([{"id":"1"} {"id":"2"}])").problems.back().message,
              HasSubstr("a comma or ] was expected"));
}

}  // namespace
}  // namespace tandem::ingest
