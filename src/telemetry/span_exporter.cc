#include "telemetry/span_exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/logging.h"
#include "base/text.h"
#include "http/http.h"
#include "telemetry/record_lane.h"
#include "telemetry/spans.h"

namespace tandem::telemetry {

namespace asio = boost::asio;

namespace {

constexpr uint16_t kOtlpPort = 4318;
constexpr std::string_view kTracesPath = "/v1/traces";
constexpr size_t kAnswerBytesMax = 64 * 1024;
constexpr Duration kLastAttempt = seconds(1);

http::ClientOptions client_options(const OtlpEndpoint& endpoint) {
  http::ClientOptions options;
  if (endpoint.is_tls) options.tls.emplace();
  return options;
}

// OTLP/HTTP, "Retryable Response Codes".
bool may_come_later(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

}  // namespace

Result<OtlpEndpoint> parse_otlp_endpoint(std::string_view url) {
  OtlpEndpoint endpoint;
  endpoint.is_tls = url.starts_with("https://");
  if (!endpoint.is_tls && !url.starts_with("http://"))
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' is no OTLP endpoint; write http://host:4318 or https://host:4318", url));
  std::string_view rest = url.substr(url.find("//") + 2);
  const size_t slash = rest.find('/');
  std::string authority(rest.substr(0, slash));
  const size_t host_end = authority.starts_with('[') ? authority.find(']') : 0;
  if (host_end != std::string::npos && authority.find(':', host_end) == std::string::npos)
    authority += fmt::format(":{}", kOtlpPort);
  TANDEM_ASSIGN(endpoint.server, http::parse_endpoint(authority));
  endpoint.target = slash == std::string_view::npos ? "" : std::string(rest.substr(slash));
  while (endpoint.target.ends_with('/')) endpoint.target.pop_back();
  if (!endpoint.target.ends_with(kTracesPath)) endpoint.target += kTracesPath;
  return endpoint;
}

class SpanExporter::Impl {
 public:
  Impl(SpanExporterOptions options, Metrics& metrics)
      : options_(std::move(options)),
        source_{options_.service, options_.instance},
        exported_(metrics.counter("tandem_trace_spans_exported_total", "Spans that the OTLP receiver took")),
        dropped_(metrics.counter("tandem_trace_spans_dropped_total",
                                 "Spans that the OTLP receiver would not take, or not in time")),
        overflown_(metrics.counter("tandem_trace_requests_dropped_total",
                                   "Traced requests that came faster than their spans could be sent")),
        thread_([this] { run(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      asio::post(context_, [this] { sending_.cancel(); });
    }
    wake_.notify_all();
    thread_.join();
  }

  gateway::RecordSink& lane() {
    auto lane = std::make_unique<RecordLane>(options_.waiting_max, overflown_, true);
    const std::lock_guard lock(mutex_);
    lanes_.push_back(std::move(lane));
    return *lanes_.back();
  }

 private:
  enum class Sent : uint8_t { taken, refused, later };

  void run() {
    while (!pause(options_.round))
      for (std::vector<std::string> spans = take(); !spans.empty(); spans = take()) export_spans(spans);
    context_.restart();
    context_.poll();  // what was to end an attempt under way
    sending_ = {};
    const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kLastAttempt.ns);
    Sent sent = Sent::taken;
    for (std::vector<std::string> rest = take(); !rest.empty(); rest = take()) {
      const Duration left = nanoseconds((end - std::chrono::steady_clock::now()) / std::chrono::nanoseconds(1));
      if (sent == Sent::taken) sent = left.ns > 0 ? send(rest, left) : Sent::later;
      conclude(sent, rest.size());
    }
  }

  // True where it was cut short because the exporter goes.
  bool pause(Duration time) {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, std::chrono::nanoseconds(time.ns), [this] { return stopping_; });
  }

  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);  // against new lanes alone
    std::vector<std::string> spans;
    size_t left = options_.batch_max;
    for (const auto& lane : lanes_)
      left -= lane->drain(left, [&](const gateway::RequestRecord& record) {
        for (std::string& span : spans_of(record)) spans.push_back(std::move(span));
      });
    return spans;
  }

  void export_spans(const std::vector<std::string>& spans) {
    Duration wait = options_.pause_first;
    Sent sent = Sent::later;
    for (int attempt = 1; attempt <= options_.attempts_max; ++attempt) {
      sent = send(spans, options_.timeout);
      if (sent != Sent::later || attempt == options_.attempts_max) break;
      if (pause(std::clamp(retry_after_.value_or(wait), Duration{}, options_.pause_max))) break;
      wait = std::min(wait * 2, options_.pause_max);
    }
    conclude(sent, spans.size());
  }

  void conclude(Sent sent, size_t spans) {
    (sent == Sent::taken ? exported_ : dropped_).add(spans);
    if (sent == Sent::taken) failing_ = false;
    if (sent != Sent::taken && !std::exchange(failing_, true))
      log_warning("traces are lost: {}:{} {}", options_.endpoint.server.host, options_.endpoint.server.port, why_);
  }

  Sent send(const std::vector<std::string>& spans, Duration timeout) {
    Sent sent = Sent::later;
    std::string body = export_request(source_, spans);
    asio::co_spawn(context_, exchange(std::move(body), timeout, sent), asio::detached);
    context_.restart();
    context_.run();
    return sent;
  }

  asio::awaitable<void> exchange(std::string body, Duration timeout, Sent& sent) {
    http::Endpoint server = options_.endpoint.server;
    http::Headers headers = http::content_type("application/x-protobuf");
    http::ClientRequest request("POST", options_.endpoint.target, std::move(headers), std::move(body));
    http::ClientTimeouts timeouts;
    timeouts.connect = timeouts.first_byte = timeouts.between_bytes = timeout;
    retry_after_.reset();
    {
      auto answer = co_await client_.send(std::move(server), std::move(request), timeouts, sending_);
      if (!answer) {
        why_ = to_string(answer.error());
      } else {
        const int status = answer->status();
        sent = status / 100 == 2 ? Sent::taken : may_come_later(status) ? Sent::later : Sent::refused;
        why_ = fmt::format("answers with status {}", status);
        if (const auto after = parse_integer(answer->headers().value_or("retry-after", "")); after && *after >= 0)
          retry_after_ = seconds(std::min<int64_t>(*after, 3'600));
        const auto rest = co_await answer->read_all(kAnswerBytesMax);
        static_cast<void>(rest);  // a partial success says which spans were wrong; none of ours can be mended
      }
    }
    client_.close();  // a round is longer than receivers keep a connection, and run() waits for no idle one
  }

  const SpanExporterOptions options_;
  const SpanSource source_;
  Counter& exported_;
  Counter& dropped_;
  Counter& overflown_;
  std::mutex mutex_;  // guards the next three
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<RecordLane>> lanes_;
  asio::io_context context_{1};  // of the exporter's thread, as all below
  http::Client client_{context_, client_options(options_.endpoint)};
  http::Cancellation sending_;
  std::optional<Duration> retry_after_;
  std::string why_;
  bool failing_ = false;
  std::thread thread_;  // last: it uses all of the above
};

SpanExporter::SpanExporter(SpanExporterOptions options, Metrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), metrics)) {}
SpanExporter::~SpanExporter() = default;
gateway::RecordSink& SpanExporter::lane() { return impl_->lane(); }

}  // namespace tandem::telemetry
