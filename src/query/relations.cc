#include "query/relations.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "grid/schema.h"
#include "inventory/horizon.h"

namespace tandem::query {
namespace {

// A reference of a kind: where its values are, and what it means.
struct Reference {
  const grid::Attribute* attribute = nullptr;    // the reference itself
  std::string_view field;                        // where it stands in the records of `column`
  const ontology::Relation* relation = nullptr;  // null for a jurisdiction
  size_t column = 0;                             // of the names below
};

struct ReferringColumns {
  std::vector<std::string_view> names;  // of attributes, ascending
  std::vector<Reference> references;
};

void add_references(const ontology::Kind& kind, const grid::Attribute& attribute, size_t column,
                    ReferringColumns& out) {
  if (attribute.format == grid::Format::jurisdiction) out.references.push_back({&attribute, {}, nullptr, column});
  for (const ontology::Relation& relation : kind.relations) {
    if (relation.attribute != attribute.name) continue;
    const auto field = std::ranges::find(attribute.fields, relation.field, &grid::Attribute::name);
    out.references.push_back(
        {field == attribute.fields.end() ? &attribute : &*field, relation.field, &relation, column});
  }
}

const ReferringColumns* referring_columns(std::string_view kind) {
  static const std::map<std::string_view, ReferringColumns> kAll = [] {
    std::map<std::string_view, ReferringColumns> all;
    for (const ontology::Kind& each : ontology::Ontology::built_in().kinds()) {
      ReferringColumns& own = all[each.name];
      std::vector<const grid::Attribute*> attributes;
      for (const grid::Attribute& attribute : each.attributes) attributes.push_back(&attribute);
      std::ranges::sort(attributes, {}, &grid::Attribute::name);
      for (const grid::Attribute* attribute : attributes) {
        const size_t before = own.references.size();
        add_references(each, *attribute, own.names.size(), own);
        if (own.references.size() > before) own.names.push_back(attribute->name);
      }
    }
    return all;
  }();
  const auto found = kAll.find(kind);
  return found == kAll.end() || found->second.names.empty() ? nullptr : &found->second;
}

struct Collector {
  std::vector<Relation>& relations;
  std::set<std::tuple<std::string, std::string, std::string>> known = {};

  void collect(const Reference& reference, const std::string& path, const Json& value) {
    if (value.is_array()) {
      for (const Json& item : value.array()) collect(reference, path, item);
    } else if (value.is_object()) {
      collect(reference, path + '.' + std::string(reference.field), value[reference.field]);
    } else if (value.is_string()) {
      add(reference, path, value.text());
    }
  }

  void add(const Reference& reference, const std::string& path, std::string_view value) {
    const grid::Target target = reference.relation == nullptr ? grid::Target{inventory::kJurisdiction, value}
                                                              : grid::target_of(*reference.attribute, value);
    if (!known.emplace(path, target.kind, target.id).second) return;
    Relation& added =
        relations.emplace_back(Relation{path, {}, false, {}, {std::string(target.kind), std::string(target.id)}});
    if (reference.relation == nullptr) return;
    added.name = reference.relation->name;
    added.located_in = reference.relation->located_in;
    added.impact = reference.relation->impact;
  }
};

std::string_view impact_name(ontology::Impact impact) {
  switch (impact) {
    case ontology::Impact::none: return "none";
    case ontology::Impact::on_holder: return "on_holder";
    case ontology::Impact::on_target: return "on_target";
  }
  return "none";
}

}  // namespace

std::vector<Relation> relations_of(const inventory::Snapshot& snapshot, const EntityKey& from) {
  std::vector<Relation> relations;
  const ReferringColumns* own = referring_columns(from.kind);
  if (own == nullptr) return relations;
  Collector collector{relations};
  snapshot.visit_row(from.kind, from.id, own->names, [&](const inventory::EntityRow& entity) {
    for (const Reference& reference : own->references) {
      const inventory::Scalar& value = entity.values[reference.column];
      const std::string path(own->names[reference.column]);
      if (const auto* text = std::get_if<std::string_view>(&value))
        collector.add(reference, path, *text);
      else if (const auto* json = std::get_if<Json>(&value))
        collector.collect(reference, path, *json);
    }
    return true;
  });
  return relations;
}

namespace {

class RelationsTable final : public VirtualTable {
 public:
  enum Columns : size_t { kFromKind, kFromId, kAttribute, kName, kToKind, kToId, kLocatedIn, kImpact };
  static constexpr int kTo = 10;        // path: those that refer to one entity
  static constexpr int kToOfKind = 11;  // and are of one kind

  RelationsTable()
      : VirtualTable("relations", "Which entity refers to which, by which attribute, and what that means.") {
    add({"from_kind", ColumnType::text, "Kind of the entity that refers.", {}, false});
    add({"from_id", ColumnType::text, "Its id.", {}, false});
    add({"attribute", ColumnType::text, "By which; within a record, record.field.", {}, false});
    add({"name", ColumnType::text, "How it reads: mounted_in.", {}, false});
    add({"to_kind", ColumnType::text, "Kind of the entity referred to.", {}, false});
    add({"to_id", ColumnType::text, "Its id.", {}, false});
    add({"located_in", ColumnType::boolean, "The other is where the entity stands.", {}, false});
    add({"impact",
         ColumnType::text,
         "on_holder: it fails with the other; on_target: the other fails with it; none.",
         {},
         false});
    set_key({kFromKind, kFromId, kAttribute, kToKind, kToId});
  }

  std::vector<AccessPath> paths(const Context& context) const override {
    constexpr double kPerEntity = 2;
    std::vector<AccessPath> paths = entity_paths(context, kFromKind, kFromId, kPerEntity, false);
    paths.push_back({kTo, {kToKind, kToId}, {}, {kFromKind, kFromId}, 10, false});
    paths.push_back({kToOfKind, {kToKind, kToId, kFromKind}, {}, {kFromId}, 5, false});
    return paths;
  }
  std::optional<size_t> size(const Context&) const override { return std::nullopt; }
  Result<std::unique_ptr<Source>> open(const Context& context, Access access) const override;
};

void add_row(const EntityKey& from, const Relation& relation, Rows& rows) {
  rows.add();
  rows.set(RelationsTable::kFromKind, std::string_view(from.kind));
  rows.set(RelationsTable::kFromId, std::string_view(from.id));
  rows.set(RelationsTable::kAttribute, std::string_view(relation.attribute));
  if (!relation.name.empty()) rows.set(RelationsTable::kName, relation.name);
  rows.set(RelationsTable::kToKind, std::string_view(relation.to.kind));
  rows.set(RelationsTable::kToId, std::string_view(relation.to.id));
  rows.set(RelationsTable::kLocatedIn, int64_t{relation.located_in});
  rows.set(RelationsTable::kImpact, impact_name(relation.impact));
}

class RelationsFrom final : public Source {
 public:
  RelationsFrom(const Context& context, Access access) : context_(context), keys_(context, std::move(access)) {}

  Result<void> fill(Rows& rows, size_t count) override {
    while (rows.size() == 0) {
      const std::vector<EntityKey> keys = keys_.next(count);
      if (keys.empty()) return {};
      for (const EntityKey& key : keys)
        for (const Relation& relation : relations_of(context_.snapshot, key)) add_row(key, relation, rows);
      if (!context_.budget.spend(keys.size())) return {};
    }
    return {};
  }

 private:
  const Context& context_;
  KeyScan keys_;
};

class RelationsTo final : public Source {
 public:
  // `kind` of those that refer to it; empty: of any.
  RelationsTo(const Context& context, EntityKey to, std::string kind)
      : context_(context), to_(std::move(to)), kind_(std::move(kind)) {}

  Result<void> fill(Rows& rows, size_t) override {
    if (std::exchange(done_, true)) return {};
    for (const EntityKey& from : context_.snapshot.referrers(to_.kind, to_.id, SIZE_MAX)) {
      if (!kind_.empty() && from.kind != kind_) continue;
      for (const Relation& relation : relations_of(context_.snapshot, from))
        if (relation.to == to_) add_row(from, relation, rows);
      if (!context_.budget.spend(1)) return {};
    }
    return {};
  }

 private:
  const Context& context_;
  EntityKey to_;
  std::string kind_;
  bool done_ = false;
};

Result<std::unique_ptr<Source>> RelationsTable::open(const Context& context, Access access) const {
  if (access.path == kTo || access.path == kToOfKind) {
    std::string kind = access.path == kToOfKind ? access.equal[2] : std::string();
    TANDEM_TRY(kind.empty() ? inventory::reaches_all(context.snapshot) : context.snapshot.reaches(kind));
    return std::make_unique<RelationsTo>(context, EntityKey{access.equal[0], access.equal[1]}, std::move(kind));
  }
  TANDEM_TRY(reaches_read(context, access));
  return std::make_unique<RelationsFrom>(context, std::move(access));
}

}  // namespace

std::unique_ptr<VirtualTable> relations_table() { return std::make_unique<RelationsTable>(); }

}  // namespace tandem::query
