#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <iterator>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "base/file.h"
#include "base/logging.h"
#include "base/text.h"
#include "series/chunk.h"
#include "series/chunk_files.h"
#include "series/columns.h"
#include "series/journal.h"
#include "series/queue.h"
#include "series/series.h"

namespace tandem::series {

namespace {

namespace fs = std::filesystem;

// Windows open at once, each table: what is late or early beyond them counts in the nearest one, so that hostile times
// do not make a window for each row.
constexpr size_t kOpenWindowsMax = 64;

// What has not been sealed of one table.
template <class Rows>
struct OpenWindow {
  Rows rows;
  size_t rows_durable = 0;  // of usage: those in the journal
  Journal journal;          // of usage
};

template <class Rows>
struct Table {
  ChunkFiles chunks;
  std::map<int64_t, OpenWindow<Rows>> open;  // by from_ns
  int64_t sealed_until_ns = 0;
  size_t open_rows = 0;

  OpenWindow<Rows>& window_for(int64_t at_ns) {
    const int64_t own = std::max(at_ns - at_ns % kWindow.ns, sealed_until_ns);
    const auto after = open.lower_bound(own);
    if ((after != open.end() && after->first == own) || open.size() < kOpenWindowsMax) return open[own];
    return after == open.end() ? std::prev(after)->second : after->second;
  }

  // Moves rows from the queue while there is room; returns how many had no place among a window's names.
  template <class Row>
  uint64_t take_in(BoundedQueue<Row>& queue, size_t rows_max) {
    uint64_t lost = 0;
    Row row;
    for (size_t i = 0; i < queue.capacity() && open_rows < rows_max && queue.pop(row); ++i) {
      if (window_for(row.at.ns).rows.push(row)) {
        ++open_rows;
      } else {
        ++lost;
      }
    }
    return lost;
  }
};

class FileStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(StoreOptions options);

  Result<void> append(Usage row) override { return enqueue(usage_queue_, row); }
  Result<void> append(Sample row) override { return enqueue(sample_queue_, row); }
  uint64_t rows_lost() const override { return rows_lost_.load(std::memory_order_relaxed); }

  Result<void> flush() override;
  Result<std::vector<v1::WindowSealed>> seal(Instant before) override;
  Result<void> confirm(const v1::WindowSealed& event) override;
  Result<void> expire(Instant before) override;

  Result<void> scan(const UsageQuery& query, const std::function<bool(const Usage&)>& visit) const override;
  Result<void> scan(const SampleQuery& query, const std::function<bool(const Sample&)>& visit) const override;
  std::vector<v1::WindowSealed> unconfirmed_usage() const override;
  Result<std::vector<v1::UsageTotal>> totals(const UsageQuery& query) const override;
  Result<std::vector<Bucket>> roll_up(const SampleQuery& query, Duration step) const override;

 private:
  explicit FileStore(const StoreOptions& options)
      : options_(options), usage_queue_(options.queue_rows), sample_queue_(options.queue_rows) {}

  template <class Row>
  Result<void> enqueue(BoundedQueue<Row>& queue, Row& row) {
    TANDEM_TRY(check(row));
    if (queue.push(row)) return {};
    rows_lost_.fetch_add(1, std::memory_order_relaxed);
    return fail(ErrorCode::resource_exhausted, "the series store's queue is full: a row is lost");
  }
  fs::path journal_directory() const { return options_.directory / "journal"; }
  fs::path journal_path(int64_t from_ns) const { return journal_directory() / fmt::format("{}.usage", from_ns); }
  Result<void> take_up_journals();
  Result<void> take_up_journal(const fs::path& path, int64_t from_ns);
  Result<void> write_journals();
  template <class Rows>
  Result<void> seal_table(Table<Rows>& table, int64_t before_ns);
  // Calls `visit_chunk` and `visit_open` with each chunk and open window that may hold some of the range, until one
  // returns false.
  template <class Rows, class VisitChunk, class VisitOpen>
  Result<void> each_part(const Table<Rows>& table, Range range, VisitChunk visit_chunk, VisitOpen visit_open) const;
  // The same with their rows.
  template <class Rows, class Decode, class Visit>
  Result<void> each_block(const Table<Rows>& table, Range range, Decode decode, Visit visit) const;

  const StoreOptions options_;
  WriterLock lock_;
  BoundedQueue<Usage> usage_queue_;
  BoundedQueue<Sample> sample_queue_;
  std::atomic<uint64_t> rows_lost_{0};
  mutable std::mutex mutex_;  // guards the tables, between their one writer and readers
  Table<UsageRows> usage_;
  Table<SampleRows> samples_;
};

Result<std::unique_ptr<Store>> FileStore::open(StoreOptions options) {
  std::error_code error;
  fs::create_directories(options.directory / "journal", error);
  if (error) return fail(ErrorCode::io, fmt::format("making {}: {}", options.directory.string(), error.message()));
  std::unique_ptr<FileStore> store(new FileStore(options));
  TANDEM_ASSIGN(store->lock_, WriterLock::take(options.directory / "series.lock"));
  TANDEM_ASSIGN(store->usage_.chunks, ChunkFiles::open(options.directory, kUsageTable));
  TANDEM_ASSIGN(store->samples_.chunks, ChunkFiles::open(options.directory, kSampleTable));
  store->usage_.sealed_until_ns = store->usage_.chunks.end_ns();
  store->samples_.sealed_until_ns = store->samples_.chunks.end_ns();
  TANDEM_TRY(store->take_up_journals());
  return std::unique_ptr<Store>(std::move(store));
}

Result<void> FileStore::take_up_journals() {
  std::vector<std::pair<int64_t, fs::path>> journals;
  std::error_code error;
  for (fs::directory_iterator it(journal_directory(), error), end; !error && it != end; it.increment(error)) {
    const auto from_ns = parse_integer(it->path().stem().string());
    const bool window = from_ns && *from_ns >= 0 && *from_ns % kWindow.ns == 0;
    if (window && it->path().extension() == ".usage") journals.emplace_back(*from_ns, it->path());
  }
  if (error) return fail(ErrorCode::io, fmt::format("listing {}: {}", journal_directory().string(), error.message()));
  std::ranges::sort(journals);
  for (const auto& [from_ns, path] : journals) TANDEM_TRY(take_up_journal(path, from_ns));
  return {};
}

Result<void> FileStore::take_up_journal(const fs::path& path, int64_t from_ns) {
  std::error_code error;
  if (usage_.chunks.holds(from_ns)) {  // sealed, and killed before the journal was removed
    if (!fs::remove(path, error) && error) return fail(ErrorCode::io, error.message(), path.string());
    return {};
  }
  TANDEM_ASSIGN(const std::string bytes, read_file(path, kJournalBytesMax));
  JournalReading reading = read_journal(bytes);
  if (reading.bytes_dropped > 0) {
    log_warning("{}: {} bytes of a record that was not finished are dropped", path.string(), reading.bytes_dropped);
  }
  OpenWindow<UsageRows>& window = usage_.open[from_ns];
  window.rows = std::move(reading.rows);
  window.rows_durable = window.rows.size();
  usage_.open_rows += window.rows.size();
  TANDEM_ASSIGN(window.journal, Journal::open(path, reading.bytes));
  return {};
}

Result<void> FileStore::flush() {
  const std::lock_guard guard(mutex_);
  const uint64_t lost =
      usage_.take_in(usage_queue_, options_.open_rows_max) + samples_.take_in(sample_queue_, options_.open_rows_max);
  rows_lost_.fetch_add(lost, std::memory_order_relaxed);
  return write_journals();
}

Result<void> FileStore::write_journals() {
  for (auto& [from_ns, window] : usage_.open) {
    if (window.rows_durable == window.rows.size()) continue;
    if (!window.journal.is_open()) {
      TANDEM_ASSIGN(window.journal, Journal::open(journal_path(from_ns), 0));
    }
    TANDEM_TRY(window.journal.append(encode(window.rows, window.rows_durable)));
    window.rows_durable = window.rows.size();
  }
  return {};
}

template <class Rows>
Result<void> FileStore::seal_table(Table<Rows>& table, int64_t before_ns) {
  while (!table.open.empty() && table.open.begin()->first + kWindow.ns <= before_ns) {
    const auto first = table.open.begin();
    const int64_t from_ns = first->first;
    const size_t rows = first->second.rows.size();
    if (rows > 0) TANDEM_TRY(table.chunks.write(from_ns, encode_chunk(from_ns, first->second.rows)));
    table.open.erase(first);
    table.open_rows -= rows;
    table.sealed_until_ns = std::max(table.sealed_until_ns, from_ns + kWindow.ns);
    if constexpr (std::is_same_v<Rows, UsageRows>) {
      std::error_code error;
      if (!fs::remove(journal_path(from_ns), error) && error) {
        return fail(ErrorCode::io, error.message(), journal_path(from_ns).string());
      }
    }
  }
  table.sealed_until_ns = std::max(table.sealed_until_ns, before_ns - before_ns % kWindow.ns);
  return {};
}

Result<std::vector<v1::WindowSealed>> FileStore::seal(Instant before) {
  TANDEM_TRY(flush());
  const std::lock_guard guard(mutex_);
  TANDEM_TRY(seal_table(usage_, before.ns));
  TANDEM_TRY(seal_table(samples_, before.ns));
  std::vector<v1::WindowSealed> events = usage_.chunks.unconfirmed();
  for (v1::WindowSealed& event : samples_.chunks.unconfirmed()) events.push_back(std::move(event));
  return events;
}

Result<void> FileStore::confirm(const v1::WindowSealed& event) {
  const std::lock_guard guard(mutex_);
  if (event.table() == kUsageTable) return usage_.chunks.confirm(event);
  if (event.table() == kSampleTable) return samples_.chunks.confirm(event);
  return fail(ErrorCode::not_found, fmt::format("no table '{}'", event.table()));
}

Result<void> FileStore::expire(Instant before) {
  const std::lock_guard guard(mutex_);
  TANDEM_TRY(usage_.chunks.expire(before));
  return samples_.chunks.expire(before);
}

template <class Rows, class VisitChunk, class VisitOpen>
Result<void> FileStore::each_part(const Table<Rows>& table, Range range, VisitChunk visit_chunk,
                                  VisitOpen visit_open) const {
  std::vector<fs::path> paths;
  std::vector<Rows> open;  // copies, so that a slow reader holds up nobody
  {
    const std::lock_guard guard(mutex_);
    paths = table.chunks.overlapping(range);
    for (const auto& [from_ns, window] : table.open) {
      if (window.rows.size() == 0) continue;
      const auto [first_ns, last_ns] = std::ranges::minmax(window.rows.at_ns);
      if (last_ns >= range.from.ns && first_ns < range.to.ns) open.push_back(window.rows);
    }
  }
  for (const fs::path& path : paths) {
    TANDEM_ASSIGN(const std::optional<std::string> bytes, read_chunk(path));
    if (!bytes) continue;  // expired since
    const auto chunk = decode_chunk(*bytes);
    if (!chunk) return fail(chunk.error().code, chunk.error().message, path.string());
    const Result<bool> more = visit_chunk(*chunk);
    if (!more) return fail(more.error().code, more.error().message, path.string());
    if (!*more) return {};
  }
  for (const Rows& rows : open) {
    if (!visit_open(rows)) return {};
  }
  return {};
}

template <class Rows, class Decode, class Visit>
Result<void> FileStore::each_block(const Table<Rows>& table, Range range, Decode decode, Visit visit) const {
  const auto visit_chunk = [&](const Chunk& chunk) -> Result<bool> {
    TANDEM_ASSIGN(const Rows rows, decode(chunk.rows));
    if (rows.size() != chunk.head.rows) return fail(ErrorCode::corrupt, "a chunk lacks rows");
    return visit(rows);
  };
  return each_part(table, range, visit_chunk, visit);
}

bool takes(const UsageQuery& query, std::string_view tenant, std::string_view model, std::string_view site) {
  const auto fits = [](std::string_view wanted, std::string_view name) { return wanted.empty() || wanted == name; };
  return fits(query.tenant, tenant) && fits(query.model, model) && fits(query.site, site);
}

bool within(Range range, int64_t at_ns) { return at_ns >= range.from.ns && at_ns < range.to.ns; }

Result<void> FileStore::scan(const UsageQuery& query, const std::function<bool(const Usage&)>& visit) const {
  return each_block(usage_, query.range, decode_usage, [&](const UsageRows& rows) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const bool wanted =
          within(query.range, rows.at_ns[i]) && takes(query, rows.tenant[i], rows.model[i], rows.site[i]);
      if (wanted && !visit(rows.row(i))) return false;
    }
    return true;
  });
}

Result<void> FileStore::scan(const SampleQuery& query, const std::function<bool(const Sample&)>& visit) const {
  return each_block(samples_, query.range, decode_samples, [&](const SampleRows& rows) {
    std::vector<bool> takes;
    for (const std::string& name : rows.series.names()) {
      takes.push_back(query.prefix ? name.starts_with(query.series) : name == query.series);
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      if (takes[rows.series.id(i)] && within(query.range, rows.at_ns[i]) && !visit(rows.row(i))) return false;
    }
    return true;
  });
}

std::vector<v1::WindowSealed> FileStore::unconfirmed_usage() const {
  std::vector<v1::WindowSealed> windows;
  std::vector<std::pair<int64_t, UsageRows>> open;  // copies, so that adding up holds up nobody
  {
    const std::lock_guard guard(mutex_);
    windows = usage_.chunks.unconfirmed();
    for (const auto& [from_ns, window] : usage_.open)
      if (window.rows.size() > 0) open.emplace_back(from_ns, window.rows);
  }
  for (const auto& [from_ns, rows] : open) {
    v1::WindowSealed& window = windows.emplace_back();
    window.set_table(std::string(kUsageTable));
    window.set_from_ns(from_ns);
    window.set_to_ns(from_ns + kWindow.ns);
    window.set_rows(rows.size());
    for (v1::UsageTotal& total : totals_of(rows, {})) *window.add_usage() = std::move(total);
  }
  return windows;
}

Result<std::vector<v1::UsageTotal>> FileStore::totals(const UsageQuery& query) const {
  constexpr size_t kUnmergedMax = 50'000;  // merging sorts: not at every chunk
  std::vector<v1::UsageTotal> sums;
  const auto add = [&](const std::vector<v1::UsageTotal>& more) {
    sums.insert(sums.end(), more.begin(), more.end());
    if (sums.size() > kUnmergedMax) sums = merged(std::move(sums));
    return true;
  };
  const auto add_chunk = [&](const Chunk& chunk) -> Result<bool> {
    // A chunk that lies in the range as a whole has its totals ready, unless sites had to be counted together.
    const bool whole = within(query.range, chunk.head.at_min_ns) && within(query.range, chunk.head.at_max_ns);
    const bool exact =
        std::ranges::any_of(chunk.event.usage(), [](const auto& total) { return !total.site().empty(); });
    if (whole && exact) {
      std::vector<v1::UsageTotal> wanted;
      std::ranges::copy_if(chunk.event.usage(), std::back_inserter(wanted), [&](const v1::UsageTotal& total) {
        return takes(query, total.tenant(), total.model(), total.site());
      });
      return add(wanted);
    }
    TANDEM_ASSIGN(const UsageRows rows, decode_usage(chunk.rows));
    return add(totals_of(rows, query));
  };
  TANDEM_TRY(
      each_part(usage_, query.range, add_chunk, [&](const UsageRows& rows) { return add(totals_of(rows, query)); }));
  return merged(std::move(sums));
}

Result<std::vector<Bucket>> FileStore::roll_up(const SampleQuery& query, Duration step) const {
  if (step < seconds(1) || query.range.from.ns < 0 || query.range.to < query.range.from) {
    return fail(ErrorCode::invalid_argument, "a roll-up needs a step of at least 1 s and a range from 1970 on");
  }
  struct Sum {
    Bucket bucket;
    int64_t last_ns = INT64_MIN;
  };
  std::map<int64_t, Sum> sums;  // by position of the bucket
  bool fits = true;
  TANDEM_TRY(scan(query, [&](const Sample& sample) {
    if (std::isnan(sample.value)) return true;  // Prometheus' mark of a series that has ended
    const int64_t position = (sample.at - query.range.from).ns / step.ns;
    auto [found, fresh] = sums.try_emplace(position);
    Sum& sum = found->second;
    if (fresh) sum.bucket = {.from = query.range.from + step * position, .min = sample.value, .max = sample.value};
    sum.bucket.count += 1;
    sum.bucket.sum += sample.value;
    sum.bucket.min = std::min(sum.bucket.min, sample.value);
    sum.bucket.max = std::max(sum.bucket.max, sample.value);
    if (sample.at.ns >= sum.last_ns) {
      sum.last_ns = sample.at.ns;
      sum.bucket.last = sample.value;
    }
    fits = sums.size() <= kBucketsMax;
    return fits;
  }));
  if (!fits) return fail(ErrorCode::too_large, fmt::format("over {} buckets; take a longer step", kBucketsMax));
  std::vector<Bucket> buckets;
  for (const auto& [position, sum] : sums) buckets.push_back(sum.bucket);
  return buckets;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) { return FileStore::open(std::move(options)); }

}  // namespace tandem::series
