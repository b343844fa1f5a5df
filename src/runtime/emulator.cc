#include "runtime/emulator.h"

#include <fmt/format.h>

#include <boost/asio/dispatch.hpp>
#include <optional>

#include "base/json.h"
#include "base/text.h"
#include "http/http.h"
#include "runtime/completion_request.h"
#include "runtime/completion_writer.h"
#include "runtime/hosted_engines.h"

namespace tandem::runtime {
namespace asio = boost::asio;

namespace {

// No path on Earth takes ten seconds: a larger figure is a mistake and would only hold a connection.
constexpr int64_t kPathRoundTripUsMax = 10'000'000;

http::Headers emulated(std::string_view content_type) {
  http::Headers headers = http::content_type(content_type);
  headers.set("x-tandem-emulated", "true");
  return headers;
}

// As http::json_error_body, with the field that is wrong, which is the error's context, where `param` has null.
std::string error_body(const Error& error) {
  constexpr std::string_view kNone = R"("param":null)";
  if (error.code != ErrorCode::invalid_argument || error.context.empty()) return http::json_error_body(error);
  std::string body = http::json_error_body({error.code, error.message, {}});
  std::string param = R"("param":)";
  append_json_string(param, error.context);
  return body.replace(body.rfind(kNone), kNone.size(), param);
}

// `status` 0: the one of the error's code.
asio::awaitable<void> refuse(http::ResponseWriter& writer, Error error, int status = 0) {
  http::Headers headers = emulated("application/json");
  if (error.code == ErrorCode::resource_exhausted) headers.set("retry-after", "1");
  const int code = status == 0 ? describe(error.code).http_status : status;
  const auto sent = co_await writer.respond(code, std::move(headers), error_body(error));
  if (!sent) co_return;  // the client has gone; nobody is left to tell
}

asio::awaitable<void> reply(http::ResponseWriter& writer, http::Headers headers, std::string body) {
  const auto sent = co_await writer.respond(200, std::move(headers), std::move(body));
  if (!sent) co_return;  // the client has gone; nobody is left to tell
}

// Where a request goes: "/pools/<pool>/v1/models" is pool and "/v1/models".
struct Route {
  std::string pool;
  std::string path;
};

std::optional<Route> parse_route(std::string_view target) {
  constexpr std::string_view kPools = "/pools/";
  if (!target.starts_with(kPools)) return Route{{}, std::string(target)};
  target.remove_prefix(kPools.size());
  const size_t slash = target.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto pool = http::percent_decode(target.substr(0, slash));
  if (!pool) return std::nullopt;
  return Route{std::move(*pool), std::string(target.substr(slash))};
}

// A header's whole number in [low, high]; nothing when the header is not there.
Result<std::optional<int64_t>> header_number(const http::Request& request, std::string_view name, int64_t low,
                                             int64_t high) {
  const auto text = request.headers.find(name);
  if (!text) return std::nullopt;
  const auto number = parse_integer(*text);
  if (!number || *number < low || *number > high)
    return fail(ErrorCode::invalid_argument,
                fmt::format("the header {} must be a whole number from {} to {}", name, low, high));
  return number;
}

// What is known of a request before its engine starts on it.
struct Order {
  CompletionRequest completion;
  std::shared_ptr<HostedEngine> engine;
  OutputLength length;
  Duration path_round_trip;
};

Result<Order> take_order(HostedEngines& engines, HostedPool& pool, CompletionKind kind, const http::Request& request) {
  Order order;
  TANDEM_ASSIGN(order.completion, parse_completion_request(kind, request.body));
  TANDEM_ASSIGN(order.engine, engines.find_engine(pool, order.completion.model));
  TANDEM_ASSIGN(const auto wanted, header_number(request, "x-tandem-output-tokens", 1, EngineRequest::kTokensMax));
  TANDEM_ASSIGN(const auto round_trip_us, header_number(request, "x-tandem-path-rtt-us", 0, kPathRoundTripUsMax));
  order.path_round_trip = microseconds(round_trip_us.value_or(0));
  const uint32_t output = wanted ? static_cast<uint32_t>(*wanted) : engines.draw_output_tokens();
  TANDEM_ASSIGN(order.length, choose_output_length(order.completion, order.engine->spec.model.context_tokens, output));
  return order;
}

Error admission_error(Admission admission) {
  if (admission == Admission::too_large)
    return {
        ErrorCode::invalid_argument, "prompt and answer do not fit in the engine's KV cache; ask for fewer tokens", {}};
  return {ErrorCode::resource_exhausted, "the engine's queue is full; try again later", {}};
}

// Gives the answer's place in the engine back however the coroutine ends.
class Place {
 public:
  Place(HostedEngines& engines, std::shared_ptr<Answer> answer) : engines_(engines), answer_(std::move(answer)) {}
  ~Place() { engines_.leave(answer_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  HostedEngines& engines_;
  std::shared_ptr<Answer> answer_;
};

asio::awaitable<void> answer_whole(Answer& answer, const CompletionWriter& text, http::ResponseWriter& writer) {
  while (!answer.finished) {
    if (answer.cut || answer.gone) co_return;
    if (answer.admission != Admission::accepted) {
      co_await refuse(writer, admission_error(answer.admission));
      co_return;
    }
    co_await answer.wakeup.wait();
  }
  co_await reply(writer, emulated("application/json"), text.whole(answer.ready, answer.length.limited));
}

// The head is sent with the first token, so that until then a refusal keeps its own status and a router may go
// elsewhere.
asio::awaitable<void> answer_streamed(Answer& answer, const CompletionWriter& text, http::ResponseWriter& writer) {
  uint64_t sent = 0;
  std::string piece;
  for (;;) {
    if (answer.cut || answer.gone) co_return;
    if (answer.admission != Admission::accepted) {
      co_await refuse(writer, admission_error(answer.admission));
      co_return;
    }
    if (answer.ready == sent) {
      co_await answer.wakeup.wait();
      continue;
    }
    if (sent == 0) {
      http::Headers headers = emulated("text/event-stream");
      headers.set("cache-control", "no-cache");
      const auto started = co_await writer.start(200, std::move(headers));
      if (!started) co_return;
    }
    const uint64_t ready = answer.ready;
    const bool last = answer.finished;
    piece.clear();
    text.append_tokens(piece, sent, ready - sent);
    sent = ready;
    if (last) text.append_end(piece, ready, answer.length.limited);
    const auto written = co_await writer.write(piece);
    if (!written) co_return;
    if (!last) continue;
    const auto finished = co_await writer.finish();
    if (!finished) co_return;
    co_return;
  }
}

asio::awaitable<void> complete(std::shared_ptr<HostedEngines> engines, HostedPool& pool, CompletionKind kind,
                               const http::Request& request, http::ResponseWriter& writer) {
  auto order = take_order(*engines, pool, kind, request);
  if (!order) {
    co_await refuse(writer, order.error());
    co_return;
  }
  const std::string id =
      fmt::format("{}-{}", kind == CompletionKind::chat ? "chatcmpl" : "cmpl", engines->next_answer_number());
  const CompletionWriter text(order->completion, id, order->completion.model,
                              engines->clock().now().ns / 1'000'000'000);
  const bool stream = order->completion.stream;
  const auto answer = engines->begin(order->engine, order->completion, order->length, order->path_round_trip,
                                     [&writer] { writer.abort(); });
  const Place place(*engines, answer);
  writer.on_disconnect([engines, answer] {
    engines->leave(answer);
    answer->wakeup.notify();
  });
  if (stream)
    co_await answer_streamed(*answer, text, writer);
  else
    co_await answer_whole(*answer, text, writer);
}

std::string models_json(const HostedPool& pool) {
  Json::Array models;
  for (const auto& engine : pool.engines) {
    if (engine->draining) continue;
    models.push_back(Json::Object{{"id", engine->spec.model.id},
                                  {"object", "model"},
                                  {"created", engine->created_s},
                                  {"owned_by", "tandem-emulator"},
                                  {"max_model_len", int64_t{engine->spec.model.context_tokens}}});
  }
  return to_json(Json::Object{{"object", "list"}, {"data", std::move(models)}});
}

asio::awaitable<void> serve(std::shared_ptr<HostedEngines> engines, const http::Request& request,
                            http::ResponseWriter& writer) {
  const auto route = parse_route(request.target);
  HostedPool* pool = route ? engines->find_pool(route->pool) : nullptr;
  if (pool == nullptr) {
    co_await refuse(writer, Error(ErrorCode::not_found, "no engine has ever run under this path"));
    co_return;
  }
  if (engines->is_cut(*pool)) {
    writer.abort();
    co_return;
  }
  const std::string& path = route->path;
  const bool chat = path == "/v1/chat/completions";
  const bool posts = chat || path == "/v1/completions";
  const bool gets = path == "/v1/models" || path == "/metrics" || path == "/health";
  if ((posts && request.method != "POST") || (gets && request.method != "GET")) {
    co_await refuse(writer, Error(ErrorCode::invalid_argument, posts ? "use POST" : "use GET"), 405);
  } else if (posts) {
    co_await complete(engines, *pool, chat ? CompletionKind::chat : CompletionKind::text, request, writer);
  } else if (path == "/v1/models") {
    co_await reply(writer, emulated("application/json"), models_json(*pool));
  } else if (path == "/metrics") {
    co_await reply(writer, emulated("text/plain; version=0.0.4; charset=utf-8"), engines->metrics_text(*pool));
  } else if (path == "/health") {
    co_await reply(writer, emulated("text/plain"), std::string());
  } else {
    co_await refuse(writer, Error(ErrorCode::not_found, "nothing is served under this path"));
  }
}

}  // namespace

class EngineHost::State {
 public:
  State(asio::io_context& context, std::shared_ptr<HostedEngines> engines, std::unique_ptr<http::Server> server)
      : context_(context), engines_(std::move(engines)), server_(std::move(server)) {}

  ~State() {
    engines_->stop();
    server_.reset();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  uint16_t port() const { return server_->port(); }

  template <class Action>
  void dispatch(Action action) {
    asio::dispatch(context_, [weak = std::weak_ptr(engines_), action = std::move(action)]() mutable {
      if (const auto engines = weak.lock()) action(*engines);
    });
  }

 private:
  asio::io_context& context_;
  std::shared_ptr<HostedEngines> engines_;
  std::unique_ptr<http::Server> server_;
};

Result<std::unique_ptr<EngineHost>> EngineHost::listen(asio::io_context& context, const Clock& clock,
                                                       EngineHostOptions options) {
  const auto engines = std::make_shared<HostedEngines>(context, clock, options.seed, options.waiting_max);
  http::ServerOptions server_options;
  server_options.address = options.address;
  server_options.port = options.port;
  auto handler = [engines](const http::Request& request, http::ResponseWriter& writer) {
    return serve(engines, request, writer);
  };
  TANDEM_ASSIGN(auto server, http::Server::listen(context, server_options, std::move(handler)));
  return std::unique_ptr<EngineHost>(new EngineHost(std::make_shared<State>(context, engines, std::move(server))));
}

EngineHost::EngineHost(std::shared_ptr<State> state) : state_(std::move(state)) {}
EngineHost::~EngineHost() = default;

uint16_t EngineHost::port() const { return state_->port(); }

Result<void> EngineHost::set_engines(std::vector<EngineSpec> specs) {
  TANDEM_ASSIGN(auto checked, HostedEngines::check(std::move(specs)));
  state_->dispatch(
      [checked = std::move(checked)](HostedEngines& engines) mutable { engines.set_engines(std::move(checked)); });
  return {};
}

void EngineHost::cut_site(std::string site) {
  state_->dispatch([site = std::move(site)](HostedEngines& engines) { engines.cut_site(site); });
}

void EngineHost::restore_site(std::string site) {
  state_->dispatch([site = std::move(site)](HostedEngines& engines) { engines.restore_site(site); });
}

}  // namespace tandem::runtime
