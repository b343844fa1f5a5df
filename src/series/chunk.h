// A sealed window as bytes. Internal to `series`.
//
// In this order: the magic and the fixed-size head, the event (a WindowSealed without its digest), the rows as
// `columns` encodes them, and the SHA-256 of all before, which is the digest that the event carries. The head alone
// says whether a scan needs the chunk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "series/columns.h"
#include "series/series.h"

namespace tandem::series {

inline constexpr std::string_view kUsageTable = "requests";
inline constexpr std::string_view kSampleTable = "samples";

struct ChunkHead {
  int64_t from_ns = 0, to_ns = 0;        // the window
  int64_t at_min_ns = 0, at_max_ns = 0;  // of its rows: late rows lie before the window
  uint64_t rows = 0;                     // ≥ 1
  uint64_t event_bytes = 0;
  bool operator==(const ChunkHead&) const = default;
};

inline constexpr size_t kChunkHeadBytes = 8 + 6 * 8;
inline constexpr uint64_t kChunkBytesMax = uint64_t{1} << 30;  // 4M rows of 150 bytes, well over what they take

// Of rows that are not empty.
std::string encode_chunk(int64_t from_ns, const UsageRows& rows);
std::string encode_chunk(int64_t from_ns, const SampleRows& rows);

// From the first kChunkHeadBytes of a chunk; unproven until the whole chunk is read. Errors: corrupt.
Result<ChunkHead> decode_head(std::string_view bytes);

struct Chunk {
  ChunkHead head;
  v1::WindowSealed event;  // with its digest
  std::string_view rows;   // within the bytes given
};
// Checks the digest and that head and event agree. Errors: corrupt.
Result<Chunk> decode_chunk(std::string_view bytes);

}  // namespace tandem::series
