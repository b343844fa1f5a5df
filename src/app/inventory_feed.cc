#include "app/inventory_feed.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"

namespace tandem::app {
namespace {

constexpr size_t kFeedReadBytes = 1u << 20;  // of a file at a time
constexpr size_t kDetectBytes = 4u << 10;
constexpr size_t kTellEveryRows = 10'000;
constexpr size_t kFilesMax = 10'000;

}  // namespace

Result<ingest::FeedFormat> format_of_files(const std::string& name, const std::vector<std::filesystem::path>& files) {
  if (files.size() > kFilesMax)
    return fail(ErrorCode::too_large,
                fmt::format("{} files at once; at most {} are one feed", files.size(), kFilesMax));
  auto format = ingest::feed_format(name);
  if (!format)
    return fail(ErrorCode::invalid_argument,
                fmt::format("no format '{}'; one of auto, csv, yaml, netbox, tmf639", name));
  if (*format != ingest::FeedFormat::automatic) return *format;
  for (const std::filesystem::path& path : files) {
    TANDEM_ASSIGN(const File file, File::open(path, File::Mode::read));
    TANDEM_ASSIGN(const std::string begin, file.read_at(0, kDetectBytes));
    const ingest::FeedFormat found = ingest::detect_feed_format(path.string(), begin);
    if (found == ingest::FeedFormat::automatic)
      return fail(ErrorCode::invalid_argument,
                  "what format this is cannot be told; name it with --format csv, yaml, netbox or tmf639",
                  path.string());
    if (*format != ingest::FeedFormat::automatic && found != *format)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("this is {} and the file before {}; import them apart", ingest::to_string(found),
                              ingest::to_string(*format)),
                  path.string());
    format = found;
  }
  return *format;
}

Feed::Feed(FeedOfFiles files, RowTaker& taker, Progress& progress)
    : files_(std::move(files)), taker_(taker), progress_(progress) {
  std::stable_sort(files_.files.begin(), files_.files.end(), [&](const auto& a, const auto& b) {
    return ingest::feed_file_rank(files_.format, a.string()) < ingest::feed_file_rank(files_.format, b.string());
  });
}

Result<void> Feed::read() {
  for (const std::filesystem::path& path : files_.files) {
    TANDEM_ASSIGN(const File file, File::open(path, File::Mode::read));
    readers_.push_back(ingest::make_feed_reader(files_.format, path.string(), files_.options, *this));
    for (uint64_t at = 0;;) {
      TANDEM_ASSIGN(const std::string bytes, file.read_at(at, kFeedReadBytes));
      if (bytes.empty()) break;
      readers_.back()->push(bytes);
      at += bytes.size();
    }
    readers_.back()->finish();
  }
  return {};
}

void Feed::row(inventory::Row row, const ingest::FeedPlace& place) {
  places_.push_back({place, static_cast<uint16_t>(readers_.size() - 1)});
  taker_.add(std::move(row));
  if (places_.size() % kTellEveryRows == 0) progress_.tell(fmt::format("read {} rows", places_.size()));
}

void Feed::fault(ingest::FeedFault fault, bool first) {
  inventory::RowProblem problem{0,
                                std::move(fault.kind),
                                std::move(fault.id),
                                "",
                                std::move(fault.column),
                                std::move(fault.message),
                                std::move(fault.fix)};
  if (!first && !places_.empty()) return taker_.also_wrong(std::move(problem));
  places_.push_back({fault.place, static_cast<uint16_t>(readers_.size() - 1)});
  taker_.add_refused(std::move(problem));
}

std::vector<std::string> Feed::notes() const {
  std::vector<std::string> notes;
  for (size_t i = 0; i < readers_.size(); ++i)
    for (const std::string& note : readers_[i]->notes())
      notes.push_back(fmt::format("{}: {}", files_.files[i].string(), note));
  return notes;
}

std::string Feed::column(const inventory::RowProblem& problem) const {
  if (!problem.column.empty()) return problem.column;
  const Place& place = places_[problem.row];
  return readers_[place.file]->column(place.place, problem.kind, problem.attribute);
}

Diagnostic Feed::diagnostic(const inventory::RowProblem& problem) const {
  const Place& place = places_[problem.row];
  std::string where = column(problem);
  if (!problem.kind.empty() && !problem.id.empty())
    where += fmt::format("{}{} '{}'", where.empty() ? "" : ", ", problem.kind, problem.id);
  return {Diagnostic::Severity::error, files_.files[place.file].string(), static_cast<int>(place.place.line),
          where.empty() ? problem.message : fmt::format("{}: {}", where, problem.message), problem.fix};
}

Json Feed::describe(const inventory::RowProblem& problem) const {
  const Place& place = places_[problem.row];
  return Json::Object{{"row", uint64_t{problem.row + 1}},
                      {"file", files_.files[place.file].string()},
                      {"line", uint64_t{place.place.line}},
                      {"column", column(problem)},
                      {"kind", problem.kind},
                      {"id", problem.id},
                      {"attribute", problem.attribute},
                      {"message", problem.message},
                      {"fix", problem.fix}};
}

Json Feed::outcomes(const Imported& imported) const {
  Json::Array outcomes;
  for (size_t row = 0; row < places_.size() && outcomes.size() < kOutcomesMax; ++row) {
    if (imported.outcome(row) == inventory::Outcome::unchanged) continue;
    const Place& place = places_[row];
    outcomes.push_back(Json::Object{{"row", uint64_t{row + 1}},
                                    {"file", files_.files[place.file].string()},
                                    {"line", uint64_t{place.place.line}},
                                    {"id", imported.id(row)},
                                    {"outcome", inventory::to_string(imported.outcome(row))}});
  }
  return outcomes;
}

}  // namespace tandem::app
