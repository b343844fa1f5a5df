#include "ingest/netbox_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "ingest/feed_kind.h"

namespace tandem::ingest {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr double kMillimetresPerInch = 25.4;
constexpr double kGigabitsPerKilobit = 1e-6;

// The member at "a.b"; nothing when it is not there or null.
std::optional<element> member(const object& from, std::string_view path) {
  const size_t dot = path.find('.');
  element found;
  if (from[path.substr(0, dot)].get(found) || found.is_null()) return std::nullopt;
  if (dot == std::string_view::npos) return found;
  object inner;
  if (found.get(inner)) return std::nullopt;
  return member(inner, path.substr(dot + 1));
}

std::string_view text_of(const std::optional<element>& from) {
  std::string_view text;
  if (!from || from->get(text)) return {};
  return text;
}

std::optional<double> number_of(const std::optional<element>& from) {
  if (!from) return std::nullopt;
  double number = 0;
  if (!from->get(number)) return number;
  return parse_number(text_of(from));
}

// The value of {value, label}, of an object with a slug, or of the text itself.
std::string_view choice_of(const std::optional<element>& from) {
  object inner;
  if (!from || from->get(inner)) return text_of(from);
  for (const char* name : {"value", "slug", "name"})
    if (const std::string_view text = text_of(member(inner, name)); !text.empty()) return text;
  return {};
}

// "http://netbox/api/dcim/console-ports/12/" → "dcim/console-ports".
std::string_view endpoint_of(std::string_view url) {
  url.remove_prefix(std::min(url.find("/api/") + 5, url.size()));
  const size_t slash = url.find('/');
  return url.substr(0, slash == std::string_view::npos ? slash : url.find('/', slash + 1)).substr(0, 60);
}

class ObjectReader {
 public:
  ObjectReader(const object& from, std::string_view list, std::string_view system, PassedOver& passed_over)
      : from_(from), list_(list), system_(system), passed_over_(passed_over) {}

  NetboxRead read() {
    const std::string_view url = text_of(member(from_, "url"));
    read_.model = url.find("/api/") != std::string_view::npos ? netbox_model_of_url(url) : netbox_endpoint(list_);
    if (read_.model == nullptr) {
      if (url.empty() && list_.empty())
        return wrong("url", "nothing tells which model this is",
                     "keep the field url, or put the objects under \"dcim/devices\": [ … ]");
      passed_over_.add(fmt::format("objects of {}", url.empty() ? list_ : endpoint_of(url)));
      return std::move(read_);
    }
    identify();
    if (read_.message.empty()) read_fields();
    if (read_.message.empty()) read_specials();
    if (read_.message.empty()) read_custom_fields();
    return std::move(read_);
  }

 private:
  inventory::Row& row() { return read_.row; }
  NetboxRead& wrong(std::string_view field, std::string message, std::string fix) {
    if (read_.message.empty()) {
      read_.field = field;
      read_.message = std::move(message);
      read_.fix = std::move(fix);
    }
    return read_;
  }

  void identify() {
    int64_t number = 0;
    const auto id = member(from_, "id");
    const bool numbered = id && !id->get(number) && number > 0;
    const std::string_view own = text_of(member(from_, "custom_fields.tandem_id"));
    const size_t slash = own.find('/');
    std::string_view kind = own.substr(0, slash);
    if (own.empty() || slash == std::string_view::npos) kind = kind_by_content();
    is_ours_ = !own.empty();
    if (const NetboxModel* exact = netbox_model_as(read_.model->model, kind)) read_.model = exact;
    kind_ = feed_kind(kind);
    if (kind_ == nullptr) {
      wrong("custom_fields/tandem_id", no_such_kind(kind), "leave it out");
      return;
    }
    row().kind = kind;
    if (slash != std::string_view::npos) row().id = own.substr(slash + 1);
    if (numbered)
      row().attributes[std::string(inventory::kExternalIds)] =
          Json::Array{netbox_external_id(system_, read_.model->model, number)};
    else if (own.empty())
      wrong("id", "the object has no id", "fetch it whole, with its id");
    if (row().id.empty()) row().name = text_of(member(from_, read_.model->name_field));
    const std::string_view display = text_of(member(from_, "display"));
    if (row().id.empty() && row().name.empty() && !display.starts_with('#'))
      row().name = display;  // "#12" is only the id
  }

  // Which of the kinds of its model an object is.
  std::string_view kind_by_content() const {
    if (read_.model->model == "dcim.interface" && choice_of(member(from_, "type")) == "lag") return "bundle";
    if (read_.model->model == "dcim.inventoryitem") {
      const std::string text = to_lower(fmt::format("{} {} {}", choice_of(member(from_, "role")),
                                                    text_of(member(from_, "name")), text_of(member(from_, "part_id"))));
      for (const char* word : {"transceiver", "xcvr", "optic", "sfp", "qsfp", "xfp", "cfp"})
        if (text.find(word) != std::string::npos) return "transceiver";
      return "card";
    }
    return read_.model->kind;
  }

  void say(std::string_view attribute, Json value) {
    if (kind_->find(attribute) != nullptr) row().attributes.insert_or_assign(std::string(attribute), std::move(value));
  }
  void say_text(std::string_view attribute, std::string_view text) {
    if (!text.empty()) say(attribute, text);
  }

  // A reference by external id, by our own id in what we exported; empty where it names what has no kind.
  std::string reference_to(const element& nested, std::string_view attribute) {
    object target;
    int64_t number = 0;
    if (nested.get(target)) return {};
    if (const std::string_view own = text_of(member(target, kNetboxOwnId)); !own.empty())
      return own_reference(own, attribute);
    const NetboxModel* model = netbox_model_of_url(text_of(member(target, "url")));
    if (model == nullptr) model = default_model(attribute);
    const auto id = member(target, "id");
    if (model == nullptr || !id || id->get(number)) return {};
    return inventory::kByExternalId + netbox_external_id(system_, model->model, number);
  }

  std::string own_reference(std::string_view own, std::string_view attribute) const {
    const grid::Attribute* known = kind_->find(attribute);
    const bool whole = known != nullptr && names_kind(*known);
    return std::string(whole ? own : own.substr(std::min(own.find('/') + 1, own.size())));
  }

  // Of a nested object without url: that of the kind the attribute refers to.
  const NetboxModel* default_model(std::string_view attribute) const {
    const grid::Attribute* known = kind_->find(attribute);
    return known == nullptr ? nullptr : netbox_model_of_kind(known->refers_to);
  }

  void read_fields() {
    for (const NetboxField& field : read_.model->fields) {
      const auto value = member(from_, field.field);
      if (value) read_field(field, *value);
    }
  }

  void read_field(const NetboxField& field, const element& value) {
    switch (field.form) {
      case NetboxForm::text: return say_text(field.attribute, text_of(value));
      case NetboxForm::boolean: {
        bool boolean = false;
        if (value.get(boolean)) return void(wrong(field.field, "this is no boolean", "write true or false"));
        return say(field.attribute, boolean);
      }
      case NetboxForm::number:
      case NetboxForm::integer: {
        const auto number = number_of(value);
        if (!number) return void(wrong(field.field, "this is no number", "write a number"));
        const bool whole =
            field.form == NetboxForm::integer && *number == std::floor(*number) && std::abs(*number) < 1e15;
        return say(field.attribute, whole ? Json(static_cast<int64_t>(*number)) : Json(*number));
      }
      case NetboxForm::choice: return say_text(field.attribute, choice_of(value));
      case NetboxForm::status: return read_status(field, choice_of(value));
      case NetboxForm::reference:
      case NetboxForm::weak: {
        std::string reference = reference_to(value, field.attribute);
        if (reference.empty()) return void(wrong(field.field, "this names no object", "keep its id and url"));
        say(field.attribute, std::move(reference));
        if (field.form == NetboxForm::weak) row().weak.emplace_back(field.attribute);
        return;
      }
      case NetboxForm::references:
      case NetboxForm::weak_list: return read_list(field, value);
      case NetboxForm::tags: return read_tags(field, value);
    }
  }

  void read_status(const NetboxField& field, std::string_view theirs) {
    for (const NetboxStatus& status : read_.model->statuses)
      if (status.theirs == theirs) return say(field.attribute, status.ours);
    if (!theirs.empty()) passed_over_.add(fmt::format("status '{}' of {}", theirs.substr(0, 40), read_.model->model));
  }

  void read_list(const NetboxField& field, const element& value) {
    array items;
    if (value.get(items)) return void(wrong(field.field, "this is no list", "write [ … ]"));
    Json::Array references;
    for (const element item : items)
      if (std::string reference = reference_to(item, field.attribute); !reference.empty())
        references.push_back(std::move(reference));
    if (references.empty()) return;
    say(field.attribute, std::move(references));
    if (field.form == NetboxForm::weak_list) row().weak.emplace_back(field.attribute);
  }

  void read_tags(const NetboxField& field, const element& value) {
    array items;
    if (value.get(items)) return void(wrong(field.field, "this is no list", "write [ … ]"));
    Json::Array tags;
    for (const element item : items)
      if (const std::string_view tag = choice_of(item); !tag.empty()) tags.push_back(tag);
    if (!tags.empty()) say(field.attribute, std::move(tags));
  }

  void read_specials() {
    const std::string_view model = read_.model->model;
    if (model == "dcim.device") {
      const auto role = member(from_, "role");
      if (const std::string_view slug = choice_of(role ? role : member(from_, "device_role")); !slug.empty())
        say("role", netbox_device_role(slug));
    } else if (model == "dcim.rack") {
      if (const auto inches = rack_inches(); inches)
        say("width_mm", std::round(*inches * kMillimetresPerInch * 10) / 10);
      say_weight("max_weight", "weight_limit_kg");
    } else if (model == "dcim.devicetype") {
      say_weight("weight", "weight_kg");
    } else if (model == "dcim.interface") {
      read_interface();
    } else if (model == "dcim.cable") {
      read_cable();
    } else if (model == "dcim.frontport" || model == "dcim.rearport") {
      if (const std::string_view type = choice_of(member(from_, "type")); !type.empty()) {
        say("connector", netbox_connector(type));
        say("side", model == "dcim.frontport" ? "front" : "rear");
      }
    } else if (model == "dcim.inventoryitem") {
      read_item();
    } else if (model == "ipam.prefix") {
      if (text_of(member(from_, "scope_type")) == "dcim.site") say_generic("scope_type", "scope_id", "scope", "site");
      row().weak.emplace_back("site");
    } else if (model == "ipam.ipaddress") {
      if (const std::string_view role = choice_of(member(from_, "role")); !role.empty())
        say("role", netbox_address_role(role));
      if (member(from_, "assigned_object_type"))
        say_generic("assigned_object_type", "assigned_object_id", "assigned_object", "assigned_to");
    }
  }

  // {"value": 19, "label": "19 inches"}, or 19.
  std::optional<double> rack_inches() const {
    const auto width = member(from_, "width");
    object inner;
    if (width && !width->get(inner)) return number_of(member(inner, "value"));
    return number_of(width);
  }

  void say_weight(std::string_view field, std::string_view attribute) {
    const auto weight = number_of(member(from_, field));
    if (!weight) return;
    if (const auto kilograms = netbox_kilograms(*weight, choice_of(member(from_, "weight_unit"))))
      say(attribute, *kilograms);
  }

  void read_interface() {
    const std::string_view type = choice_of(member(from_, "type"));
    if (const std::string_view mac = text_of(member(from_, "primary_mac_address.mac_address")); !mac.empty())
      say("mac_address", mac);
    if (row().kind == "interface" && !type.empty())
      say("type", netbox_interface_type(type, member(from_, "parent").has_value(), text_of(member(from_, "name"))));
    if (const auto speed = number_of(member(from_, "speed")); speed && *speed > 0)
      say("speed_gbps", *speed * kGigabitsPerKilobit);
    else if (const auto rate = netbox_rate_gbps(type))
      say("speed_gbps", *rate);
  }

  void read_cable() {
    if (const std::string_view type = choice_of(member(from_, "type")); !type.empty())
      say("type", netbox_cable_type(type));
    const auto length = number_of(member(from_, "length"));
    if (const std::string_view unit = choice_of(member(from_, "length_unit")); length && !unit.empty())
      if (const auto metres = netbox_metres(*length, unit)) say("length_m", *metres);
    read_end("a_terminations", "a_end");
    read_end("b_terminations", "b_end");
  }

  // The first of an end's terminations: a cable that fans out is several to us.
  void read_end(std::string_view field, std::string_view attribute) {
    const auto value = member(from_, field);
    array ends;
    if (!value) return;
    if (value->get(ends)) return void(wrong(field, "this is no list", "write [ { object_type, object_id } ]"));
    if (ends.size() > 1) passed_over_.add(fmt::format("ends of a cable after the first in {}", field));
    for (const element end : ends) {
      object termination;
      if (end.get(termination)) return void(wrong(field, "an end is no object", "write { object_type, object_id }"));
      return say_object(termination, "object_type", "object_id", "object", attribute, field);
    }
  }

  void say_generic(std::string_view type, std::string_view id, std::string_view nested, std::string_view attribute) {
    say_object(from_, type, id, nested, attribute, type);
  }

  // What is named by the name of its model and its number, or by our own id in what we exported.
  void say_object(const object& from, std::string_view type, std::string_view id, std::string_view nested,
                  std::string_view attribute, std::string_view field) {
    object inner;
    if (const auto value = member(from, nested); value && !value->get(inner))
      if (const std::string_view own = text_of(member(inner, kNetboxOwnId)); !own.empty())
        return say(attribute, own_reference(own, attribute));
    const std::string_view model = text_of(member(from, type));
    int64_t number = 0;
    const auto value = member(from, id);
    if (model.empty() || !value || value->get(number))
      return void(wrong(field, "this names no object", fmt::format("give {} and {}", type, id)));
    if (netbox_model(model) == nullptr)
      return passed_over_.add(fmt::format("{} that is a {}", attribute, model.substr(0, 40)));
    say(attribute, inventory::kByExternalId + netbox_external_id(system_, model, number));
  }

  // A parent is a bare number, and so is what an item stands for.
  void read_item() {
    const bool on_interface =
        text_of(member(from_, "component_type")) == "dcim.interface" && member(from_, "component_id");
    if (row().kind == "transceiver") {
      if (on_interface)
        say_generic("component_type", "component_id", "component", "plugged_into");
      else if (const auto device = member(from_, "device"))
        if (std::string reference = reference_to(*device, "plugged_into"); !reference.empty())
          say("plugged_into", std::move(reference));
      return;
    }
    say_text("slot", text_of(member(from_, "name")));
    int64_t parent = 0;
    if (const auto value = member(from_, "parent"); value && !value->get(parent)) {
      say("carrier", inventory::kByExternalId + netbox_external_id(system_, "dcim.inventoryitem", parent));
      row().weak.emplace_back("carrier");
    }
  }

  // Custom fields that are called as an attribute say it; a null one says nothing, but in what we exported.
  void read_custom_fields() {
    object fields;
    const auto value = member(from_, "custom_fields");
    if (!value || value->get(fields)) return;
    for (const auto& field : fields) {
      if (field.key == kNetboxOwnId || (field.value.is_null() && !is_ours_)) continue;
      if (kind_->find(field.key) == nullptr) {
        passed_over_.add(
            fmt::format("custom field '{}', which is no attribute of {}", field.key.substr(0, 60), row().kind));
        continue;
      }
      Json said = to_json_value(field.value);
      if (field.key == inventory::kExternalIds && row().attributes.contains(field.key)) {
        Json::Array both = row().attributes[std::string(field.key)].array();
        for (const Json& more : said.array()) both.push_back(more);
        said = std::move(both);
      }
      row().attributes.insert_or_assign(std::string(field.key), std::move(said));
    }
  }

  const object& from_;
  std::string_view list_;
  std::string_view system_;
  PassedOver& passed_over_;
  const grid::Kind* kind_ = nullptr;
  bool is_ours_ = false;
  NetboxRead read_;
};

}  // namespace

NetboxRead read_netbox_object(const object& from, std::string_view list, std::string_view system,
                              PassedOver& passed_over) {
  return ObjectReader(from, list, system, passed_over).read();
}

std::string netbox_field_of(std::string_view kind, std::string_view attribute) {
  if (const NetboxModel* model = netbox_model_of_kind(kind))
    for (const NetboxField& field : model->fields)
      if (field.attribute == attribute) return std::string(field.field);
  static constexpr std::pair<std::string_view, std::string_view> kSpecials[]{{"width_mm", "width"},
                                                                             {"weight_limit_kg", "max_weight"},
                                                                             {"weight_kg", "weight"},
                                                                             {"speed_gbps", "speed"},
                                                                             {"length_m", "length"},
                                                                             {"a_end", "a_terminations"},
                                                                             {"b_end", "b_terminations"},
                                                                             {"assigned_to", "assigned_object_id"},
                                                                             {"connector", "type"},
                                                                             {"type", "type"},
                                                                             {"role", "role"},
                                                                             {"site", "scope_id"},
                                                                             {"plugged_into", "device"},
                                                                             {"slot", "name"},
                                                                             {"carrier", "parent"}};
  for (const auto& [own, field] : kSpecials)
    if (own == attribute) return std::string(field);
  return attribute.empty() ? std::string() : fmt::format("custom_fields/{}", attribute);
}

}  // namespace tandem::ingest
