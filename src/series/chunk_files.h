// The chunks of one table on disk: `<table>/<hour>/<from_ns>.chunk`, with `.new` behind it until its event is
// confirmed. Internal to `series`; not thread-safe.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "series/chunk.h"
#include "series/series.h"

namespace tandem::series {

class ChunkFiles {
 public:
  // Lists what is there, and removes what was being written when a former process stopped. Errors: io, corrupt.
  static Result<ChunkFiles> open(const std::filesystem::path& store_directory, std::string_view table);

  // Durable, as not yet confirmed.
  Result<void> write(int64_t from_ns, std::string_view bytes);

  // Their events, ascending.
  std::vector<v1::WindowSealed> unconfirmed() const;
  // Errors: not_found when there is no such chunk with that digest.
  Result<void> confirm(const v1::WindowSealed& event);

  // The confirmed ones of hours that ended at or before.
  Result<void> expire(Instant before);

  bool holds(int64_t from_ns) const { return chunks_.contains(from_ns); }
  int64_t end_ns() const { return end_ns_; }  // of the last window ever seen here; 0 for none

  // Those with rows in the range, ascending.
  std::vector<std::filesystem::path> overlapping(Range range) const;

 private:
  struct Entry {
    std::filesystem::path path;
    ChunkHead head;
    std::optional<v1::WindowSealed> event;  // until it is confirmed
  };
  Result<void> take_up(const std::filesystem::path& path);

  std::filesystem::path directory_;
  std::map<int64_t, Entry> chunks_;  // by from_ns
  int64_t end_ns_ = 0;
};

// The bytes of a chunk; when it was confirmed or expired in the meantime, those under its other name, or nothing.
Result<std::optional<std::string>> read_chunk(const std::filesystem::path& path);

}  // namespace tandem::series
