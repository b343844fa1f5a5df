// SQLite's write-ahead log, read by ourselves. SQLite takes the first frame that fails its checksum for the end and
// says nothing; verification wants to know where that end is, and which pages the frames before it replace.
// The format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log. Internal to `log`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>

#include "base/result.h"

namespace tandem::log {

struct WalReading {
  bool empty = true;  // no file, or nothing in it yet
  bool header_is_whole = false;
  uint64_t salt = 0;         // of this generation of the file
  uint64_t frames = 0;       // valid ones, up to and with the last that ends a commit
  std::set<uint64_t> pages;  // that these frames replace

  static constexpr size_t kHeaderBytes = 32;
  static constexpr size_t kFrameHeaderBytes = 24;
};

// Any bytes are handled. Errors: io.
Result<WalReading> read_wal(const std::filesystem::path& path);

// The salt in a header's bytes; 0 when there are too few.
uint64_t wal_salt(std::string_view header);

}  // namespace tandem::log
