// How an entity is held in memory and in checkpoints: one run of canonical bytes. One record has one encoding: equal
// bytes are equal records and the other way round.
//
//   record    = created, changed − created, presences, stamps, attribute*   attributes in strictly ascending order of
//   name presence  = source, first, last, unseen                                 in strictly ascending order of source
//   stamp     = flags, source, offset, valid_from, confidence, valid_to     in strictly ascending order, none unused
//   attribute = text name, (stamp, text value)*                             in strictly ascending order of stamp
//
// Integers are LEB128 in their shortest form; text and bytes stand after their length. Times are held as differences to
// the first presence's, offsets as differences to `created`, both mostly one byte.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "inventory/inventory.h"
#include "log/log.h"
#include "tandem/v1/value.pb.h"

namespace tandem::inventory {

// ---- Canonical bytes ---------------------------------------------------------------------------------------------

void put_integer(std::string& out, uint64_t value);
void put_signed(std::string& out, int64_t value);  // zigzag: small where the value is near zero
void put_number(std::string& out, double number);  // 8 bytes, little-endian
void put_text(std::string& out, std::string_view text);

// Each takes its piece off the front of `bytes`; nothing, or false, where the front is not what `put` gives.
std::optional<uint64_t> take_long_integer(std::string_view& bytes);
inline std::optional<uint64_t> take_integer(std::string_view& bytes) {
  if (bytes.empty() || static_cast<uint8_t>(bytes[0]) >= 0x80) return take_long_integer(bytes);
  const auto value = static_cast<uint8_t>(bytes[0]);  // nearly all: lengths, counts, places
  bytes.remove_prefix(1);
  return value;
}
std::optional<int64_t> take_signed(std::string_view& bytes);
std::optional<double> take_number(std::string_view& bytes);
std::optional<std::string_view> take_text(std::string_view& bytes);

// ---- Values ------------------------------------------------------------------------------------------------------

// Fields of a record may come in any order and more than once: the last of a name counts, a null one is left out.
void put_value(std::string& out, const v1::Value& value);
void put_value(std::string& out, const Json& json);  // what set_value makes of it
bool is_null(const v1::Value& value);
bool is_null(std::string_view value);  // `value` is the bytes of one
// A value that only who has its key can read; as it stands in the bytes of one.
struct SealedView {
  uint64_t key = 0;
  std::string_view sealed;
};
bool is_sealed(std::string_view value);        // `value` is the bytes of one
SealedView sealed_of(std::string_view value);  // `value` is the bytes of a sealed one
// True when `bytes` are exactly one value.
bool is_value(std::string_view bytes);
v1::Value value_of(std::string_view bytes);           // `bytes` are a value
v1::Value take_known_value(std::string_view& bytes);  // off their front, where one stands
Json json_of(std::string_view bytes);                 // `bytes` are a value
Scalar scalar_of(std::string_view bytes);  // `bytes` are a value; text points into them; nothing of a sealed one

// ---- Claims ------------------------------------------------------------------------------------------------------

using SourceId = uint32_t;                      // position in a snapshot's table of sources
inline constexpr int64_t kForever = INT64_MAX;  // the end of what has no end

// Who said something, when, how sure, and for which time.
struct Stamp {
  log::Offset offset = 0;
  SourceId source = 0;
  Standing standing = Standing::observed;
  double confidence = 0;  // (0, 1]; 0 when the source did not say. Never negative, never NaN
  int64_t valid_from_ns = 0;
  int64_t valid_to_ns = kForever;  // above valid_from_ns

  bool covers(int64_t ns) const { return valid_from_ns <= ns && (ns < valid_to_ns || valid_to_ns == kForever); }
  bool covers(const Stamp& other) const {
    return valid_from_ns <= other.valid_from_ns && valid_to_ns >= other.valid_to_ns;
  }
  bool overlaps(const Stamp& other) const {
    return valid_from_ns < other.valid_to_ns && other.valid_from_ns < valid_to_ns;
  }
  bool same_voice(const Stamp& other) const { return source == other.source && standing == other.standing; }
  auto operator<=>(const Stamp&) const = default;
  bool operator==(const Stamp&) const = default;
};

struct ClaimView {
  std::string_view attribute;
  std::string_view value;  // bytes of a value, which may be null
  Stamp stamp;
};

// What one source has had to do with an entity; all in ns since 1970.
struct SourcePresence {
  SourceId source = 0;
  int64_t first_ns = 0;
  int64_t last_ns = 0;
  std::optional<int64_t> unseen_ns;
};

// ---- Records -----------------------------------------------------------------------------------------------------

struct RecordView {
  log::Offset created = 0;
  log::Offset changed = 0;
  std::vector<SourcePresence> presences;  // by source, ascending
  std::vector<Stamp> stamps;              // of the claims, each once, ascending; as read, no part of what is written
  std::vector<ClaimView> claims;          // by attribute, then stamp, ascending; into the bytes
};

void view_of(std::string_view record, RecordView& view);                         // of bytes that are a record
std::optional<RecordView> parse_record(std::string_view bytes, size_t sources);  // of any bytes; sources that there are
std::string encode_record(const RecordView& record);

// Takes in that a source has seen an entity. What it saw before it missed the entity does not take that back.
void note_seen(std::vector<SourcePresence>& presences, SourceId source, int64_t seen_ns);
// The record with it; nothing where that says no more than it did. What is claimed is copied unread, mostly.
std::optional<std::string> with_seen(std::string_view record, SourceId source, int64_t seen_ns);

// Calls `visit` with the claims of one attribute after another. `claims` ascend by attribute.
template <class Visit>
void for_each_attribute(std::span<const ClaimView> claims, Visit visit) {
  for (size_t begin = 0; begin < claims.size();) {
    size_t end = begin + 1;
    while (end < claims.size() && claims[end].attribute == claims[begin].attribute) ++end;
    visit(claims.subspan(begin, end - begin));
    begin = end;
  }
}

// One claim as it stands in the past of an entity (past.h), by itself.
void put_claim(std::string& out, const ClaimView& claim);
std::optional<ClaimView> take_claim(std::string_view& bytes);  // of any bytes
ClaimView take_known_claim(std::string_view& bytes);           // of bytes that begin with one

}  // namespace tandem::inventory
