#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/trace_file.h"
#include "base/file.h"
#include "base/json.h"
#include "http/http.h"
#include "ingest/trace.h"
#include "load/load.h"

namespace tandem::app {
namespace {

namespace asio = boost::asio;

constexpr size_t kAnswerBytesMax = 4u << 20;

asio::awaitable<void> ask_models(http::Client& client, const LoadCommandOptions& options, Result<Json>& answer) {
  auto endpoint = http::parse_endpoint(options.url);
  if (!endpoint) {
    answer = tl::unexpected(endpoint.error());
    co_return;
  }
  http::ClientRequest request;
  request.target = "/v1/models";
  if (!options.key.empty()) request.headers.set("authorization", "Bearer " + options.key);
  auto exchange = co_await client.send(*endpoint, std::move(request), {});
  if (!exchange) {
    answer = tl::unexpected(exchange.error());
    co_return;
  }
  auto body = co_await exchange->read_all(kAnswerBytesMax);
  if (!body) {
    answer = tl::unexpected(body.error());
    co_return;
  }
  answer = parse_json(*body);
  if (answer && exchange->status() != 200)
    answer = fail(ErrorCode::invalid_argument,
                  fmt::format("{} says: {}", options.url, (*answer)["error"]["message"].text("no")));
}

// The models that the key may use, as the server lists them.
Result<std::vector<load::Weighted>> models_of(const LoadCommandOptions& options) {
  std::vector<load::Weighted> models;
  for (const std::string& name : options.models) models.push_back({name, 1});
  if (!models.empty()) return models;
  asio::io_context context{1};
  http::Client client(context);
  Result<Json> answer = fail(ErrorCode::unavailable, "no answer");
  asio::co_spawn(context, ask_models(client, options, answer), asio::detached);
  context.run_for(std::chrono::seconds(10));
  if (!answer)
    return fail(answer.error().code, fmt::format("the models at {} cannot be listed: {}; is a grid running there?",
                                                 options.url, answer.error().message));
  for (const Json& model : (*answer)["data"].array()) models.push_back({std::string(model["id"].text()), 1});
  if (models.empty()) return fail(ErrorCode::invalid_argument, "this key may use no model; name one with --model");
  return models;
}

Result<load::Process> process_of(const LoadCommandOptions& options) {
  if (!options.trace.empty() || options.process == "trace") return load::Process::trace;
  if (options.process == "steady") return load::Process::steady;
  if (options.process == "diurnal") return load::Process::diurnal;
  if (options.process == "burst") return load::Process::burst;
  return fail(ErrorCode::invalid_argument,
              fmt::format("no process '{}'; one of steady, diurnal, burst, trace", options.process));
}

Result<load::LoadOptions> load_options(const LoadCommandOptions& options) {
  load::LoadOptions result;
  result.url = options.url;
  result.key = options.key;
  TANDEM_ASSIGN(result.models, models_of(options));
  for (const std::string& region : options.regions) result.regions.push_back({region, 1});
  TANDEM_ASSIGN(result.process, process_of(options));
  if (result.process == load::Process::trace) {
    if (options.trace.empty()) return fail(ErrorCode::invalid_argument, "name the trace with --trace FILE");
    TANDEM_ASSIGN(ingest::Trace trace, read_trace_file(options.trace));
    result.trace = std::move(trace.requests);
    if (options.requests_max > 0 && result.trace.size() > options.requests_max)
      result.trace.resize(options.requests_max);
  }
  result.rate_per_s = options.rate_per_s;
  result.duration = nanoseconds(static_cast<int64_t>(options.duration_s * 1e9));
  result.speed_up = options.speed_up;
  result.concurrency = options.concurrency;
  result.prompt_tokens.mean = options.prompt_tokens;
  result.output_tokens.mean = options.output_tokens;
  result.send_slo = options.ttft_ms > 0 || options.tpot_ms > 0;
  if (options.ttft_ms > 0) result.slo_ttft = Milliseconds(options.ttft_ms);
  if (options.tpot_ms > 0) result.slo_tpot = Milliseconds(options.tpot_ms);
  result.seed = options.seed;
  return result;
}

Result<void> run(const LoadCommandOptions& options) {
  TANDEM_ASSIGN(const load::LoadOptions load, load_options(options));
  const SystemClock clock;
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const auto progress = [&](const load::LoadProgress& now) {
    if (terminal) fmt::print(stderr, "\r\x1b[K{}", load::progress_line(now));
  };
  TANDEM_ASSIGN(const load::LoadReport report, load::run_load(load, clock, progress, {}));
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  fmt::print("{}\n", options.json ? to_json_pretty(load::to_json_report(load, report)) : load::to_table(load, report));
  return {};
}

}  // namespace

int run_load(const LoadCommandOptions& options) {
  const auto done = run(options);
  return done ? 0 : report(done.error());
}

}  // namespace tandem::app
