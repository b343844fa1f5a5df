#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "load/load.h"
#include "load/request_body.h"

namespace tandem::load {

namespace asio = boost::asio;

namespace {

constexpr size_t kModelsBytesMax = 4u << 20;  // far above a list of all models there are
constexpr Duration kModelsTime = seconds(10);

asio::awaitable<Result<Json>> models_answer(http::Client& client, const Target& target, const LoadOptions& options) {
  http::ClientRequest request;
  request.target = target.base_path + "/v1/models";
  if (!options.key.empty()) request.headers.set("authorization", "Bearer " + options.key);
  const http::ClientTimeouts timeouts{.connect = kModelsTime, .first_byte = kModelsTime, .between_bytes = kModelsTime};
  auto exchange = co_await client.send(target.endpoint, std::move(request), timeouts);
  if (!exchange)
    co_return fail(exchange.error().code, fmt::format("{}; is a grid running there?", exchange.error().message));
  auto body = co_await exchange->read_all(kModelsBytesMax);
  if (!body) co_return tl::unexpected(body.error());
  auto answer = parse_json(*body);
  if (answer && exchange->status() != 200)
    co_return fail(ErrorCode::invalid_argument, fmt::format("it answers {}: {}", exchange->status(),
                                                            (*answer)["error"]["message"].text("no reason given")));
  co_return answer;
}

asio::awaitable<void> ask_models(http::Client& client, const Target& target, const LoadOptions& options,
                                 Result<Json>& answer) {
  answer = co_await models_answer(client, target, options);
  client.close();  // a connection that is kept for later would be waited for
}

}  // namespace

Result<std::vector<Weighted>> server_models(const LoadOptions& options) {
  TANDEM_ASSIGN(const Target target, target_of(options));
  asio::io_context context{1};
  http::Client client(context, client_options(options, target));
  Result<Json> answer = fail(ErrorCode::unavailable, "no answer in time; is a grid running there?");
  asio::co_spawn(context, ask_models(client, target, options, answer), asio::detached);
  context.run_for(std::chrono::nanoseconds(kModelsTime.ns));
  if (!answer)
    return fail(answer.error().code,
                fmt::format("the models at {} cannot be listed: {}", options.url, answer.error().message));
  std::vector<Weighted> models;
  for (const Json& model : (*answer)["data"].array()) models.push_back({std::string(model["id"].text()), 1});
  if (models.empty()) return fail(ErrorCode::invalid_argument, "this key may use no model; name one with --model");
  return models;
}

}  // namespace tandem::load
