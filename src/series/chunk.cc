#include "series/chunk.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/digest.h"
#include "series/bytes.h"

namespace tandem::series {

namespace {

constexpr std::string_view kMagic = "tndmser1";

std::string frame(int64_t from_ns, std::string_view table, const std::vector<int64_t>& at_ns, v1::WindowSealed event,
                  const std::string& rows) {
  CHECK(!at_ns.empty());
  const auto [at_min, at_max] = std::ranges::minmax(at_ns);
  event.set_table(std::string(table));
  event.set_from_ns(from_ns);
  event.set_to_ns(from_ns + kWindow.ns);
  event.set_rows(at_ns.size());
  const std::string event_bytes = event.SerializeAsString();
  Encoder out;
  for (const int64_t value : {from_ns, from_ns + kWindow.ns, at_min, at_max}) out.fixed(static_cast<uint64_t>(value));
  out.fixed(at_ns.size());
  out.fixed(event_bytes.size());
  std::string bytes = std::string(kMagic) + out.take() + event_bytes + rows;
  bytes += sha256(bytes).view();
  return bytes;
}

}  // namespace

std::string encode_chunk(int64_t from_ns, const UsageRows& rows) {
  v1::WindowSealed event;
  for (v1::UsageTotal& total : at_most(totals_of(rows, {}), kTotalsMax)) *event.add_usage() = std::move(total);
  return frame(from_ns, kUsageTable, rows.at_ns, std::move(event), encode(rows));
}

std::string encode_chunk(int64_t from_ns, const SampleRows& rows) {
  return frame(from_ns, kSampleTable, rows.at_ns, {}, encode(rows));
}

Result<ChunkHead> decode_head(std::string_view bytes) {
  if (bytes.size() < kChunkHeadBytes || !bytes.starts_with(kMagic)) return fail(ErrorCode::corrupt, "this is no chunk");
  Decoder in(bytes.substr(kMagic.size(), kChunkHeadBytes - kMagic.size()));
  ChunkHead head;
  for (int64_t* value : {&head.from_ns, &head.to_ns, &head.at_min_ns, &head.at_max_ns}) {
    *value = static_cast<int64_t>(in.fixed());
  }
  head.rows = in.fixed();
  head.event_bytes = in.fixed();
  const bool good = head.from_ns >= 0 && head.from_ns % kWindow.ns == 0 && head.from_ns <= INT64_MAX - kWindow.ns &&
                    head.to_ns == head.from_ns + kWindow.ns && head.at_min_ns <= head.at_max_ns && head.rows > 0 &&
                    head.rows <= kRowsMax;
  if (!good) return fail(ErrorCode::corrupt, "a chunk's head contradicts itself");
  return head;
}

Result<Chunk> decode_chunk(std::string_view bytes) {
  Chunk chunk;
  TANDEM_ASSIGN(chunk.head, decode_head(bytes));
  constexpr size_t kDigestBytes = sizeof(Digest::bytes);
  if (bytes.size() < kChunkHeadBytes + kDigestBytes ||
      chunk.head.event_bytes > bytes.size() - kChunkHeadBytes - kDigestBytes) {
    return fail(ErrorCode::corrupt, "a chunk is cut off");
  }
  const std::string_view digest = bytes.substr(bytes.size() - kDigestBytes);
  if (sha256(bytes.substr(0, bytes.size() - kDigestBytes)).view() != digest) {
    return fail(ErrorCode::corrupt, "a chunk does not match its digest");
  }
  const std::string_view event = bytes.substr(kChunkHeadBytes, chunk.head.event_bytes);
  if (!chunk.event.ParseFromArray(event.data(), static_cast<int>(event.size())) ||
      chunk.event.from_ns() != chunk.head.from_ns || chunk.event.to_ns() != chunk.head.to_ns ||
      chunk.event.rows() != chunk.head.rows || !chunk.event.sha256().empty()) {
    return fail(ErrorCode::corrupt, "a chunk's event is not that of its head");
  }
  chunk.event.set_sha256(std::string(digest));
  const size_t rows_begin = kChunkHeadBytes + chunk.head.event_bytes;
  chunk.rows = bytes.substr(rows_begin, bytes.size() - kDigestBytes - rows_begin);
  return chunk;
}

std::vector<v1::WindowSealed> parts_of(v1::WindowSealed window) {
  const auto totals = static_cast<size_t>(window.usage_size());
  std::vector<v1::WindowSealed> parts;
  if (totals <= kTotalsPerEvent) {
    parts.push_back(std::move(window));
    return parts;
  }
  google::protobuf::RepeatedPtrField<v1::UsageTotal> usage;
  usage.Swap(window.mutable_usage());
  window.set_parts(static_cast<uint32_t>((totals + kTotalsPerEvent - 1) / kTotalsPerEvent));
  for (uint32_t part = 0; part < window.parts(); ++part) {
    window.set_part(part);
    v1::WindowSealed& one = parts.emplace_back(window);
    const size_t first = part * kTotalsPerEvent;
    for (size_t i = first; i < std::min(totals, first + kTotalsPerEvent); ++i)
      *one.add_usage() = std::move(usage[static_cast<int>(i)]);
  }
  return parts;
}

}  // namespace tandem::series
