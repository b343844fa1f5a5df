#include "log/anchor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

namespace tandem::log {

namespace {

constexpr std::string_view kMagic = "tndmanc1";

void put(std::string& out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
}

uint64_t take(std::string_view& in) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(in[static_cast<size_t>(i)]);
  in.remove_prefix(8);
  return value;
}

bool is_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte == 0; });
}

// The slot's point; nothing when its digest does not match.
std::optional<AnchorPoint> decode_slot(std::string_view bytes) {
  if (bytes.size() != kAnchorSlotBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  constexpr size_t kDigestAt = kAnchorSlotBytes - 32;
  if (sha256(bytes.substr(0, kDigestAt)).view() != bytes.substr(kDigestAt)) return std::nullopt;
  bytes.remove_prefix(kMagic.size());
  AnchorPoint point;
  point.sequence = take(bytes);
  point.last = take(bytes);
  point.epoch = take(bytes);
  point.wal_salt = take(bytes);
  point.wal_frames = take(bytes);
  std::copy_n(bytes.begin(), point.hash.bytes.size(), point.hash.bytes.begin());
  return point;
}

}  // namespace

std::string encode_slot(const AnchorPoint& point) {
  std::string bytes(kMagic);
  for (const uint64_t value : {point.sequence, point.last, point.epoch, point.wal_salt, point.wal_frames})
    put(bytes, value);
  bytes += point.hash.view();
  bytes.resize(kAnchorSlotBytes - 32, '\0');
  bytes += sha256(bytes).view();
  return bytes;
}

AnchorReading read_anchor(std::string_view bytes) {
  AnchorReading reading;
  if (bytes.size() != kAnchorBytes) {
    reading.damage.push_back(fmt::format("log.anchor has {} bytes and should have {}", bytes.size(), kAnchorBytes));
    if (bytes.size() < kAnchorBytes) return reading;
  }
  std::array<std::optional<AnchorPoint>, 2> points;
  for (size_t slot = 0; slot < 2; ++slot) {
    const std::string_view slot_bytes = bytes.substr(slot * kAnchorSlotBytes, kAnchorSlotBytes);
    points[slot] = decode_slot(slot_bytes);
    if (points[slot] && points[slot]->sequence % 2 != slot) points[slot].reset();
    if (!points[slot] && !is_zero(slot_bytes)) {
      reading.damage.push_back(fmt::format("log.anchor: slot {} (bytes {} to {}) fails its checksum", slot,
                                           slot * kAnchorSlotBytes, (slot + 1) * kAnchorSlotBytes - 1));
    }
  }
  const uint64_t even = points[0] ? points[0]->sequence : 0;
  const uint64_t odd = points[1] ? points[1]->sequence : 0;
  if (even != 0 || odd != 0) reading.newest = even > odd ? points[0] : points[1];
  if (reading.damage.empty() && reading.newest && std::max(even, odd) - std::min(even, odd) != 1) {
    reading.damage.push_back(
        fmt::format("log.anchor: its slots' sequences, {} and {}, do not follow each other", even, odd));
  }
  return reading;
}

Result<AnchorReading> Anchor::read(const std::filesystem::path& path) {
  // A slot that its writer is just writing settles within microseconds.
  constexpr int kReadsMax = 3;
  for (int attempt = 1;; ++attempt) {
    TANDEM_ASSIGN(const File file, File::open(path, File::Mode::read));
    TANDEM_ASSIGN(const std::string bytes, file.read_at(0, kAnchorBytes + 1));
    AnchorReading reading = read_anchor(bytes);
    if (reading.damage.empty() || attempt == kReadsMax) return reading;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

Result<Anchor> Anchor::open(const std::filesystem::path& path, const std::optional<AnchorPoint>& newest) {
  Anchor anchor;
  TANDEM_ASSIGN(anchor.file_, File::open(path, File::Mode::write));
  anchor.sequence_ = newest ? newest->sequence : 0;
  TANDEM_ASSIGN(const uint64_t size, anchor.file_.size());
  if (size == 0) TANDEM_TRY(anchor.file_.write_at(0, std::string(kAnchorBytes, '\0')));
  TANDEM_TRY(anchor.sync());
  TANDEM_TRY(sync_directory(path.parent_path()));
  return anchor;
}

Result<void> Anchor::write(AnchorPoint point) {
  point.sequence = ++sequence_;
  return file_.write_at(point.sequence % 2 * kAnchorSlotBytes, encode_slot(point));
}

}  // namespace tandem::log
