#include "log/wal.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "log/checksum_vfs.h"

namespace tandem::log {

namespace {

constexpr uint32_t kMagic = 0x377f0682;  // its last bit set: checksums are over big-endian words
constexpr uint32_t kVersion = 3'007'000;

uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

uint32_t little_endian(std::string_view bytes, size_t at) { return __builtin_bswap32(big_endian(bytes, at)); }

// The checksum that runs from the header through every frame.
class RunningChecksum {
 public:
  explicit RunningChecksum(bool big) : big_(big) {}
  void update(std::string_view bytes) {
    for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      first_ += (big_ ? big_endian(bytes, i) : little_endian(bytes, i)) + second_;
      second_ += (big_ ? big_endian(bytes, i + 4) : little_endian(bytes, i + 4)) + first_;
    }
  }
  bool is_at(std::string_view bytes, size_t at) const {
    return big_endian(bytes, at) == first_ && big_endian(bytes, at + 4) == second_;
  }

 private:
  bool big_;
  uint32_t first_ = 0;
  uint32_t second_ = 0;
};

}  // namespace

uint64_t wal_salt(std::string_view header) {
  if (header.size() < WalReading::kHeaderBytes) return 0;
  return uint64_t{big_endian(header, 16)} << 32 | big_endian(header, 20);
}

Result<WalReading> read_wal(const std::filesystem::path& path) {
  WalReading reading;
  const auto file = File::open(path, File::Mode::read);
  if (!file && file.error().code == ErrorCode::not_found) return reading;
  if (!file) return tl::unexpected(file.error());
  TANDEM_ASSIGN(const std::string header, file->read_at(0, WalReading::kHeaderBytes));
  reading.empty = std::ranges::all_of(header, [](char byte) { return byte == 0; });
  if (reading.empty || header.size() < WalReading::kHeaderBytes) return reading;

  const uint32_t magic = big_endian(header, 0);
  RunningChecksum checksum((magic & 1) != 0);
  checksum.update(std::string_view(header).substr(0, 24));
  reading.header_is_whole = (magic & ~1u) == kMagic && big_endian(header, 4) == kVersion &&
                            big_endian(header, 8) == kPageBytes && checksum.is_at(header, 24);
  if (!reading.header_is_whole) return reading;
  reading.salt = wal_salt(header);

  constexpr size_t kFrameBytes = WalReading::kFrameHeaderBytes + kPageBytes;
  std::vector<uint64_t> uncommitted;
  for (uint64_t number = 1;; ++number) {
    TANDEM_ASSIGN(const std::string frame,
                  file->read_at(WalReading::kHeaderBytes + (number - 1) * kFrameBytes, kFrameBytes));
    if (frame.size() < kFrameBytes || frame.substr(8, 8) != header.substr(16, 8)) break;
    checksum.update(std::string_view(frame).substr(0, 8));
    checksum.update(std::string_view(frame).substr(WalReading::kFrameHeaderBytes));
    if (!checksum.is_at(frame, 16)) break;
    uncommitted.push_back(big_endian(frame, 0));
    if (big_endian(frame, 4) == 0) continue;
    reading.pages.insert(uncommitted.begin(), uncommitted.end());
    uncommitted.clear();
    reading.frames = number;
  }
  return reading;
}

}  // namespace tandem::log
