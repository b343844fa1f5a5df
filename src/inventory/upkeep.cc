#include "inventory/upkeep.h"

#include <algorithm>

#include "inventory/revision.h"
#include "inventory/schema_index.h"

namespace tandem::inventory {
std::string join_key(std::initializer_list<std::string_view> parts) {
  std::string key;
  size_t bytes = parts.size() - 1;
  for (const std::string_view part : parts) bytes += part.size();
  key.reserve(bytes);
  for (const std::string_view& part : parts) {
    if (&part != parts.begin()) key += '\0';
    key += part;
  }
  return key;
}

void keep_due(Tables& tables, const EntityKey& key, const RecordView* before, const RecordView* after) {
  const auto due = [&](const RecordView* record) -> std::optional<Due> {
    const int64_t at_ns = record ? next_boundary(*record, tables.time_ns) : kForever;
    return at_ns == kForever ? std::nullopt : std::optional(Due{at_ns, key});
  };
  const std::optional<Due> old = tables.due.empty() ? std::nullopt : due(before);
  const std::optional<Due> now = due(after);
  if (old && old != now) tables.due.erase(*old);
  if (now) tables.due.edit(*now);  // also where it is the same: one that has come is taken out before
}

void keep_disputed(Tables& tables, const EntityKey& key, const RecordView* before, const RecordView* after) {
  const bool now = after && any_disputed(*after, tables.time_ns);
  if (now)
    tables.disputed.edit(key);
  else if (before && !tables.disputed.empty())
    tables.disputed.erase(key);
}

namespace {

// The claims of attributes that the indexes are made of.
std::vector<ClaimView> indexed_claims(const IndexedKind& kind, std::span<const ClaimView> claims) {
  std::vector<ClaimView> indexed;
  indexed.reserve(std::min(claims.size(), kind.attributes.size()));
  for (const ClaimView& claim : claims)
    if (std::ranges::binary_search(kind.attributes, claim.attribute)) indexed.push_back(claim);
  return indexed;
}

void keep_references(Tables& tables, const IndexedKind& kind, const EntityKey& key, std::span<const ClaimView> before,
                     std::span<const ClaimView> after, std::span<const ClaimView> said) {
  const std::vector<Reference> old_references = references_of(kind, before);
  const std::vector<Reference> new_references = references_of(kind, after);
  const auto index_key = [&](const Reference& target) { return join_key({target.kind, target.id, key.kind, key.id}); };
  const auto is_new = [&](const Reference& target) { return std::ranges::binary_search(new_references, target); };
  for (const Reference& target : new_references) {
    if (std::ranges::binary_search(old_references, target)) continue;
    tables.referrers.insert(index_key(target));
    if (!tables.other_referrers.empty()) tables.other_referrers.erase(index_key(target));
  }
  for (const Reference& target : old_references) {
    if (is_new(target)) continue;
    tables.referrers.erase(index_key(target));
    tables.other_referrers.insert(index_key(target));
  }
  if (said.empty()) return;
  for (const Reference& target : references_of(kind, said))
    if (!is_new(target)) tables.other_referrers.insert(index_key(target));
}

void keep_unique_values(Tables& tables, const IndexedKind& kind, const EntityKey& key,
                        std::span<const ClaimView> before, std::span<const ClaimView> after) {
  const std::vector<UniqueValue> old_values = unique_values_of(kind, before);
  const std::vector<UniqueValue> new_values = unique_values_of(kind, after);
  const auto index_key = [&](const UniqueValue& value) {
    return join_key({key.kind, std::to_string(value.constraint), value.value, key.id});
  };
  for (const UniqueValue& value : new_values)
    if (!std::ranges::binary_search(old_values, value)) tables.unique_values.insert(index_key(value));
  for (const UniqueValue& value : old_values)
    if (!std::ranges::binary_search(new_values, value)) tables.unique_values.erase(index_key(value));
}

}  // namespace

void keep_indexes(Tables& tables, const EntityKey& key, std::span<const ClaimView> before,
                  std::span<const ClaimView> after, std::span<const ClaimView> said) {
  const IndexedKind* kind = indexed_kind(key.kind);
  if (!kind) return;
  const std::vector<ClaimView> old_claims = indexed_claims(*kind, before), new_claims = indexed_claims(*kind, after);
  std::vector<ClaimView> said_claims = indexed_claims(*kind, said);
  const auto same_value = [](const ClaimView& a, const ClaimView& b) {
    return a.attribute == b.attribute && a.value == b.value;
  };
  if (std::ranges::equal(said_claims, new_claims, same_value)) said_claims.clear();  // all of it is believed
  const bool same = std::ranges::equal(old_claims, new_claims, same_value);
  if (same && said_claims.empty()) return;
  if (!kind->references.empty()) keep_references(tables, *kind, key, old_claims, new_claims, said_claims);
  if (!same && !kind->keys.empty()) keep_unique_values(tables, *kind, key, old_claims, new_claims);
}

void drop_references(Tables& tables, const EntityKey& key, std::string_view dropped, std::span<const ClaimView> claims,
                     const Past& past) {
  const IndexedKind* kind = indexed_kind(key.kind);
  if (!kind || kind->references.empty()) return;
  std::vector<ClaimView> gone, left(claims.begin(), claims.end());
  while (!dropped.empty()) gone.push_back(take_known_claim(dropped));
  past.for_each_after(0, [&](const PastGroup& group) {
    left.insert(left.end(), group.claims.begin(), group.claims.end());
    return true;
  });
  const std::vector<Reference> remaining = references_of(*kind, indexed_claims(*kind, left));
  for (const Reference& target : references_of(*kind, indexed_claims(*kind, gone)))
    if (!std::ranges::binary_search(remaining, target))
      tables.other_referrers.erase(join_key({target.kind, target.id, key.kind, key.id}));
}

void follow(const Tables& before, Tables& after, const EntityKey& key) {
  const auto find = [&](const Tables& tables, RecordView& record, std::vector<ClaimView>& believed) -> const Held* {
    const KindTable* table = tables.kinds.find(key.kind);
    const Held* held = table ? table->entities.find(key.id) : nullptr;
    if (!held) return nullptr;
    view_of(held->record.view(), record);
    believed_of(record.claims, {tables.time_ns, &policy_for(key.kind, *tables.policy), key.kind}, believed);
    return held;
  };
  RecordView old_record, new_record;
  std::vector<ClaimView> old_believed, new_believed;
  const Held* old = find(before, old_record, old_believed);
  const Held* now = find(after, new_record, new_believed);
  if (old) after.due.erase(Due{next_boundary(old_record, before.time_ns), key});
  keep_due(after, key, nullptr, now ? &new_record : nullptr);
  keep_disputed(after, key, &old_record, now ? &new_record : nullptr);
  std::vector<ClaimView> claims = new_record.claims;
  const KindTable* table = after.kinds.find(key.kind);
  const Past* past = now ? &now->past : table ? table->removed.find(key.id) : nullptr;
  if (past)
    past->for_each_after(0, [&](const PastGroup& group) {
      claims.insert(claims.end(), group.claims.begin(), group.claims.end());
      return true;
    });
  keep_indexes(after, key, old_believed, new_believed, claims);
}

}  // namespace tandem::inventory
