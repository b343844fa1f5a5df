// Feeds read in one go, for tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ingest/feed.h"

namespace tandem::ingest {

// What a feed comes to against an inventory, and the inventory after it where it was accepted.
struct FeedResult {
  std::vector<inventory::Row> rows;
  std::vector<FeedPlace> places;  // of every row, refused ones too
  std::vector<std::string> ids;
  inventory::UpsertCounts counts;
  std::vector<inventory::RowProblem> problems;
  std::vector<std::string> columns;  // of the problems
  std::vector<std::string> notes;
  bool accepted = false;
  size_t events = 0;
  inventory::Snapshot after;
};

class FeedIntoUpsert final : public FeedSink {
 public:
  FeedIntoUpsert(inventory::Upsert& upsert, FeedResult& result) : upsert_(upsert), result_(result) {}
  void row(inventory::Row row, const FeedPlace& place) override {
    result_.places.push_back(place);
    result_.rows.push_back(row);
    upsert_.add(std::move(row));
  }
  void fault(FeedFault fault, bool first) override {
    inventory::RowProblem problem{0, fault.kind, fault.id, "", fault.column, fault.message, fault.fix};
    if (!first && !result_.places.empty()) return upsert_.also_wrong(std::move(problem));
    result_.places.push_back(fault.place);
    upsert_.add_refused(std::move(problem));
  }

 private:
  inventory::Upsert& upsert_;
  FeedResult& result_;
};

struct FeedSettings {
  FeedOptions options;
  inventory::UpsertOptions upsert;
  std::string file_name = "feed";
  size_t piece_bytes = SIZE_MAX;  // pushed at a time
};

inline FeedResult read_feed(FeedFormat format, std::string_view bytes, const inventory::Snapshot& believed = {},
                            FeedSettings settings = {}) {
  if (settings.upsert.source.empty()) settings.upsert.source = "test";
  settings.upsert.actor = "operator:test";
  FeedResult result;
  inventory::Upsert upsert(believed, settings.upsert);
  FeedIntoUpsert sink(upsert, result);
  const auto reader = make_feed_reader(format, settings.file_name, settings.options, sink);
  for (size_t at = 0; at < bytes.size(); at += std::min(settings.piece_bytes, bytes.size() - at))
    reader->push(bytes.substr(at, settings.piece_bytes));
  reader->finish();
  upsert.finish();
  result.counts = upsert.counts();
  result.problems = upsert.problems();
  for (const inventory::RowProblem& problem : result.problems)
    result.columns.push_back(problem.column.empty()
                                 ? reader->column(result.places.at(problem.row), problem.kind, problem.attribute)
                                 : problem.column);
  result.notes = reader->notes();
  for (const std::string& note : upsert.notes()) result.notes.push_back(note);
  for (size_t i = 0; i < result.places.size(); ++i) result.ids.push_back(upsert.id(i));
  result.accepted = upsert.accepted();
  result.after = believed;
  upsert.for_each_event([&](const log::Event& event, size_t) {
    result.events += !event.has_entities_seen();  // those that say something
    result.after.fold(event, result.after.offset() + 1, {});
    return true;
  });
  return result;
}

// A small operator with a kind of everything that the formats carry.
inline constexpr std::string_view kSampleInventory = R"(
site:
  - {id: par, name: Paris, tier: core, latitude_deg: 48.86, longitude_deg: 2.35, jurisdiction: FR, power_limit_kw: 500}
  - {id: lyo, name: Lyon, tier: near_edge, latitude_deg: 45.76, longitude_deg: 4.84, jurisdiction: FR, power_limit_kw: 80,
     address: "12 rue de la Part-Dieu; \"cour\", Lyon", external_ids: ["netbox:dcim.site/2"], tags: [edge, "a;b", "=x"]}
manufacturer:
  - {id: nokia, name: Nokia, external_ids: ["netbox:dcim.manufacturer/1"]}
device_type:
  - {id: sr1, name: 7750 SR-1, manufacturer: nokia, height_u: 3, full_depth: true}
customer:
  - {id: acme, name: Acme, segment: wholesale, priority: 7}
room:
  - {id: "par:hall-1", name: Hall 1, site: par, floor: "-1"}
  - {id: "par:cage", name: Cage, site: par, within: "par:hall-1", status: planned}
rack:
  - {id: "par:r1", name: R1, site: par, room: "par:hall-1", height_u: 47, width_mm: 482.6, depth_mm: 1000, serial: RK1, weight_limit_kg: 900}
  - {id: "lyo:r1", name: R1, site: lyo, status: retiring, width_mm: 500}
device:
  - {id: par-r1, name: par-r1, role: router, site: par, rack: "par:r1", position_u: 12.5, height_u: 3, face: front,
     serial: NS1, device_type: sr1, owner: customer/acme, status: maintenance, external_ids: ["cmdb:77", "netbox:dcim.device/12"]}
  - {id: lyo-t1, name: lyo-t1, role: timing_server, site: lyo, rack: "lyo:r1", position_u: 1, description: "clock and \"more\""}
card:
  - {id: "par-r1:1", slot: "1", name: 6-port, device: par-r1, role: line_card, serial: LC1, part_number: 3HE1, manufacturer: nokia}
vrf:
  - {id: red, name: red, route_distinguisher: "64500:1", import_targets: ["64500:1", "64500:2"]}
vlan:
  - {id: "par:v10", name: v10, vid: 10, site: par, domain: lan}
bundle:
  - {id: "par-r1:lag1", name: lag1, device: par-r1, members_min: 2, speed_gbps: 200}
interface:
  - {id: "par-r1:1-1-1", name: 1/1/1, device: par-r1, card: "par-r1:1", type: physical, speed_gbps: 100, mtu_bytes: 9000,
     mac_address: "00:1b:2c:3d:4e:5f", enabled: true, bundle: "par-r1:lag1"}
  - {id: "par-r1:1-1-1.10", name: 1/1/1.10, device: par-r1, type: subinterface, parent: "par-r1:1-1-1", vrf: red,
     untagged_vlan: "par:v10", tagged_vlans: ["par:v10"], enabled: false}
  - {id: "lyo-t1:eth0", name: eth0, device: lyo-t1, speed_gbps: 0.1}
port:
  - {id: "par-r1:rear1", name: rear1, device: par-r1, side: rear, connector: mpo, lanes: 12}
  - {id: "par-r1:front1", name: front1, device: par-r1, side: front, connector: lc, passes_to: "par-r1:rear1"}
transceiver:
  - {id: "xcvr-1", form_factor: qsfp28, serial: X1, plugged_into: "interface/par-r1:1-1-1", manufacturer: nokia, wavelength_nm: 1310.5}
  - {id: "xcvr-2", form_factor: sfp, plugged_into: device/lyo-t1}
cable:
  - {id: c1, label: C-0001, type: fibre_single_mode, length_m: 12.5, a_end: "interface/par-r1:1-1-1", b_end: "interface/lyo-t1:eth0"}
  - {id: c2, a_end: site/par, b_end: "port/par-r1:front1", type: twinax, colour: aa0011}
prefix:
  - {id: p1, prefix: 10.0.0.0/24, vrf: red, site: par, role: loopbacks, is_pool: false}
  - {id: p2, prefix: "2001:db8::/32", status: planned}
address:
  - {id: a1, address: 10.0.0.1/24, vrf: red, prefix: p1, assigned_to: "interface/par-r1:1-1-1", role: loopback, dns_name: par-r1.example.net}
  - {id: a2, address: "2001:db8::1", role: virtual, assigned_to: device/lyo-t1}
)";

}  // namespace tandem::ingest
