#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "api/api.h"
#include "app/commands.h"
#include "app/grid_file.h"
#include "app/terminal.h"
#include "base/text_table.h"
#include "control/control.h"
#include "log/backup.h"
#include "log/log.h"
#include "log/print.h"

namespace tandem::app {
namespace {

constexpr size_t kReadBytes = 8u << 20;  // at a time
constexpr auto kFollowEvery = std::chrono::milliseconds(200);

std::filesystem::path log_directory(const LogOptions& options) { return options.data / "log"; }

Result<std::unique_ptr<log::Log>> open_for_reading(const LogOptions& options) {
  log::SqliteLogOptions log_options;
  log_options.directory = log_directory(options);
  log_options.read_only = true;
  return log::open_sqlite_log(log_options);
}

void print_event(const log::Event& event, log::Offset offset, Instant at, bool json) {
  if (json) {
    Json::Object line = api::log_message(event, offset, at).object();
    line["body"] = log::event_to_json(event);
    fmt::print("{}\n", to_json(line));
    return;
  }
  const log::EventDescription description = log::describe(event);
  const std::string time = format_rfc3339(at).substr(0, 23);
  const std::string line =
      fmt::format("{:>9}  {}  {:<24} {:<22} {}", offset, time, description.kind, event.actor(), description.summary);
  const size_t width = terminal_width();
  if (width == 0 || display_width(line) <= width) {
    fmt::print("{}\n", line);
    return;
  }
  constexpr size_t kMargin = 11;  // under the time
  fmt::print("{:>9}  {}  {}  {}\n{:{}}{}\n", offset, time, description.kind, event.actor(), "", kMargin,
             wrapped(description.summary, width, kMargin));
}

// Prints events from `from` on, at most `count` of them; returns the offset to go on from.
Result<log::Offset> print_from(const log::Log& log, log::Offset from, uint64_t count, bool json) {
  while (count > 0) {
    TANDEM_ASSIGN(const std::vector<log::Batch> batches, log.read(from, kReadBytes));
    if (batches.empty()) break;
    for (const log::Batch& batch : batches) {
      for (size_t i = 0; i < batch.events.size() && count > 0; ++i) {
        const log::Offset offset = batch.header.first + i;
        if (offset < from) continue;
        print_event(batch.events[i], offset, batch.header.at, json);
        from = offset + 1;
        --count;
      }
    }
  }
  std::fflush(stdout);
  return from;
}

Result<void> tail(const LogOptions& options) {
  TANDEM_ASSIGN(const std::unique_ptr<log::Log> log, open_for_reading(options));
  TANDEM_ASSIGN(const log::Head head, log->head());
  log::Offset from = options.from;
  if (from == 0) from = head.last > options.count ? head.last - options.count + 1 : 1;
  const uint64_t count = options.from == 0 || options.follow ? UINT64_MAX : options.count;
  TANDEM_ASSIGN(from, print_from(*log, from, count, options.json));
  while (options.follow) {
    std::this_thread::sleep_for(kFollowEvery);
    TANDEM_ASSIGN(from, print_from(*log, from, UINT64_MAX, options.json));
  }
  return {};
}

Result<void> show(const LogOptions& options) {
  TANDEM_ASSIGN(const std::unique_ptr<log::Log> log, open_for_reading(options));
  TANDEM_ASSIGN(const std::vector<log::Batch> batches, log->read(options.offset, 1));
  if (options.offset == 0 || batches.empty())
    return fail(
        ErrorCode::not_found,
        fmt::format("the log has no event at offset {}; its last is shown by 'tandem log tail -n 1'", options.offset));
  const log::Batch& batch = batches.front();
  const size_t position = options.offset - batch.header.first;
  if (position >= batch.events.size())
    return fail(ErrorCode::not_found,
                fmt::format("the body of the batch of event {} has expired; its header is kept", options.offset));
  Json::Object document = api::log_message(batch.events[position], options.offset, batch.header.at).object();
  document["body"] = log::event_to_json(batch.events[position]);
  document["batch"] = log::header_to_json(batch.header);
  fmt::print("{}\n", to_json_pretty(document));
  return {};
}

Result<bool> verify(const LogOptions& options) {
  TANDEM_ASSIGN(const log::Verification found, log::verify_sqlite_log(log_directory(options)));
  if (options.json) {
    Json::Array damage;
    for (const auto& piece : found.damage)
      damage.push_back(Json::Object{{"offset", piece.offset}, {"what", piece.what}});
    const Json::Object document{{"clean", found.damage.empty()}, {"batches", found.batches},
                                {"events", found.events},        {"last", found.last},
                                {"head", to_hex(found.head)},    {"damage", std::move(damage)}};
    fmt::print("{}\n", to_json_pretty(document));
  } else {
    for (const auto& piece : found.damage) fmt::print("offset {}: {}\n", piece.offset, piece.what);
    fmt::print("{}: {} events in {} batches, head {}\n", found.damage.empty() ? "clean" : "DAMAGED", found.events,
               found.batches, to_hex(found.head).substr(0, 16));
  }
  return found.damage.empty();
}

// Where it ends, when every byte of the copy is found as it was written.
Result<void> backup(const LogOptions& options) {
  const std::filesystem::path to = options.to / "log";
  TANDEM_ASSIGN(const log::Head head, log::back_up_sqlite_log(log_directory(options), to));
  if (options.json)
    fmt::print("{}\n",
               to_json_pretty(Json::Object{
                   {"directory", options.to.string()}, {"last", head.last}, {"head", to_hex(head.header.hash)}}));
  else
    fmt::print("{}: {} events, checked, head {}; keys/ and webhooks/ are not in it\n", options.to.string(), head.last,
               to_hex(head.header.hash).substr(0, 16));
  return {};
}

Result<void> hash(const LogOptions& options) {
  TANDEM_ASSIGN(const std::unique_ptr<log::Log> log, open_for_reading(options));
  TANDEM_ASSIGN(const control::State state, control::replay(*log));
  fmt::print("{}  state at offset {}\n", to_hex(control::state_hash(state)), state.head.last());
  return {};
}

int report_of_log(Error error) {
  if (error.code == ErrorCode::not_found && error.message.starts_with("there is no log"))
    error.message += "; --data names the directory of a grid that ran";
  return report(error);
}

}  // namespace

int run_log_backup(const LogOptions& options) {
  const auto done = backup(options);
  return done ? 0 : report_of_log(done.error());
}

int run_log_tail(const LogOptions& options) {
  const auto done = tail(options);
  return done ? 0 : report_of_log(done.error());
}

int run_log_show(const LogOptions& options) {
  const auto done = show(options);
  return done ? 0 : report_of_log(done.error());
}

int run_log_verify(const LogOptions& options) {
  const auto clean = verify(options);
  if (!clean) return report_of_log(clean.error());
  return *clean ? 0 : 1;
}

int run_log_hash(const LogOptions& options) {
  const auto done = hash(options);
  return done ? 0 : report_of_log(done.error());
}

}  // namespace tandem::app
