#include "telemetry/access_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/json.h"
#include "base/logging.h"
#include "telemetry/record_lane.h"

namespace tandem::telemetry {
namespace {

constexpr mode_t kFileMode = 0640;  // tenants' habits are nobody else's business

class Line {
 public:
  Line& text(std::string_view name, std::string_view value) {
    key(name);
    append_json_string(json_, value);
    return *this;
  }
  Line& number(std::string_view name, uint64_t value) { return raw(name, fmt::format("{}", value)); }
  Line& micros(std::string_view name, Microseconds value) { return raw(name, fmt::format("{:.0f}", value.value())); }
  Line& raw(std::string_view name, std::string_view json) {
    key(name);
    json_ += json;
    return *this;
  }
  std::string end() { return std::move(json_) + '}'; }

 private:
  void key(std::string_view name) { json_ += fmt::format(R"({}"{}":)", json_.size() > 1 ? "," : "", name); }
  std::string json_ = "{";
};

}  // namespace

std::string access_line(const gateway::RequestRecord& record) {
  Line line;
  line.text("time", format_rfc3339(record.at))
      .text("request_id", record.request_id)
      .text("id", record.id)
      .text("tenant", record.tenant)
      .text("path", record.path)
      .text("model", record.model)
      .text("region", record.region)
      .text("site", record.site)
      .text("deployment", record.deployment)
      .number("status", static_cast<uint64_t>(std::max(record.status, 0)))
      .text("outcome", gateway::to_string(record.outcome))
      .text("reason", record.id.empty() ? "" : routing::to_string(record.reason))
      .text("refused", record.refused)
      .raw("streamed", record.streamed ? "true" : "false")
      .number("attempts", record.attempts)
      .number("prompt_tokens", record.prompt_tokens)
      .number("output_tokens", record.output_tokens)
      .number("cached_tokens", record.cached_tokens);
  if (record.ttft) line.micros("ttft_us", *record.ttft);
  line.micros("duration_us", record.duration)
      .micros("overhead_us", record.overhead)
      .micros("queued_us", record.queued)
      .number("request_bytes", record.request_bytes)
      .number("answer_bytes", record.answer_bytes);
  if (record.trace_id) line.text("trace_id", to_hex(record.trace_id));
  return line.end();
}

AccessLog::AccessLog(AccessLogOptions options, Metrics& metrics)
    : options_(std::move(options)),
      written_(metrics.counter("tandem_access_log_lines_total", "Lines of the access log written")),
      dropped_(metrics.counter("tandem_access_log_dropped_total",
                               "Requests without a line: more came than could be written, or writing failed")) {}

Result<std::unique_ptr<AccessLog>> AccessLog::open(AccessLogOptions options, Metrics& metrics) {
  std::unique_ptr<AccessLog> log(new AccessLog(std::move(options), metrics));
  TANDEM_TRY(log->open_file());
  log->thread_ = std::thread([own = log.get()] { own->run(); });
  return log;
}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (file_ > STDERR_FILENO) close(file_);
}

gateway::RecordSink& AccessLog::lane() {
  auto lane = std::make_unique<RecordLane>(options_.waiting_max, dropped_, false);
  const std::lock_guard lock(mutex_);
  lanes_.push_back(std::move(lane));
  return *lanes_.back();
}

void AccessLog::reopen() {
  const std::lock_guard lock(mutex_);
  reopening_ = true;
}

void AccessLog::run() {
  for (bool stopping = false; !stopping;) {
    bool reopening = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::nanoseconds(options_.round.ns), [this] { return stopping_; });
      stopping = stopping_;
      reopening = std::exchange(reopening_, false);
    }
    if (reopening) {
      if (const auto opened = open_file(); !opened)
        log_error("the access log goes on in the file it had: {}", to_string(opened.error()));
    }
    write_waiting();
  }
}

void AccessLog::write_waiting() {
  std::vector<RecordLane*> lanes;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& lane : lanes_) lanes.push_back(lane.get());
  }
  std::string lines;
  for (RecordLane* lane : lanes) {
    const size_t count = lane->drain(
        SIZE_MAX, [&](const gateway::RequestRecord& record) { lines.append(access_line(record)).push_back('\n'); });
    write_lines(lines, count);
    lines.clear();
  }
}

Result<void> AccessLog::open_file() {
  if (options_.file == "-") {
    file_ = STDOUT_FILENO;
    return {};
  }
  const int opened = ::open(options_.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kFileMode);
  if (opened < 0)
    return fail(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io,
                fmt::format("the access log cannot be opened: {}", std::strerror(errno)), options_.file.string());
  if (file_ >= 0) close(file_);
  file_ = opened;
  failing_ = false;
  return {};
}

void AccessLog::write_lines(const std::string& lines, size_t count) {
  for (size_t at = 0; at < lines.size();) {
    const ssize_t wrote = write(file_, lines.data() + at, lines.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      dropped_.add(count);
      if (!std::exchange(failing_, true))
        log_error("the access log cannot be written and misses requests: {}", std::strerror(errno));
      return;
    }
    at += static_cast<size_t>(wrote);
  }
  failing_ = false;
  written_.add(count);
}

}  // namespace tandem::telemetry
