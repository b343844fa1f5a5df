// The canonical bytes of a snapshot: for checkpoints, and for its digest.
//
//   snapshot = format, offset, number of kinds, kind*     kinds in strictly ascending order of name
//   kind     = name, changed, number of entities, (id, record)*   entities in strictly ascending order of id
#include <fmt/format.h>

#include "inventory/inventory.h"
#include "inventory/record.h"
#include "inventory/references.h"

namespace tandem::inventory {
namespace {

constexpr uint64_t kFormat = 1;
constexpr size_t kPieceBytes = 64 * 1024;  // handed on at once; large enough that a call costs nothing a byte

tl::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::corrupt, "these bytes are no inventory snapshot: " + std::move(what));
}

}  // namespace

void Snapshot::write(const std::function<void(std::string_view)>& sink) const {
  std::string piece;
  piece.reserve(2 * kPieceBytes);
  put_integer(piece, kFormat);
  put_integer(piece, offset_);
  put_integer(piece, kinds_.size());
  for (const auto& [kind, table] : kinds_) {
    put_text(piece, kind);
    put_integer(piece, table.changed);
    put_integer(piece, table.entities.size());
    for (const auto& [id, record] : table.entities) {
      put_text(piece, id);
      put_text(piece, record.view());
      if (piece.size() < kPieceBytes) continue;
      sink(piece);
      piece.clear();
    }
  }
  sink(piece);
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
  const auto format = take_integer(bytes);
  if (format != kFormat) return corrupt("the format is not 1");
  const auto offset = take_integer(bytes);
  const auto kinds = offset ? take_integer(bytes) : std::nullopt;
  if (!kinds) return corrupt("the heading is cut short");
  Snapshot snapshot;
  snapshot.offset_ = *offset;
  std::string previous_kind;
  for (uint64_t i = 0; i < *kinds; ++i) TANDEM_TRY(snapshot.read_kind(bytes, previous_kind));
  if (!bytes.empty()) return corrupt("something follows the last entity");
  return snapshot;
}

Result<void> Snapshot::read_kind(std::string_view& bytes, std::string& previous_kind) {
  const auto kind = take_text(bytes);
  const auto changed = kind ? take_integer(bytes) : std::nullopt;
  const auto count = changed ? take_integer(bytes) : std::nullopt;
  if (!count) return corrupt("a kind is cut short");
  if (!kinds_.empty() && *kind <= previous_kind) return corrupt(fmt::format("kind '{}' is out of order", *kind));
  previous_kind = *kind;
  KindTable table;
  table.changed = *changed;
  const bool refers = may_refer(*kind);
  std::string previous_id;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto id = take_text(bytes);
    const auto record = id ? take_text(bytes) : std::nullopt;
    if (!record || !parse_record(*record)) return corrupt(fmt::format("an entity of kind '{}' is malformed", *kind));
    if (i > 0 && *id <= previous_id) return corrupt(fmt::format("an entity of kind '{}' is out of order", *kind));
    previous_id = *id;
    table.entities.edit(previous_id) = SharedBytes(*record);
    if (refers) index_references(*kind, *id, {}, *record);
  }
  size_ += table.entities.size();
  kinds_.set(previous_kind, std::move(table));
  return {};
}

}  // namespace tandem::inventory
