// The files of one feed, read into an upsert, and where in them its rows stand.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/progress.h"
#include "base/diagnostics.h"
#include "base/json.h"
#include "base/result.h"
#include "ingest/feed.h"
#include "inventory/upsert.h"

namespace tandem::app {

struct FeedOfFiles {
  std::vector<std::filesystem::path> files;
  ingest::FeedFormat format = ingest::FeedFormat::automatic;
  ingest::FeedOptions options;
};

// The format of that name, or, for "auto", the one that all the files are of. Errors: invalid_argument, not_found, io.
Result<ingest::FeedFormat> format_of_files(const std::string& name, const std::vector<std::filesystem::path>& files);

// Who takes the rows of a feed: an upsert here, or a running grid.
class RowTaker {
 public:
  virtual ~RowTaker() = default;
  virtual void add(inventory::Row row) = 0;
  virtual void add_refused(inventory::RowProblem problem) = 0;
  virtual void also_wrong(inventory::RowProblem problem) = 0;
};

// What became of a feed.
struct Imported {
  inventory::UpsertCounts counts;
  std::vector<inventory::RowProblem> problems;  // the first of them
  size_t problem_count = 0;
  std::vector<std::string> notes;
  bool accepted = false;
  size_t events = 0;  // recorded that say something new, where that is known
  size_t seen = 0;    // entities of which it was recorded that they are seen as before
  std::function<inventory::Outcome(size_t row)> outcome;
  std::function<std::string(size_t row)> id;
};

class Feed final : public ingest::FeedSink {
 public:
  // Both must outlive the feed.
  Feed(FeedOfFiles files, RowTaker& taker, Progress& progress);

  Result<void> read();  // errors: not_found, io
  size_t rows() const { return places_.size(); }
  std::vector<std::string> notes() const;

  Diagnostic diagnostic(const inventory::RowProblem& problem) const;
  Json describe(const inventory::RowProblem& problem) const;
  // What became of each row, as [{file, line, kind?, id, outcome}]; the first kOutcomesMax that are not unchanged.
  Json outcomes(const Imported& imported) const;

  // ingest::FeedSink
  void row(inventory::Row row, const ingest::FeedPlace& place) override;
  void fault(ingest::FeedFault fault, bool first) override;

 private:
  static constexpr size_t kOutcomesMax = 10'000;  // a report people or scripts read; the counts say the rest
  struct Place {
    ingest::FeedPlace place;
    uint16_t file = 0;
  };
  std::string column(const inventory::RowProblem& problem) const;

  FeedOfFiles files_;
  RowTaker& taker_;
  Progress& progress_;
  std::vector<std::unique_ptr<ingest::FeedReader>> readers_;  // one a file
  std::deque<Place> places_;                                  // of each row
};

}  // namespace tandem::app
