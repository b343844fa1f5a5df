// What more than one entity has that only one should.
#include <algorithm>
#include <map>

#include "inventory/schema_index.h"
#include "inventory/tables.h"
#include "inventory/upkeep.h"

namespace tandem::inventory {
namespace {

using Visit = std::function<void(std::string_view value, std::vector<std::string> ids)>;

// The index has the entities of one value side by side.
void walk_index(const Tables& tables, std::string_view kind, size_t constraint, const Visit& visit) {
  const std::string prefix = join_key({kind, std::to_string(constraint), {}});
  std::string value;
  std::vector<std::string> ids;
  const auto close = [&] {
    if (ids.size() > 1) visit(value, std::move(ids));
    ids.clear();
  };
  for (auto i = tables.unique_values.lower_bound(prefix); !i.at_end() && i.key().starts_with(prefix); i.next()) {
    const std::string_view rest = std::string_view(i.key()).substr(prefix.size());
    const size_t end = rest.find('\0');
    if (rest.substr(0, end) != value) {
      close();
      value = rest.substr(0, end);
    }
    ids.emplace_back(rest.substr(end + 1));
  }
  close();
}

}  // namespace

void Snapshot::for_each_shared_key(std::string_view kind, const ontology::Unique& unique, const Visit& visit) const {
  const IndexedKind* indexed = indexed_kind(kind);
  if (!indexed) return;
  const auto key = std::ranges::find(indexed->keys, &unique, &IndexedKind::Key::unique);
  if (key == indexed->keys.end()) return;
  if (!view_) return walk_index(*tables_, kind, key->constraint, visit);
  std::map<std::string, std::vector<std::string>> by_value;
  for_each_seen(*tables_, view(), kind, {}, [&](const std::string& id, const Sight& sight) {
    for (UniqueValue& value : unique_values_of(*indexed, sight.believed))
      if (value.constraint == key->constraint) by_value[std::move(value.value)].push_back(id);
    return true;
  });
  for (auto& [value, ids] : by_value)
    if (ids.size() > 1) visit(value, std::move(ids));
}

}  // namespace tandem::inventory
