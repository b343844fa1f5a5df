// Tables over entities of every kind: `entities`, `facts` and `history`.
#pragma once

#include <memory>
#include <vector>

#include "query/virtual_table.h"

namespace tandem::query {

using inventory::EntityKey;

// Keys in ascending order of kind, then id: of all kinds or of one, within the bounds of an access.
class KeyScan {
 public:
  KeyScan(const Context& context, Access access);
  // The next at most `count` ≥ 1 of them; empty at the end.
  std::vector<EntityKey> next(size_t count);

 private:
  const Context& context_;
  Access access_;
  std::vector<std::string> kinds_;  // to be read, the next one last
  std::string from_;                // the id to go on from
};

std::unique_ptr<VirtualTable> entities_table();
std::unique_ptr<VirtualTable> facts_table();    // claims that hold
std::unique_ptr<VirtualTable> history_table();  // every claim

// Whether all that an access by one of these paths reads is kept. Errors: not_found, as of inventory::reaches_all.
Result<void> reaches_read(const Context& context, const Access& access);

// The three paths of a table whose rows belong to an entity: all, those of a kind, those of one entity.
enum EntityPath : int { kAllKinds = 0, kOneKind = 1, kOneEntity = 2 };
std::vector<AccessPath> entity_paths(const Context& context, size_t kind_column, size_t id_column,
                                     double rows_per_entity, bool unique);

}  // namespace tandem::query
