// Values as text, in the cells of a CSV file.
//
//   nothing said           an empty cell
//   the attribute is empty \N
//   an empty text          \E; a text that begins with a backslash has it doubled
//   a list                 items between semicolons, or a JSON array; [] for one without items
//   a record               a JSON object
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "grid/schema.h"

namespace tandem::ingest {

// The value a cell that is not empty says of the attribute. What does not read as the attribute's type stays a text, so
// that the schema names it in its own words. Nothing when the cell begins as JSON and is none; `fault` says why.
std::optional<Json> cell_value(std::string_view cell, const grid::Attribute& attribute, std::string& fault);

// A cell that cell_value reads back to the same value.
std::string cell_text(const Json& value, const grid::Attribute& attribute);

}  // namespace tandem::ingest
