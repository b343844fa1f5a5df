// Samples and usage of one grid: what is measured, in columns, sealed each minute. It holds no state that a decision
// needs: decisions put the numbers they read on the log, and the log gets a digest of every sealed window.
//
// What is kept when the process is killed or the machine loses power:
//   - usage whose `flush` returned success is kept, so billing loses at most what came since the last flush;
//   - samples of the minutes not yet sealed may be lost;
//   - a sealed window is kept, and its event is returned by `seal` again until `confirm` says that it is on the log.
//     After a crash between the two it may get on the log twice: readers of the log count a window once, by table and
//     from_ns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "tandem/v1/event.pb.h"

namespace tandem::series {

inline constexpr Duration kWindow = minutes(1);  // of a sealed chunk; windows begin at whole minutes, UTC
inline constexpr size_t kTextBytesMax =
    128;  // of each name in a row: ids are short, and a window's totals must fit one event
inline constexpr size_t kSeriesBytesMax = 512;    // of a sample's series: a metric's name with a handful of labels
inline constexpr size_t kTotalsMax = 400'000;     // (tenant, model, site) in one window: 50,000 tenants at eight each
inline constexpr size_t kTotalsPerEvent = 7'000;  // with the longest names, 4 MB, under what the log takes of an event

enum class Outcome : uint8_t {
  completed,
  failed,     // every site tried failed, or the stream broke
  rejected,   // turned away: quota, overload, nowhere to serve it
  cancelled,  // the client left
};

// One request as it ended. Texts are UTF-8 of at most kTextBytesMax bytes; empty where it got no further.
struct Usage {
  Instant at{};  // when it ended
  std::string tenant{}, model{}, region{}, site{}, deployment{};
  uint32_t prompt_tokens = 0;
  uint32_t output_tokens = 0;
  uint32_t cached_tokens = 0;  // of the prompt's, found in the engine's prefix cache
  uint64_t ttft_us = 0;        // time to the first token; 0 when there was none
  uint64_t tpot_us = 0;        // mean time of each further token
  uint64_t duration_us = 0;
  double cost_eur = 0;  // finite, ≥ 0, as the next two
  double energy_j = 0;
  double carbon_g = 0;
  Outcome outcome = Outcome::completed;
  bool kept = false;       // completed within its promise
  bool estimated = false;  // its tokens, for the engine gave no count
  bool operator==(const Usage&) const = default;
};

struct Sample {
  Instant at;
  std::string series;  // UTF-8, 1 to kSeriesBytesMax bytes: name and labels as Prometheus writes them:
                       // `link_load_gbps{link="a-b"}`
  double value = 0;    // any double, NaN included
};

// Half-open: from ≤ t < to.
struct Range {
  Instant from{INT64_MIN};
  Instant to{INT64_MAX};
};

struct UsageQuery {
  Range range;                            // of `at`
  std::string tenant{}, model{}, site{};  // empty: any
};

struct SampleQuery {
  Range range;           // of `at`
  std::string series{};  // a whole series, or everything that begins with it when `prefix`
  bool prefix = false;
};

// A series between two instants, summed up.
struct Bucket {
  Instant from;
  uint64_t count = 0;
  double sum = 0, min = 0, max = 0, last = 0;
  bool operator==(const Bucket&) const = default;
};

struct StoreOptions {
  std::filesystem::path directory;  // made when it is not there
  size_t queue_rows =
      65'536;  // taken between two flushes, each table; a power of two; 65k requests/s at one flush a second
  size_t open_rows_max = 4'000'000;  // not yet sealed, each table: ~400 MB
};

class Store {
 public:
  // Takes up what a former process left. Errors: io, conflict (another process has it open), corrupt.
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  virtual ~Store() = default;

  // From any thread, without locks and without waiting. A row that comes after its minute was sealed counts in the next
  // window. Errors: invalid_argument, resource_exhausted (the queue is full: the row is lost, and counted).
  virtual Result<void> append(Usage row) = 0;
  virtual Result<void> append(Sample row) = 0;
  virtual uint64_t rows_lost() const = 0;

  // The next four belong to one thread.

  // Takes in what the queues hold and makes the usage in it durable. At least once a second. After an error the rows
  // are still held, and the next flush tries again. Errors: resource_exhausted (disk full), io.
  virtual Result<void> flush() = 0;

  // Seals every window that ends at or before `before`, durably, and returns its event, as well as those of windows
  // that were not confirmed, in order of table and time. Windows without rows have none. Flushes first; errors as
  // there.
  virtual Result<std::vector<v1::WindowSealed>> seal(Instant before) = 0;

  // The event, in all its parts, is on the log.
  virtual Result<void> confirm(const v1::WindowSealed& event) = 0;

  // Removes the chunks of whole hours that ended at or before `before`; those not confirmed stay.
  virtual Result<void> expire(Instant before) = 0;

  // From any thread; open windows included as far as they were flushed. Order: by chunk, in it by time (samples: by
  // series, then time). `visit` returns whether to go on. Errors: corrupt (naming the chunk), io.
  virtual Result<void> scan(const UsageQuery& query, const std::function<bool(const Usage&)>& visit) const = 0;
  virtual Result<void> scan(const SampleQuery& query, const std::function<bool(const Sample&)>& visit) const = 0;

  // From any thread: what is flushed and not confirmed to be on the log, by window, ascending; those not sealed yet
  // without a digest. A window of this store that is on the log never comes back.
  virtual std::vector<v1::WindowSealed> unconfirmed_usage() const = 0;

  // Totals by (tenant, model, site), ascending.
  virtual Result<std::vector<v1::UsageTotal>> totals(const UsageQuery& query) const = 0;

  // One series in buckets of `step` ≥ 1 s from range.from on; empty buckets are left out. At most kBucketsMax.
  virtual Result<std::vector<Bucket>> roll_up(const SampleQuery& query, Duration step) const = 0;
  static constexpr size_t kBucketsMax = 100'000;
};

// A sealed window as the events that the log can hold, in order; itself where that is one.
std::vector<v1::WindowSealed> parts_of(v1::WindowSealed window);

}  // namespace tandem::series
