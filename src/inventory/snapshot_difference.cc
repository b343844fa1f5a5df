// What two snapshots do not share: found, written and read back.
//
//   difference = format, offset, number of entities, number of kinds, kind*    kinds in strictly ascending order of name
//   kind       = name, changed, number of differences, (id, record)*           ids in strictly ascending order; an empty
//                                                                              record: it is not there
#include <fmt/format.h>

#include "inventory/inventory.h"
#include "inventory/record.h"
#include "inventory/references.h"

namespace tandem::inventory {
namespace {

constexpr uint64_t kFormat = 1;

tl::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::corrupt, "these bytes are no difference of snapshots: " + std::move(what));
}

}  // namespace

void Snapshot::for_each_difference(const Snapshot& before, const Snapshot& after,
                                   const std::function<bool(const EntityKey&)>& visit, const EntityKey& from) {
  static const PersistentMap<std::string, SharedBytes> kNone;
  bool going = true;
  const auto visit_kind = [&](const std::string& kind, const KindTable* old_table, const KindTable* new_table) {
    PersistentMap<std::string, SharedBytes>::difference(
        old_table ? old_table->entities : kNone, new_table ? new_table->entities : kNone,
        [&](const std::string& id, const SharedBytes*, const SharedBytes*) { return going = visit({kind, id}); },
        std::equal_to<>(), kind == from.kind ? std::string_view(from.id) : std::string_view());
    return going;
  };
  const auto same = [](const KindTable& a, const KindTable& b) { return a.entities.shares_all(b.entities); };
  PersistentMap<std::string, KindTable>::difference(before.kinds_, after.kinds_, visit_kind, same, from.kind);
}

bool Snapshot::holds_same(const Snapshot& other, std::string_view kind, std::string_view id) const {
  const auto held = [&](const Snapshot& snapshot) {
    const KindTable* table = snapshot.kinds_.find(kind);
    const SharedBytes* record = table ? table->entities.find(id) : nullptr;
    return record ? *record : SharedBytes();
  };
  return held(*this) == held(other);
}

bool Snapshot::hold(const EntityKey& entity, const SharedBytes& record) {
  KindTable& table = kinds_.edit(entity.kind);
  const SharedBytes* held = table.entities.find(entity.id);
  const SharedBytes before = held ? *held : SharedBytes();
  if (before == record) return false;
  size_ += record.view().empty() ? 0 : 1;
  size_ -= before.view().empty() ? 0 : 1;
  if (record.view().empty())
    table.entities.erase(entity.id);
  else
    table.entities.set(entity.id, record);
  if (may_refer(entity.kind)) index_references(entity.kind, entity.id, before.view(), record.view());
  return true;
}

void Snapshot::take_over(const Snapshot& other, const EntityKey& entity, log::Offset offset) {
  const KindTable* table = other.kinds_.find(entity.kind);
  const SharedBytes* record = table ? table->entities.find(entity.id) : nullptr;
  hold(entity, record ? *record : SharedBytes());
  kinds_.edit(entity.kind).changed = offset;
  offset_ = offset;
}

void Snapshot::write_difference(const Snapshot& from, std::string& out) const {
  static const KindTable kNone;
  put_integer(out, kFormat);
  put_integer(out, offset_);
  put_integer(out, size_);
  std::string kinds;
  uint64_t kind_count = 0;
  const auto write_kind = [&](const std::string& kind, const KindTable* before, const KindTable* after) {
    std::string entities;
    uint64_t count = 0;
    PersistentMap<std::string, SharedBytes>::difference(
        (before ? *before : kNone).entities, (after ? *after : kNone).entities,
        [&](const std::string& id, const SharedBytes*, const SharedBytes* record) {
          put_text(entities, id);
          put_text(entities, record ? record->view() : std::string_view());
          return ++count, true;
        });
    put_text(kinds, kind);
    put_integer(kinds, (after ? *after : kNone).changed);
    put_integer(kinds, count);
    kinds += entities;
    return ++kind_count, true;
  };
  const auto same = [](const KindTable& a, const KindTable& b) {
    if (a.changed != b.changed) return false;
    bool equal = true;
    PersistentMap<std::string, SharedBytes>::difference(
        a.entities, b.entities, [&](const std::string&, const SharedBytes*, const SharedBytes*) { return equal = false; });
    return equal;
  };
  PersistentMap<std::string, KindTable>::difference(from.kinds_, kinds_, write_kind, same);
  put_integer(out, kind_count);
  out += kinds;
}

Result<Snapshot> Snapshot::read_difference(const Snapshot& from, std::string_view bytes) {
  if (take_integer(bytes) != kFormat) return corrupt("the format is not 1");
  const auto offset = take_integer(bytes);
  const auto size = offset ? take_integer(bytes) : std::nullopt;
  const auto kinds = size ? take_integer(bytes) : std::nullopt;
  if (!kinds) return corrupt("the heading is cut short");
  Snapshot snapshot = from;
  snapshot.offset_ = *offset;
  std::string previous_kind;
  for (uint64_t i = 0; i < *kinds; ++i) {
    const std::string before = previous_kind;
    TANDEM_TRY(snapshot.read_changed_kind(bytes, previous_kind));
    if (i > 0 && previous_kind <= before) return corrupt(fmt::format("kind '{}' is out of order", previous_kind));
  }
  if (!bytes.empty()) return corrupt("something follows the last entity");
  if (snapshot.size_ != *size) return corrupt("it is of another snapshot");
  return snapshot;
}

Result<void> Snapshot::read_changed_kind(std::string_view& bytes, std::string& kind) {
  const auto name = take_text(bytes);
  const auto changed = name ? take_integer(bytes) : std::nullopt;
  const auto count = changed ? take_integer(bytes) : std::nullopt;
  if (!count) return corrupt("a kind is cut short");
  kind = *name;
  const KindTable* table = kinds_.find(kind);
  if (*count == 0 && table && table->changed == *changed) return corrupt(fmt::format("kind '{}' does not differ", kind));
  kinds_.edit(kind).changed = *changed;
  std::string previous_id;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto id = take_text(bytes);
    const auto record = id ? take_text(bytes) : std::nullopt;
    if (!record || (!record->empty() && !parse_record(*record))) return corrupt(fmt::format("an entity of kind '{}' is malformed", kind));
    if (i > 0 && *id <= previous_id) return corrupt(fmt::format("an entity of kind '{}' is out of order", kind));
    previous_id = *id;
    if (!hold({kind, previous_id}, SharedBytes(*record))) return corrupt(fmt::format("{} '{}' does not differ", kind, *id));
  }
  if (*changed == 0) {  // there is no such kind: an event that changes one has an offset
    if (!kinds_.find(kind)->entities.empty()) return corrupt(fmt::format("kind '{}' was never changed", kind));
    kinds_.erase(kind);
  }
  return {};
}

}  // namespace tandem::inventory
