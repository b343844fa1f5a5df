#include "query/kind_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "ontology/ontology.h"
#include "query/entity_tables.h"

namespace tandem::query {
namespace {

constexpr size_t kId = 0;
constexpr size_t kFirstAttribute = 1;

constexpr int kScan = 0;
constexpr int kOne = 1;
constexpr int kOneByName = 2;
constexpr int kByReference = 3;  // and above: the attribute's number

bool refers_to_one(const grid::Attribute& attribute) {
  return attribute.type == grid::Type::reference && !attribute.list;
}

std::string targets_of(const grid::Attribute& attribute) {
  if (attribute.refers_to_any.size() == ontology::Ontology::built_in().kinds().size()) return "any";
  return attribute.refers_to_any.empty() ? std::string(attribute.refers_to)
                                         : fmt::format("{}", fmt::join(attribute.refers_to_any, ", "));
}

std::string describe(const grid::Attribute& attribute) {
  std::string text(attribute.description);
  if (!attribute.absent.is_null())
    text += fmt::format("{}Default: {}.", text.empty() ? "" : " ", to_json(attribute.absent));
  return text;
}

class KindTable final : public VirtualTable {
 public:
  explicit KindTable(const grid::Kind& kind)
      : VirtualTable(std::string(kind.name), std::string(kind.description)), kind_(kind) {
    add({"id", ColumnType::text, "Its id, unique in this kind.", {}, false});
    for (const grid::Attribute& attribute : kind.attributes)
      add({std::string(attribute.name), column_type(attribute), describe(attribute), targets_of(attribute), false});
    ref_ = add({"_ref", ColumnType::text, "kind/id, as references to one of several kinds name it.", {}, false});
    created_ = add({"_created", ColumnType::integer, "Offset of the event that brought it into being.", {}, false});
    changed_ = add({"_changed", ColumnType::integer, "Offset of the last event that changed a value.", {}, false});
    set_key({kId});
  }

  std::vector<AccessPath> paths(const Context& context) const override;
  std::optional<size_t> size(const Context& context) const override { return context.snapshot.size(kind_.name); }
  Result<std::unique_ptr<Source>> open(const Context& context, Access access) const override;

  const grid::Kind& kind() const { return kind_; }
  size_t ref() const { return ref_; }
  size_t created() const { return created_; }
  size_t changed() const { return changed_; }

 private:
  const grid::Kind& kind_;
  size_t ref_ = 0;
  size_t created_ = 0;
  size_t changed_ = 0;
};

// Puts the wanted columns of an entity into a row.
class RowWriter {
 public:
  RowWriter(const KindTable& table, const Access& access)
      : table_(table),
        id_(access.wants(kId)),
        ref_(access.wants(table.ref())),
        created_(access.wants(table.created())),
        changed_(access.wants(table.changed())) {
    const auto& attributes = table.kind().attributes;
    for (size_t i = 0; i < attributes.size(); ++i)
      if (access.wants(kFirstAttribute + i)) attributes_.push_back(i);
    std::ranges::sort(attributes_, {}, [&](size_t i) { return attributes[i].name; });
    for (const size_t i : attributes_) names_.push_back(attributes[i].name);
  }

  std::span<const std::string_view> names() const { return names_; }

  void write(const inventory::EntityRow& entity, Rows& rows) const {
    rows.add();
    if (id_) rows.set(kId, std::string_view(entity.id));
    if (ref_) rows.set(table_.ref(), std::string_view(table_.name() + '/' + entity.id));
    if (created_) rows.set(table_.created(), entity.created);
    if (changed_) rows.set(table_.changed(), entity.changed);
    for (size_t i = 0; i < attributes_.size(); ++i) {
      const size_t column = kFirstAttribute + attributes_[i];
      if (std::holds_alternative<std::monostate>(entity.values[i]))
        rows.set_json(column, table_.kind().attributes[attributes_[i]].absent);
      else
        rows.set_scalar(column, entity.values[i]);
    }
  }

 private:
  const KindTable& table_;
  bool id_;
  bool ref_;
  bool created_;
  bool changed_;
  std::vector<size_t> attributes_;       // ascending by name
  std::vector<std::string_view> names_;  // theirs
};

class Scan final : public Source {
 public:
  Scan(const KindTable& table, const Context& context, Access access)
      : table_(table), context_(context), access_(std::move(access)), writer_(table, access_), from_(access_.from) {}

  Result<void> fill(Rows& rows, size_t count) override {
    if (done_) return {};
    done_ = true;
    const auto visit = [&](const inventory::EntityRow& entity) {
      if (access_.is_past(entity.id)) return false;
      writer_.write(entity, rows);
      if (rows.size() < count) return true;
      from_ = entity.id + '\0';  // the least id after it
      done_ = false;
      return false;
    };
    context_.snapshot.for_each_row(table_.kind().name, writer_.names(), visit, from_);
    return {};
  }

 private:
  const KindTable& table_;
  const Context& context_;
  Access access_;
  RowWriter writer_;
  std::string from_;
  bool done_ = false;
};

// The entity of an id, or of a name "kind/id".
class One final : public Source {
 public:
  One(const KindTable& table, const Context& context, const Access& access)
      : table_(table), writer_(table, access), rows_(context.snapshot, table.kind().name, writer_.names()) {
    restart(access);
  }

  bool restart(const Access& access) override {
    const std::string_view wanted = access.equal.front(), kind = table_.kind().name;
    const bool is_own = wanted.size() > kind.size() && wanted.starts_with(kind) && wanted[kind.size()] == '/';
    if (access.path == kOne)
      id_ = wanted;
    else
      id_ = is_own ? wanted.substr(kind.size() + 1) : std::string_view();
    done_ = false;
    return true;
  }

  Result<void> fill(Rows& rows, size_t) override {
    if (std::exchange(done_, true)) return {};
    if (const inventory::EntityRow* entity = rows_.find(id_)) writer_.write(*entity, rows);
    return {};
  }

 private:
  const KindTable& table_;
  RowWriter writer_;
  inventory::RowLookup rows_;
  std::string id_;
  bool done_ = false;
};

// Entities of the kind that refer to one other, by any attribute: SQLite checks that it is the one asked for.
class ReferringRows final : public Source {
 public:
  ReferringRows(const KindTable& table, const Context& context, EntityKey target, Access access)
      : table_(table),
        context_(context),
        target_(std::move(target)),
        access_(std::move(access)),
        writer_(table, access_),
        rows_(context.snapshot, table.kind().name, writer_.names()),
        from_(access_.from) {}

  Result<void> fill(Rows& rows, size_t count) override {
    std::vector<std::string> ids;
    const auto collect = [&](std::string_view id) {
      if (access_.is_past(id)) return false;
      ids.emplace_back(id);
      return ids.size() < count;
    };
    if (!done_) context_.snapshot.for_each_referrer(target_.kind, target_.id, table_.kind().name, collect, from_);
    done_ = ids.size() < count;
    if (!ids.empty()) from_ = ids.back() + '\0';
    for (const std::string& id : ids)
      if (const inventory::EntityRow* entity = rows_.find(id)) writer_.write(*entity, rows);
    return {};
  }

 private:
  const KindTable& table_;
  const Context& context_;
  EntityKey target_;
  Access access_;
  RowWriter writer_;
  inventory::RowLookup rows_;
  std::string from_;
  bool done_ = false;
};

std::vector<AccessPath> KindTable::paths(const Context& context) const {
  const auto count = static_cast<double>(context.latest.size(kind_.name));
  std::vector<AccessPath> paths{
      {kScan, {}, kId, {kId}, count, false}, {kOne, {kId}, {}, {}, 1, true}, {kOneByName, {ref_}, {}, {}, 1, true}};
  for (size_t i = 0; i < kind_.attributes.size(); ++i) {
    const grid::Attribute& attribute = kind_.attributes[i];
    if (!refers_to_one(attribute)) continue;
    double targets = static_cast<double>(attribute.refers_to.empty() ? 0 : context.latest.size(attribute.refers_to));
    for (const std::string_view kind : attribute.refers_to_any)
      targets += static_cast<double>(context.latest.size(kind));
    const double rows = std::max(1.0, count / std::max(1.0, targets));
    paths.push_back({kByReference + static_cast<int>(i), {kFirstAttribute + i}, kId, {kId}, rows, false});
  }
  return paths;
}

Result<std::unique_ptr<Source>> KindTable::open(const Context& context, Access access) const {
  TANDEM_TRY(context.snapshot.reaches(kind_.name));
  if (access.path == kScan) return std::make_unique<Scan>(*this, context, std::move(access));
  if (access.path == kOne || access.path == kOneByName) return std::make_unique<One>(*this, context, access);
  const grid::Attribute& attribute = kind_.attributes[static_cast<size_t>(access.path - kByReference)];
  const grid::Target target = grid::target_of(attribute, access.equal.front());
  EntityKey key{std::string(target.kind), std::string(target.id)};
  return std::make_unique<ReferringRows>(*this, context, std::move(key), std::move(access));
}

}  // namespace

ColumnType column_type(const grid::Attribute& attribute) {
  if (attribute.list || attribute.type == grid::Type::record) return ColumnType::json;
  switch (attribute.type) {
    case grid::Type::boolean: return ColumnType::boolean;
    case grid::Type::integer: return ColumnType::integer;
    case grid::Type::number: return ColumnType::number;
    default: return ColumnType::text;
  }
}

std::unique_ptr<VirtualTable> kind_table(const grid::Kind& kind) { return std::make_unique<KindTable>(kind); }

}  // namespace tandem::query
