// Where sources disagree, as a table.
#pragma once

#include <memory>

#include "query/virtual_table.h"

namespace tandem::query {

// A row for each disagreement, those that a deviation accepts too. Paths: all, those about a kind, about an entity, of
// a type.
std::unique_ptr<VirtualTable> discrepancies_table();

}  // namespace tandem::query
