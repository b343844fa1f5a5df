// The table of one kind: a row for each entity, a column for each attribute.
#pragma once

#include <memory>

#include "grid/schema.h"
#include "query/virtual_table.h"

namespace tandem::query {

// Columns: id, the attributes with the schema's default where nothing is said, _ref (kind/id), _created and _changed.
// Paths: all, an id or a range of them, a _ref, and each attribute that refers to one entity.
std::unique_ptr<VirtualTable> kind_table(const grid::Kind& kind);

ColumnType column_type(const grid::Attribute& attribute);

}  // namespace tandem::query
