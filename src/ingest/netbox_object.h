// One object as NetBox's REST API gives it, as a row.
#pragma once

#include <string>
#include <string_view>

#include "base/json_element.h"
#include "ingest/foreign_json.h"
#include "ingest/netbox.h"
#include "inventory/upsert.h"

namespace tandem::ingest {

// What an object says, or why it cannot be read.
struct NetboxRead {
  const NetboxModel* model = nullptr;  // null: of a model that has no kind; nothing is wrong
  inventory::Row row;
  std::string field, message, fix;  // of what is wrong; empty when nothing is
};

// `list` is the name the object's list stands under, or the file's, for objects without a url.
NetboxRead read_netbox_object(const simdjson::dom::object& object, std::string_view list, std::string_view system,
                              PassedOver& passed_over);

// The field that says the attribute: "u_height".
std::string netbox_field_of(std::string_view kind, std::string_view attribute);

}  // namespace tandem::ingest
