// What must hold of and between entities, by the ontology.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inventory/inventory.h"

namespace tandem::inventory {

struct Violation {
  std::string kind;  // of one that has part in it: of several the first, or whose limit is passed
  std::string id;
  std::string constraint;         // "schema", "reference", "location", or as ontology::name_of names it
  std::string attribute;          // that is wrong, as a path; empty where that is not one alone
  std::string message;            // what is wrong, naming who has part in it
  std::string fix;                // what would be right
  std::vector<EntityKey> others;  // that have part in it, ascending; not all of a great sum
  double excess = 0;              // by how much a limit is passed, in its unit; 0 where there is no more or less
  bool operator==(const Violation&) const = default;
};

// What the touched entities have part in, and what is violated because they are no longer there: each violation once,
// ascending by entity, at most `limit`. O(touched, and what shares a rack, port, feed or value with it).
std::vector<Violation> violations(const Snapshot& snapshot, std::span<const EntityKey> touched, size_t limit);

// The same, without what is as bad in `before` already: nobody must mend another's mistake to make a change of his own.
std::vector<Violation> new_violations(const Snapshot& before, const Snapshot& after, std::span<const EntityKey> touched,
                                      size_t limit);

// Who would be left with the name of that entity, were it gone, and must not be; nothing where nobody is.
std::optional<EntityKey> strong_referrer(const Snapshot& snapshot, const std::string& kind, const std::string& id);

}  // namespace tandem::inventory
