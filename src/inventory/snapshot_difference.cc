// What two snapshots do not share: found, written and read back.
//
//   difference = format, offset, time, last mark's, size, sources, marks, dues, kinds   each list after its length
//   source     = name                                     all of them, in the order of their numbers
//   mark       = offset, time, time before or nothing     that only one of the two has, ascending by offset
//   due        = time, kind, id                           of entities for which that differs, ascending by them
//   kind       = name, changed, (id, held)*, (id, past)*  in strictly ascending order of name
//   held       = record, past                             in strictly ascending order of id; an empty record and past:
//                                                         it is not there
#include <fmt/format.h>

#include <set>

#include "inventory/revision.h"
#include "inventory/tables.h"
#include "inventory/upkeep.h"

namespace tandem::inventory {
namespace {

constexpr uint64_t kDifferenceFormat = 2;

tl::unexpected<Error> corrupt_difference(std::string what) {
  return fail(ErrorCode::corrupt, "these bytes are no difference of snapshots: " + std::move(what));
}

using Entities = PersistentMap<std::string, Held>;
using Removed = PersistentMap<std::string, Past>;
using Kinds = PersistentMap<std::string, KindTable>;
using Marks = PersistentMap<TimeMark, int64_t, TimeMarkLess>;

const KindTable kNoTable{};

const KindTable& table_of(const Tables& tables, std::string_view kind) {
  const KindTable* table = tables.kinds.find(kind);
  return table ? *table : kNoTable;
}

std::string bytes_of(const Past& past) {
  std::string bytes;
  past.write(bytes);
  return bytes;
}

bool same_past(const Past& a, const Past& b) { return a.shares(b) || bytes_of(a) == bytes_of(b); }
bool same_record(const Held& a, const Held& b) { return a.record == b.record; }
bool same_held(const Held& a, const Held& b) { return a.record == b.record && same_past(a.past, b.past); }

bool same_table(const KindTable& a, const KindTable& b) {
  bool same = a.changed == b.changed;
  const auto differ = [&](const auto&, const auto*, const auto*) { return same = false; };
  if (same) Entities::difference(a.entities, b.entities, differ, same_held);
  if (same) Removed::difference(a.removed, b.removed, differ, same_past);
  return same;
}

// ---- Writing -------------------------------------------------------------------------------------------------------

class Writer {
 public:
  Writer(const Tables& from, const Tables& to) : from_(from), to_(to) {}

  void write(std::string& out) {
    put_integer(out, kDifferenceFormat);
    put_integer(out, to_.offset);
    put_signed(out, to_.time_ns);
    put_signed(out, to_.marked_ns);
    put_integer(out, to_.size);
    put_integer(out, to_.source_names.size());
    for (const auto& [id, name] : to_.source_names) put_text(out, name);
    write_marks(out);
    write_dues(out);
    uint64_t count = 0;
    std::string kinds;
    Kinds::difference(
        from_.kinds, to_.kinds,
        [&](const std::string& kind, const KindTable* before, const KindTable* after) {
          write_kind(kind, before ? *before : kNoTable, after ? *after : kNoTable, kinds);
          return ++count, true;
        },
        same_table);
    put_integer(out, count);
    out += kinds;
  }

  void write_dues(std::string& out) const {
    uint64_t count = 0;
    std::string dues;
    PersistentMap<Due, Nothing>::difference(
        from_.due, to_.due,
        [&](const Due& due, const Nothing*, const Nothing*) {
          put_signed(dues, due.at_ns);
          put_text(dues, due.entity.kind);
          put_text(dues, due.entity.id);
          return ++count, true;
        },
        [](const Nothing&, const Nothing&) { return true; });
    put_integer(out, count);
    out += dues;
  }

 private:
  void write_marks(std::string& out) const {
    uint64_t count = 0;
    std::string marks;
    Marks::difference(from_.marks, to_.marks, [&](const TimeMark& mark, const int64_t*, const int64_t* previous_ns) {
      put_integer(marks, mark.offset);
      put_signed(marks, mark.at_ns);
      put_integer(marks, previous_ns != nullptr);
      if (previous_ns) put_signed(marks, *previous_ns);
      return ++count, true;
    });
    put_integer(out, count);
    out += marks;
  }

  static void write_kind(const std::string& kind, const KindTable& before, const KindTable& after, std::string& out) {
    uint64_t count = 0;
    std::string entities, removed;
    Entities::difference(
        before.entities, after.entities,
        [&](const std::string& id, const Held*, const Held* held) {
          put_text(entities, id);
          put_text(entities, held ? held->record.view() : std::string_view());
          put_text(entities, held ? bytes_of(held->past) : std::string());
          return ++count, true;
        },
        same_held);
    put_text(out, kind);
    put_integer(out, after.changed);
    put_integer(out, count);
    out += entities;
    count = 0;
    Removed::difference(
        before.removed, after.removed,
        [&](const std::string& id, const Past*, const Past* past) {
          put_text(removed, id);
          put_text(removed, past ? bytes_of(*past) : std::string());
          return ++count, true;
        },
        same_past);
    put_integer(out, count);
    out += removed;
  }

  const Tables& from_;
  const Tables& to_;
};

// ---- Reading -------------------------------------------------------------------------------------------------------

class Reader {
 public:
  Reader(const Tables& from, Tables& to, std::string_view bytes) : from_(from), to_(to), bytes_(bytes) {}

  Result<void> read() {
    if (take_integer(bytes_) != kDifferenceFormat)
      return corrupt_difference(fmt::format("the format is not {}", kDifferenceFormat));
    const auto offset = take_integer(bytes_);
    const auto time = offset ? take_signed(bytes_) : std::nullopt;
    const auto marked = time ? take_signed(bytes_) : std::nullopt;
    const auto size = marked ? take_integer(bytes_) : std::nullopt;
    if (!size) return corrupt_difference("the heading is cut short");
    to_.offset = *offset;
    to_.time_ns = *time;
    to_.marked_ns = *marked;
    TANDEM_TRY(read_sources());
    TANDEM_TRY(read_marks());
    const std::string_view dues = bytes_;
    TANDEM_TRY(read_dues());
    const std::string_view dues_read = dues.substr(0, dues.size() - bytes_.size());
    const auto kinds = take_integer(bytes_);
    if (!kinds) return corrupt_difference("the number of kinds is missing");
    std::string previous;
    for (uint64_t i = 0; i < *kinds; ++i) TANDEM_TRY(read_kind(previous, i == 0));
    if (!bytes_.empty()) return corrupt_difference("something follows the last entity");
    if (to_.size != *size) return corrupt_difference("it is of another snapshot");
    follow_all();
    std::string due;
    Writer(from_, to_).write_dues(due);
    if (due != dues_read) return corrupt_difference("what is due is not what its entities make it");
    return {};
  }

 private:
  Result<void> read_sources();
  Result<void> read_marks();
  Result<void> read_dues();
  Result<void> read_kind(std::string& previous, bool first);
  Result<void> read_entities(const std::string& kind, KindTable& table);
  Result<void> read_removed(const std::string& kind, KindTable& table);
  Result<Past> take_past();
  void follow_all();

  const Tables& from_;
  Tables& to_;
  std::string_view bytes_;
  std::set<EntityKey> touched_;
};

Result<void> Reader::read_sources() {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size()) return corrupt_difference("the sources are cut short");
  to_.source_ids = {};
  to_.source_names = {};
  for (SourceId id = 0; id < *count; ++id) {
    const auto name = take_text(bytes_);
    if (!name || !to_.source_ids.set(std::string(*name), id))
      return corrupt_difference("a source is cut short or stands there twice");
    to_.source_names.set(id, std::string(*name));
  }
  return {};
}

Result<void> Reader::read_marks() {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size()) return corrupt_difference("the times are cut short");
  std::optional<log::Offset> previous;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto offset = take_integer(bytes_);
    const auto at = offset ? take_signed(bytes_) : std::nullopt;
    const auto there = at ? take_integer(bytes_) : std::nullopt;
    if (!there || *there > 1 || (previous && *offset <= *previous))
      return corrupt_difference("a time is cut short or out of order");
    previous = *offset;
    const int64_t* known = from_.marks.find(TimeMark{*offset, *at});
    if (*there) {
      const auto before = take_signed(bytes_);
      if (!before || (known && *known == *before)) return corrupt_difference("a time does not differ");
      to_.marks.set({*offset, *at}, *before);
    } else if (!to_.marks.erase(TimeMark{*offset, *at})) {
      return corrupt_difference("a time does not differ");
    }
  }
  return {};
}

Result<void> Reader::read_dues() {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size()) return corrupt_difference("what is due is cut short");
  for (uint64_t i = 0; i < *count; ++i) {
    const auto at = take_signed(bytes_);
    const auto kind = at ? take_text(bytes_) : std::nullopt;
    const auto id = kind ? take_text(bytes_) : std::nullopt;
    if (!id) return corrupt_difference("what is due is cut short");
    touched_.insert({std::string(*kind), std::string(*id)});
  }
  return {};
}

Result<Past> Reader::take_past() {
  Past past;
  const auto bytes = take_text(bytes_);
  if (!bytes || !past.read(*bytes, to_.source_ids.size()))
    return corrupt_difference("the past of an entity is malformed");
  return past;
}

Result<void> Reader::read_kind(std::string& previous, bool first) {
  const auto name = take_text(bytes_);
  const auto changed = name ? take_integer(bytes_) : std::nullopt;
  if (!changed) return corrupt_difference("a kind is cut short");
  if (!first && *name <= previous) return corrupt_difference(fmt::format("kind '{}' is out of order", *name));
  previous = *name;
  KindTable table = table_of(from_, previous);
  const size_t before = table.entities.size();
  table.changed = *changed;
  TANDEM_TRY(read_entities(previous, table));
  TANDEM_TRY(read_removed(previous, table));
  if (same_table(table, table_of(from_, previous)))
    return corrupt_difference(fmt::format("kind '{}' does not differ", previous));
  to_.size += table.entities.size();
  to_.size -= before;
  if (*changed != 0) {
    to_.kinds.set(previous, std::move(table));
    return {};
  }
  // There is no such kind: an event that changes one has an offset.
  if (!table.entities.empty() || !table.removed.empty())
    return corrupt_difference(fmt::format("kind '{}' was never changed", previous));
  to_.kinds.erase(previous);
  return {};
}

Result<void> Reader::read_entities(const std::string& kind, KindTable& table) {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size()) return corrupt_difference(fmt::format("kind '{}' is cut short", kind));
  std::string previous;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto id = take_text(bytes_);
    const auto record = id ? take_text(bytes_) : std::nullopt;
    if (!record || (!record->empty() && !parse_record(*record, to_.source_ids.size())))
      return corrupt_difference(fmt::format("an entity of kind '{}' is malformed", kind));
    if (i > 0 && *id <= previous)
      return corrupt_difference(fmt::format("an entity of kind '{}' is out of order", kind));
    previous = *id;
    Held held{SharedBytes(*record), {}};
    TANDEM_ASSIGN(held.past, take_past());
    const Held* known = table.entities.find(previous);
    const bool gone = record->empty();
    if (gone ? !known || !held.past.empty() : known && same_held(*known, held))
      return corrupt_difference(fmt::format("{} '{}' does not differ", kind, previous));
    touched_.insert({kind, previous});
    if (gone)
      table.entities.erase(previous);
    else
      table.entities.set(previous, std::move(held));
  }
  return {};
}

Result<void> Reader::read_removed(const std::string& kind, KindTable& table) {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size())
    return corrupt_difference(fmt::format("what was removed of kind '{}' is cut short", kind));
  std::string previous;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto id = take_text(bytes_);
    if (!id || (i > 0 && *id <= previous))
      return corrupt_difference(fmt::format("a removed entity of kind '{}' is out of order", kind));
    previous = *id;
    TANDEM_ASSIGN(Past past, take_past());
    const Past* known = table.removed.find(previous);
    if (past.empty() ? !known : known && same_past(*known, past))
      return corrupt_difference(fmt::format("{} '{}' does not differ", kind, previous));
    touched_.insert({kind, previous});
    if (past.empty())
      table.removed.erase(previous);
    else
      table.removed.set(previous, std::move(past));
  }
  return {};
}

// Brings up to date what follows from the entities, where it may be other.
void Reader::follow_all() {
  to_.changed = 0;
  for (const auto& [kind, table] : to_.kinds) to_.changed = std::max(to_.changed, table.changed);
  to_.policy = std::make_shared<const Policy>(policy_of(to_, nullptr));
  if (!(*to_.policy == *from_.policy))
    for (const auto& [key, nothing] : from_.disputed) touched_.insert(key);
  for (const EntityKey& key : touched_) follow(from_, to_, key);
}

}  // namespace

void Snapshot::for_each_difference(const Snapshot& before, const Snapshot& after,
                                   const std::function<bool(const EntityKey&)>& visit, const EntityKey& from) {
  bool going = true;
  const auto visit_kind = [&](const std::string& kind, const KindTable* old_table, const KindTable* new_table) {
    Entities::difference((old_table ? *old_table : kNoTable).entities, (new_table ? *new_table : kNoTable).entities,
                         [&](const std::string& id, const Held*, const Held*) {
                           return going = visit({kind, id});
                         },
                         same_record, kind == from.kind ? std::string_view(from.id) : std::string_view());
    return going;
  };
  const auto same = [](const KindTable& a, const KindTable& b) { return a.entities.shares_all(b.entities); };
  Kinds::difference(before.tables_->kinds, after.tables_->kinds, visit_kind, same, from.kind);
}

bool Snapshot::holds_same(const Snapshot& other, std::string_view kind, std::string_view id) const {
  const Held* ours = table_of(*tables_, kind).entities.find(id);
  const Held* theirs = table_of(*other.tables_, kind).entities.find(id);
  return ours && theirs ? same_record(*ours, *theirs) : !ours && !theirs;
}

void Snapshot::take_over(const Snapshot& other, const EntityKey& entity, log::Offset offset) {
  const KindTable& theirs = table_of(*other.tables_, entity.kind);
  const Tables before = *tables_;
  KindTable& table = tables_->kinds.edit(entity.kind);
  tables_->size += theirs.entities.find(entity.id) != nullptr;
  tables_->size -= table.entities.find(entity.id) != nullptr;
  table.entities.erase(entity.id);
  table.removed.erase(entity.id);
  if (const Held* held = theirs.entities.find(entity.id)) table.entities.set(entity.id, *held);
  if (const Past* past = theirs.removed.find(entity.id)) table.removed.set(entity.id, *past);
  table.changed = tables_->changed = tables_->offset = offset;
  follow(before, *tables_, entity);
  if (entity.kind == kSource) renew_policy(*tables_, offset, nullptr);
}

void Snapshot::write_difference(const Snapshot& from, std::string& out) const {
  Writer(*from.tables_, *tables_).write(out);
}

Result<Snapshot> Snapshot::read_difference(const Snapshot& from, std::string_view bytes) {
  Snapshot snapshot = from;
  TANDEM_TRY(Reader(*from.tables_, *snapshot.tables_, bytes).read());
  return snapshot;
}

}  // namespace tandem::inventory
