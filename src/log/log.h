// The log of one grid: batches of events in one order, each header chained by SHA-256 over the one before it and over
// the digest of the batch's stored bytes. Bodies may expire; headers stay, and still prove what the bodies were.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
#include "tandem/v1/event.pb.h"

namespace tandem::log {

using Event = v1::Event;
using Offset = uint64_t;  // of an event: 1 for the first, then without gaps; 0 is before the first
using Epoch = uint64_t;   // of a writer: a larger one fences every smaller

inline constexpr size_t kBatchEventsMax = 4'096;     // a few ms of commit; one batch folds without starving readers
inline constexpr size_t kBatchBytesMax = 64u << 20;  // one blob of SQLite stays far under its limit of 1 GB
inline constexpr size_t kEventBytesMax = 16u << 20;  // a plan for 10⁴ demands, each with its reasons, is ~6 MB

struct BatchHeader {
  Epoch epoch = 0;
  Offset first = 1;    // offset of its first event
  uint32_t count = 0;  // events, ≥ 1
  Instant at;          // stamped once, by the sequencer; never before the previous batch's
  Digest body_sha256;  // of the stored bytes of its events
  Digest previous;     // hash of the header before; zero for the first
  Digest hash;         // of everything above, in this order; see hash_of

  Offset last() const { return first + count - 1; }
  bool operator==(const BatchHeader&) const = default;
};

struct Batch {
  BatchHeader header;
  std::vector<Event> events;  // header.count of them; empty when the body has expired
};

// The canonical hash of a header: SHA-256 over its fields as 8-byte little-endian integers and raw digests.
Digest hash_of(const BatchHeader& header);

// Events in their stored form: length-delimited, deterministic Protobuf.
std::string encode_events(const std::vector<Event>& events);
Result<std::vector<Event>> decode_events(std::string_view bytes, uint32_t count);

// A batch as it is stored.
struct EncodedBatch {
  BatchHeader header;
  std::string body;  // its events, encoded
};

// The batch of these events, ≥ 1, that follows `previous` (a default header, with last() 0, before the first).
EncodedBatch encode_batch(const BatchHeader& previous, Epoch epoch, Instant at, const std::vector<Event>& events);

struct Head {
  Offset last = 0;     // of the last event; 0 for an empty log
  BatchHeader header;  // of the last batch; a default one for an empty log
};

// One writer, any number of readers on other threads.
class Log {
 public:
  virtual ~Log() = default;

  // Durable on success. Errors: fenced (a newer epoch has written), conflict (does not follow the head), too_large,
  // invalid_argument (an event that could not be read back: text that is not UTF-8, nested over 100 deep),
  // resource_exhausted (disk full), io. After an error nothing of the batch is stored; only after io, which a failed
  // sync is, that shows when the log is opened again, and until then no append is taken.
  virtual Result<void> append(const EncodedBatch& batch) = 0;

  // Whole batches in order, from the one that holds `from`, up to about `bytes_limit` of bodies and at least one batch
  // where there is one. Empty past the end. Errors: corrupt (naming the offset), io.
  virtual Result<std::vector<Batch>> read(Offset from, size_t bytes_limit) const = 0;

  virtual Result<Head> head() const = 0;
};

// What `tandem log verify` finds.
struct Verification {
  uint64_t batches = 0;
  uint64_t events = 0;
  Offset last = 0;
  Digest head;  // hash of the last header
  struct Damage {
    Offset offset = 0;  // of the first event that can no longer be trusted
    std::string what;
  };
  std::vector<Damage> damage;  // empty: every byte is as it was written
};

// The embedded driver: SQLite in WAL mode, synchronous=FULL, one row a batch. Every page carries a checksum and an
// anchor file beside the database records the head after each commit, so that no flipped byte and no lost tail passes
// for a shorter or different log.
struct SqliteLogOptions {
  std::filesystem::path directory;  // made when it is not there; holds log.db and log.anchor
  bool read_only = false;
};
Result<std::unique_ptr<Log>> open_sqlite_log(const SqliteLogOptions& options);

// Reads everything and checks pages, chain, counts and anchor. Works on a log in use by another process.
Result<Verification> verify_sqlite_log(const std::filesystem::path& directory);

}  // namespace tandem::log
