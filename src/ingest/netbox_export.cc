// NetBox's REST API: objects out, the lists of its endpoints in one JSON object. What a field cannot say, or says less
// exactly than the attribute, stands in the custom fields: each object is read back and what differs is added there.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "ingest/feed_kind.h"
#include "ingest/feed_writers.h"
#include "ingest/netbox_object.h"

namespace tandem::ingest {
namespace {

constexpr size_t kNestedMax = 200'000;  // references remembered while writing: the devices of a large grid
constexpr double kKilobitsPerGigabit = 1e6;

// The number of "netbox:dcim.device/12" among the external ids; nothing when there is none.
std::optional<int64_t> number_of(const Json& external_ids, std::string_view system, std::string_view model) {
  const std::string begin = fmt::format("{}:{}/", system, model);
  for (const Json& item : external_ids.array())
    if (item.text().starts_with(begin)) return parse_integer(item.text().substr(begin.size()));
  return std::nullopt;
}

Json labelled(std::string_view value) { return Json::Object{{"value", value}, {"label", value}}; }

class ObjectWriter {
 public:
  ObjectWriter(const inventory::Snapshot& inventory, std::string_view system)
      : inventory_(inventory), system_(system) {}

  Json::Object write(const NetboxModel& model, const grid::Kind& kind, const std::string& id,
                     const Json::Object& values) {
    values_ = &values;
    kind_ = &kind;
    object_ = begin(model, kind.name, id, values);
    for (const NetboxField& field : model.fields)
      if (const Json& value = get(field.attribute); !value.is_null() && !field.read_only)
        write_field(model, field, value);
    write_specials(model.model);
    Json::Object custom{{std::string(kNetboxOwnId), fmt::format("{}/{}", kind.name, id)}};
    object_["custom_fields"] = custom;
    add_what_differs(custom);
    object_["custom_fields"] = std::move(custom);
    return std::move(object_);
  }

 private:
  const Json& get(std::string_view attribute) const {
    static const Json kNothing;
    const auto found = values_->find(attribute);
    return found == values_->end() ? kNothing : found->second;
  }

  // id, url and display: what stands for an object, whole or nested.
  Json::Object begin(const NetboxModel& model, std::string_view, const std::string& id,
                     const Json::Object& values) const {
    const auto external = values.find(inventory::kExternalIds);
    const auto number = external == values.end() ? std::nullopt : number_of(external->second, system_, model.model);
    const auto name = values.find("name");
    const std::string display(name == values.end() ? id : name->second.text());
    return {
        {"id", number ? Json(*number) : Json()},
        {"url", number ? fmt::format("/api/{}/{}/", model.endpoint, *number) : fmt::format("/api/{}/", model.endpoint)},
        {"display", display}};
  }

  // "par1-r1", or "device/par1-r1" where the attribute names kinds too.
  Json nested(std::string_view attribute, std::string_view reference, std::string_view* model_name = nullptr,
              Json* number = nullptr) {
    const grid::Attribute* known = kind_->find(attribute);
    if (known == nullptr) return nullptr;
    const grid::Target target = grid::target_of(*known, reference);
    const std::string kind(target.kind), id(target.id);
    const NetboxModel* model = netbox_model_of_kind(kind);
    if (model == nullptr) return nullptr;
    const std::string own = fmt::format("{}/{}", kind, id);
    if (nested_.size() > kNestedMax) nested_.clear();
    auto found = nested_.find(own);
    if (found == nested_.end()) {
      const Json::Object values = inventory_.attributes(kind, id);
      Json::Object made = begin(*model, kind, id, values);
      made["name"] = made["display"];
      made[std::string(kNetboxOwnId)] = own;
      found = nested_.emplace(own, std::move(made)).first;
    }
    if (model_name) *model_name = model->model;
    if (number) *number = found->second.find("id")->second;
    return found->second;
  }

  // Puts a value at "a.b".
  void put(std::string_view path, Json value) {
    const size_t dot = path.find('.');
    if (dot == std::string_view::npos) {
      object_[std::string(path)] = std::move(value);
      return;
    }
    const std::string outer(path.substr(0, dot));
    Json::Object inner = object_[outer].object();
    inner[std::string(path.substr(dot + 1))] = std::move(value);
    object_[outer] = std::move(inner);
  }

  void write_field(const NetboxModel& model, const NetboxField& field, const Json& value) {
    switch (field.form) {
      case NetboxForm::text:
      case NetboxForm::number:
      case NetboxForm::integer:
      case NetboxForm::boolean: return put(field.field, value);
      case NetboxForm::choice: return put(field.field, labelled(value.text()));
      case NetboxForm::status:
        for (const NetboxStatus& status : model.statuses)
          if (status.ours == value.text()) return put(field.field, labelled(status.theirs));
        return;
      case NetboxForm::reference:
      case NetboxForm::weak:
        if (Json object = nested(field.attribute, value.text()); !object.is_null()) put(field.field, std::move(object));
        return;
      case NetboxForm::references:
      case NetboxForm::weak_list: {
        Json::Array list;
        for (const Json& item : value.array())
          if (Json object = nested(field.attribute, item.text()); !object.is_null()) list.push_back(std::move(object));
        return put(field.field, std::move(list));
      }
      case NetboxForm::tags: {
        Json::Array list;
        for (const Json& tag : value.array()) list.push_back(Json::Object{{"name", tag}, {"slug", tag}});
        return put(field.field, std::move(list));
      }
    }
  }

  void write_specials(std::string_view model) {
    if (model == "dcim.device") {
      if (std::string role(get("role").text()); !role.empty()) {
        std::replace(role.begin(), role.end(), '_', '-');
        object_["role"] = Json::Object{{"name", role}, {"slug", role}};
      }
    } else if (model == "dcim.rack") {
      if (const Json& width = get("width_mm"); width.is_number()) {
        const auto inches = static_cast<int64_t>(std::llround(width.number() / 25.4));
        object_["width"] = Json::Object{{"value", inches}, {"label", fmt::format("{} inches", inches)}};
      }
      write_weight("weight_limit_kg", "max_weight");
    } else if (model == "dcim.devicetype") {
      write_weight("weight_kg", "weight");
    } else if (model == "dcim.interface") {
      write_interface();
    } else if (model == "dcim.cable") {
      write_cable();
    } else if (model == "dcim.frontport" || model == "dcim.rearport") {
      if (const std::string_view connector = get("connector").text(); !connector.empty())
        object_["type"] = labelled(connector);
    } else if (model == "dcim.inventoryitem") {
      if (const std::string_view reference = get("plugged_into").text(); reference.starts_with("device/"))
        object_["device"] = nested("plugged_into", reference);
    } else if (model == "ipam.prefix") {
      if (const std::string_view site = get("site").text(); !site.empty())
        write_generic("site", site, "scope_type", "scope_id", "scope", object_);
    } else if (model == "ipam.ipaddress") {
      if (const std::string_view role = get("role").text(); !role.empty())
        object_["role"] = labelled(role == "virtual" ? "vip" : role);
      if (const std::string_view holder = get("assigned_to").text(); !holder.empty())
        write_generic("assigned_to", holder, "assigned_object_type", "assigned_object_id", "assigned_object", object_);
    }
  }

  void write_weight(std::string_view attribute, const char* field) {
    const Json& weight = get(attribute);
    if (!weight.is_number()) return;
    object_[field] = weight;
    object_["weight_unit"] = labelled("kg");
  }

  void write_interface() {
    const std::string_view type = get("type").text();
    if (kind_->name == "bundle")
      object_["type"] = labelled("lag");
    else if (type == "subinterface" || type == "loopback" || type == "tunnel" || type == "virtual")
      object_["type"] = labelled("virtual");
    else if (type == "bridge")
      object_["type"] = labelled("bridge");
    else if (!type.empty())
      object_["type"] = labelled("other");
    if (const Json& speed = get("speed_gbps"); speed.is_number())
      object_["speed"] = int64_t{std::llround(speed.number() * kKilobitsPerGigabit)};
  }

  void write_cable() {
    static constexpr std::pair<std::string_view, std::string_view> kTypes[]{
        {"fibre_single_mode", "smf"}, {"fibre_multi_mode", "mmf"}, {"copper", "cat6"},
        {"coaxial", "coaxial"},       {"twinax", "dac-passive"},   {"power", "power"}};
    for (const auto& [ours, theirs] : kTypes)
      if (ours == get("type").text()) object_["type"] = theirs;
    if (const Json& length = get("length_m"); length.is_number()) {
      object_["length"] = length;
      object_["length_unit"] = labelled("m");
    }
    for (const auto& [attribute, field] :
         {std::pair("a_end", "a_terminations"), std::pair("b_end", "b_terminations")}) {
      const std::string_view end = get(attribute).text();
      if (end.empty()) continue;
      Json::Object termination;
      write_generic(attribute, end, "object_type", "object_id", "object", termination);
      if (!termination.empty()) object_[field] = Json::Array{std::move(termination)};
    }
  }

  void write_generic(std::string_view attribute, std::string_view reference, const char* type, const char* id,
                     const char* name, Json::Object& into) {
    std::string_view model;
    Json number;
    Json object = nested(attribute, reference, &model, &number);
    if (object.is_null()) return;
    into[type] = model;
    into[id] = std::move(number);
    into[name] = std::move(object);
  }

  // Reads the object back; what it does not say as it is goes to `custom`, and null where it says too much.
  void add_what_differs(Json::Object& custom) {
    const std::string text = to_json(Json(object_));
    std::string padded = text;
    padded.reserve(text.size() + JsonItems::kPadding);
    std::string fault;
    const auto parsed = parser_.parse({padded, "", {}, true}, fault);
    if (!parsed) return;
    PassedOver passed_over;
    const NetboxRead read = read_netbox_object(*parsed, "", system_, passed_over);
    std::vector<grid::Problem> problems;
    const Json::Object said = grid::check_attributes(*kind_, read.row.attributes, problems);
    for (const auto& [name, value] : *values_) {
      const auto found = said.find(name);
      if (found == said.end() || found->second != value) custom[name] = value;
    }
    for (const auto& [name, value] : read.row.attributes)
      if (!values_->contains(name)) custom[name] = nullptr;
  }

  const inventory::Snapshot& inventory_;
  std::string_view system_;
  const grid::Kind* kind_ = nullptr;
  const Json::Object* values_ = nullptr;
  Json::Object object_;
  ItemParser parser_;
  std::map<std::string, Json::Object> nested_;
};

}  // namespace

std::vector<std::string> export_netbox(const std::vector<const grid::Kind*>& kinds,
                                       const inventory::Snapshot& inventory, const ExportOptions& options,
                                       FeedOutput& out) {
  std::vector<std::string> notes;
  ObjectWriter writer(inventory, options.system);
  std::string_view endpoint;
  bool first = true;
  out.add("{");
  for (const NetboxModel& model : netbox_models()) {
    const auto kind =
        std::find_if(kinds.begin(), kinds.end(), [&](const grid::Kind* wanted) { return wanted->name == model.kind; });
    if (kind == kinds.end() || &model != netbox_model_of_kind(model.kind) || inventory.size(model.kind) == 0) continue;
    if (model.endpoint != endpoint) {
      out.add(fmt::format("{}\n\"{}\": [", endpoint.empty() ? "" : "\n],", model.endpoint));
      endpoint = model.endpoint;
      first = true;
    }
    inventory.for_each_json(model.kind, [&](const std::string& id, const Json::Object& values) {
      out.add(std::exchange(first, false) ? "\n" : ",\n");
      out.add(to_json(writer.write(model, **kind, id, values)));
      return true;
    });
  }
  out.add(endpoint.empty() ? "}\n" : "\n]}\n");
  for (const grid::Kind* kind : kinds)
    if (netbox_model_of_kind(kind->name) == nullptr)
      notes.push_back(
          fmt::format("NetBox has no model for kind {}: {} left out", kind->name, inventory.size(kind->name)));
  return notes;
}

}  // namespace tandem::ingest
