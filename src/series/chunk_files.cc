#include "series/chunk_files.h"

#include <fmt/format.h>

#include <set>
#include <system_error>

#include "base/file.h"
#include "base/text.h"

namespace tandem::series {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfirmed = ".chunk";
constexpr std::string_view kNew = ".chunk.new";
constexpr std::string_view kTemporary = ".tmp";

// "2026-11-21T08", so that a person finds an hour and expiry removes a directory.
std::string hour_of(int64_t at_ns) { return format_rfc3339(Instant{at_ns}).substr(0, 13); }

tl::unexpected<Error> io_failure(std::string_view doing, const fs::path& path, std::error_code error) {
  return fail(ErrorCode::io, fmt::format("{}: {}", doing, error.message()), path.string());
}

// A chunk's error with its name, for whoever has to restore or remove it.
tl::unexpected<Error> in_chunk(Error error, const fs::path& path) {
  return fail(error.code, std::move(error.message), path.string());
}

// The regular files of a directory's directories, in order of name.
Result<std::set<fs::path>> files_in(const fs::path& directory) {
  std::set<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (it->is_regular_file(error)) files.insert(it->path());
  }
  if (error) return io_failure("listing chunks", directory, error);
  return files;
}

Result<void> make_directory(const fs::path& directory) {
  std::error_code error;
  if (!fs::create_directory(directory, error) && error) return io_failure("making a directory", directory, error);
  return sync_directory(directory.parent_path());
}

}  // namespace

Result<ChunkFiles> ChunkFiles::open(const fs::path& store_directory, std::string_view table) {
  ChunkFiles files;
  files.directory_ = store_directory / table;
  TANDEM_TRY(make_directory(files.directory_));
  TANDEM_ASSIGN(const std::set<fs::path> paths, files_in(files.directory_));
  for (const fs::path& path : paths) {
    const std::string name = path.filename().string();
    std::error_code error;
    if (name.ends_with(kTemporary)) {
      if (!fs::remove(path, error) && error) return io_failure("removing an unfinished chunk", path, error);
    } else if (name.ends_with(kConfirmed) || name.ends_with(kNew)) {
      TANDEM_TRY(files.take_up(path));
    }
  }
  return files;
}

Result<void> ChunkFiles::take_up(const fs::path& path) {
  Entry entry{.path = path, .head = {}, .event = {}};
  const std::string name = path.filename().string();
  TANDEM_ASSIGN(const File file, File::open(path, File::Mode::read));
  TANDEM_ASSIGN(const std::string head, file.read_at(0, kChunkHeadBytes));
  const auto decoded = decode_head(head);
  if (!decoded) return in_chunk(decoded.error(), path);
  entry.head = *decoded;
  if (parse_integer(name.substr(0, name.find('.'))) != entry.head.from_ns) {
    return fail(ErrorCode::corrupt, fmt::format("a chunk of {} under another's name", entry.head.from_ns),
                path.string());
  }
  if (name.ends_with(kNew)) {
    TANDEM_ASSIGN(const std::string bytes, read_file(path, kChunkBytesMax));
    auto chunk = decode_chunk(bytes);
    if (!chunk) return in_chunk(chunk.error(), path);
    entry.event = std::move(chunk->event);
  }
  end_ns_ = std::max(end_ns_, entry.head.to_ns);
  chunks_.insert_or_assign(entry.head.from_ns, std::move(entry));
  return {};
}

Result<void> ChunkFiles::write(int64_t from_ns, std::string_view bytes) {
  const fs::path hour = directory_ / hour_of(from_ns);
  TANDEM_TRY(make_directory(hour));
  const fs::path path = hour / fmt::format("{}{}", from_ns, kNew);
  TANDEM_TRY(write_file_durably(path, bytes));
  return take_up(path);
}

std::vector<v1::WindowSealed> ChunkFiles::unconfirmed() const {
  std::vector<v1::WindowSealed> events;
  for (const auto& [from_ns, entry] : chunks_) {
    if (entry.event) events.push_back(*entry.event);
  }
  return events;
}

Result<void> ChunkFiles::confirm(const v1::WindowSealed& event) {
  const auto found = chunks_.find(event.from_ns());
  if (found == chunks_.end()) {
    return fail(ErrorCode::not_found, fmt::format("no chunk of {} begins at {}", event.table(), event.from_ns()));
  }
  Entry& entry = found->second;
  if (!entry.event) return {};
  if (entry.event->sha256() != event.sha256()) {
    return fail(ErrorCode::not_found,
                fmt::format("the chunk of {} at {} has another digest", event.table(), event.from_ns()));
  }
  const fs::path confirmed = entry.path.parent_path() / fmt::format("{}{}", event.from_ns(), kConfirmed);
  std::error_code error;
  fs::rename(entry.path, confirmed, error);  // not synced: a rename that is lost only repeats the event
  if (error) return io_failure("confirming a chunk", entry.path, error);
  entry.path = confirmed;
  entry.event.reset();
  return {};
}

Result<void> ChunkFiles::expire(Instant before) {
  std::set<fs::path> hours_touched;
  for (auto it = chunks_.begin(); it != chunks_.end();) {
    const int64_t hour_end_ns = (it->first / hours(1).ns + 1) * hours(1).ns;
    if (hour_end_ns > before.ns) break;
    if (it->second.event) {
      ++it;
      continue;
    }
    std::error_code error;
    if (!fs::remove(it->second.path, error) && error) return io_failure("removing a chunk", it->second.path, error);
    hours_touched.insert(it->second.path.parent_path());
    it = chunks_.erase(it);
  }
  for (const fs::path& hour : hours_touched) {
    std::error_code error;
    if (fs::is_empty(hour, error) && !error) fs::remove(hour, error);
    if (error) return io_failure("removing an hour", hour, error);
  }
  return {};
}

std::vector<fs::path> ChunkFiles::overlapping(Range range) const {
  std::vector<fs::path> paths;
  for (const auto& [from_ns, entry] : chunks_) {
    if (entry.head.at_max_ns >= range.from.ns && entry.head.at_min_ns < range.to.ns) paths.push_back(entry.path);
  }
  return paths;
}

Result<std::optional<std::string>> read_chunk(const fs::path& path) {
  auto bytes = read_file(path, kChunkBytesMax);
  if (!bytes && bytes.error().code == ErrorCode::not_found && path.filename().string().ends_with(kNew)) {
    fs::path confirmed = path;
    bytes = read_file(confirmed.replace_extension(), kChunkBytesMax);
  }
  if (bytes) return std::optional(std::move(*bytes));
  if (bytes.error().code == ErrorCode::not_found) return std::optional<std::string>();
  return in_chunk(bytes.error(), path);
}

}  // namespace tandem::series
