#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/inventory_feed.h"
#include "base/file.h"
#include "base/text.h"
#include "control/control.h"
#include "log/log.h"

namespace tandem::app {
namespace {

constexpr size_t kEventsPerGroup = 2'000;  // recorded at once, all or none: half of what a batch of the log holds
constexpr size_t kChangesShown = 40;       // of a dry run, by entity
constexpr size_t kProblemsShown = 200;     // on a terminal; the rest follow from the first, or are in --json
constexpr std::string_view kActor = "operator:import";

struct Opened {
  std::unique_ptr<log::Log> log;
  std::unique_ptr<control::CheckpointStore> checkpoints;
  std::unique_ptr<control::Core> core;  // null: there is no log yet, and it was to be read only
};

Result<Opened> open(const std::filesystem::path& data, bool read_only) {
  Opened opened;
  log::SqliteLogOptions options;
  options.directory = data / "log";
  options.read_only = read_only;
  auto log = log::open_sqlite_log(options);
  if (!log && read_only && log.error().code == ErrorCode::not_found) return opened;
  if (!log && log.error().code == ErrorCode::conflict)
    return fail(ErrorCode::conflict, fmt::format("{}; stop that grid first, or try with --dry-run, which only reads", log.error().message), data.string());
  if (!log) return tl::unexpected(log.error());
  opened.log = std::move(*log);
  opened.checkpoints = control::directory_checkpoints(data / "checkpoints");
  TANDEM_ASSIGN(const log::Head head, opened.log->head());
  control::CoreOptions core_options;
  core_options.epoch = head.header.epoch + 1;
  TANDEM_ASSIGN(opened.core, control::Core::open(*opened.log, opened.checkpoints.get(), core_options));
  return opened;
}

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
  for (const auto& [known, standing] : {std::pair("observed", Standing::observed), std::pair("discovered", Standing::discovered), std::pair("intended", Standing::intended)})
    if (name == known) return standing;
  return fail(ErrorCode::invalid_argument, fmt::format("no standing '{}'; one of observed, discovered, intended", name));
}

void print_changes(const inventory::Upsert& upsert, const inventory::Snapshot& believed) {
  size_t shown = 0;
  upsert.for_each_event([&](const log::Event& event, size_t row) {
    if (event.has_entity_unseen()) {
      fmt::print("  unseen {} {}\n", event.entity_unseen().kind(), event.entity_unseen().id());
      return ++shown < kChangesShown;
    }
    const v1::FactsRecorded& facts = event.facts_recorded();
    std::string what;
    for (const v1::Attribute& attribute : facts.attributes()) {
      const std::string value = to_json(inventory::to_json_value(attribute.value()));
      what += fmt::format("{}{} {}", what.empty() ? "" : ", ", attribute.name(), value.size() > 60 ? value.substr(0, 57) + "…" : value);
    }
    const bool known = believed.has(facts.kind(), facts.id());
    fmt::print("  {} {} {}: {}\n", known ? "change" : "create", facts.kind(), facts.id(), what);
    return static_cast<void>(row), ++shown < kChangesShown;
  });
  if (shown == kChangesShown) fmt::print("  … the first {}\n", kChangesShown);
}

// Records what the feed has come to, a group at a time; returns how many events.
Result<size_t> record(const inventory::Upsert& upsert, control::Core& core, FeedProgress& progress) {
  const SystemClock clock;
  std::vector<log::Event> group;
  size_t recorded = 0;
  std::optional<Error> failed;
  const auto flush = [&] {
    if (group.empty() || failed) return;
    const size_t size = group.size();
    std::vector<std::vector<log::Event>> groups;
    groups.push_back(std::exchange(group, {}));
    auto outcomes = core.submit(std::move(groups), clock.now());
    if (!outcomes)
      failed = outcomes.error();
    else if (!outcomes->front())
      failed = outcomes->front().error();
    else
      recorded += size;
    progress.tell("recorded", recorded);
  };
  upsert.for_each_event([&](log::Event event, size_t) {
    group.push_back(std::move(event));
    if (group.size() == kEventsPerGroup) flush();
    return !failed;
  });
  flush();
  progress.end();
  if (!failed) return recorded;
  return fail(failed->code, fmt::format("after {} events were recorded: {}; what was recorded stays, and importing again goes on from there", recorded, failed->message),
              failed->context);
}

Json::Object report_of(const Feed& feed, const inventory::Upsert& upsert, const InventoryImportOptions& options, size_t recorded) {
  const inventory::UpsertCounts& counts = upsert.counts();
  Json::Array problems, notes;
  for (const inventory::RowProblem& problem : upsert.problems()) problems.push_back(feed.describe(problem));
  for (const std::string& note : feed.notes()) notes.push_back(note);
  for (const std::string& note : upsert.notes()) notes.push_back(note);
  return {{"rows", uint64_t{feed.rows()}},          {"created", uint64_t{counts.created}},
          {"changed", uint64_t{counts.changed}},    {"confirmed", uint64_t{counts.confirmed}}, {"unchanged", uint64_t{counts.unchanged}}, {"unseen", uint64_t{counts.unseen}},
          {"refused", uint64_t{counts.refused}},    {"problems", std::move(problems)},
          {"problem_count", uint64_t{upsert.problem_count()}}, {"notes", std::move(notes)},
          {"dry_run", options.dry_run},             {"accepted", upsert.accepted()},
          {"events", uint64_t{recorded}},           {"outcomes", feed.outcomes(upsert)}};
}

void print_report(const Feed& feed, const inventory::Upsert& upsert, const InventoryImportOptions& options, size_t recorded) {
  size_t shown = 0;
  for (const inventory::RowProblem& problem : upsert.problems()) {
    if (++shown > kProblemsShown) break;
    fmt::print(stderr, "{}\n", to_string(feed.diagnostic(problem)));
  }
  if (upsert.problem_count() > kProblemsShown) fmt::print(stderr, "… and {} more\n", upsert.problem_count() - kProblemsShown);
  for (const std::string& note : feed.notes()) fmt::print(stderr, "note: {}\n", note);
  for (const std::string& note : upsert.notes()) fmt::print(stderr, "note: {}\n", note);
  const inventory::UpsertCounts& counts = upsert.counts();
  fmt::print("{} rows: {} created, {} changed, {} confirmed, {} unchanged, {} refused{}\n", feed.rows(), counts.created, counts.changed, counts.confirmed,
             counts.unchanged, counts.refused, options.full ? fmt::format("; {} no longer seen", counts.unseen) : "");
  if (!upsert.accepted())
    fmt::print("nothing was taken in; mend the rows, or take in the others with --partial\n");
  else if (options.dry_run)
    fmt::print("a dry run: nothing was taken in\n");
  else
    fmt::print("{} events recorded\n", recorded);
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
  upsert_options.source = options.source.empty() ? fmt::format("import:{}", ingest::to_string(files.format)) : options.source;

  TANDEM_ASSIGN(const Opened opened, open(options.data, /*read_only=*/options.dry_run));
  const inventory::Snapshot believed = opened.core ? opened.core->state().inventory : inventory::Snapshot();
  inventory::Upsert upsert(believed, upsert_options);
  FeedProgress progress(!options.json && isatty(STDERR_FILENO) == 1);
  Feed feed(std::move(files), upsert, progress);
  TANDEM_TRY(feed.read());
  upsert.finish();
  progress.end();

  size_t recorded = 0;
  if (upsert.accepted() && !options.dry_run) {
    TANDEM_ASSIGN(recorded, record(upsert, *opened.core, progress));
    if (recorded > 0) TANDEM_TRY(control::write_checkpoint(opened.core->state(), *opened.checkpoints));
  }
  if (options.json) {
    fmt::print("{}\n", to_json_pretty(report_of(feed, upsert, options, recorded)));
  } else {
    if (options.dry_run) print_changes(upsert, believed);
    print_report(feed, upsert, options, recorded);
  }
  return upsert.problem_count() == 0;
}

Result<void> export_to(const InventoryExportOptions& options) {
  const auto format = ingest::feed_format(options.format);
  if (!format || *format == ingest::FeedFormat::automatic)
    return fail(ErrorCode::invalid_argument, fmt::format("no format '{}' to export; one of csv, yaml, netbox, tmf639", options.format));
  TANDEM_ASSIGN(const Opened opened, open(options.data, /*read_only=*/true));
  if (!opened.core) return fail(ErrorCode::not_found, fmt::format("there is no log in '{}'", options.data.string()));
  std::FILE* out = options.output.empty() ? stdout : std::fopen(options.output.c_str(), "wb");
  if (out == nullptr) return fail(ErrorCode::io, fmt::format("'{}' cannot be written", options.output.string()));
  bool written = true;
  ingest::ExportOptions export_options;
  export_options.kinds = options.kinds;
  if (!options.system.empty()) export_options.system = options.system;
  const auto notes = ingest::export_feed(*format, opened.core->state().inventory, export_options, [&](std::string_view bytes) {
    written = written && std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size();
  });
  written = std::fflush(out) == 0 && written;
  if (out != stdout) written = std::fclose(out) == 0 && written;
  if (!notes) return tl::unexpected(notes.error());
  if (!written) return fail(ErrorCode::io, fmt::format("'{}' could not be written whole", options.output.empty() ? "standard output" : options.output.string()));
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
