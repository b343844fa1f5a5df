#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <span>
#include <thread>
#include <utility>
#include <variant>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/import_groups.h"
#include "app/inventory_data.h"
#include "app/inventory_feed.h"
#include "app/inventory_remote.h"
#include "base/bounded_queue.h"
#include "base/counted.h"
#include "base/file.h"
#include "base/text.h"
#include "control/control.h"
#include "log/log.h"

namespace tandem::app {
namespace {

constexpr size_t kImportGroupsAhead = 8;  // made while others are recorded: ~16,000 events
constexpr size_t kChangesShown = 40;      // of a dry run, by entity
constexpr size_t kProblemsShown = 200;    // on a terminal; the rest follow from the first, or are in --json
constexpr std::string_view kActor = "operator:import";

// "site.tier=core" of the options, as attributes of new entities.
Result<std::map<std::string, Json::Object>> defaults_of(const std::vector<std::string>& texts) {
  std::map<std::string, Json::Object> defaults;
  for (const std::string& text : texts) {
    const size_t dot = text.find('.'), equals = text.find('=');
    if (dot == std::string::npos || equals == std::string::npos || equals < dot)
      return fail(ErrorCode::invalid_argument, fmt::format("--default '{}' is not KIND.ATTRIBUTE=VALUE", text));
    const std::string kind = text.substr(0, dot), attribute = text.substr(dot + 1, equals - dot - 1);
    TANDEM_ASSIGN(defaults[kind][attribute], ingest::feed_value(kind, attribute, text.substr(equals + 1)));
  }
  return defaults;
}

Result<inventory::Standing> standing_of(const std::string& name) {
  using inventory::Standing;
  for (const auto& [known, standing] :
       {std::pair("observed", Standing::observed), std::pair("discovered", Standing::discovered),
        std::pair("intended", Standing::intended)})
    if (name == known) return standing;
  return fail(ErrorCode::invalid_argument,
              fmt::format("no standing '{}'; one of observed, discovered, intended", name));
}

void print_changes(const inventory::Upsert& upsert, const inventory::Snapshot& believed) {
  size_t shown = 0;
  upsert.for_each_event([&](const log::Event& event, size_t row) {
    if (event.has_entity_unseen()) {
      fmt::print("  unseen {} {}\n", event.entity_unseen().kind(), event.entity_unseen().id());
      return ++shown < kChangesShown;
    }
    if (!event.has_facts_recorded()) return true;  // seen as before
    const v1::FactsRecorded& facts = event.facts_recorded();
    std::string what;
    for (const v1::Attribute& attribute : facts.attributes()) {
      const std::string value = to_json(inventory::to_json_value(attribute.value()));
      what += fmt::format("{}{} {}", what.empty() ? "" : ", ", attribute.name(),
                          value.size() > 60 ? value.substr(0, 57) + "…" : value);
    }
    const bool known = believed.has(facts.kind(), facts.id());
    fmt::print("  {} {} {}: {}\n", known ? "change" : "create", facts.kind(), facts.id(), what);
    return static_cast<void>(row), ++shown < kChangesShown;
  });
  if (shown == kChangesShown) fmt::print("  … the first {}\n", kChangesShown);
}

// How many events said something new, and how many entities were only seen again.
struct Recorded {
  size_t events = 0, seen = 0;
};

struct ImportGroup {
  std::vector<log::Event> events;
  Recorded recorded;  // by it
  bool last = false;  // it says that all of the feed is in
};

// Gives what the feed has come to in groups, until they are no longer wanted.
void make_groups(inventory::Upsert& upsert, ImportOf import, BoundedQueue<ImportGroup>& made) {
  ImportGroups groups(std::move(import), [&](std::vector<log::Event> events, bool last) -> Result<void> {
    ImportGroup group{std::move(events), {}, last};
    for (const log::Event& event : group.events) {
      if (event.has_entities_seen())
        group.recorded.seen += static_cast<size_t>(event.entities_seen().ids_size());
      else if (!is_import_mark(event))
        ++group.recorded.events;
    }
    if (made.put(std::move(group))) return {};
    return fail(ErrorCode::unavailable, "no more groups are wanted");
  });
  bool wanted = true;
  upsert.take_events([&](log::Event event, size_t) { return wanted = groups.add(std::move(event)).has_value(); });
  if (wanted) static_cast<void>(groups.finish());  // refused where nobody wants it, who then knows why
  made.close();
}

// Records what the feed has come to. The next groups are made while those before them are recorded.
Result<Recorded> record(inventory::Upsert& upsert, control::Core& core, ImportOf import, Progress& progress) {
  const SystemClock clock;
  BoundedQueue<ImportGroup> made(kImportGroupsAhead);
  const std::jthread maker([&] { make_groups(upsert, std::move(import), made); });
  Recorded recorded;
  std::optional<Error> failed;
  const auto submit = [&](std::span<ImportGroup> groups) {
    if (groups.empty() || failed) return;
    std::vector<std::vector<log::Event>> events;
    for (ImportGroup& group : groups) events.push_back(std::move(group.events));
    const auto outcomes = core.submit(std::move(events), clock.now());
    if (!outcomes) failed = outcomes.error();
    for (size_t i = 0; i < groups.size() && outcomes; ++i) {
      const Result<log::Offset>& outcome = (*outcomes)[i];
      if (outcome) {
        recorded.events += groups[i].recorded.events;
        recorded.seen += groups[i].recorded.seen;
      } else if (!failed) {
        failed = outcome.error();
      }
    }
    progress.tell(fmt::format("recorded {} events", recorded.events));
  };
  while (!failed) {
    std::vector<ImportGroup> groups = made.take_all();
    if (groups.empty()) break;
    // The last group says that all is in: it goes by itself, once all before it are.
    const std::span all(groups);
    const size_t alone = groups.back().last ? 1 : 0;
    submit(all.first(all.size() - alone));
    submit(all.last(alone));
  }
  made.close();
  if (!failed) return recorded;
  return fail(
      failed->code,
      fmt::format("after {} events were recorded: {}; what was recorded stays, and importing again goes on from there",
                  recorded.events, failed->message),
      failed->context);
}

// What an import of this source that came to no end leaves behind, in a sentence.
std::string unfinished(const std::string& source, log::Offset begun, bool dry_run) {
  return fmt::format("an import of '{}' that began at offset {} did not come to its end: part of it may be missing{}",
                     source, begun, dry_run ? "" : ", and this one takes its place");
}

Json::Object report_of(const Feed& feed, const Imported& imported, const InventoryImportOptions& options) {
  const inventory::UpsertCounts& counts = imported.counts;
  Json::Array problems, notes;
  for (const inventory::RowProblem& problem : imported.problems) problems.push_back(feed.describe(problem));
  for (const std::string& note : imported.notes) notes.push_back(note);
  return {{"rows", uint64_t{feed.rows()}},
          {"created", uint64_t{counts.created}},
          {"changed", uint64_t{counts.changed}},
          {"confirmed", uint64_t{counts.confirmed}},
          {"unchanged", uint64_t{counts.unchanged}},
          {"unseen", uint64_t{counts.unseen}},
          {"refused", uint64_t{counts.refused}},
          {"problems", std::move(problems)},
          {"problem_count", uint64_t{imported.problem_count}},
          {"notes", std::move(notes)},
          {"dry_run", options.dry_run},
          {"accepted", imported.accepted},
          {"events", uint64_t{imported.events}},
          {"seen", uint64_t{imported.seen}},
          {"outcomes", feed.outcomes(imported)}};
}

void print_report(const Feed& feed, const Imported& imported, const InventoryImportOptions& options) {
  for (size_t i = 0; i < std::min(imported.problems.size(), kProblemsShown); ++i)
    fmt::print(stderr, "{}\n", to_string(feed.diagnostic(imported.problems[i])));
  if (imported.problem_count > kProblemsShown)
    fmt::print(stderr, "… and {} more\n", imported.problem_count - kProblemsShown);
  for (const std::string& note : imported.notes) fmt::print(stderr, "note: {}\n", note);
  const inventory::UpsertCounts& counts = imported.counts;
  fmt::print("{}: {} created, {} changed, {} confirmed, {} unchanged, {} refused{}\n", counted(feed.rows(), "row"),
             counts.created, counts.changed, counts.confirmed, counts.unchanged, counts.refused,
             options.full ? fmt::format("; {} no longer seen", counts.unseen) : "");
  if (!imported.accepted)
    fmt::print("nothing was taken in; mend the rows, or take in the others with --partial\n");
  else if (options.dry_run)
    fmt::print("a dry run: nothing was taken in\n");
  else if (options.url.empty())
    fmt::print("{} recorded\n", counted(imported.events, "event"));
}

// Rows on their way to an upsert, which takes them on a thread of its own while those after them are read.
class IntoUpsert final : public RowTaker {
 public:
  explicit IntoUpsert(inventory::Upsert& upsert) : upsert_(upsert) {}
  ~IntoUpsert() override { rows_.close(); }
  IntoUpsert(const IntoUpsert&) = delete;
  IntoUpsert& operator=(const IntoUpsert&) = delete;

  void add(inventory::Row row) override { put(std::move(row)); }
  void add_refused(inventory::RowProblem problem) override { put(Unread{std::move(problem), true}); }
  void also_wrong(inventory::RowProblem problem) override { put(Unread{std::move(problem), false}); }

  // No more rows; returns when all are taken.
  void finish() {
    rows_.put(std::exchange(some_, {}));
    rows_.close();
    thread_.join();
    upsert_.finish();
  }

 private:
  static constexpr size_t kRowsAtOnce = 500;  // handed over, so that a row costs no waking
  static constexpr size_t kAhead = 8;         // as many of those wait at most
  struct Unread {
    inventory::RowProblem problem;
    bool first = false;  // of its row
  };
  using Item = std::variant<inventory::Row, Unread>;

  void put(Item item) {
    some_.push_back(std::move(item));
    if (some_.size() == kRowsAtOnce) rows_.put(std::exchange(some_, {}));
  }
  void take() {
    for (;;) {
      std::vector<std::vector<Item>> all = rows_.take_all();
      if (all.empty()) return;
      for (std::vector<Item>& some : all)
        for (Item& item : some) take(std::move(item));
    }
  }
  void take(Item item) {
    if (auto* row = std::get_if<inventory::Row>(&item)) return upsert_.add(std::move(*row));
    Unread& unread = std::get<Unread>(item);
    if (unread.first)
      upsert_.add_refused(std::move(unread.problem));
    else
      upsert_.also_wrong(std::move(unread.problem));
  }

  inventory::Upsert& upsert_;
  std::vector<Item> some_;
  BoundedQueue<std::vector<Item>> rows_{kAhead};
  std::jthread thread_{[this] { take(); }};
};

std::vector<std::string> all_notes(const Feed& feed, const inventory::Upsert* upsert) {
  std::vector<std::string> notes = feed.notes();
  if (upsert != nullptr)
    for (std::string& note : upsert->notes()) notes.push_back(std::move(note));
  return notes;
}

void tell(const Feed& feed, const Imported& imported, const InventoryImportOptions& options) {
  if (options.json)
    fmt::print("{}\n", to_json_pretty(report_of(feed, imported, options)));
  else
    print_report(feed, imported, options);
}

Result<bool> import_into_log(const InventoryImportOptions& options, FeedOfFiles files,
                             inventory::UpsertOptions upsert_options) {
  TANDEM_ASSIGN(const OpenedData opened, open_data(options.data, /*read_only=*/options.dry_run));
  const inventory::Snapshot believed = opened.core ? opened.believed() : inventory::Snapshot();
  const std::string source = upsert_options.source;
  inventory::Upsert upsert(believed, std::move(upsert_options));
  IntoUpsert taker(upsert);
  Progress progress("reading");
  Feed feed(std::move(files), taker, progress);
  TANDEM_TRY(feed.read());
  taker.finish();

  const std::optional<log::Offset> open = open_import(believed, source);
  std::vector<std::string> notes = all_notes(feed, &upsert);
  if (open) notes.push_back(unfinished(source, *open, options.dry_run));
  Imported imported{upsert.counts(),
                    upsert.problems(),
                    upsert.problem_count(),
                    std::move(notes),
                    upsert.accepted(),
                    0,
                    0,
                    [&](size_t row) { return upsert.outcome(row); },
                    [&](size_t row) { return upsert.id(row); }};
  if (upsert.accepted() && !options.dry_run) {
    TANDEM_ASSIGN(const Recorded recorded,
                  record(upsert, *opened.core, {source, std::string(kActor), feed.rows(), open.has_value()}, progress));
    imported.events = recorded.events;
    imported.seen = recorded.seen;
    if (imported.events + imported.seen > 0)
      TANDEM_TRY(control::write_checkpoint(opened.core->state(), *opened.checkpoints));
  }
  progress.end();
  if (options.dry_run && !options.json) print_changes(upsert, believed);
  tell(feed, imported, options);
  return imported.problem_count == 0;
}

// Rows on their way to a running grid, and what it said of them.
class IntoGrid final : public RowTaker {
 public:
  void add(inventory::Row row) override {
    places_.push_back(results_.size());
    rows_.push_back(std::move(row));
    results_.emplace_back();
  }
  void add_refused(inventory::RowProblem problem) override {
    problem.row = results_.size();
    results_.emplace_back().problems.push_back(std::move(problem));
    all_readable_ = false;
  }
  void also_wrong(inventory::RowProblem problem) override {
    problem.row = results_.size() - 1;
    results_.back().problems.push_back(std::move(problem));
  }

  // Sends what could be read, a request's worth at a time; true when it was taken in.
  Result<bool> send(const RemoteOptions& options, bool full, Progress& progress) {
    bool good = all_readable_;
    const bool partial = options.upsert.partial;
    const ImportOf import{options.upsert.source, {}, rows_.size()};
    TANDEM_ASSIGN(const std::optional<log::Offset> open, find_import(import.source, options));
    if (open) notes_.push_back(unfinished(import.source, *open, options.dry_run));
    const bool several = rows_.size() > kRemoteRowsMax || full;
    if (several && (good || partial)) TANDEM_TRY(post_mark(import_begins(import), options));
    for (size_t first = 0; first < rows_.size() && (good || partial); first += kRemoteRowsMax) {
      TANDEM_ASSIGN(const bool taken, post(first, std::min(kRemoteRowsMax, rows_.size() - first), options));
      good = good && taken;
      progress.tell(fmt::format("sent {} rows", first));
    }
    if (full && good) TANDEM_TRY(list(options));
    if ((several || open) && (good || partial)) TANDEM_TRY(post_mark(import_ends(import), options));
    return good || partial;
  }

  Imported imported(const Feed& feed, bool accepted) const {
    Imported imported;
    imported.notes = all_notes(feed, nullptr);
    imported.notes.insert(imported.notes.end(), notes_.begin(), notes_.end());
    imported.accepted = accepted;
    for (const RemoteRow& row : results_) {
      imported.problem_count += row.problems.size();
      imported.problems.insert(imported.problems.end(), row.problems.begin(), row.problems.end());
      imported.counts.created += row.outcome == inventory::Outcome::created;
      imported.counts.changed += row.outcome == inventory::Outcome::changed;
      imported.counts.confirmed += row.outcome == inventory::Outcome::confirmed;
      imported.counts.unchanged += row.outcome == inventory::Outcome::unchanged;
      imported.counts.refused += row.outcome == inventory::Outcome::refused;
    }
    imported.counts.unseen = unseen_;
    imported.outcome = [this](size_t row) { return results_[row].outcome; };
    imported.id = [this](size_t row) { return results_[row].id; };
    return imported;
  }

 private:
  // A request's worth of rows; false when any of it was refused.
  Result<bool> post(size_t first, size_t count, const RemoteOptions& options) {
    const std::vector<inventory::Row> rows(rows_.begin() + static_cast<ptrdiff_t>(first),
                                           rows_.begin() + static_cast<ptrdiff_t>(first + count));
    TANDEM_ASSIGN(RemoteRows said, post_rows(rows, options));
    bool good = true;
    for (size_t i = 0; i < said.rows.size(); ++i) {
      const size_t place = places_[first + i];
      for (inventory::RowProblem& problem : said.rows[i].problems) problem.row = place;
      good = good && said.rows[i].problems.empty();
      results_[place] = std::move(said.rows[i]);
    }
    notes_.insert(notes_.end(), said.notes.begin(), said.notes.end());
    return good;
  }

  // Says of each kind that this was all.
  Result<void> list(const RemoteOptions& options) {
    std::map<std::string, std::vector<std::string>> ids;
    for (size_t i = 0; i < rows_.size(); ++i) ids[rows_[i].kind].push_back(results_[places_[i]].id);
    for (auto& [kind, listed] : ids) {
      TANDEM_ASSIGN(const size_t unseen, post_listed(kind, std::move(listed), options));
      unseen_ += unseen;
    }
    return {};
  }

  std::vector<inventory::Row> rows_;  // that could be read
  std::vector<size_t> places_;        // of each among the results
  std::vector<RemoteRow> results_;    // of every row
  std::vector<std::string> notes_;
  size_t unseen_ = 0;
  bool all_readable_ = true;
};

Result<bool> import_into_grid(const InventoryImportOptions& options, FeedOfFiles files,
                              inventory::UpsertOptions upsert_options) {
  IntoGrid taker;
  Progress progress("reading");
  Feed feed(std::move(files), taker, progress);
  TANDEM_TRY(feed.read());
  TANDEM_ASSIGN(const bool accepted,
                taker.send({options.url, options.dry_run, std::move(upsert_options)}, options.full, progress));
  progress.end();
  const Imported imported = taker.imported(feed, accepted);
  tell(feed, imported, options);
  return imported.problem_count == 0;
}

Result<bool> import_feed(const InventoryImportOptions& options) {
  inventory::UpsertOptions upsert_options;
  upsert_options.actor = kActor;
  upsert_options.partial = options.partial;
  upsert_options.full = options.full;
  TANDEM_ASSIGN(upsert_options.standing, standing_of(options.standing));
  TANDEM_ASSIGN(upsert_options.defaults, defaults_of(options.defaults));
  FeedOfFiles files;
  files.files = options.files;
  files.options.kind = options.kind;
  files.options.system = options.system;
  TANDEM_ASSIGN(files.format, format_of_files(options.format, options.files));
  if (files.options.system.empty()) files.options.system = ingest::to_string(files.format);
  upsert_options.source =
      options.source.empty() ? fmt::format("import:{}", ingest::to_string(files.format)) : options.source;
  if (options.url.empty()) return import_into_log(options, std::move(files), std::move(upsert_options));
  return import_into_grid(options, std::move(files), std::move(upsert_options));
}

Result<void> export_to(const InventoryExportOptions& options) {
  const auto format = ingest::feed_format(options.format);
  if (!format || *format == ingest::FeedFormat::automatic)
    return fail(ErrorCode::invalid_argument,
                fmt::format("no format '{}' to export; one of csv, yaml, netbox, tmf639", options.format));
  TANDEM_ASSIGN(const OpenedData opened, open_data(options.data, /*read_only=*/true));
  if (!opened.core) return fail(ErrorCode::not_found, fmt::format("there is no log in '{}'", options.data.string()));
  std::FILE* out = options.output.empty() ? stdout : std::fopen(options.output.c_str(), "wb");
  if (out == nullptr) return fail(ErrorCode::io, fmt::format("'{}' cannot be written", options.output.string()));
  bool written = true;
  ingest::ExportOptions export_options;
  export_options.kinds = options.kinds;
  if (!options.system.empty()) export_options.system = options.system;
  const auto notes = ingest::export_feed(*format, opened.believed(), export_options, [&](std::string_view bytes) {
    written = written && std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size();
  });
  written = std::fflush(out) == 0 && written;
  if (out != stdout) written = std::fclose(out) == 0 && written;
  if (!notes) return tl::unexpected(notes.error());
  if (!written)
    return fail(ErrorCode::io, fmt::format("'{}' could not be written whole",
                                           options.output.empty() ? "standard output" : options.output.string()));
  for (const std::string& note : *notes) fmt::print(stderr, "note: {}\n", note);
  return {};
}

}  // namespace

int run_inventory_import(const InventoryImportOptions& options) {
  const auto done = import_feed(options);
  if (!done) return report(done.error());
  return *done ? 0 : 2;
}

int run_inventory_export(const InventoryExportOptions& options) {
  const auto done = export_to(options);
  return done ? 0 : report(done.error());
}

}  // namespace tandem::app
