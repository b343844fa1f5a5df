// What must hold between entities, beyond what the schema of one says.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "inventory/inventory.h"

namespace tandem::inventory {

struct Violation {
  std::string kind;
  std::string id;
  std::string constraint;             // "required", "reference", or the name the ontology gives it
  std::string message;                // what is wrong, with every entity that has part in it
  std::string fix;                    // what would be right
  std::vector<EntityKey> others;      // that have part in it, ascending
  bool operator==(const Violation&) const = default;
};

// What the touched entities violate in `snapshot`, and what is violated because they are no longer there: each violation
// once, ascending by entity, at most `limit`. O(touched and what shares a rack, port or scope with it).
std::vector<Violation> violations(const Snapshot& snapshot, std::span<const EntityKey> touched, size_t limit);

// The same, without what is as bad in `before` already: nobody must mend another's mistake to make a change of his own.
std::vector<Violation> new_violations(const Snapshot& before, const Snapshot& after, std::span<const EntityKey> touched,
                                      size_t limit);

}  // namespace tandem::inventory
