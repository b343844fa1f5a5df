#include "ingest/netbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace tandem::ingest {
namespace {

using Form = NetboxForm;

constexpr NetboxField kDescription{"description", "description"};
constexpr NetboxField kStatus{"status", "status", Form::status};
constexpr NetboxField kTags{"tags", "tags", Form::tags};
constexpr NetboxField kName{"name", "name"};
constexpr NetboxField kSerial{"serial", "serial"};
constexpr NetboxField kAssetTag{"asset_tag", "asset_tag"};

constexpr std::array kNamed{kName, kDescription, kTags};
constexpr std::array kSite{kName,
                           kDescription,
                           kStatus,
                           kTags,
                           NetboxField{"facility", "facility"},
                           NetboxField{"physical_address", "address"},
                           NetboxField{"latitude", "latitude_deg", Form::number},
                           NetboxField{"longitude", "longitude_deg", Form::number}};
constexpr std::array kRoom{kName,
                           kDescription,
                           kStatus,
                           kTags,
                           NetboxField{"site", "site", Form::reference},
                           NetboxField{"parent", "within", Form::reference}};
constexpr std::array kRack{kName,
                           kDescription,
                           kStatus,
                           kTags,
                           kSerial,
                           kAssetTag,
                           NetboxField{"site", "site", Form::reference},
                           NetboxField{"location", "room", Form::reference},
                           NetboxField{"u_height", "height_u", Form::number},
                           NetboxField{"mounting_depth", "depth_mm", Form::number}};
constexpr std::array kDeviceType{NetboxField{"model", "name"},
                                 kDescription,
                                 kTags,
                                 NetboxField{"part_number", "part_number"},
                                 NetboxField{"u_height", "height_u", Form::number},
                                 NetboxField{"is_full_depth", "full_depth", Form::boolean},
                                 NetboxField{"manufacturer", "manufacturer", Form::weak}};
constexpr std::array kDevice{kName,
                             kDescription,
                             kStatus,
                             kTags,
                             kSerial,
                             kAssetTag,
                             NetboxField{"site", "site", Form::reference},
                             NetboxField{"location", "room", Form::reference},
                             NetboxField{"rack", "rack", Form::reference},
                             NetboxField{"position", "position_u", Form::number},
                             NetboxField{"face", "face", Form::choice},
                             NetboxField{"device_type", "device_type", Form::weak},
                             NetboxField{"tenant", "owner", Form::weak},
                             NetboxField{"parent_device", "chassis", Form::reference}};
constexpr std::array kCard{kDescription,
                           kStatus,
                           kTags,
                           kSerial,
                           kAssetTag,
                           NetboxField{"device", "device", Form::reference},
                           NetboxField{"module_bay.name", "slot"},
                           NetboxField{"module_type.part_number", "part_number"},
                           NetboxField{"module_type.model", "name"},
                           NetboxField{"module_type.manufacturer", "manufacturer", Form::weak}};
constexpr std::array kItem{kName,
                           kDescription,
                           kStatus,
                           kTags,
                           kSerial,
                           NetboxField{"part_id", "part_number"},
                           NetboxField{"manufacturer", "manufacturer", Form::weak}};
constexpr std::array kItemCard{kName,
                               kDescription,
                               kStatus,
                               kTags,
                               kSerial,
                               kAssetTag,
                               NetboxField{"part_id", "part_number"},
                               NetboxField{"device", "device", Form::reference},
                               NetboxField{"manufacturer", "manufacturer", Form::weak}};
constexpr std::array kInterface{kName,
                                kDescription,
                                kTags,
                                NetboxField{"device", "device", Form::reference},
                                NetboxField{"module", "card", Form::reference},
                                NetboxField{"parent", "parent", Form::reference},
                                NetboxField{"lag", "bundle", Form::reference},
                                NetboxField{"mtu", "mtu_bytes", Form::integer},
                                NetboxField{"mac_address", "mac_address"},
                                NetboxField{"enabled", "enabled", Form::boolean},
                                NetboxField{"vrf", "vrf", Form::weak},
                                NetboxField{"untagged_vlan", "untagged_vlan", Form::weak},
                                NetboxField{"tagged_vlans", "tagged_vlans", Form::weak_list}};
constexpr std::array kPort{kName,
                           kDescription,
                           kTags,
                           NetboxField{"device", "device", Form::reference},
                           NetboxField{"module", "card", Form::reference},
                           NetboxField{"rear_port", "passes_to", Form::reference}};
constexpr std::array kRearPort{kName,
                               kDescription,
                               kTags,
                               NetboxField{"device", "device", Form::reference},
                               NetboxField{"module", "card", Form::reference},
                               NetboxField{"positions", "lanes", Form::integer}};
constexpr std::array kCable{kDescription, kStatus, kTags, NetboxField{"label", "label"},
                            NetboxField{"color", "colour"}};
constexpr std::array kVrf{kName, kDescription, kTags, NetboxField{"rd", "route_distinguisher"},
                          NetboxField{"tenant", "customer", Form::weak}};
constexpr std::array kVlan{kName,
                           kDescription,
                           kStatus,
                           kTags,
                           NetboxField{"vid", "vid", Form::integer},
                           NetboxField{"site", "site", Form::weak},
                           NetboxField{"group.name", "domain"}};
constexpr std::array kPrefix{kDescription,
                             kStatus,
                             kTags,
                             NetboxField{"prefix", "prefix"},
                             NetboxField{"vrf", "vrf", Form::weak},
                             NetboxField{"vlan", "vlan", Form::weak},
                             NetboxField{"site", "site", Form::weak, true},
                             NetboxField{"role.slug", "role"},
                             NetboxField{"is_pool", "is_pool", Form::boolean}};
constexpr std::array kAddress{kDescription,
                              kStatus,
                              kTags,
                              NetboxField{"address", "address"},
                              NetboxField{"vrf", "vrf", Form::weak},
                              NetboxField{"dns_name", "dns_name"}};

constexpr std::array kPlaceStatuses{NetboxStatus{"active", "active"}, NetboxStatus{"planned", "planned"},
                                    NetboxStatus{"staging", "staged"}, NetboxStatus{"decommissioning", "retiring"},
                                    NetboxStatus{"retired", "retired"}};
constexpr std::array kRackStatuses{NetboxStatus{"active", "active"}, NetboxStatus{"available", "active"},
                                   NetboxStatus{"planned", "planned"}, NetboxStatus{"reserved", "planned"},
                                   NetboxStatus{"deprecated", "retiring"}};
constexpr std::array kDeviceStatuses{NetboxStatus{"active", "active"},           NetboxStatus{"planned", "planned"},
                                     NetboxStatus{"staged", "staged"},           NetboxStatus{"failed", "failed"},
                                     NetboxStatus{"offline", "maintenance"},     NetboxStatus{"inventory", "stored"},
                                     NetboxStatus{"decommissioning", "retiring"}};
constexpr std::array kCableStatuses{NetboxStatus{"connected", "active"}, NetboxStatus{"planned", "planned"},
                                    NetboxStatus{"decommissioning", "retiring"}};
constexpr std::array kAddressStatuses{NetboxStatus{"active", "active"},    NetboxStatus{"container", "active"},
                                      NetboxStatus{"dhcp", "active"},      NetboxStatus{"slaac", "active"},
                                      NetboxStatus{"reserved", "planned"}, NetboxStatus{"deprecated", "retiring"}};

// Where several kinds share a model the one that most objects are comes first.
constexpr std::array kModels{
    NetboxModel{"dcim.manufacturer", "dcim/manufacturers", "manufacturer", kNamed, {}, "name"},
    NetboxModel{"tenancy.tenant", "tenancy/tenants", "customer", kNamed, {}, "name"},
    NetboxModel{"dcim.site", "dcim/sites", "site", kSite, kPlaceStatuses, "name"},
    NetboxModel{"dcim.location", "dcim/locations", "room", kRoom, kPlaceStatuses, "name"},
    NetboxModel{"dcim.rack", "dcim/racks", "rack", kRack, kRackStatuses, "name"},
    NetboxModel{"dcim.devicetype", "dcim/device-types", "device_type", kDeviceType, {}, "model"},
    NetboxModel{"dcim.device", "dcim/devices", "device", kDevice, kDeviceStatuses, "name"},
    NetboxModel{"dcim.module", "dcim/modules", "card", kCard, kDeviceStatuses, "module_bay.name"},
    NetboxModel{"dcim.interface", "dcim/interfaces", "interface", kInterface, {}, "name"},
    NetboxModel{"dcim.interface", "dcim/interfaces", "bundle", kInterface, {}, "name"},
    NetboxModel{"dcim.rearport", "dcim/rear-ports", "port", kRearPort, {}, "name"},
    NetboxModel{"dcim.frontport", "dcim/front-ports", "port", kPort, {}, "name"},
    NetboxModel{"dcim.inventoryitem", "dcim/inventory-items", "transceiver", kItem, kDeviceStatuses, "name"},
    NetboxModel{"dcim.inventoryitem", "dcim/inventory-items", "card", kItemCard, kDeviceStatuses, "name"},
    NetboxModel{"dcim.cable", "dcim/cables", "cable", kCable, kCableStatuses, "label"},
    NetboxModel{"ipam.vrf", "ipam/vrfs", "vrf", kVrf, {}, "name"},
    NetboxModel{"ipam.vlan", "ipam/vlans", "vlan", kVlan, kAddressStatuses, "name"},
    NetboxModel{"ipam.prefix", "ipam/prefixes", "prefix", kPrefix, kAddressStatuses, "prefix"},
    NetboxModel{"ipam.ipaddress", "ipam/ip-addresses", "address", kAddress, kAddressStatuses, "address"},
};

template <class Test>
const NetboxModel* first_model(const Test& test) {
  const auto found = std::find_if(kModels.begin(), kModels.end(), test);
  return found == kModels.end() ? nullptr : &*found;
}

struct Word {
  std::string_view in, choice;
};

// The choice of the first word that the text holds.
template <size_t n>
std::string_view choice_of(const std::array<Word, n>& words, std::string_view text, std::string_view other) {
  for (const Word& word : words)
    if (text.find(word.in) != std::string_view::npos) return word.choice;
  return other;
}

}  // namespace

std::span<const NetboxModel> netbox_models() { return kModels; }

const NetboxModel* netbox_model(std::string_view model) {
  return first_model([&](const NetboxModel& known) { return known.model == model; });
}

const NetboxModel* netbox_endpoint(std::string_view endpoint) {
  return first_model([&](const NetboxModel& known) {
    const std::string_view own = known.endpoint.substr(known.endpoint.find('/') + 1);
    const bool same = endpoint.size() == known.endpoint.size() &&
                      std::equal(endpoint.begin(), endpoint.end(), known.endpoint.begin(),
                                 [](char a, char b) { return a == b || (a == '.' && b == '/'); });
    return same || endpoint == own;
  });
}

const NetboxModel* netbox_model_of_kind(std::string_view kind) {
  return first_model([&](const NetboxModel& known) { return known.kind == kind; });
}

const NetboxModel* netbox_model_as(std::string_view model, std::string_view kind) {
  return first_model([&](const NetboxModel& known) { return known.model == model && known.kind == kind; });
}

const NetboxModel* netbox_model_of_url(std::string_view url) {
  constexpr std::string_view kApi = "/api/";
  const size_t at = url.find(kApi);
  if (at == std::string_view::npos) return nullptr;
  const std::string_view rest = url.substr(at + kApi.size());
  return first_model([&](const NetboxModel& known) {
    return rest.starts_with(known.endpoint) &&
           (rest.size() == known.endpoint.size() || rest[known.endpoint.size()] == '/');
  });
}

std::string netbox_external_id(std::string_view system, std::string_view model, int64_t number) {
  return fmt::format("{}:{}/{}", system, model, number);
}

std::optional<double> netbox_metres(double length, std::string_view unit) {
  static constexpr std::array<std::pair<std::string_view, double>, 6> kUnits{
      {{"m", 1}, {"km", 1000}, {"cm", 0.01}, {"ft", 0.3048}, {"mi", 1609.344}, {"in", 0.0254}}};
  for (const auto& [name, metres] : kUnits)
    if (name == unit) return length * metres;
  return std::nullopt;
}

std::optional<double> netbox_kilograms(double weight, std::string_view unit) {
  static constexpr std::array<std::pair<std::string_view, double>, 4> kUnits{
      {{"kg", 1}, {"g", 0.001}, {"lb", 0.45359237}, {"oz", 0.028349523125}}};
  for (const auto& [name, kilograms] : kUnits)
    if (name == unit) return weight * kilograms;
  return std::nullopt;
}

// NetBox writes Mbit/s up to 1000base and Gbit/s, with a g, from there on.
std::optional<double> netbox_rate_gbps(std::string_view interface_type) {
  const size_t base = interface_type.find("base");
  if (base == std::string_view::npos || base == 0) return std::nullopt;
  std::string_view rate = interface_type.substr(0, base);
  const bool gigabits = rate.ends_with('g');
  if (gigabits) rate.remove_suffix(1);
  const auto number = parse_number(rate);
  if (!number || *number <= 0) return std::nullopt;
  return gigabits ? *number : *number / 1000;
}

std::string_view netbox_interface_type(std::string_view theirs, bool has_parent, std::string_view name) {
  if (theirs == "virtual") {
    if (has_parent) return "subinterface";
    const std::string lower = to_lower(name.substr(0, 8));
    if (lower.starts_with("lo")) return "loopback";
    if (lower.starts_with("tun") || lower.starts_with("gre") || lower.starts_with("vti")) return "tunnel";
    return "virtual";
  }
  if (theirs == "bridge") return "bridge";
  for (const char* radio : {"802.11", "gsm", "cdma", "lte", "4g", "5g", "ieee802.15"})
    if (theirs.find(radio) != std::string_view::npos && theirs.find("base") == std::string_view::npos) return "radio";
  return "physical";
}

std::string_view netbox_cable_type(std::string_view theirs) {
  static constexpr std::array kWords{
      Word{"smf", "fibre_single_mode"}, Word{"mmf", "fibre_multi_mode"}, Word{"dac", "twinax"}, Word{"cat", "copper"},
      Word{"mrj21", "copper"},          Word{"coaxial", "coaxial"},      Word{"power", "power"}};
  return choice_of(kWords, theirs, "other");
}

std::string_view netbox_device_role(std::string_view slug) {
  static constexpr std::array kWords{Word{"console", "console_server"},
                                     Word{"router", "router"},
                                     Word{"switch", "switch"},
                                     Word{"leaf", "switch"},
                                     Word{"spine", "switch"},
                                     Word{"patch", "patch_panel"},
                                     Word{"server", "server"},
                                     Word{"hypervisor", "server"},
                                     Word{"base-station", "base_station"},
                                     Word{"enodeb", "base_station"},
                                     Word{"gnodeb", "base_station"},
                                     Word{"radio", "radio_unit"},
                                     Word{"olt", "olt"},
                                     Word{"onu", "onu"},
                                     Word{"ont", "onu"},
                                     Word{"roadm", "roadm"},
                                     Word{"transponder", "transponder"},
                                     Word{"amplifier", "amplifier"},
                                     Word{"firewall", "firewall"},
                                     Word{"load-balancer", "load_balancer"},
                                     Word{"timing", "timing_server"},
                                     Word{"pdu", "pdu"},
                                     Word{"ups", "ups"},
                                     Word{"storage", "storage"},
                                     Word{"sensor", "sensor"},
                                     Word{"cpe", "cpe"}};
  return choice_of(kWords, slug, "other");
}

std::string_view netbox_address_role(std::string_view theirs) {
  static constexpr std::array kWords{Word{"loopback", "loopback"}, Word{"secondary", "secondary"},
                                     Word{"anycast", "anycast"},   Word{"vip", "virtual"},
                                     Word{"vrrp", "virtual"},      Word{"hsrp", "virtual"},
                                     Word{"glbp", "virtual"},      Word{"carp", "virtual"}};
  return choice_of(kWords, theirs, "interface");
}

std::string_view netbox_connector(std::string_view theirs) {
  static constexpr std::array kWords{Word{"8p8c", "rj45"}, Word{"110-punch", "other"}, Word{"lc", "lc"},
                                     Word{"mpo", "mpo"},   Word{"sc", "sc"},           Word{"fc", "fc"},
                                     Word{"st", "st"},     Word{"splice", "splice"},   Word{"n", "n_type"}};
  if (theirs == "n") return "n_type";
  const std::string_view found = choice_of(kWords, theirs, "other");
  return found == "n_type" ? "other" : found;
}

}  // namespace tandem::ingest
