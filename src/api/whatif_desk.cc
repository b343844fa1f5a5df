#include "api/whatif_desk.h"

#include <fmt/format.h>

#include "api/desk.h"
#include "planner/whatif.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr int kWhatIfsHeldMax = 4;  // one runs; more would wait longer than a caller does
constexpr int64_t kWhatIfDefaultMs = 10'000;
constexpr int64_t kWhatIfMaxMs = 60'000;
constexpr int64_t kWhatIfWorstMax = 200;  // each is judged anew: some milliseconds
constexpr int64_t kWhatIfVerifyMax = 1'000;

Result<std::vector<twin::Failure>> read_failures(const Json& body, const grid::Snapshot& grid) {
  const Json& listed = body["failures"];
  if (!listed.is_array() || listed.array().empty() || listed.array().size() > planner::kFailuresMax)
    return fail(ErrorCode::invalid_argument,
                fmt::format("'failures' must be an array of 1 to {} objects {{kind, id}}", planner::kFailuresMax),
                "failures");
  std::vector<twin::Failure> failures;
  for (const Json& one : listed.array()) {
    TANDEM_ASSIGN(const twin::Failure failure, planner::find_failure(grid, one["kind"].text(), one["id"].text()));
    failures.push_back(failure);
  }
  return failures;
}

Result<const v1::Plan*> accepted_plan(const Call& call) {
  if (call.published->state.plan) return call.published->state.plan.get();
  return fail(ErrorCode::unavailable, "no plan is accepted yet, so no promise is at stake; try again in a moment");
}

}  // namespace

WhatIfDesk::~WhatIfDesk() {
  closing_ = true;
  thread_.join();
}

Result<Json> WhatIfDesk::sweep(const Json& body, const Call& call) const {
  planner::FailureSweep asked;
  TANDEM_ASSIGN(asked.fail, twin::parse_failure_class(body["fail"].text("links:1")));
  TANDEM_ASSIGN(asked.traffic, planner::parse_traffic_choice(body["traffic"].text("auto")));
  TANDEM_ASSIGN(asked.fill, read_positive(body, "fill", planner::kGravityFill, 10));
  TANDEM_ASSIGN(const int64_t worst, read_whole(body, "worst", 20, 0, kWhatIfWorstMax));
  TANDEM_ASSIGN(const int64_t verify, read_whole(body, "verify", 0, 0, kWhatIfVerifyMax));
  TANDEM_ASSIGN(const int64_t seed, read_whole(body, "seed", 1, 0, INT64_MAX));
  TANDEM_ASSIGN(const int64_t limit_ms, read_whole(body, "time_limit_ms", kWhatIfDefaultMs, 0, kWhatIfMaxMs));
  asked.worst = static_cast<size_t>(worst);
  asked.verify = static_cast<size_t>(verify);
  asked.seed = static_cast<uint64_t>(seed);
  TANDEM_ASSIGN(const v1::Plan* plan, accepted_plan(call));
  const Duration end = clock_.monotonic() + milliseconds(limit_ms);
  std::stop_source stop;
  const auto progress = [&](const planner::SweepProgress&) {
    if (closing_ || clock_.monotonic() >= end) stop.request_stop();
  };
  TANDEM_ASSIGN(const Json report,
                planner::sweep_failures(*call.published->state.grid, *plan, asked, clock_, progress, stop.get_token()));
  Json::Object answer = report.object();
  answer["fail"] = body["fail"].text("links:1");
  return Json(std::move(answer));
}

Result<Json> WhatIfDesk::work(const Call& call) const {
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"fail", "failures", "traffic", "fill", "trip", "worst",
                                                            "verify", "seed", "time_limit_ms"}));
  if (body["failures"].is_null()) return sweep(body, call);
  planner::Scenario scenario;
  TANDEM_ASSIGN(scenario.failures, read_failures(body, *call.published->state.grid));
  TANDEM_ASSIGN(scenario.traffic, planner::parse_traffic_choice(body["traffic"].text("auto")));
  TANDEM_ASSIGN(scenario.fill, read_positive(body, "fill", planner::kGravityFill, 10));
  TANDEM_ASSIGN(scenario.trip, read_positive(body, "trip", scenario.trip, 1e6));
  TANDEM_ASSIGN(const v1::Plan* plan, accepted_plan(call));
  return planner::fail_together(*call.published->state.grid, *plan, scenario);
}

asio::awaitable<void> WhatIfDesk::answer(const Call& call, http::ResponseWriter& writer) {
  Result<Json> answer = fail(ErrorCode::resource_exhausted, "too many what-ifs wait already; try again in a moment");
  const DeskPlace place(held_, kWhatIfsHeldMax);
  if (place.is_free()) answer = co_await run_aside(thread_, [&] { return work(call); });
  co_await respond_result(std::move(answer), writer);
}

}  // namespace tandem::api
