#include "query/entity_tables.h"

#include <array>
#include <utility>

#include "inventory/horizon.h"

namespace tandem::query {

KeyScan::KeyScan(const Context& context, Access access)
    : context_(context), access_(std::move(access)), from_(access_.from) {
  if (access_.path == kAllKinds) {
    kinds_ = context.snapshot.kinds();
    std::ranges::reverse(kinds_);
  } else {
    kinds_ = {access_.equal.front()};
  }
  if (access_.path != kOneEntity) return;
  from_ = access_.equal[1];
  access_.to = from_;
}

std::vector<EntityKey> KeyScan::next(size_t count) {
  std::vector<EntityKey> keys;
  while (!kinds_.empty() && keys.size() < count) {
    const std::string kind = kinds_.back();
    bool more = false;
    const auto visit = [&](const std::string& id) {
      if (access_.is_past(id)) return false;
      keys.push_back({kind, id});
      more = keys.size() == count;
      return !more;
    };
    context_.snapshot.for_each_id(kind, visit, from_);
    if (more) {
      from_ = keys.back().id + '\0';
    } else {
      kinds_.pop_back();
      from_ = access_.from;
    }
  }
  return keys;
}

Result<void> reaches_read(const Context& context, const Access& access) {
  if (access.path == kAllKinds) return inventory::reaches_all(context.snapshot);
  return context.snapshot.reaches(access.equal.front());
}

std::vector<AccessPath> entity_paths(const Context& context, size_t kind_column, size_t id_column,
                                     double rows_per_entity, bool unique) {
  const double all = static_cast<double>(context.latest.size()) * rows_per_entity;
  const double kinds = std::max<double>(1, static_cast<double>(context.latest.kinds().size()));
  return {{kAllKinds, {}, {}, {kind_column, id_column}, all, false},
          {kOneKind, {kind_column}, id_column, {id_column}, all / kinds, false},
          {kOneEntity, {kind_column, id_column}, {}, {}, rows_per_entity, unique}};
}

namespace {

// Adds the rows of one entity after the other.
class EntityRows : public Source {
 public:
  EntityRows(const Context& context, Access access)
      : context_(context), access_(access), keys_(context, std::move(access)) {}

  Result<void> fill(Rows& rows, size_t count) override {
    if (access_.path == kOneEntity) {
      if (!std::exchange(done_, true)) add({access_.equal[0], access_.equal[1]}, rows);
      return {};
    }
    while (rows.size() == 0) {
      const std::vector<EntityKey> keys = keys_.next(count);
      if (keys.empty() || !context_.budget.spend(keys.size())) return {};
      for (const EntityKey& key : keys) add(key, rows);
    }
    return {};
  }

 protected:
  virtual void add(const EntityKey& key, Rows& rows) const = 0;
  const Context& context_;
  const Access access_;

 private:
  KeyScan keys_;
  bool done_ = false;
};

// ---- entities ----------------------------------------------------------------------------------------------------

class EntitiesTable final : public VirtualTable {
 public:
  enum Columns : size_t { kKind, kId, kName, kAttributes, kCreated, kChanged };

  EntitiesTable() : VirtualTable("entities", "Every entity, whatever its kind, with all that is believed of it.") {
    add({"kind", ColumnType::text, "Its kind, which is also the name of its table.", {}, false});
    add({"id", ColumnType::text, "Its id, unique in its kind.", {}, false});
    add({"name", ColumnType::text, "Its name, where it has one.", {}, false});
    add({"attributes", ColumnType::json, "What is believed of it, by attribute, without defaults.", {}, false});
    add({"_created", ColumnType::integer, "Offset of the event that brought it into being.", {}, false});
    add({"_changed", ColumnType::integer, "Offset of the last event that changed a value.", {}, false});
    set_key({kKind, kId});
  }

  std::vector<AccessPath> paths(const Context& context) const override {
    return entity_paths(context, kKind, kId, 1, true);
  }
  std::optional<size_t> size(const Context& context) const override { return context.snapshot.size(); }
  Result<std::unique_ptr<Source>> open(const Context& context, Access access) const override;
};

class EntitiesSource final : public EntityRows {
 public:
  using EntityRows::EntityRows;

 private:
  void add(const EntityKey& key, Rows& rows) const override {
    static constexpr std::array<std::string_view, 1> kWanted{"name"};
    context_.snapshot.visit_row(key.kind, key.id, kWanted, [&](const inventory::EntityRow& entity) {
      rows.add();
      rows.set(EntitiesTable::kKind, std::string_view(key.kind));
      rows.set(EntitiesTable::kId, std::string_view(key.id));
      rows.set_scalar(EntitiesTable::kName, entity.values[0]);
      rows.set(EntitiesTable::kCreated, entity.created);
      rows.set(EntitiesTable::kChanged, entity.changed);
      if (access_.wants(EntitiesTable::kAttributes))
        rows.set_json(EntitiesTable::kAttributes, context_.snapshot.attributes(key.kind, key.id));
      return true;
    });
  }
};

Result<std::unique_ptr<Source>> EntitiesTable::open(const Context& context, Access access) const {
  TANDEM_TRY(reaches_read(context, access));
  return std::make_unique<EntitiesSource>(context, std::move(access));
}

// ---- facts and history -------------------------------------------------------------------------------------------

class ClaimsTable final : public VirtualTable {
 public:
  enum Columns : size_t {
    kKind,
    kId,
    kAttribute,
    kValue,
    kSource,
    kStanding,
    kConfidence,
    kFrom,
    kTo,
    kOffset,
    kHolds,
    kBelieved
  };

  ClaimsTable(std::string name, std::string description, bool also_past)
      : VirtualTable(std::move(name), std::move(description)), also_past_(also_past) {
    add({"kind", ColumnType::text, "Kind of the entity it is about.", {}, false});
    add({"id", ColumnType::text, "Id of the entity it is about.", {}, false});
    add({"attribute", ColumnType::text, "Name of the attribute.", {}, false});
    add({"value", ColumnType::any, "What is said; lists and records as JSON text; null: that it has none.", {}, false});
    add({"source", ColumnType::text, "Who says so.", {}, false});
    add({"standing", ColumnType::text, "observed, discovered or intended.", {}, false});
    add({"confidence", ColumnType::number, "Above 0, at most 1; null where the source did not say.", {}, false});
    add({"valid_from", ColumnType::text, "Since when it is so, RFC 3339.", {}, false});
    add({"valid_to", ColumnType::text, "From when it no longer is; null where no end is known.", {}, false});
    add({"offset", ColumnType::integer, "Of the event that said it first.", {}, false});
    add({"holds",
         ColumnType::boolean,
         "No later word of the same source hides it, and its time is the one asked for.",
         {},
         false});
    add({"believed", ColumnType::boolean, "It is the attribute's value.", {}, false});
    set_key({kKind, kId, kAttribute, kSource, kStanding, kOffset, kFrom, kTo});
  }

  std::vector<AccessPath> paths(const Context& context) const override {
    constexpr double kPerEntity = 8;  // attributes, as the kinds of a grid have
    return entity_paths(context, kKind, kId, also_past_ ? 2 * kPerEntity : kPerEntity, false);
  }
  std::optional<size_t> size(const Context&) const override { return std::nullopt; }
  Result<std::unique_ptr<Source>> open(const Context& context, Access access) const override;

 private:
  bool also_past_;
};

class ClaimsSource final : public EntityRows {
 public:
  ClaimsSource(const Context& context, Access access, bool also_past)
      : EntityRows(context, std::move(access)), also_past_(also_past) {}

 private:
  void add(const EntityKey& key, Rows& rows) const override {
    for (const inventory::Claim& claim : context_.snapshot.claims(key.kind, key.id)) {
      if (!also_past_ && !claim.holds) continue;
      rows.add();
      rows.set(ClaimsTable::kKind, std::string_view(key.kind));
      rows.set(ClaimsTable::kId, std::string_view(key.id));
      rows.set(ClaimsTable::kAttribute, std::string_view(claim.attribute));
      rows.set_json(ClaimsTable::kValue, inventory::to_json_value(claim));
      rows.set(ClaimsTable::kSource, std::string_view(claim.source));
      rows.set(ClaimsTable::kStanding, inventory::to_text(claim.standing));
      if (claim.confidence > 0) rows.set(ClaimsTable::kConfidence, claim.confidence);
      rows.set(ClaimsTable::kFrom, std::string_view(format_rfc3339(claim.valid_from)));
      if (claim.valid_to) rows.set(ClaimsTable::kTo, std::string_view(format_rfc3339(*claim.valid_to)));
      rows.set(ClaimsTable::kOffset, claim.offset);
      rows.set(ClaimsTable::kHolds, int64_t{claim.holds});
      rows.set(ClaimsTable::kBelieved, int64_t{claim.believed});
    }
  }

  bool also_past_;
};

Result<std::unique_ptr<Source>> ClaimsTable::open(const Context& context, Access access) const {
  TANDEM_TRY(reaches_read(context, access));
  return std::make_unique<ClaimsSource>(context, std::move(access), also_past_);
}

}  // namespace

std::unique_ptr<VirtualTable> entities_table() { return std::make_unique<EntitiesTable>(); }
std::unique_ptr<VirtualTable> facts_table() {
  return std::make_unique<ClaimsTable>("facts", "What each source says of each attribute, and what of it is believed.",
                                       false);
}
std::unique_ptr<VirtualTable> history_table() {
  return std::make_unique<ClaimsTable>(
      "history", "All that was ever said; of an entity that is gone where kind and id are given.", true);
}

}  // namespace tandem::query
