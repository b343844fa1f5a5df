#include "inventory/inventory.h"

#include <algorithm>

#include "inventory/record.h"
#include "inventory/references.h"

namespace tandem::inventory {
namespace {

// Attributes of a fact by name, the last of each name: pointers into the event.
std::vector<const v1::Attribute*> sorted(const v1::FactsRecorded& facts) {
  std::vector<const v1::Attribute*> attributes;
  attributes.reserve(static_cast<size_t>(facts.attributes_size()));
  for (const v1::Attribute& attribute : facts.attributes()) attributes.push_back(&attribute);
  std::ranges::stable_sort(attributes, {}, [](const v1::Attribute* a) -> const std::string& { return a->name(); });
  std::vector<const v1::Attribute*> last;
  for (size_t i = 0; i < attributes.size(); ++i)
    if (i + 1 == attributes.size() || attributes[i]->name() != attributes[i + 1]->name()) last.push_back(attributes[i]);
  return last;
}

// A record with facts taken in.
struct Merge {
  explicit Merge(std::string_view record) : record_before(record) {}

  void take_in(const std::vector<const v1::Attribute*>& facts, log::Offset offset) {
    // The views point into `values`, so that must not move while it grows.
    size_t known = 0;
    values.reserve(facts.size());
    const auto keep_until = [&](const std::string* name) {
      while (known < before.attributes.size() && (!name || before.attributes[known].name < *name))
        after.attributes.push_back(before.attributes[known++]);
    };
    for (const v1::Attribute* fact : facts) {
      keep_until(&fact->name());
      const bool had = known < before.attributes.size() && before.attributes[known].name == fact->name();
      const std::string_view old = had ? before.attributes[known++].value : std::string_view();
      if (is_null(fact->value())) {
        if (had) changed.push_back(fact->name());
        continue;
      }
      put_value(values.emplace_back(), fact->value());
      if (values.back() != old) changed.push_back(fact->name());
      after.attributes.push_back({fact->name(), offset, values.back()});
    }
    keep_until(nullptr);
  }

  std::string_view record_before;
  RecordView before = record_before.empty() ? RecordView() : view_of(record_before);
  RecordView after;
  std::vector<std::string> values;
  std::vector<std::string> changed;  // names, ascending
};

std::string join_key(std::string_view kind, std::string_view id) {
  std::string key(kind);
  key += '\0';
  key += id;
  return key;
}

std::string referrer_key(const Reference& target, std::string_view kind, std::string_view id) {
  std::string key = join_key(target.kind, target.id);
  key += '\0';
  key += join_key(kind, id);
  return key;
}

Entity entity_of(std::string_view kind, std::string_view id, std::string_view record) {
  const RecordView view = view_of(record);
  Entity entity{std::string(kind), std::string(id), {}, view.created, view.changed};
  entity.attributes.reserve(view.attributes.size());
  for (const AttributeView& attribute : view.attributes)
    entity.attributes.push_back({std::string(attribute.name), value_of(attribute.value), attribute.offset});
  return entity;
}

Json::Object json_attributes(std::string_view record) {
  Json::Object attributes;
  for (const AttributeView& attribute : view_of(record).attributes)
    attributes.emplace_hint(attributes.end(), attribute.name, json_of(attribute.value));
  return attributes;
}

std::vector<std::string> names_of(std::string_view record) {
  std::vector<std::string> names;
  for (const AttributeView& attribute : view_of(record).attributes) names.emplace_back(attribute.name);
  return names;
}

void unite(std::vector<std::string>& names, const std::vector<std::string>& more) {
  std::vector<std::string> all;
  std::ranges::set_union(names, more, std::back_inserter(all));
  names = std::move(all);
}

}  // namespace

const v1::Value* Entity::find(std::string_view attribute) const {
  const auto found = std::ranges::lower_bound(attributes, attribute, {}, &Attribute::name);
  return found != attributes.end() && found->name == attribute ? &found->value : nullptr;
}

void ChangeSet::add(Change change) {
  const auto [position, is_new] = positions_.emplace(join_key(change.kind, change.id), changes_.size());
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

size_t Snapshot::size(std::string_view kind) const {
  const KindTable* table = kinds_.find(kind);
  return table ? table->entities.size() : 0;
}

bool Snapshot::has(std::string_view kind, std::string_view id) const {
  const KindTable* table = kinds_.find(kind);
  return table && table->entities.find(id);
}

std::optional<Entity> Snapshot::find(std::string_view kind, std::string_view id) const {
  const KindTable* table = kinds_.find(kind);
  const SharedBytes* record = table ? table->entities.find(id) : nullptr;
  return record ? std::optional(entity_of(kind, id, record->view())) : std::nullopt;
}

Json::Object Snapshot::attributes(std::string_view kind, std::string_view id) const {
  const KindTable* table = kinds_.find(kind);
  const SharedBytes* record = table ? table->entities.find(id) : nullptr;
  return record ? json_attributes(record->view()) : Json::Object();
}

void Snapshot::for_each(std::string_view kind, const std::function<bool(const Entity&)>& visit,
                        std::string_view from) const {
  const KindTable* table = kinds_.find(kind);
  if (!table) return;
  for (auto i = table->entities.lower_bound(from); i != table->entities.end(); ++i)
    if (const auto [id, record] = *i; !visit(entity_of(kind, id, record.view()))) return;
}

void Snapshot::for_each_id(std::string_view kind, const std::function<bool(const std::string&)>& visit,
                           std::string_view from) const {
  const KindTable* table = kinds_.find(kind);
  if (!table) return;
  for (auto i = table->entities.lower_bound(from); i != table->entities.end(); ++i)
    if (!visit((*i).first)) return;
}

void Snapshot::for_each_json(std::string_view kind,
                             const std::function<bool(const std::string&, Json::Object)>& visit) const {
  const KindTable* table = kinds_.find(kind);
  if (!table) return;
  for (const auto& [id, record] : table->entities)
    if (!visit(id, json_attributes(record.view()))) return;
}

std::vector<std::string> Snapshot::kinds() const {
  std::vector<std::string> names;
  for (const auto& [kind, table] : kinds_)
    if (!table.entities.empty()) names.push_back(kind);
  return names;
}

log::Offset Snapshot::changed(std::string_view kind) const {
  const KindTable* table = kinds_.find(kind);
  return table ? table->changed : 0;
}

std::vector<Referrer> Snapshot::referrers(std::string_view kind, std::string_view id, size_t limit) const {
  const std::string prefix = join_key(kind, id) + '\0';
  std::vector<Referrer> found;
  for (auto i = referrers_.lower_bound(prefix); i != referrers_.end() && found.size() < limit; ++i) {
    const std::string_view key = (*i).first;
    if (!key.starts_with(prefix)) break;
    const std::string_view referrer = key.substr(prefix.size());
    const size_t end = referrer.find('\0');
    found.push_back({std::string(referrer.substr(0, end)), std::string(referrer.substr(end + 1))});
  }
  return found;
}

std::vector<std::string> Snapshot::referred(std::string_view kind, size_t limit) const {
  const std::string prefix = join_key(kind, {});
  std::vector<std::string> ids;
  auto i = referrers_.lower_bound(prefix);
  while (i != referrers_.end() && ids.size() < limit && (*i).first.starts_with(prefix)) {
    const std::string_view rest = std::string_view((*i).first).substr(prefix.size());
    ids.emplace_back(rest.substr(0, rest.find('\0')));
    i = referrers_.lower_bound(prefix + ids.back() + '\x01');  // past every referrer of that id
  }
  return ids;
}

void Snapshot::fold(const log::Event& event, log::Offset offset, ChangeSet* changes) {
  offset_ = offset;
  if (event.has_facts_recorded())
    record(event.facts_recorded(), offset, changes);
  else if (event.has_entity_retracted())
    retract(event.entity_retracted(), offset, changes);
}

void Snapshot::record(const v1::FactsRecorded& facts, log::Offset offset, ChangeSet* changes) {
  KindTable& table = kinds_.edit(facts.kind());
  SharedBytes& held = table.entities.edit(facts.id());
  const SharedBytes before = held;
  const bool is_new = before.view().empty();
  Merge merge(before.view());
  merge.take_in(sorted(facts), offset);
  const bool changed = is_new || !merge.changed.empty();
  merge.after.created = is_new ? offset : merge.before.created;
  merge.after.changed = changed ? offset : merge.before.changed;
  held = SharedBytes(encode_record(merge.after));
  if (!changed) return;
  table.changed = offset;
  size_ += is_new;
  if (may_refer(facts.kind())) index_references(facts.kind(), facts.id(), before.view(), held.view());
  if (!changes) return;
  if (is_new)
    changes->add({facts.kind(), facts.id(), Change::What::added, {}});
  else
    changes->add({facts.kind(), facts.id(), Change::What::changed, std::move(merge.changed)});
}

void Snapshot::retract(const v1::EntityRetracted& retracted, log::Offset offset, ChangeSet* changes) {
  if (!has(retracted.kind(), retracted.id())) return;
  KindTable& table = kinds_.edit(retracted.kind());
  const SharedBytes before = *table.entities.find(retracted.id());
  table.entities.erase(retracted.id());
  table.changed = offset;
  --size_;
  if (may_refer(retracted.kind())) index_references(retracted.kind(), retracted.id(), before.view(), {});
  if (changes) changes->add({retracted.kind(), retracted.id(), Change::What::removed, names_of(before.view())});
}

void Snapshot::index_references(std::string_view kind, std::string_view id, std::string_view before,
                                std::string_view after) {
  const std::vector<Reference> old_references = references_of(kind, before);
  const std::vector<Reference> new_references = references_of(kind, after);
  if (old_references == new_references) return;
  for (const Reference& target : new_references) ++referrers_.edit(referrer_key(target, kind, id));
  for (const Reference& target : old_references) {
    const std::string key = referrer_key(target, kind, id);
    if (--referrers_.edit(key) == 0) referrers_.erase(key);
  }
}

}  // namespace tandem::inventory
