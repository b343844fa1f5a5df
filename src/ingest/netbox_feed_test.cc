#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/feed_testing.h"
#include "ingest/netbox.h"

namespace tandem::ingest {
namespace {

using inventory::UpsertCounts;
using testing::Contains;
using testing::HasSubstr;

// A page as GET /api/dcim/… answers it, with the fields that NetBox 3.7 to 4.2 give, shortened.
std::string page(std::string_view results) {
  return R"({"count": 2, "next": "http://netbox.example/api/dcim/sites/?limit=50&offset=50", "previous": null, "results": [)" +
         std::string(results) + "]}\n";
}

const std::string kSites = page(
    R"({"id": 3, "url": "http://netbox.example/api/dcim/sites/3/", "display": "Hannover", "name": "Hannover", "slug": "hannover",
  "status": {"value": "active", "label": "Active"}, "region": null, "tenant": null, "facility": "EQX H1", "time_zone": "Europe/Berlin",
  "description": "", "physical_address": "Am Mittelfelde 1", "latitude": 52.37, "longitude": 9.73, "comments": "", "asns": [],
  "tags": [{"id": 1, "url": "http://netbox.example/api/extras/tags/1/", "display": "edge", "name": "Edge", "slug": "edge", "color": "9e9e9e"}],
  "custom_fields": {"tier": "near_edge", "jurisdiction": "DE", "power_limit_kw": 40, "cost_centre": "4711", "power_feeds": null},
  "created": "2021-04-02T00:00:00Z", "last_updated": "2024-01-01T00:00:00Z", "device_count": 1, "rack_count": 1})");

const std::string kRacks = page(
    R"({"id": 9, "url": "http://netbox.example/api/dcim/racks/9/", "display": "R1", "name": "R1", "facility_id": null,
  "site": {"id": 3, "url": "http://netbox.example/api/dcim/sites/3/", "display": "Hannover", "name": "Hannover", "slug": "hannover"},
  "location": null, "status": {"value": "active", "label": "Active"}, "role": null, "serial": "RK-9", "asset_tag": null,
  "type": {"value": "4-post-cabinet", "label": "4-post cabinet"}, "width": {"value": 19, "label": "19 inches"}, "u_height": 42,
  "weight": null, "max_weight": 2000, "weight_unit": {"value": "lb", "label": "Pounds"}, "mounting_depth": 800, "custom_fields": {}})");

constexpr std::string_view kDevice =
    R"({"id": 12, "url": "http://netbox.example/api/dcim/devices/12/", "display": "han-r1", "name": "han-r1",
  "device_type": {"id": 5, "url": "http://netbox.example/api/dcim/device-types/5/", "display": "MX204", "manufacturer": {"id": 1, "name": "Juniper"}, "model": "MX204"},
  "role": {"id": 2, "url": "http://netbox.example/api/dcim/device-roles/2/", "display": "Edge Router", "name": "Edge Router", "slug": "edge-router"},
  "tenant": null, "platform": null, "serial": "AB123", "asset_tag": null,
  "site": {"id": 3, "url": "http://netbox.example/api/dcim/sites/3/", "name": "Hannover"},
  "rack": {"id": 9, "url": "http://netbox.example/api/dcim/racks/9/", "name": "R1"},
  "position": 12.0, "face": {"value": "front", "label": "Front"}, "parent_device": null, "status": {"value": "offline", "label": "Offline"},
  "primary_ip": {"id": 40, "url": "http://netbox.example/api/ipam/ip-addresses/40/", "address": "10.0.0.1/32"}, "config_context": {"ntp": ["a", "b"]},
  "custom_fields": {}})";

constexpr std::string_view kInterfaces =
    R"json({"id": 100, "url": "http://netbox.example/api/dcim/interfaces/100/", "display": "et-0/0/1",
  "device": {"id": 12, "url": "http://netbox.example/api/dcim/devices/12/", "name": "han-r1"}, "module": null, "name": "et-0/0/1", "label": "",
  "type": {"value": "100gbase-x-qsfp28", "label": "QSFP28 (100GE)"}, "enabled": true, "parent": null, "bridge": null,
  "lag": {"id": 101, "url": "http://netbox.example/api/dcim/interfaces/101/", "name": "ae0"}, "mtu": 9192, "mac_address": "00:11:22:33:44:55", "speed": null,
  "vrf": {"id": 7, "url": "http://netbox.example/api/ipam/vrfs/7/", "name": "mgmt"}, "cable": {"id": 1}, "tagged_vlans": []},
 {"id": 101, "url": "http://netbox.example/api/dcim/interfaces/101/", "device": {"id": 12, "url": "http://netbox.example/api/dcim/devices/12/"},
  "name": "ae0", "type": {"value": "lag", "label": "LAG"}, "enabled": true},
 {"id": 102, "url": "http://netbox.example/api/dcim/interfaces/102/", "device": {"id": 12, "url": "http://netbox.example/api/dcim/devices/12/"},
  "name": "lo0", "type": {"value": "virtual", "label": "Virtual"}, "enabled": true})json";

constexpr std::string_view kRest =
    R"({"dcim/cables": [{"id": 1, "url": "http://netbox.example/api/dcim/cables/1/", "type": "smf", "label": "",
   "a_terminations": [{"object_type": "dcim.interface", "object_id": 100, "object": {"id": 100}}],
   "b_terminations": [{"object_type": "circuits.circuittermination", "object_id": 4}],
   "status": {"value": "connected", "label": "Connected"}, "length": "30.00", "length_unit": {"value": "ft", "label": "Feet"}}],
 "ipam/prefixes": [{"id": 60, "url": "http://netbox.example/api/ipam/prefixes/60/", "prefix": "10.0.0.0/24", "family": {"value": 4, "label": "IPv4"}, "vrf": null,
   "scope_type": "dcim.site", "scope_id": 3, "status": {"value": "container", "label": "Container"}, "is_pool": false}],
 "ipam/ip-addresses": [{"id": 40, "url": "http://netbox.example/api/ipam/ip-addresses/40/", "address": "10.0.0.1/32", "vrf": null,
   "status": {"value": "active", "label": "Active"}, "role": {"value": "loopback", "label": "Loopback"},
   "assigned_object_type": "dcim.interface", "assigned_object_id": 102, "dns_name": "han-r1.example.net"}],
 "dcim/inventory-items": [{"id": 70, "url": "http://netbox.example/api/dcim/inventory-items/70/", "device": {"id": 12, "url": "http://netbox.example/api/dcim/devices/12/"},
   "parent": null, "name": "Optic 0/0/1", "part_id": "740-061405", "serial": "X77", "role": null, "component_type": "dcim.interface", "component_id": 100}],
 "dcim/modules": [{"id": 80, "url": "http://netbox.example/api/dcim/modules/80/", "device": {"id": 12, "url": "http://netbox.example/api/dcim/devices/12/"},
   "module_bay": {"id": 1, "name": "FPC0"}, "module_type": {"id": 3, "model": "MPC7E", "manufacturer": {"id": 1, "url": "http://netbox.example/api/dcim/manufacturers/1/"}}, "serial": "M1"}],
 "dcim/console-ports": [{"id": 1, "url": "http://netbox.example/api/dcim/console-ports/1/"}]})";

std::string dump() { return kSites + kRacks + page(kDevice) + page(kInterfaces) + std::string(kRest); }

TEST(NetboxFeed, ReadsADump) {
  const FeedResult result = read_feed(FeedFormat::netbox, dump());
  ASSERT_TRUE(result.accepted) << result.columns[0] << " " << result.problems[0].message;
  EXPECT_EQ(result.counts, (UpsertCounts{.created = 11}));
  const auto attributes = [&](std::string_view kind, std::string_view id) {
    return to_json(result.after.attributes(kind, id));
  };
  EXPECT_EQ(
      attributes("site", "hannover"),
      R"({"address":"Am Mittelfelde 1","external_ids":["netbox:dcim.site/3"],"facility":"EQX H1","jurisdiction":"DE","latitude_deg":52.37,)"
      R"("longitude_deg":9.73,"name":"Hannover","power_limit_kw":40.0,"status":"active","tags":["edge"],"tier":"near_edge"})");
  EXPECT_EQ(
      attributes("rack", "hannover:r1"),
      R"({"depth_mm":800.0,"external_ids":["netbox:dcim.rack/9"],"height_u":42.0,"name":"R1","serial":"RK-9","site":"hannover","status":"active",)"
      R"("weight_limit_kg":907.18474,"width_mm":482.6})");
  EXPECT_EQ(
      attributes("device", "han-r1"),
      R"({"external_ids":["netbox:dcim.device/12"],"face":"front","name":"han-r1","position_u":12.0,"rack":"hannover:r1","role":"router",)"
      R"("serial":"AB123","site":"hannover","status":"maintenance"})");
  EXPECT_EQ(
      attributes("interface", "han-r1:et-0-0-1"),
      R"({"bundle":"han-r1:ae0","device":"han-r1","enabled":true,"external_ids":["netbox:dcim.interface/100"],"mac_address":"00:11:22:33:44:55",)"
      R"("mtu_bytes":9192,"name":"et-0/0/1","speed_gbps":100.0,"type":"physical"})");
  EXPECT_EQ(result.after.find("cable", "netbox-dcim-cable-1")->find("a_end")->text(), "interface/han-r1:et-0-0-1");
  EXPECT_NEAR(result.after.find("cable", "netbox-dcim-cable-1")->find("length_m")->number(), 9.144, 1e-9);
  EXPECT_EQ(result.after.find("address", "10-0-0-1-32")->find("assigned_to")->text(), "interface/han-r1:lo0");
  EXPECT_EQ(result.after.find("prefix", "10-0-0-0-24")->find("site")->text(), "hannover");
  EXPECT_EQ(result.after.find("transceiver", "optic-0-0-1")->find("plugged_into")->text(), "interface/han-r1:et-0-0-1");
  EXPECT_EQ(result.after.find("card", "han-r1:fpc0")->find("name")->text(), "MPC7E");
  EXPECT_THAT(result.notes, Contains(HasSubstr("custom field 'cost_centre'")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("objects of dcim/console-ports: passed over 1 time")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("b_end that is a circuits.circuittermination")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("device_type of device: left out 1 time")));
}

TEST(NetboxFeed, ASecondTimeChangesNothingWhateverTheOrder) {
  const FeedResult first = read_feed(FeedFormat::netbox, dump());
  const FeedResult again = read_feed(
      FeedFormat::netbox, std::string(kRest) + page(kInterfaces) + page(kDevice) + kRacks + kSites, first.after);
  EXPECT_EQ(again.counts, (UpsertCounts{.unchanged = 11}));
  EXPECT_EQ(again.events, 0u);
}

TEST(NetboxFeed, RenamedThingsStayThemselves) {
  const FeedResult first = read_feed(FeedFormat::netbox, dump());
  std::string renamed(kDevice);
  renamed.replace(renamed.find(R"("name": "han-r1")"), 16, R"("name": "han-r9")");
  const FeedResult again = read_feed(FeedFormat::netbox, page(renamed), first.after);
  EXPECT_EQ(again.counts, (UpsertCounts{.changed = 1}));
  EXPECT_EQ(again.after.find("device", "han-r1")->find("name")->text(), "han-r9");
}

TEST(NetboxFeed, NamesThePlaceOfWhatIsWrong) {
  const FeedResult dangling = read_feed(FeedFormat::netbox, kRacks);
  ASSERT_EQ(dangling.problems.size(), 1u);
  EXPECT_EQ(dangling.columns[0], "/results/0/site");
  EXPECT_THAT(dangling.problems[0].message, HasSubstr("netbox:dcim.site/3"));
  std::string bad(kDevice);
  bad.replace(bad.find("12.0"), 4, "\"top\"");
  const FeedResult wrong = read_feed(FeedFormat::netbox, kSites + kRacks + page(bad));
  ASSERT_EQ(wrong.problems.size(), 1u);
  EXPECT_EQ(wrong.columns[0], "document 3 /results/0/position");
  EXPECT_FALSE(wrong.accepted);
  const FeedResult cut = read_feed(FeedFormat::netbox, kSites.substr(0, kSites.size() - 20));
  EXPECT_THAT(cut.problems.back().message, HasSubstr("ends in the middle"));
}

TEST(NetboxFeed, DefaultsFillWhatNetboxDoesNotKnow) {
  const std::string site =
      page(R"({"id": 4, "url": "/api/dcim/sites/4/", "name": "Celle", "latitude": 52.6, "longitude": 10.1})");
  EXPECT_THAT(read_feed(FeedFormat::netbox, site).problems.at(0).message, HasSubstr("is missing"));
  FeedSettings settings;
  settings.upsert.defaults["site"] = {{"tier", "far_edge"}, {"jurisdiction", "DE"}, {"power_limit_kw", 5.0}};
  EXPECT_TRUE(read_feed(FeedFormat::netbox, site, {}, settings).accepted);
}

TEST(Netbox, ReadsRatesOfInterfaceTypes) {
  EXPECT_EQ(netbox_rate_gbps("1000base-t"), 1.0);
  EXPECT_EQ(netbox_rate_gbps("100base-tx"), 0.1);
  EXPECT_EQ(netbox_rate_gbps("2.5gbase-t"), 2.5);
  EXPECT_EQ(netbox_rate_gbps("400gbase-x-qsfpdd"), 400.0);
  EXPECT_FALSE(netbox_rate_gbps("virtual"));
  EXPECT_FALSE(netbox_rate_gbps("base"));
}

}  // namespace
}  // namespace tandem::ingest
