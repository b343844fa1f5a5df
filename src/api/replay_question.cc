#include <fmt/format.h>

#include <algorithm>

#include "api/questions.h"
#include "api/views.h"
#include "planner/schedule.h"
#include "replay/replay.h"

namespace tandem::api {

namespace {

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

Result<Json> simulate(const Published& published, replay::Options options, const std::vector<replay::Policy>& policies,
                      DeskTask& task) {
  const control::State& state = published.state;
  options.stop = task.left;
  options.progress = [&](const replay::Progress& progress) {
    task.tell([&] {
      return Json::Object{{"policy", replay::to_string(progress.policy)},
                          {"simulated", progress.simulated ? Json(*progress.simulated) : Json()}};
    });
  };
  TANDEM_ASSIGN(
      const std::vector<replay::Report> reports,
      replay::compare(*planner::grid_of_plan(state.grid, state.plan.get()), options, policies, state.plan.get()));
  Json::Array list;
  for (const replay::Report& report : reports) list.push_back(replay::to_json_report(report));
  return Json(Json::Object{{"offset", state.head.last()},
                           {"hours", state.plan ? hours_json(*state.plan) : Json()},
                           {"policies", std::move(list)},
                           {"verdict", replay::verdict(reports)}});
}

}  // namespace

Result<DeskQuestion> read_replay(const Call& call) {
  TANDEM_ASSIGN(const Json body,
                read_object(call.request, {"policies", "duration_s", "rate_factor", "sizes", "seed", "stream"}));
  TANDEM_ASSIGN(const std::vector<replay::Policy> policies, read_policies(body));
  TANDEM_ASSIGN(const replay::Options options, read_replay_options(body));
  TANDEM_ASSIGN(const bool stream, read_flag(body, "stream", false));
  const auto work = [published = call.published, options, policies](DeskTask& task) {
    return simulate(*published, options, policies, task);
  };
  return DeskQuestion{work, {}, stream};
}

}  // namespace tandem::api
