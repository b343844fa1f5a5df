// The fold: what events make of a snapshot's tables.
#include "inventory/inventory.h"

#include <algorithm>

#include "base/check.h"
#include "inventory/revision.h"
#include "inventory/tables.h"
#include "inventory/upkeep.h"

namespace tandem::inventory {
namespace {

void unite(std::vector<std::string>& names, const std::vector<std::string>& more) {
  std::vector<std::string> all;
  std::ranges::set_union(names, more, std::back_inserter(all));
  names = std::move(all);
}

// One event taken into the tables.
class Fold {
 public:
  Fold(Tables& tables, log::Offset offset, ChangeSet* changes) : tables_(tables), offset_(offset), changes_(changes) {}

  void take(const log::Event& event, Instant at) {
    tables_.offset = offset_;
    const bool crossed = pass_time(std::max(tables_.time_ns, at.ns));
    const bool ours = event.has_facts_recorded() || event.has_entity_retracted() || event.has_entity_unseen() ||
                      event.has_personal_data_erased() || event.has_history_expired() || event.has_entities_seen();
    if (ours || crossed) mark_time();
    if (policy_touched_) renew_policy();
    if (event.has_facts_recorded())
      record(event.facts_recorded());
    else if (event.has_entity_retracted())
      retract(event.entity_retracted());
    else if (event.has_entity_unseen())
      unseen(event.entity_unseen());
    else if (event.has_personal_data_erased())
      erase({event.personal_data_erased().kind(), event.personal_data_erased().id()});
    else if (event.has_history_expired())
      expire(event.history_expired().kind(), std::min<log::Offset>(event.history_expired().before(), offset_));
    else if (event.has_entities_seen())
      seen(event.entities_seen());
    if (policy_touched_) renew_policy();
  }
  void renew_policy();

 private:
  bool pass_time(int64_t now_ns);
  void mark_time();
  void record(const v1::FactsRecorded& facts);
  void retract(const v1::EntityRetracted& retracted);
  void unseen(const v1::EntityUnseen& unseen);
  void erase(const EntityKey& key);
  void expire(const std::string& kind, log::Offset before);
  void seen(const v1::EntitiesSeen& seen);

  SourceId intern(const std::string& source);
  Lens lens(std::string_view kind, const Policy& policy) const {
    return {tables_.time_ns, &policy_for(kind, policy), kind};
  }
  Lens lens(std::string_view kind) const { return lens(kind, *tables_.policy); }
  // Puts a revision in the place of what it was made of.
  void close(const EntityKey& key, KindTable& table, Held& held, Revision& revision);
  void tell(const EntityKey& key, Change::What what, std::vector<std::string> attributes) {
    if (changes_) changes_->add({key.kind, key.id, what, std::move(attributes)});
  }

  Tables& tables_;
  log::Offset offset_;
  ChangeSet* changes_;
  bool policy_touched_ = false;
};

SourceId Fold::intern(const std::string& source) {
  if (const SourceId* known = tables_.source_ids.find(source)) return *known;
  const auto id = static_cast<SourceId>(tables_.source_ids.size());
  tables_.source_ids.set(source, id);
  tables_.source_names.set(id, source);
  return id;
}

// Claims that begin or end to hold by `now_ns` do so now.
bool Fold::pass_time(int64_t now_ns) {
  bool crossed = false;
  const int64_t before_ns = tables_.time_ns;
  tables_.time_ns = now_ns;
  while (!tables_.due.empty() && (*tables_.due.begin()).first.at_ns <= now_ns) {
    crossed = true;
    const Due due = (*tables_.due.begin()).first;
    tables_.due.erase(due);
    KindTable& table = tables_.kinds.edit(due.entity.kind);
    Held& held = table.entities.edit(due.entity.id);
    const SharedBytes record = held.record;
    const Lens now = lens(due.entity.kind);
    Revision revision(record.view(), {before_ns, now.policy, now.kind}, now);
    revision.settle();
    close(due.entity, table, held, revision);
  }
  return crossed;
}

void Fold::mark_time() {
  const int64_t before_ns = tables_.marked_ns;
  if (!tables_.marks.empty() && before_ns == tables_.time_ns) return;
  tables_.marks.set({offset_, tables_.time_ns}, before_ns);
  tables_.marked_ns = tables_.time_ns;
}

void Fold::record(const v1::FactsRecorded& facts) {
  const EntityKey key{facts.kind(), facts.id()};
  const Saying saying(facts, intern(facts.source()), offset_, {tables_.time_ns});
  KindTable& table = tables_.kinds.edit(key.kind);
  Held& held = table.entities.edit(key.id);
  if (held.record.view().empty() && !table.removed.empty())
    if (const Past* past = table.removed.find(key.id)) {
      held.past = *past;
      table.removed.erase(key.id);
    }
  const SharedBytes record = held.record;
  Revision revision(record.view(), lens(key.kind), lens(key.kind));
  revision.say(saying, held.past);
  if (revision.is_new() && key.kind == kSource) intern(key.id);
  close(key, table, held, revision);
}

void Fold::close(const EntityKey& key, KindTable& table, Held& held, Revision& revision) {
  const bool is_new = revision.is_new();
  PastGroup group;
  held.record = SharedBytes(revision.finish(offset_, group));
  if (!group.empty()) held.past.append(std::move(group));
  keep_due(tables_, key, is_new ? nullptr : &revision.before(), &revision.after());
  keep_disputed(tables_, key, is_new ? nullptr : &revision.before(), &revision.after());
  if (revision.changed() || !revision.unbelieved().empty())
    keep_indexes(tables_, key, revision.believed_before(), revision.believed_after(), revision.unbelieved());
  if (!revision.changed()) return;
  table.changed = tables_.changed = offset_;
  tables_.size += is_new;
  policy_touched_ = policy_touched_ || key.kind == kSource;
  tell(key, is_new ? Change::What::added : Change::What::changed,
       is_new ? std::vector<std::string>() : revision.changed_attributes());
}

void Fold::retract(const v1::EntityRetracted& retracted) {
  const EntityKey key{retracted.kind(), retracted.id()};
  const KindTable* known = tables_.kinds.find(key.kind);
  if (!known || !known->entities.find(key.id)) return;
  KindTable& table = tables_.kinds.edit(key.kind);
  const Held held = *table.entities.find(key.id);
  table.entities.erase(key.id);
  RecordView record;
  view_of(held.record.view(), record);
  std::vector<ClaimView> believed;
  believed_of(record.claims, lens(key.kind), believed);
  keep_due(tables_, key, &record, nullptr);
  keep_disputed(tables_, key, &record, nullptr);
  keep_indexes(tables_, key, believed, {}, {});
  std::vector<std::string> names;
  for (const ClaimView& claim : believed) names.emplace_back(claim.attribute);
  Past past = held.past;
  past.append({offset_, record.changed, record.created, std::move(record.claims)});
  table.removed.set(key.id, std::move(past));
  table.changed = tables_.changed = offset_;
  --tables_.size;
  policy_touched_ = policy_touched_ || key.kind == kSource;
  tell(key, Change::What::removed, std::move(names));
}

void Fold::unseen(const v1::EntityUnseen& unseen) {
  const KindTable* known = tables_.kinds.find(unseen.kind());
  const SourceId* source = tables_.source_ids.find(unseen.source());
  if (!known || !source || !known->entities.find(unseen.id())) return;
  Held& held = tables_.kinds.edit(unseen.kind()).entities.edit(unseen.id());
  const SharedBytes before = held.record;
  RecordView record;
  view_of(before.view(), record);
  const auto presence = std::ranges::find(record.presences, *source, &SourcePresence::source);
  const int64_t seen_ns = unseen.observed_at_ns() != 0 ? unseen.observed_at_ns() : tables_.time_ns;
  if (presence == record.presences.end() || presence->unseen_ns || seen_ns < presence->last_ns) return;
  presence->unseen_ns = seen_ns;
  held.record = SharedBytes(encode_record(record));
}

// What is sealed of an entity goes to its past, where it says no more than that something was said.
void Fold::erase(const EntityKey& key) {
  tables_.erasures.edit({key, offset_});
  const KindTable* known = tables_.kinds.find(key.kind);
  if (!known || !known->entities.find(key.id)) return;
  KindTable& table = tables_.kinds.edit(key.kind);
  Held& held = table.entities.edit(key.id);
  const SharedBytes record = held.record;
  Revision revision(record.view(), lens(key.kind), lens(key.kind));
  revision.drop_sealed();
  close(key, table, held, revision);
}

// The past of a kind up to an offset is held no longer. Nothing that is believed changes.
void Fold::expire(const std::string& kind, log::Offset before) {
  const log::Offset* begins = tables_.history_begins.find(kind);
  if (before == 0 || (begins && *begins >= before)) return;
  tables_.history_begins.set(kind, before);
  const KindTable* known = tables_.kinds.find(kind);
  if (!known) return;
  const KindTable was = *known;  // iterated while the table changes
  KindTable& table = tables_.kinds.edit(kind);
  RecordView record;
  const auto keep = [&](const std::string& id, const Past& past) {
    std::string dropped;  // claims, as bytes: a group's views end with it
    Past kept = past.since(before, [&](const PastGroup& group) {
      for (const ClaimView& claim : group.claims) put_claim(dropped, claim);
    });
    drop_references(tables_, {kind, id}, dropped, record.claims, kept);
    return kept;
  };
  for (const auto& [id, held] : was.entities) {
    if (held.past.empty() || held.past.first() > before) continue;
    view_of(held.record.view(), record);
    table.entities.edit(id).past = keep(id, held.past);
  }
  record.claims.clear();
  for (const auto& [id, past] : was.removed) {
    if (past.first() > before) continue;
    if (Past kept = keep(id, past); kept.empty())
      table.removed.erase(id);
    else
      table.removed.set(id, std::move(kept));
  }
}

// Nothing new is said, so nothing that follows from claims has to follow.
void Fold::seen(const v1::EntitiesSeen& seen) {
  if (!tables_.kinds.find(seen.kind())) return;
  const SourceId source = intern(seen.source());
  const int64_t seen_ns = seen.observed_at_ns() != 0 ? seen.observed_at_ns() : tables_.time_ns;
  KindTable& table = tables_.kinds.edit(seen.kind());
  for (const std::string& id : seen.ids()) {
    const Held* held = table.entities.find(id);
    if (!held) continue;
    if (auto record = with_seen(held->record.view(), source, seen_ns))
      table.entities.edit(id).record = SharedBytes(*record);
  }
}

// What is believed by another policy can only differ where claims do.
void Fold::renew_policy() {
  policy_touched_ = false;
  auto renewed = std::make_shared<const Policy>(policy_of(tables_, nullptr));
  if (*renewed == *tables_.policy) return;
  const std::shared_ptr<const Policy> before = std::exchange(tables_.policy, std::move(renewed));
  const auto disputed = tables_.disputed;
  for (const auto& [key, nothing] : disputed) {
    const SharedBytes record = tables_.kinds.find(key.kind)->entities.find(key.id)->record;
    Revision revision(record.view(), lens(key.kind, *before), lens(key.kind));
    revision.settle();
    if (!revision.changed()) continue;
    KindTable& table = tables_.kinds.edit(key.kind);
    close(key, table, table.entities.edit(key.id), revision);
  }
}

}  // namespace

void renew_policy(Tables& tables, log::Offset offset, ChangeSet* changes) {
  Fold(tables, offset, changes).renew_policy();
}

const v1::Value* Entity::find(std::string_view attribute) const {
  const auto found = std::ranges::lower_bound(attributes, attribute, {}, &Attribute::name);
  return found != attributes.end() && found->name == attribute ? &found->value : nullptr;
}

void ChangeSet::add(Change change) {
  const auto [position, is_new] = positions_.emplace(join_key({change.kind, change.id}), changes_.size());
  if (is_new) {
    changes_.push_back(std::move(change));
    return;
  }
  Change& before = changes_[position->second];
  using What = Change::What;
  switch (change.what) {
    case What::added:
      before.what = What::changed;  // it was removed
      unite(before.attributes, change.attributes);
      return;
    case What::removed:
      before.what = What::removed;
      unite(before.attributes, change.attributes);
      return;
    case What::changed:
      if (before.what == What::changed) unite(before.attributes, change.attributes);
      return;
  }
}

void ChangeSet::clear() {
  changes_.clear();
  positions_.clear();
}

Snapshot::Snapshot() : tables_(std::make_unique<Tables>()) {}
Snapshot::Snapshot(const Snapshot& other)
    : tables_(std::make_unique<Tables>(*other.tables_)), view_(other.view_), opener_(other.opener_) {}
Snapshot::Snapshot(Snapshot&& other) noexcept = default;
Snapshot& Snapshot::operator=(const Snapshot& other) { return *this = Snapshot(other); }
Snapshot& Snapshot::operator=(Snapshot&& other) noexcept = default;
Snapshot::~Snapshot() = default;

void Snapshot::fold(const log::Event& event, log::Offset offset, Instant at, ChangeSet* changes) {
  CHECK(!view_);
  Fold(*tables_, offset, changes).take(event, at);
}

Json::Object Snapshot::attributes_with(const v1::FactsRecorded& facts, Instant at) const {
  const SourceId* known = tables_->source_ids.find(facts.source());
  const SourceId source = known ? *known : static_cast<SourceId>(tables_->source_ids.size());
  const Instant now{std::max(tables_->time_ns, at.ns)};
  const Saying saying(facts, source, tables_->offset + 1, now);
  const KindTable* table = tables_->kinds.find(facts.kind());
  const Held* held = table ? table->entities.find(facts.id()) : nullptr;
  Json::Object attributes;
  if (!held && saying.stamp.covers(now.ns)) {  // nobody says anything else
    for (const Saying::Said& said : saying.said)
      if (!is_null(said.value)) attributes.emplace_hint(attributes.end(), said.attribute, json_of(said.value));
    return attributes;
  }
  const Lens lens{now.ns, &policy_for(facts.kind(), *tables_->policy), facts.kind()};
  Revision revision(held ? held->record.view() : std::string_view(), lens, lens);
  revision.say(saying, held ? held->past : Past());
  for (const ClaimView& claim : revision.believed_after())
    attributes.emplace_hint(attributes.end(), claim.attribute, json_of(claim.value));
  return attributes;
}

}  // namespace tandem::inventory
