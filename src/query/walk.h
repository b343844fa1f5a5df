// Walks over relations: what a failure is felt by, what something runs over, what stands where.
#pragma once

#include <memory>

#include "query/virtual_table.h"

namespace tandem::query {

enum class Walk : uint8_t {
  impact_of,    // all that fails or feels it when this fails, nearest first
  path_of,      // all that it needs and where that stands, each followed by what that needs
  located_in,   // all that stands in it, nearest first
  location_of,  // what it stands in, nearest first
};

// A table-valued function of an entity. Each entity is reached once, by a shortest way (path_of: by the first), so
// cycles end. Rows come as they are reached: a LIMIT bounds the walk. Costs O(entities reached and their relations).
std::unique_ptr<VirtualTable> walk_table(Walk walk);

}  // namespace tandem::query
