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
  return read_feed(FeedFormat::yaml, "site: [{id: par, tier: core, latitude_deg: 48, longitude_deg: 2, jurisdiction: FR, power_limit_kw: 1}]").after;
}

TEST(Tmf639Feed, ReadsResources) {
  const FeedResult result = read_feed(FeedFormat::tmf639, kResources, with_a_site(), erp());
  ASSERT_TRUE(result.accepted) << result.columns[0] << " " << result.problems[0].message;
  EXPECT_EQ(result.counts, (UpsertCounts{.created = 2}));
  EXPECT_EQ(to_json(result.after.attributes("rack", "par:r7")),
            R"({"description":"by the door","external_ids":["erp:55-1"],"height_u":47.0,"name":"R7","serial":"RX-7","site":"par","status":"active"})");
  EXPECT_EQ(to_json(result.after.attributes("device", "r9")),
            R"({"external_ids":["erp:55-2"],"name":"r9","rack":"par:r7","role":"router","status":"maintenance"})");
  EXPECT_THAT(result.notes, Contains(HasSubstr("characteristic 'paint'")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("relationship 'isSoldBy'")));
  EXPECT_EQ(read_feed(FeedFormat::tmf639, kResources, result.after, erp()).counts, (UpsertCounts{.unchanged = 2}));
}

TEST(Tmf639Feed, NamesThePlaceOfWhatIsWrong) {
  const auto problem = [](std::string_view text) {
    const FeedResult result = read_feed(FeedFormat::tmf639, text, {}, erp());
    EXPECT_FALSE(result.accepted);
    return result.problems.empty() ? std::string() : result.columns[0] + ": " + result.problems[0].message;
  };
  EXPECT_EQ(problem(R"([{"name":"x"}])"), "/0/id: the resource has no id");
  EXPECT_EQ(problem(R"([{"id":"1","@type":"Teapot"}])"), "/0/@type: no kind stands for @type 'Teapot', category ''");
  EXPECT_EQ(problem(R"([{"id":"1","category":"rack","resourceCharacteristic":[{"name":"x"}]}])"), "/0/resourceCharacteristic: an item has no name or no value");
  EXPECT_THAT(problem(R"([{"id":"1","category":"rack","resourceCharacteristic":[{"name":"height_u","value":"tall"}]}])"), HasSubstr("/0 (height_u)"));
  EXPECT_THAT(problem(R"([{"id":"1",}])"), HasSubstr("not valid JSON"));
  EXPECT_THAT(problem(R"([1])"), HasSubstr("no JSON object"));
  EXPECT_THAT(read_feed(FeedFormat::tmf639, R"([{"id":"1"} {"id":"2"}])").problems.back().message, HasSubstr("a comma or ] was expected"));
}

}  // namespace
}  // namespace tandem::ingest
