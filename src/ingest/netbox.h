// How NetBox (REST API of v3.7 to v4) names what an entity has: shared by the reader and the writer.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tandem::ingest {

// How a field becomes the value of an attribute, and the other way round.
enum class NetboxForm : uint8_t {
  text,    // as it is; an empty text says nothing
  number,  // a number, or a text that is one (decimals are texts in some versions)
  integer,
  boolean,
  choice,      // {value, label}, or the value alone, among the attribute's choices; others fall to `other`
  status,      // a choice that NetboxModel::statuses translates
  reference,   // a nested object, by its url; or null
  references,  // a list of them
  weak,        // a reference that may be left out where the feed does not hold its target
  weak_list,
  tags,  // the slugs of a list of tags
};

struct NetboxField {
  std::string_view field;      // "rack"; "module_bay.name" goes into an object
  std::string_view attribute;  // "rack"
  NetboxForm form = NetboxForm::text;
  bool read_only = false;  // not written: another field of the same attribute is
};

struct NetboxStatus {
  std::string_view theirs, ours;
};

// One model and the kind that its objects are of. Of several kinds of one model, the reader says which.
struct NetboxModel {
  std::string_view model;     // "dcim.device"
  std::string_view endpoint;  // "dcim/devices", as in its url
  std::string_view kind;      // "device"
  std::span<const NetboxField> fields;
  std::span<const NetboxStatus> statuses;  // the first of each of ours is written
  std::string_view name_field;             // of which an id is made where it has no field `name`
};

std::span<const NetboxModel> netbox_models();
const NetboxModel* netbox_model(std::string_view model);         // "dcim.device"
const NetboxModel* netbox_endpoint(std::string_view endpoint);   // "dcim/devices", "dcim.devices", "devices"
const NetboxModel* netbox_model_of_kind(std::string_view kind);  // of "bundle" the interface
const NetboxModel* netbox_model_as(std::string_view model, std::string_view kind);
// "http://netbox/api/dcim/devices/12/?brief=1" → the model of devices; null when there is none.
const NetboxModel* netbox_model_of_url(std::string_view url);

// "netbox:dcim.device/12".
std::string netbox_external_id(std::string_view system, std::string_view model, int64_t number);

// Our own id, among the custom fields of an exported object, and of a nested one beside its `id`: "device/par1-r1".
inline constexpr std::string_view kNetboxOwnId = "tandem_id";

// ---- Units and choices that are not one to one -------------------------------------------------------------------

std::optional<double> netbox_metres(double length, std::string_view unit);     // m, km, cm, ft, mi, in
std::optional<double> netbox_kilograms(double weight, std::string_view unit);  // kg, g, lb, oz
std::optional<double> netbox_rate_gbps(std::string_view interface_type);       // "100gbase-x-qsfp28" → 100
std::string_view netbox_interface_type(std::string_view theirs, bool has_parent, std::string_view name);
std::string_view netbox_cable_type(std::string_view theirs);
std::string_view netbox_device_role(std::string_view slug);
std::string_view netbox_address_role(std::string_view theirs);
std::string_view netbox_connector(std::string_view theirs);

}  // namespace tandem::ingest
