#include "inventory/inventory.h"
#include "log/print.h"

namespace tandem::inventory {

std::string_view to_text(Standing standing) {
  switch (standing) {
    case Standing::observed: return "observed";
    case Standing::discovered: return "discovered";
    case Standing::intended: return "intended";
  }
  return "observed";
}

Json to_json_value(const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::KIND_NOT_SET: return nullptr;
    case v1::Value::kBoolean: return value.boolean();
    case v1::Value::kInteger: return int64_t{value.integer()};
    case v1::Value::kNumber: return value.number();
    case v1::Value::kText: return value.text();
    case v1::Value::kList: {
      Json::Array array;
      array.reserve(static_cast<size_t>(value.list().items_size()));
      for (const v1::Value& item : value.list().items()) array.push_back(to_json_value(item));
      return array;
    }
    case v1::Value::kRecord: {
      Json::Object object;
      for (const v1::Attribute& field : value.record().fields())
        object.insert_or_assign(field.name(), to_json_value(field.value()));
      return object;
    }
    case v1::Value::kSealed: return log::sealed_to_json(value.sealed().sealed());
  }
  return nullptr;
}

bool is_plainly_canonical(const grid::Attribute& attribute, const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kBoolean: return grid::is_plainly_canonical(attribute, value.boolean());
    case v1::Value::kInteger: return grid::is_plainly_canonical(attribute, int64_t{value.integer()});
    case v1::Value::kNumber: return grid::is_plainly_canonical(attribute, value.number());
    case v1::Value::kText: return grid::is_plainly_canonical(attribute, std::string_view(value.text()));
    default: return false;
  }
}

Json to_json_value(const Claim& claim) {
  return claim.erased ? Json(Json::Object{{"erased", true}}) : to_json_value(claim.value);
}

void set_value(v1::Value& value, const Json& json) {
  value.clear_kind();
  if (json.is_bool()) {
    value.set_boolean(json.boolean());
  } else if (json.is_integer()) {
    value.set_integer(json.integer());
  } else if (json.is_number()) {
    value.set_number(json.number());
  } else if (json.is_string()) {
    value.set_text(std::string(json.text()));
  } else if (json.is_array()) {
    v1::ValueList& list = *value.mutable_list();
    for (const Json& item : json.array()) set_value(*list.add_items(), item);
  } else if (json.is_object()) {
    v1::ValueRecord& record = *value.mutable_record();
    for (const auto& [name, field] : json.object()) {
      v1::Attribute& attribute = *record.add_fields();
      attribute.set_name(name);
      set_value(*attribute.mutable_value(), field);
    }
  }
}

void add_attribute(v1::FactsRecorded& facts, std::string_view name, const Json& value) {
  v1::Attribute& attribute = *facts.add_attributes();
  attribute.set_name(name.data(), name.size());
  set_value(*attribute.mutable_value(), value);
}

}  // namespace tandem::inventory
