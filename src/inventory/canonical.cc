// The canonical bytes of a snapshot: for checkpoints, and for its digest.
//
//   snapshot = format, offset, time, sources, marks, kinds, [erasures, [begins]]   each list after its length
//   source   = name                                            in the order of their numbers
//   mark     = offset, time                                    in ascending order, as differences to the one before
//   kind     = name, changed, (id, record, past)*, (id, past)* in strictly ascending order of name, entities of id
//   erasure  = kind, id, offset                                in strictly ascending order
//   begin    = kind, offset                                    of its history, in strictly ascending order of kind
// The last two are left out where they and what follows them are empty.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "inventory/revision.h"
#include "inventory/schema_index.h"
#include "inventory/tables.h"
#include "inventory/upkeep.h"

namespace tandem::inventory {
namespace {

constexpr uint64_t kFormat = 2;
constexpr size_t kPieceBytes = 64 * 1024;  // handed on at once; large enough that a call costs nothing a byte

tl::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::corrupt, "these bytes are no inventory snapshot: " + std::move(what));
}

// ---- Writing -------------------------------------------------------------------------------------------------------

class Writer {
 public:
  explicit Writer(const std::function<void(std::string_view)>& sink) : sink_(sink) { piece_.reserve(2 * kPieceBytes); }

  void write(const Tables& tables) {
    put_integer(piece_, kFormat);
    put_integer(piece_, tables.offset);
    put_signed(piece_, tables.time_ns);
    put_integer(piece_, tables.source_names.size());
    for (const auto& [id, name] : tables.source_names) text(name);
    write_marks(tables);
    put_integer(piece_, tables.kinds.size());
    for (const auto& [kind, table] : tables.kinds) write_kind(kind, table);
    write_erasures(tables);
    write_begins(tables);
    sink_(piece_);
  }

 private:
  void text(std::string_view bytes) {
    put_text(piece_, bytes);
    hand_on();
  }
  void hand_on() {
    if (piece_.size() < kPieceBytes) return;
    sink_(piece_);
    piece_.clear();
  }
  void past(const Past& past) {
    past_.clear();
    past.write(past_);
    text(past_);
  }
  void write_marks(const Tables& tables) {
    put_integer(piece_, tables.marks.size());
    TimeMark previous;
    for (const auto& [mark, before] : tables.marks) {
      put_integer(piece_, mark.offset - previous.offset);
      put_signed(piece_, mark.at_ns - previous.at_ns);
      previous = mark;
      hand_on();
    }
  }
  void write_erasures(const Tables& tables) {
    if (!tables.erasures.empty() || !tables.history_begins.empty()) put_integer(piece_, tables.erasures.size());
    for (const auto& [erasure, nothing] : tables.erasures) {
      text(erasure.entity.kind);
      text(erasure.entity.id);
      put_integer(piece_, erasure.offset);
    }
  }
  void write_begins(const Tables& tables) {
    if (!tables.history_begins.empty()) put_integer(piece_, tables.history_begins.size());
    for (const auto& [kind, offset] : tables.history_begins) {
      text(kind);
      put_integer(piece_, offset);
    }
  }
  void write_kind(const std::string& kind, const KindTable& table) {
    text(kind);
    put_integer(piece_, table.changed);
    put_integer(piece_, table.entities.size());
    for (const auto& [id, held] : table.entities) {
      text(id);
      text(held.record.view());
      past(held.past);
    }
    put_integer(piece_, table.removed.size());
    for (const auto& [id, removed] : table.removed) {
      text(id);
      past(removed);
    }
  }

  const std::function<void(std::string_view)>& sink_;
  std::string piece_;
  std::string past_;
};

// ---- Reading -------------------------------------------------------------------------------------------------------

class Reader {
 public:
  Reader(std::string_view bytes, Tables& tables) : bytes_(bytes), tables_(tables) {}

  Result<void> read() {
    TANDEM_TRY(read_heading());
    TANDEM_TRY(read_sources());
    TANDEM_TRY(read_marks());
    const auto kinds = take_integer(bytes_);
    if (!kinds) return corrupt("the number of kinds is missing");
    std::string previous;
    for (uint64_t i = 0; i < *kinds; ++i) TANDEM_TRY(read_kind(previous, i == 0));
    if (!bytes_.empty()) TANDEM_TRY(read_erasures());
    if (!bytes_.empty()) TANDEM_TRY(read_begins());
    if (!bytes_.empty()) return corrupt("something follows the last entity");
    tables_.policy = std::make_shared<const Policy>(policy_of(tables_, nullptr));
    index();
    return {};
  }

 private:
  Result<void> read_heading();
  Result<void> read_sources();
  Result<void> read_marks();
  Result<void> read_kind(std::string& previous, bool first);
  Result<void> read_entities(std::string_view kind, KindTable& table);
  Result<void> read_removed(std::string_view kind, KindTable& table);
  Result<void> read_erasures();
  Result<void> read_begins();
  void index();
  void index_entity(const EntityKey& key, const RecordView& record, const Past& past,
                    std::span<const ClaimView> believed);
  Result<Past> take_past(std::string_view kind);

  std::string_view bytes_;
  Tables& tables_;
};

Result<void> Reader::read_heading() {
  if (take_integer(bytes_) != kFormat) return corrupt(fmt::format("the format is not {}", kFormat));
  const auto offset = take_integer(bytes_);
  const auto time = offset ? take_signed(bytes_) : std::nullopt;
  if (!time) return corrupt("the heading is cut short");
  tables_.offset = *offset;
  tables_.time_ns = *time;
  return {};
}

Result<void> Reader::read_sources() {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size() || *count > UINT32_MAX) return corrupt("the sources are cut short");
  for (SourceId id = 0; id < *count; ++id) {
    const auto name = take_text(bytes_);
    if (!name) return corrupt("a source is cut short");
    if (!tables_.source_ids.set(std::string(*name), id))
      return corrupt(fmt::format("source '{}' stands there twice", *name));
    tables_.source_names.set(id, std::string(*name));
  }
  return {};
}

Result<void> Reader::read_marks() {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size()) return corrupt("the times are cut short");
  TimeMark mark;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto offset = take_integer(bytes_);
    const auto time = offset ? take_signed(bytes_) : std::nullopt;
    if (!time) return corrupt("a time is cut short");
    const auto ns = static_cast<int64_t>(static_cast<uint64_t>(mark.at_ns) + static_cast<uint64_t>(*time));
    if (i > 0 && (*offset == 0 || *offset > UINT64_MAX - mark.offset || ns <= mark.at_ns))
      return corrupt("a time is out of order");
    const TimeMark next{mark.offset + *offset, ns};
    tables_.marks.set(next, i == 0 ? 0 : mark.at_ns);
    mark = next;
  }
  tables_.marked_ns = mark.at_ns;
  return {};
}

Result<void> Reader::read_kind(std::string& previous, bool first) {
  const auto kind = take_text(bytes_);
  const auto changed = kind ? take_integer(bytes_) : std::nullopt;
  if (!changed) return corrupt("a kind is cut short");
  if (!first && *kind <= previous) return corrupt(fmt::format("kind '{}' is out of order", *kind));
  previous = *kind;
  KindTable table;
  table.changed = *changed;
  TANDEM_TRY(read_entities(*kind, table));
  TANDEM_TRY(read_removed(*kind, table));
  tables_.size += table.entities.size();
  tables_.changed = std::max(tables_.changed, table.changed);
  tables_.kinds.set(previous, std::move(table));
  return {};
}

Result<Past> Reader::take_past(std::string_view kind) {
  Past past;
  const auto bytes = take_text(bytes_);
  if (!bytes || !past.read(*bytes, tables_.source_ids.size()))
    return corrupt(fmt::format("the past of an entity of kind '{}' is malformed", kind));
  return past;
}

Result<void> Reader::read_entities(std::string_view kind, KindTable& table) {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size()) return corrupt(fmt::format("kind '{}' is cut short", kind));
  std::string previous;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto id = take_text(bytes_);
    const auto record = id ? take_text(bytes_) : std::nullopt;
    if (!record || !parse_record(*record, tables_.source_ids.size()))
      return corrupt(fmt::format("an entity of kind '{}' is malformed", kind));
    if (i > 0 && *id <= previous) return corrupt(fmt::format("an entity of kind '{}' is out of order", kind));
    previous = *id;
    Held& held = table.entities.edit(previous);
    held.record = SharedBytes(*record);
    TANDEM_ASSIGN(held.past, take_past(kind));
  }
  return {};
}

Result<void> Reader::read_removed(std::string_view kind, KindTable& table) {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size()) return corrupt(fmt::format("what was removed of kind '{}' is cut short", kind));
  std::string previous;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto id = take_text(bytes_);
    if (!id) return corrupt(fmt::format("a removed entity of kind '{}' is cut short", kind));
    if ((i > 0 && *id <= previous) || table.entities.find(*id))
      return corrupt(fmt::format("a removed entity of kind '{}' is out of order", kind));
    previous = *id;
    TANDEM_ASSIGN(Past past, take_past(kind));
    if (past.empty()) return corrupt(fmt::format("a removed entity of kind '{}' has no past", kind));
    table.removed.set(previous, std::move(past));
  }
  return {};
}

Result<void> Reader::read_erasures() {
  const auto count = take_integer(bytes_);
  if (!count || *count > bytes_.size() || (*count == 0 && bytes_.empty()))
    return corrupt("what was erased is cut short");
  Erasure previous;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto kind = take_text(bytes_);
    const auto id = kind ? take_text(bytes_) : std::nullopt;
    const auto offset = id ? take_integer(bytes_) : std::nullopt;
    if (!offset) return corrupt("what was erased is cut short");
    Erasure next{{std::string(*kind), std::string(*id)}, *offset};
    if (i > 0 && next <= previous) return corrupt("what was erased is out of order");
    tables_.erasures.edit(next);
    previous = std::move(next);
  }
  return {};
}

Result<void> Reader::read_begins() {
  const auto count = take_integer(bytes_);
  if (!count || *count == 0 || *count > bytes_.size()) return corrupt("where histories begin is cut short");
  std::string previous;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto kind = take_text(bytes_);
    const auto offset = kind ? take_integer(bytes_) : std::nullopt;
    if (!offset || *offset == 0) return corrupt("where a history begins is cut short");
    if (i > 0 && *kind <= previous) return corrupt("where histories begin is out of order");
    previous = *kind;
    tables_.history_begins.set(previous, *offset);
  }
  return {};
}

// What follows from the entities, once the policy is known.
void Reader::index() {
  for (const auto& [kind, table] : tables_.kinds) {
    EntityKey key{kind, {}};
    const bool indexed = indexed_kind(kind);
    const Lens lens{tables_.time_ns, &policy_for(kind, *tables_.policy), kind};
    RecordView record;
    std::vector<ClaimView> believed;
    for (const auto& [id, held] : table.entities) {
      key.id = id;
      view_of(held.record.view(), record);
      keep_due(tables_, key, nullptr, &record);
      keep_disputed(tables_, key, nullptr, &record);
      if (!indexed) continue;
      believed_of(record.claims, lens, believed);
      index_entity(key, record, held.past, believed);
    }
    if (!indexed) continue;
    for (const auto& [id, past] : table.removed) {
      key.id = id;
      index_entity(key, {}, past, {});
    }
  }
}

void Reader::index_entity(const EntityKey& key, const RecordView& record, const Past& past,
                          std::span<const ClaimView> believed) {
  if (past.empty() && believed.size() == record.claims.size()) return keep_indexes(tables_, key, {}, believed, {});
  std::vector<ClaimView> claims = record.claims;
  past.for_each_after(0, [&](const PastGroup& group) {
    claims.insert(claims.end(), group.claims.begin(), group.claims.end());
    return true;
  });
  keep_indexes(tables_, key, {}, believed, claims);
}

}  // namespace

void Snapshot::write(const std::function<void(std::string_view)>& sink) const {
  CHECK(!view_);
  Writer(sink).write(*tables_);
}

void Snapshot::write(std::string& out) const {
  write([&](std::string_view piece) { out += piece; });
}

Digest Snapshot::hash() const {
  Hasher hasher;
  write([&](std::string_view piece) { hasher.update(piece); });
  return hasher.finish();
}

Result<Snapshot> Snapshot::read(std::string_view bytes) {
  Snapshot snapshot;
  TANDEM_TRY(Reader(bytes, *snapshot.tables_).read());
  return snapshot;
}

}  // namespace tandem::inventory
