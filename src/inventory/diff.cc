#include "inventory/diff.h"

namespace tandem::inventory {
namespace {

// What is believed differently of one entity; nothing where both believe the same.
std::optional<Difference> difference_of(const Snapshot& before, const Snapshot& after, const EntityKey& entity) {
  const bool was = before.has(entity.kind, entity.id), is = after.has(entity.kind, entity.id);
  const Json::Object old_values = before.attributes(entity.kind, entity.id);
  const Json::Object new_values = after.attributes(entity.kind, entity.id);
  Difference difference{was && is ? Change::What::changed
                        : is      ? Change::What::added
                                  : Change::What::removed,
                        entity.kind,
                        entity.id,
                        {}};
  auto a = old_values.begin(), b = new_values.begin();
  while (a != old_values.end() || b != new_values.end()) {
    if (b == new_values.end() || (a != old_values.end() && a->first < b->first)) {
      difference.attributes.push_back({a->first, a->second, nullptr});
      ++a;
    } else if (a == old_values.end() || b->first < a->first) {
      difference.attributes.push_back({b->first, nullptr, b->second});
      ++b;
    } else {
      if (a->second != b->second) difference.attributes.push_back({a->first, a->second, b->second});
      ++a, ++b;
    }
  }
  if (was == is && difference.attributes.empty()) return std::nullopt;
  return difference;
}

}  // namespace

DiffPage diff(const Snapshot& before, const Snapshot& after, const DiffOptions& options) {
  DiffPage page;
  EntityKey from = options.from;
  if (from.kind < options.kind) from = {options.kind, {}};
  const auto visit = [&](const EntityKey& entity) {
    if (!options.kind.empty() && entity.kind != options.kind) return entity.kind < options.kind;
    auto difference = difference_of(before, after, entity);
    if (!difference) return true;
    if (page.differences.size() == options.limit) {
      page.next = entity;
      return false;
    }
    page.differences.push_back(std::move(*difference));
    return true;
  };
  Snapshot::for_each_difference(before, after, visit, from);
  return page;
}

ChangeSet changes_between(const Snapshot& before, const Snapshot& after) {
  ChangeSet changes;
  Snapshot::for_each_difference(before, after, [&](const EntityKey& entity) {
    const auto difference = difference_of(before, after, entity);
    if (!difference) return true;
    Change change{entity.kind, entity.id, difference->what, {}};
    if (change.what != Change::What::added)
      for (const AttributeDifference& attribute : difference->attributes) change.attributes.push_back(attribute.name);
    changes.add(std::move(change));
    return true;
  });
  return changes;
}

}  // namespace tandem::inventory
