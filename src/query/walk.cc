#include "query/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "base/text.h"
#include "inventory/horizon.h"
#include "query/relations.h"

namespace tandem::query {
namespace {

constexpr size_t kSuggestedAmong = 10'000;  // ids that a mistyped one is compared with

enum WalkColumns : size_t { kDistance, kReachedKind, kReachedId, kRelation, kViaKind, kViaId, kOfKind, kOfId };

struct WalkDescription {
  const char* name;
  const char* description;
};

WalkDescription describe(Walk walk) {
  switch (walk) {
    case Walk::impact_of:
      return {"impact_of",
              "What feels it when this entity fails, by the relations that the ontology says carry an impact."};
    case Walk::path_of:
      return {"path_of", "What this entity runs over: all that it needs, and where that stands, in order."};
    case Walk::located_in: return {"located_in", "All that stands or runs in this entity."};
    case Walk::location_of: return {"location_of", "What this entity stands or runs in."};
  }
  return {"", ""};
}

// How an entity was reached, which decides how path_of goes on.
enum class Arrival : uint8_t { start, by_impact, by_place };

// Whether the walk follows a relation from the entity that names to the one named.
bool goes_forward(Walk walk, const Relation& relation) {
  switch (walk) {
    case Walk::impact_of: return relation.impact == ontology::Impact::on_target;
    case Walk::path_of: return relation.located_in || relation.impact == ontology::Impact::on_holder;
    case Walk::located_in: return false;
    case Walk::location_of: return relation.located_in;
  }
  return false;
}

// And from the one named. A place that something stands in needs much that the thing does not: every cable that ends at
// a site is no part of each path through it.
bool goes_back(Walk walk, const Relation& relation, Arrival arrival) {
  switch (walk) {
    case Walk::impact_of: return relation.impact == ontology::Impact::on_holder;
    case Walk::path_of: return relation.impact == ontology::Impact::on_target && arrival != Arrival::by_place;
    case Walk::located_in: return relation.located_in;
    case Walk::location_of: return false;
  }
  return false;
}

bool ever_goes_back(Walk walk, Arrival arrival) {
  return walk != Walk::location_of && !(walk == Walk::path_of && arrival == Arrival::by_place);
}

// Whether entities of the kind are among those that the walk may come to by what they say themselves.
bool is_walked(Walk walk, const ontology::Kind& kind) {
  return std::ranges::any_of(kind.relations, [&](const ontology::Relation& each) {
    Relation relation;
    relation.located_in = each.located_in;
    relation.impact = each.impact;
    return goes_forward(walk, relation) || goes_back(walk, relation, Arrival::start);
  });
}

std::string joined(const EntityKey& key) { return key.kind + '/' + key.id; }

std::optional<EntityKey> split_key(const std::vector<std::string>& arguments) {
  if (arguments.size() == 2) return EntityKey{arguments[0], arguments[1]};
  const size_t end = arguments[0].find('/');
  if (end == std::string::npos) return std::nullopt;
  return EntityKey{arguments[0].substr(0, end), arguments[0].substr(end + 1)};
}

std::string meant(std::string_view name, const std::vector<std::string>& candidates) {
  const auto near = nearest(name, candidates);
  return near ? fmt::format("; did you mean '{}'?", *near) : std::string();
}

// That there is such an entity, or something that refers to it as if there were.
Result<void> check_exists(const inventory::Snapshot& snapshot, const EntityKey& key) {
  if (snapshot.has(key.kind, key.id) || !snapshot.referrers(key.kind, key.id, 1).empty()) return {};
  const ontology::Ontology& ontology = ontology::Ontology::built_in();
  if (ontology.find(key.kind) == nullptr && snapshot.size(key.kind) == 0 && key.kind != inventory::kJurisdiction)
    return fail(ErrorCode::invalid_argument, ontology.unknown_kind(key.kind));
  std::vector<std::string> ids;
  snapshot.for_each_id(key.kind,
                       [&](const std::string& id) { return ids.push_back(id), ids.size() < kSuggestedAmong; });
  return fail(ErrorCode::not_found, fmt::format("no {} '{}'{}", key.kind, key.id.substr(0, 128), meant(key.id, ids)));
}

struct Reached {
  EntityKey key;
  int64_t distance = 0;
  std::string relation;
  EntityKey via;
  Arrival arrival = Arrival::start;
};

class WalkSource final : public Source {
 public:
  WalkSource(Walk walk, const Context& context, EntityKey start, std::vector<std::string> arguments)
      : walk_(walk), context_(context), arguments_(std::move(arguments)) {
    known_.insert(joined(start));
    expand({std::move(start), 0, {}, {}, Arrival::start});
  }
  ~WalkSource() override { context_.budget.give_back(bytes_); }

  Result<void> fill(Rows& rows, size_t count) override {
    while (rows.size() < count && !open_.empty()) {
      Reached reached = std::move(open_.front());
      open_.pop_front();
      if (walk_ == Walk::path_of && !known_.insert(joined(reached.key)).second) continue;
      add_row(reached, rows);
      if (!context_.budget.spend(1) || !expand(std::move(reached))) return {};
    }
    return {};
  }

 private:
  // False when the budget does not allow it.
  bool expand(Reached from);
  void add_row(const Reached& reached, Rows& rows) const;

  Walk walk_;
  const Context& context_;
  std::vector<std::string> arguments_;
  std::deque<Reached> open_;               // reached, but not what is beyond
  std::unordered_set<std::string> known_;  // looked up, never iterated
  size_t bytes_ = 0;                       // taken from the budget
};

bool WalkSource::expand(Reached from) {
  std::vector<Reached> found;
  const auto add = [&](const EntityKey& key, const Relation& relation) {
    const bool is_new = walk_ == Walk::path_of ? !known_.contains(joined(key)) : known_.insert(joined(key)).second;
    const Arrival arrival = relation.located_in ? Arrival::by_place : Arrival::by_impact;
    if (is_new) found.push_back({key, from.distance + 1, relation.attribute, from.key, arrival});
  };
  for (const Relation& relation : relations_of(context_.snapshot, from.key))
    if (goes_forward(walk_, relation)) add(relation.to, relation);
  if (ever_goes_back(walk_, from.arrival)) {
    for (const EntityKey& referrer : context_.snapshot.referrers(from.key.kind, from.key.id, SIZE_MAX)) {
      if (!context_.budget.spend(1)) return false;
      for (const Relation& relation : relations_of(context_.snapshot, referrer))
        if (relation.to == from.key && goes_back(walk_, relation, from.arrival)) add(referrer, relation);
    }
  }
  size_t bytes = 0;
  for (const Reached& each : found)
    bytes += 2 * sizeof(Reached) + 3 * joined(each.key).size() + joined(each.via).size();
  if (!context_.budget.take(bytes)) return false;
  bytes_ += bytes;
  const auto place = walk_ == Walk::path_of ? open_.begin() : open_.end();
  open_.insert(place, std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  return true;
}

void WalkSource::add_row(const Reached& reached, Rows& rows) const {
  rows.add();
  rows.set(kDistance, reached.distance);
  rows.set(kReachedKind, std::string_view(reached.key.kind));
  rows.set(kReachedId, std::string_view(reached.key.id));
  rows.set(kRelation, std::string_view(reached.relation));
  rows.set(kViaKind, std::string_view(reached.via.kind));
  rows.set(kViaId, std::string_view(reached.via.id));
  rows.set(kOfKind, std::string_view(arguments_[0]));
  if (arguments_.size() > 1) rows.set(kOfId, std::string_view(arguments_[1]));
}

class WalkTable final : public VirtualTable {
 public:
  explicit WalkTable(Walk walk) : VirtualTable(describe(walk).name, describe(walk).description), walk_(walk) {
    add({"distance", ColumnType::integer, "Relations between the two.", {}, false});
    add({"kind", ColumnType::text, "Kind of the entity reached.", {}, false});
    add({"id", ColumnType::text, "Its id.", {}, false});
    add({"relation", ColumnType::text, "The attribute that relates the two, of either.", {}, false});
    add({"via_kind", ColumnType::text, "Kind of the entity at the other end of that relation.", {}, false});
    add({"via_id", ColumnType::text, "Its id.", {}, false});
    add({"of_kind", ColumnType::text, "The kind asked about, or kind/id.", {}, true});
    add({"of_id", ColumnType::text, "The id asked about.", {}, true});
    set_key({kOfKind, kOfId, kReachedKind, kReachedId});
  }

  std::vector<AccessPath> paths(const Context&) const override {
    constexpr double kReached = 100;
    return {{1, {kOfKind}, {}, {}, kReached, false}, {2, {kOfKind, kOfId}, {}, {}, kReached, false}};
  }
  std::optional<size_t> size(const Context&) const override { return std::nullopt; }

  Result<std::unique_ptr<Source>> open(const Context& context, Access access) const override {
    auto key = split_key(access.equal);
    if (!key)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("'{1}' is no entity; write {0}('link', 'ber-ham') or {0}('link/ber-ham')", name(),
                              access.equal[0].substr(0, 64)));
    TANDEM_TRY(inventory::reaches_all(context.snapshot, [&](const ontology::Kind& kind) {
      return kind.name == key->kind || is_walked(walk_, kind);
    }));
    TANDEM_TRY(check_exists(context.snapshot, *key));
    return std::make_unique<WalkSource>(walk_, context, std::move(*key), std::move(access.equal));
  }

 private:
  Walk walk_;
};

}  // namespace

std::unique_ptr<VirtualTable> walk_table(Walk walk) { return std::make_unique<WalkTable>(walk); }

}  // namespace tandem::query
