// What two snapshots believe differently.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "inventory/inventory.h"

namespace tandem::inventory {

struct AttributeDifference {
  std::string name;
  Json before, after;  // null: it has none
  bool operator==(const AttributeDifference&) const = default;
};

struct Difference {
  Change::What what = Change::What::changed;
  std::string kind;
  std::string id;
  std::vector<AttributeDifference> attributes;  // ascending by name; of an added or removed entity all it has or had
  bool operator==(const Difference&) const = default;
};

struct DiffOptions {
  size_t limit = 1'000;   // differences
  EntityKey from = {};    // the first is not below it
  std::string kind = {};  // only of this kind; empty: of all
};

struct DiffPage {
  std::vector<Difference> differences;  // ascending by kind, then id
  std::optional<EntityKey> next;        // where to go on; nothing at the end
};

// O(what is not shared): a difference between a snapshot and one made from it by some events costs what the events do.
DiffPage diff(const Snapshot& before, const Snapshot& after, const DiffOptions& options = {});

// All of it as the changes that lead from one to the other.
ChangeSet changes_between(const Snapshot& before, const Snapshot& after);

}  // namespace tandem::inventory
