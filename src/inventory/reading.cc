// What is read of a snapshot, now and as it was.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/check.h"
#include "inventory/revision.h"
#include "inventory/schema_index.h"
#include "inventory/tables.h"
#include "inventory/upkeep.h"

namespace tandem::inventory {
namespace {

Entity entity_of(std::string_view kind, std::string_view id, const Sight& sight, const Opener* opener) {
  Entity entity{std::string(kind), std::string(id), {}, sight.created, sight.changed};
  entity.attributes.reserve(sight.believed.size());
  for (const ClaimView& claim : sight.believed) {
    v1::Value value = is_sealed(claim.value) ? opened(opener, kind, id, claim) : value_of(claim.value);
    if (!is_null(value))
      entity.attributes.push_back({std::string(claim.attribute), std::move(value), claim.stamp.offset});
  }
  return entity;
}

Json::Object json_attributes(std::string_view kind, std::string_view id, const Sight& sight, const Opener* opener) {
  Json::Object attributes;
  for (const ClaimView& claim : sight.believed) {
    Json value = json_of(opener, kind, id, claim);
    if (!value.is_null()) attributes.emplace_hint(attributes.end(), claim.attribute, std::move(value));
  }
  return attributes;
}

const KindTable* table_of(const Tables& tables, std::string_view kind) { return tables.kinds.find(kind); }

// All that was recorded of an entity by an offset: claims in any order, lives the newest first.
struct Annals {
  std::vector<ClaimView> claims;
  std::vector<Life> lives;
  RecordView record;
};

Annals annals_of(const Tables& tables, const View* view, std::string_view kind, std::string_view id) {
  Annals annals;
  const log::Offset until = view ? view->recorded : tables.offset;
  const KindTable* table = table_of(tables, kind);
  if (!table) return annals;
  const Held* held = table->entities.find(id);
  const Past* past = held ? &held->past : table->removed.find(id);
  const auto take = [&](const std::vector<ClaimView>& claims) {
    for (const ClaimView& claim : claims)
      if (claim.stamp.offset <= until) annals.claims.push_back(claim);
  };
  if (held) {
    view_of(held->record.view(), annals.record);
    take(annals.record.claims);
    if (annals.record.created <= until) annals.lives.push_back({annals.record.created, 0});
  }
  if (!past) return annals;
  past->for_each_after(0, [&](const PastGroup& group) {
    take(group.claims);
    if (group.created && *group.created <= until)
      annals.lives.push_back({*group.created, group.hidden <= until ? group.hidden : 0});
    return true;
  });
  return annals;
}

}  // namespace

// ---- Sight ---------------------------------------------------------------------------------------------------------

Policy policy_of(const Tables& tables, const View* view) {
  Policy policy;
  for_each_seen(tables, view, kSource, {}, [&](const std::string& id, const Sight& sight) {
    const SourceId* source = tables.source_ids.find(id);
    if (!source) return true;
    int64_t authority = Policy::kAuthorityDefault;
    std::vector<std::string> masters;
    for (const ClaimView& claim : sight.believed) {
      const Json value = json_of(claim.value);
      if (claim.attribute == "authority" && value.is_number())
        authority = static_cast<int64_t>(std::clamp(value.number(), 0.0, 100.0));
      if (claim.attribute == "masters" && value.is_array())
        for (const Json& name : value.array())
          if (name.is_string()) masters.emplace_back(name.text());
    }
    policy.set(*source, authority, std::move(masters));
    return true;
  });
  return policy;
}

const Policy& policy_for(std::string_view kind, const Policy& policy) {
  static const Policy neutral;
  return kind == kSource ? neutral : policy;
}

Sight::Sight(const Tables& tables, const View* view, std::string_view kind)
    : view_(view), table_(table_of(tables, kind)) {
  lens_.kind = kind;
  lens_.time_ns = view ? view->valid_ns : tables.time_ns;
  lens_.policy = &policy_for(kind, view ? *view->policy : *tables.policy);
}

bool Sight::look(std::string_view record, const Past& past) {
  if (view_) return look_back(record, past);
  if (record.empty()) return false;
  record_.claims.swap(claims);  // the buffer of the one before
  view_of(record, record_);
  created = record_.created;
  changed = record_.changed;
  claims.swap(record_.claims);
  presences.swap(record_.presences);
  believed_of(claims, lens_, believed);
  return true;
}

bool Sight::look_back(std::string_view record, const Past& past) {
  struct {
    log::Offset created, changed;
    size_t claims;
  } life{};
  bool found = false, begun = false;
  claims.clear();
  record_.presences.clear();
  const auto take = [&](const std::vector<ClaimView>& all) {
    for (const ClaimView& claim : all) {
      if (claim.stamp.offset > view_->recorded || !claim.stamp.covers(lens_.time_ns)) continue;
      claims.push_back(claim);
      ++life.claims;
    }
  };
  // The newest life that is there at that time: begun by then, or with a claim that reaches back to it.
  const auto close = [&] {
    if (!begun || found || life.created > view_->recorded || (life.created > view_->horizon && life.claims == 0))
      return;
    found = true;
    created = life.created;
    changed = life.changed;
  };
  if (!record.empty()) {
    view_of(record, record_);
    life = {record_.created, record_.changed, 0};
    begun = true;
    take(record_.claims);
  }
  presences.swap(record_.presences);
  bool unordered = false;
  past.for_each_after(view_->horizon, [&](const PastGroup& group) {
    if (group.created) {
      close();
      life = {*group.created, 0, 0};
      begun = true;
    }
    if (group.changed) life.changed = *group.changed;
    const size_t before = claims.size();
    take(group.claims);
    unordered = unordered || claims.size() > before;
    return true;
  });
  close();
  if (!found) return false;
  if (unordered)
    std::ranges::sort(claims, {}, [](const ClaimView& claim) { return std::tie(claim.attribute, claim.stamp); });
  believed_of(claims, lens_, believed);
  return true;
}

bool Sight::find(std::string_view id) {
  if (!table_) return false;
  if (const Held* held = table_->entities.find(id)) return look(*held);
  const Past* past = view_ ? table_->removed.find(id) : nullptr;
  return past && look({}, *past);
}

// ---- Looking back --------------------------------------------------------------------------------------------------

log::Offset Snapshot::offset() const { return view_ ? view_->recorded : tables_->offset; }
Instant Snapshot::time() const { return {view_ ? view_->valid_ns : tables_->time_ns}; }

log::Offset Snapshot::offset_at(Instant time) const {
  const auto next = tables_->marks.lower_bound(AfterTime{time.ns});
  return next == tables_->marks.end() ? tables_->offset : (*next).first.offset - 1;
}

// Other events than the inventory's leave no mark: at their offsets is believed what has been since the mark before them.
Instant Snapshot::time_at(log::Offset offset) const {
  const auto next = tables_->marks.lower_bound(offset + 1);
  return {next == tables_->marks.end() ? tables_->marked_ns : (*next).second};
}

Snapshot Snapshot::as_of(const AsOf& when) const {
  Snapshot past = *this;
  past.view_.reset();
  if (!when.recorded && !when.valid) return past;
  auto view = std::make_shared<View>();
  view->recorded = std::min(when.recorded.value_or(tables_->offset), tables_->offset);
  if (!when.valid && view->recorded == tables_->offset) return past;
  view->valid_ns = when.valid ? when.valid->ns : time_at(view->recorded).ns;
  view->horizon = std::min(view->recorded, offset_at({view->valid_ns}));
  view->policy = tables_->policy;
  const KindTable* sources = table_of(*tables_, kSource);
  if (sources && sources->changed > view->recorded) {
    View then = *view;
    then.valid_ns = time_at(view->recorded).ns;
    then.horizon = view->recorded;
    view->policy = std::make_shared<const Policy>(policy_of(*tables_, &then));
  }
  past.view_ = std::move(view);
  return past;
}

// ---- Sealed values -------------------------------------------------------------------------------------------------

v1::Value opened(const Opener* opener, std::string_view kind, std::string_view id, const ClaimView& claim) {
  const SealedView view = sealed_of(claim.value);
  std::optional<v1::Value> value;
  if (opener) value = opener->open({std::string(kind), std::string(id)}, claim.attribute, view.key, view.sealed);
  return value ? std::move(*value) : value_of(claim.value);
}

Json json_of(const Opener* opener, std::string_view kind, std::string_view id, const ClaimView& claim) {
  return is_sealed(claim.value) ? to_json_value(opened(opener, kind, id, claim)) : json_of(claim.value);
}

Snapshot Snapshot::opened_by(std::shared_ptr<const Opener> opener) const {
  Snapshot same = *this;
  same.opener_ = std::move(opener);
  return same;
}

Json Snapshot::shown(const EntityKey& entity, std::string_view attribute, const v1::Value& value) const {
  if (!value.has_sealed() || !opener_) return to_json_value(value);
  return to_json_value(opener_->open(entity, attribute, value.sealed().key(), value.sealed().sealed()).value_or(value));
}

std::vector<log::Offset> Snapshot::erasures(std::string_view kind, std::string_view id) const {
  std::vector<log::Offset> offsets;
  const EntityKey entity{std::string(kind), std::string(id)};
  for (auto i = tables_->erasures.lower_bound(Erasure{entity, 0}); i != tables_->erasures.end(); ++i) {
    const Erasure& erasure = (*i).first;
    if (erasure.entity != entity || erasure.offset > offset()) break;
    offsets.push_back(erasure.offset);
  }
  return offsets;
}

void Snapshot::for_each_erasure(const std::function<void(const Erasure&)>& visit) const {
  for (const auto& [erasure, nothing] : tables_->erasures)
    if (erasure.offset <= offset()) visit(erasure);
}

// ---- What is kept --------------------------------------------------------------------------------------------------

log::Offset Snapshot::history_begins(std::string_view kind) const {
  const log::Offset* begins = tables_->history_begins.find(kind);
  return begins ? *begins : 0;
}

Result<void> Snapshot::reaches(std::string_view kind) const {
  const log::Offset begins = history_begins(kind);
  if (!view_ || view_->horizon >= begins) return {};
  return fail(ErrorCode::not_found,
              fmt::format("the history of kind '{}' begins at offset {}, {}: what was before is no longer kept", kind,
                          begins, format_rfc3339(time_at(begins))),
              std::string(kind));
}

bool Snapshot::has_past(std::string_view kind, log::Offset until) const {
  const KindTable* table = table_of(*tables_, kind);
  if (!table) return false;
  for (const auto& [id, held] : table->entities)
    if (!held.past.empty() && held.past.first() <= until) return true;
  for (const auto& [id, past] : table->removed)
    if (past.first() <= until) return true;
  return false;
}

// ---- Entities ------------------------------------------------------------------------------------------------------

size_t Snapshot::size(std::string_view kind) const {
  if (!view_) {
    const KindTable* table = table_of(*tables_, kind);
    return table ? table->entities.size() : 0;
  }
  size_t count = 0;
  for_each_seen(*tables_, view(), kind, {}, [&](const std::string&, const Sight&) { return ++count, true; });
  return count;
}

size_t Snapshot::size() const {
  if (!view_) return tables_->size;
  size_t count = 0;
  for (const auto& [kind, table] : tables_->kinds) count += size(kind);
  return count;
}

bool Snapshot::has(std::string_view kind, std::string_view id) const {
  if (view_) return Sight(*tables_, view(), kind).find(id);
  const KindTable* table = table_of(*tables_, kind);
  return table && table->entities.find(id);
}

std::optional<Entity> Snapshot::find(std::string_view kind, std::string_view id) const {
  Sight sight(*tables_, view(), kind);
  return sight.find(id) ? std::optional(entity_of(kind, id, sight, opener_.get())) : std::nullopt;
}

Json::Object Snapshot::attributes(std::string_view kind, std::string_view id) const {
  Sight sight(*tables_, view(), kind);
  return sight.find(id) ? json_attributes(kind, id, sight, opener_.get()) : Json::Object();
}

void Snapshot::for_each(std::string_view kind, const std::function<bool(const Entity&)>& visit,
                        std::string_view from) const {
  for_each_seen(*tables_, view(), kind, from, [&](const std::string& id, const Sight& sight) {
    return visit(entity_of(kind, id, sight, opener_.get()));
  });
}

void Snapshot::for_each_id(std::string_view kind, const std::function<bool(const std::string&)>& visit,
                           std::string_view from) const {
  if (view_)
    return for_each_seen(*tables_, view(), kind, from, [&](const std::string& id, const Sight&) { return visit(id); });
  const KindTable* table = table_of(*tables_, kind);
  if (!table) return;
  for (auto i = table->entities.lower_bound(from); i != table->entities.end(); ++i)
    if (!visit((*i).first)) return;
}

void Snapshot::for_each_json(std::string_view kind,
                             const std::function<bool(const std::string&, Json::Object)>& visit) const {
  for_each_seen(*tables_, view(), kind, {}, [&](const std::string& id, const Sight& sight) {
    return visit(id, json_attributes(kind, id, sight, opener_.get()));
  });
}

std::vector<std::string> Snapshot::kinds() const {
  std::vector<std::string> names;
  for (const auto& [kind, table] : tables_->kinds) {
    bool any = !view_ && !table.entities.empty();
    if (view_)
      for_each_seen(*tables_, view(), kind, {}, [&](const std::string&, const Sight&) { return any = true, false; });
    if (any) names.push_back(kind);
  }
  return names;
}

log::Offset Snapshot::changed(std::string_view kind) const {
  const KindTable* table = table_of(*tables_, kind);
  if (!table) return 0;
  if (!view_ || table->changed <= view_->recorded) return table->changed;
  log::Offset last = 0;
  const auto removals = [&](const Past& past) {
    past.for_each_after(last, [&](const PastGroup& group) {
      if (group.created && group.hidden <= view_->recorded) last = std::max(last, group.hidden);
      return true;
    });
  };
  View then = *view_;  // the time asked for does not matter
  then.valid_ns = time_at(then.recorded).ns;
  then.horizon = then.recorded;
  for_each_seen(*tables_, &then, kind, {},
                [&](const std::string&, const Sight& sight) { return last = std::max(last, sight.changed), true; });
  for (const auto& [id, held] : table->entities) removals(held.past);
  for (const auto& [id, past] : table->removed) removals(past);
  return last;
}

log::Offset Snapshot::changed() const {
  if (!view_) return tables_->changed;
  log::Offset last = 0;
  for (const auto& [kind, table] : tables_->kinds) last = std::max(last, changed(kind));
  return last;
}

// ---- References ----------------------------------------------------------------------------------------------------

namespace {

Referrer referrer_of(std::string_view key, size_t prefix) {
  const std::string_view rest = key.substr(prefix);
  const size_t end = rest.find('\0');
  return {std::string(rest.substr(0, end)), std::string(rest.substr(end + 1))};
}

// Walks over both indexes under a prefix in one order; only the first where no view looks back.
template <class Visit>
void for_each_referrer_key(const Tables& tables, const View* view, const std::string& prefix, const std::string& from,
                           Visit visit) {
  auto current = tables.referrers.lower_bound(from);
  static const FrontCodedSet kNone;
  auto other = (view ? tables.other_referrers : kNone).lower_bound(from);
  const auto within = [&](const FrontCodedSet::Cursor& i) { return !i.at_end() && i.key().starts_with(prefix); };
  for (;;) {
    const bool a = within(current), b = within(other);
    if (!a && !b) return;
    FrontCodedSet::Cursor& next = a && (!b || current.key() < other.key()) ? current : other;
    if (!visit(next.key())) return;
    next.next();
  }
}

bool refers_at(const Tables& tables, const View* view, const Referrer& referrer, const Reference& target) {
  const IndexedKind* kind = indexed_kind(referrer.kind);
  Sight sight(tables, view, referrer.kind);
  return kind && sight.find(referrer.id) && std::ranges::binary_search(references_of(*kind, sight.believed), target);
}

}  // namespace

std::vector<Referrer> Snapshot::referrers(std::string_view kind, std::string_view id, size_t limit) const {
  const std::string prefix = join_key({kind, id, {}});
  const Reference target{std::string(kind), std::string(id)};
  std::vector<Referrer> found;
  if (limit == 0) return found;
  for_each_referrer_key(*tables_, view(), prefix, prefix, [&](const std::string& key) {
    Referrer referrer = referrer_of(key, prefix.size());
    if (!view_ || refers_at(*tables_, view(), referrer, target)) found.push_back(std::move(referrer));
    return found.size() < limit;
  });
  return found;
}

void Snapshot::for_each_referrer(std::string_view kind, std::string_view id, std::string_view referrer_kind,
                                 const std::function<bool(std::string_view)>& visit, std::string_view from) const {
  const std::string prefix = join_key({kind, id, referrer_kind, {}});
  const Reference target{std::string(kind), std::string(id)};
  for_each_referrer_key(*tables_, view(), prefix, prefix + std::string(from), [&](const std::string& key) {
    const std::string_view referrer = std::string_view(key).substr(prefix.size());
    const bool is_there =
        !view_ || refers_at(*tables_, view(), {std::string(referrer_kind), std::string(referrer)}, target);
    return !is_there || visit(referrer);
  });
}

std::vector<std::string> Snapshot::referred(std::string_view kind, size_t limit) const {
  const std::string prefix = join_key({kind, {}});
  std::vector<std::string> ids;
  std::string from = prefix;
  while (ids.size() < limit) {
    std::optional<std::string> next;
    for_each_referrer_key(*tables_, view(), prefix, from, [&](const std::string& key) {
      const std::string_view rest = std::string_view(key).substr(prefix.size());
      next = rest.substr(0, rest.find('\0'));
      return false;
    });
    if (!next) break;
    from = prefix + *next + '\x01';  // past every referrer of that id
    if (!view_ || !referrers(kind, *next, 1).empty()) ids.push_back(std::move(*next));
  }
  return ids;
}

std::vector<std::string> Snapshot::with_key(std::string_view kind, const ontology::Unique& unique,
                                            std::string_view value, size_t limit) const {
  std::vector<std::string> ids;
  const IndexedKind* indexed = indexed_kind(kind);
  if (!indexed || limit == 0) return ids;
  const auto key = std::ranges::find(indexed->keys, &unique, &IndexedKind::Key::unique);
  if (key == indexed->keys.end()) return ids;
  if (!view_) {
    const std::string prefix = join_key({kind, std::to_string(key->constraint), value, {}});
    for (auto i = tables_->unique_values.lower_bound(prefix);
         !i.at_end() && i.key().starts_with(prefix) && ids.size() < limit; i.next())
      ids.push_back(i.key().substr(prefix.size()));
    return ids;
  }
  const UniqueValue wanted{key->constraint, std::string(value)};
  for_each_seen(*tables_, view(), kind, {}, [&](const std::string& id, const Sight& sight) {
    if (std::ranges::binary_search(unique_values_of(*indexed, sight.believed), wanted)) ids.push_back(id);
    return ids.size() < limit;
  });
  return ids;
}

// ---- Claims --------------------------------------------------------------------------------------------------------

std::vector<Claim> Snapshot::claims(std::string_view kind, std::string_view id) const {
  Annals annals = annals_of(*tables_, view(), kind, id);
  std::ranges::sort(annals.claims, {}, [](const ClaimView& claim) { return std::tie(claim.attribute, claim.stamp); });
  Sight sight(*tables_, view(), kind);
  std::set<std::pair<std::string_view, Stamp>> holding_now, believed_now;
  if (sight.find(id))
    for_each_attribute(sight.claims, [&](std::span<const ClaimView> of_one) {
      for (const ClaimView* claim : holding(of_one, sight.lens().time_ns))
        holding_now.emplace(claim->attribute, claim->stamp);
      if (const ClaimView* best = believed(of_one, sight.lens())) believed_now.emplace(best->attribute, best->stamp);
    });
  std::vector<Claim> claims;
  claims.reserve(annals.claims.size());
  for (const ClaimView& view : annals.claims) {
    const std::pair<std::string_view, Stamp> key(view.attribute, view.stamp);
    Claim& claim = claims.emplace_back();
    claim.attribute = view.attribute;
    claim.value = is_sealed(view.value) ? opened(opener_.get(), kind, id, view) : value_of(view.value);
    claim.erased = is_sealed(view.value) && is_null(claim.value);
    claim.source = *tables_->source_names.find(view.stamp.source);
    claim.standing = view.stamp.standing;
    claim.confidence = view.stamp.confidence;
    claim.valid_from = {view.stamp.valid_from_ns};
    if (view.stamp.valid_to_ns != kForever) claim.valid_to = Instant{view.stamp.valid_to_ns};
    claim.offset = view.stamp.offset;
    claim.holds = holding_now.contains(key);
    claim.believed = believed_now.contains(key);
  }
  return claims;
}

std::vector<Presence> Snapshot::presences(std::string_view kind, std::string_view id) const {
  std::vector<Presence> presences;
  Sight sight(*tables_, view(), kind);
  if (!sight.find(id)) return presences;
  for (const SourcePresence& seen : sight.presences) {
    if (view_ && seen.first_ns > view_->valid_ns) continue;
    Presence& presence = presences.emplace_back();
    presence.source = *tables_->source_names.find(seen.source);
    presence.first_seen = {seen.first_ns};
    presence.last_seen = {seen.last_ns};
    if (seen.unseen_ns) presence.unseen_since = Instant{*seen.unseen_ns};
  }
  return presences;
}

std::vector<Life> Snapshot::lives(std::string_view kind, std::string_view id) const {
  std::vector<Life> lives = annals_of(*tables_, view(), kind, id).lives;
  std::ranges::reverse(lives);
  return lives;
}

std::vector<Referrer> Snapshot::disputed(size_t limit, const Referrer* after) const {
  std::vector<Referrer> found;
  if (limit == 0) return found;
  const auto is_after = [&](std::string_view kind, std::string_view id) {
    return !after || std::tuple(kind, id) > std::tuple<std::string_view, std::string_view>(after->kind, after->id);
  };
  if (!view_) {
    auto i = after ? tables_->disputed.lower_bound(EntityKey{after->kind, after->id}) : tables_->disputed.begin();
    for (; i != tables_->disputed.end() && found.size() < limit; ++i)
      if (const EntityKey& key = (*i).first; is_after(key.kind, key.id)) found.push_back({key.kind, key.id});
    return found;
  }
  for (const auto& [kind, table] : tables_->kinds) {
    if (after && kind < after->kind) continue;
    const std::string_view from = after && kind == after->kind ? std::string_view(after->id) : std::string_view();
    for_each_seen(*tables_, view(), kind, from, [&, &kind = kind](const std::string& id, const Sight& sight) {
      bool any = false;
      for_each_attribute(sight.claims, [&](std::span<const ClaimView> of_one) {
        any = any || inventory::disputed(of_one, sight.lens().time_ns);
      });
      if (any && is_after(kind, id)) found.push_back({kind, id});
      return found.size() < limit;
    });
    if (found.size() == limit) break;
  }
  return found;
}

}  // namespace tandem::inventory
