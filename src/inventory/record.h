// How an entity is held in memory and in checkpoints: one run of canonical bytes, ~20 bytes and its value for each
// attribute. One record has one encoding: equal bytes are equal records and the other way round.
//
//   record    = created, changed, attribute*           offsets; attributes in strictly ascending order of name
//   attribute = text name, offset, bytes of the value  integers as LEB128 in their shortest form; text and bytes after
//   value     = tag, payload                           their length
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "log/log.h"
#include "tandem/v1/value.pb.h"

namespace tandem::inventory {

// ---- Canonical bytes ---------------------------------------------------------------------------------------------

void put_integer(std::string& out, uint64_t value);
void put_text(std::string& out, std::string_view text);

// Each takes its piece off the front of `bytes`; nothing, or false, where the front is not what `put` gives.
std::optional<uint64_t> take_integer(std::string_view& bytes);
std::optional<std::string_view> take_text(std::string_view& bytes);

// ---- Values ------------------------------------------------------------------------------------------------------

// Fields of a record may come in any order and more than once: the last of a name counts, a null one is left out.
void put_value(std::string& out, const v1::Value& value);
bool is_null(const v1::Value& value);
// True when `bytes` are exactly one value.
bool is_value(std::string_view bytes);
v1::Value value_of(std::string_view bytes);   // `bytes` are a value
Json json_of(std::string_view bytes);         // `bytes` are a value

// ---- Records -----------------------------------------------------------------------------------------------------

struct AttributeView {
  std::string_view name;
  log::Offset offset = 0;
  std::string_view value;
};

struct RecordView {
  log::Offset created = 0;
  log::Offset changed = 0;
  std::vector<AttributeView> attributes;  // into the bytes
};

RecordView view_of(std::string_view record);            // of bytes that are a record
std::optional<RecordView> parse_record(std::string_view bytes);  // of any bytes
std::string encode_record(const RecordView& record);

}  // namespace tandem::inventory
