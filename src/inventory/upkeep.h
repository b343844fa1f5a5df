// Keeps what follows from the records of a snapshot as they change. A null record is that of an entity there is not.
#pragma once

#include <span>

#include "inventory/tables.h"

namespace tandem::inventory {

void keep_due(Tables& tables, const EntityKey& key, const RecordView* before, const RecordView* after);
void keep_disputed(Tables& tables, const EntityKey& key, const RecordView* before, const RecordView* after);
// The indexes of references and of unique values: what is believed before and after, and all other claims that are new.
void keep_indexes(Tables& tables, const EntityKey& key, std::span<const ClaimView> before,
                  std::span<const ClaimView> after, std::span<const ClaimView> said);

// Claims of an entity are held no longer, not even as past: bytes of put_claim. What it refers to by those that remain
// stays.
void drop_references(Tables& tables, const EntityKey& key, std::string_view dropped, std::span<const ClaimView> claims,
                     const Past& past);

// All of these for one entity of `after`, which was made of `before` and is other in that entity, in time or in policy.
void follow(const Tables& before, Tables& after, const EntityKey& key);

// Believes by what the entities of kind `source` say now, where that is other than before; an event at that offset.
void renew_policy(Tables& tables, log::Offset offset, ChangeSet* changes);

}  // namespace tandem::inventory
