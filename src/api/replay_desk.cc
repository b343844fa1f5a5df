#include "api/replay_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "api/desk.h"
#include "replay/replay.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr int kReplaysHeldMax = 4;                // more would wait longer than a person does
constexpr uint64_t kReplayRequestsMax = 300'000;  // half a second of a core for each policy
constexpr uint64_t kReplayPlanWork = 2'000;       // of the plans that policies of their own need
constexpr double kReplayDurationMax_s = 3'600;
constexpr double kReplayRateFactorMax = 100;

Result<std::vector<replay::Policy>> read_policies(const Json& body) {
  const Json& names = body["policies"];
  if (names.is_null()) return std::vector{replay::Policy::tandem};
  std::vector<replay::Policy> policies;
  for (const Json& name : names.array()) {
    const auto policy = replay::policy_named(name.text());
    if (!policy) return fail(ErrorCode::invalid_argument, fmt::format("no policy {}", to_json(name)), "policies");
    if (std::find(policies.begin(), policies.end(), *policy) == policies.end()) policies.push_back(*policy);
  }
  if (policies.empty())
    return fail(ErrorCode::invalid_argument, "'policies' must be an array of at least one policy", "policies");
  return policies;
}

Result<replay::Options> read_replay_options(const Json& body) {
  replay::Options options;
  TANDEM_ASSIGN(options.workload.duration_s, read_positive(body, "duration_s", 60, kReplayDurationMax_s));
  TANDEM_ASSIGN(options.workload.rate_factor, read_positive(body, "rate_factor", 1, kReplayRateFactorMax));
  const std::string_view sizes = body["sizes"].is_null() ? "exponential" : body["sizes"].text();
  if (sizes != "exponential" && sizes != "fixed")
    return fail(ErrorCode::invalid_argument, "'sizes' must be exponential or fixed", "sizes");
  options.workload.sizes = sizes == "fixed" ? replay::Sizes::fixed : replay::Sizes::exponential;
  TANDEM_ASSIGN(const int64_t seed, read_whole(body, "seed", 1, 0, INT64_MAX));
  options.seed = static_cast<uint64_t>(seed);
  options.workload.requests_max = kReplayRequestsMax;
  options.warm_up_s = std::min(30.0, options.workload.duration_s / 10);
  options.plan_work = kReplayPlanWork;
  return options;
}

}  // namespace

ReplayDesk::~ReplayDesk() {
  closing_.request_stop();
  threads_.join();
}

Result<Json> ReplayDesk::work(const Call& call) const {
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"policies", "duration_s", "rate_factor", "sizes", "seed"}));
  TANDEM_ASSIGN(const std::vector<replay::Policy> policies, read_policies(body));
  TANDEM_ASSIGN(replay::Options options, read_replay_options(body));
  options.stop = closing_.get_token();
  const control::State& state = call.published->state;
  TANDEM_ASSIGN(const std::vector<replay::Report> reports,
                replay::compare(*state.grid, options, policies, state.plan.get()));
  Json::Array list;
  for (const replay::Report& report : reports) list.push_back(replay::to_json_report(report));
  return Json(Json::Object{
      {"offset", state.head.last()}, {"policies", std::move(list)}, {"verdict", replay::verdict(reports)}});
}

asio::awaitable<void> ReplayDesk::answer(const Call& call, http::ResponseWriter& writer) {
  Result<Json> answer = fail(ErrorCode::resource_exhausted, "too many simulations wait already; try again in a moment");
  const DeskPlace place(held_, kReplaysHeldMax);
  if (place.is_free()) answer = co_await run_aside(threads_, [&] { return work(call); });
  co_await respond_result(std::move(answer), writer);
}

}  // namespace tandem::api
