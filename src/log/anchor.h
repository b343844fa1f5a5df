// The anchor: a small file beside the log that says where the log ended after its last commit.
//
// A log whose tail is cut off is a perfectly good shorter log; so is one whose write-ahead log SQLite ends early at the
// first frame it does not believe. Only a second record of the head tells. It is written after every durable commit and
// not synced, for these reasons:
//   - after the process is killed, what it wrote is in the page cache, so the anchor is at the last acknowledged commit
//     or at the one before, when the kill came between commit and anchor;
//   - after the machine loses power the anchor may be older still. An anchor older than the log is fine: the log proves
//     itself by its chain, and the chain must pass through what the anchor names.
//   - An anchor newer than the log is damage: something acknowledged is gone.
// Two slots are written in turn, so that one is whole whatever happens to the other.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "base/result.h"
#include "log/log.h"

namespace tandem::log {

struct AnchorPoint {
  uint64_t sequence = 0;    // of writes of the anchor; 0 is never written
  Offset last = 0;          // of the log's last event
  Epoch epoch = 0;          // of its last batch
  Digest hash{};            // of its last header
  uint64_t wal_salt = 0;    // names the generation of the write-ahead log; 0 when it was empty
  uint64_t wal_frames = 0;  // valid ones in it after the commit
  bool operator==(const AnchorPoint&) const = default;
};

// Sizes of the file: two slots, nothing else.
inline constexpr size_t kAnchorSlotBytes = 128;
inline constexpr size_t kAnchorBytes = 2 * kAnchorSlotBytes;

std::string encode_slot(const AnchorPoint& point);

struct AnchorReading {
  std::optional<AnchorPoint> newest;  // of the slots that are whole
  std::vector<std::string> damage;    // what is wrong with the file; empty when each slot is whole or was never written
};
// The file's bytes; any bytes are handled.
AnchorReading read_anchor(std::string_view bytes);

class Anchor {
 public:
  // Errors: not_found, io.
  static Result<AnchorReading> read(const std::filesystem::path& path);

  // Opens or makes the file; the next point written follows `newest`. Durable before it returns.
  static Result<Anchor> open(const std::filesystem::path& path, const std::optional<AnchorPoint>& newest);

  Result<void> write(AnchorPoint point);  // its sequence is set here
  Result<void> sync() { return file_.sync(); }
  bool is_open() const { return file_.is_open(); }

 private:
  File file_;
  uint64_t sequence_ = 0;
};

}  // namespace tandem::log
