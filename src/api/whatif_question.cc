#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "api/questions.h"
#include "api/views.h"
#include "planner/schedule.h"
#include "planner/whatif.h"

namespace tandem::api {

namespace {

constexpr int64_t kWhatIfDefaultMs = 10'000;
constexpr int64_t kWhatIfMaxMs = 60'000;
constexpr int64_t kWhatIfWorstMax = 200;  // each is judged anew: some milliseconds
constexpr int64_t kWhatIfVerifyMax = 1'000;
constexpr size_t kToldWorst = 5;  // of what is known so far

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

struct Sweep {
  planner::FailureSweep asked;
  std::string fail;  // as it was asked for
  Duration limit;
};

Result<Sweep> read_sweep(const Json& body) {
  Sweep sweep;
  sweep.fail = body["fail"].text("links:1");
  TANDEM_ASSIGN(sweep.asked.fail, twin::parse_failure_class(sweep.fail));
  TANDEM_ASSIGN(sweep.asked.traffic, planner::parse_traffic_choice(body["traffic"].text("auto")));
  TANDEM_ASSIGN(sweep.asked.fill, read_positive(body, "fill", planner::kGravityFill, 10));
  TANDEM_ASSIGN(const int64_t worst, read_whole(body, "worst", 20, 0, kWhatIfWorstMax));
  TANDEM_ASSIGN(const int64_t verify, read_whole(body, "verify", 0, 0, kWhatIfVerifyMax));
  TANDEM_ASSIGN(const int64_t seed, read_whole(body, "seed", 1, 0, INT64_MAX));
  TANDEM_ASSIGN(const int64_t limit_ms, read_whole(body, "time_limit_ms", kWhatIfDefaultMs, 0, kWhatIfMaxMs));
  sweep.asked.worst = static_cast<size_t>(worst);
  sweep.asked.verify = static_cast<size_t>(verify);
  sweep.asked.seed = static_cast<uint64_t>(seed);
  sweep.limit = milliseconds(limit_ms);
  return sweep;
}

Result<planner::Scenario> read_scenario(const Json& body, const grid::Snapshot& grid) {
  planner::Scenario scenario;
  TANDEM_ASSIGN(scenario.failures, read_failures(body, grid));
  TANDEM_ASSIGN(scenario.traffic, planner::parse_traffic_choice(body["traffic"].text("auto")));
  TANDEM_ASSIGN(scenario.fill, read_positive(body, "fill", planner::kGravityFill, 10));
  TANDEM_ASSIGN(scenario.trip, read_positive(body, "trip", scenario.trip, 1e6));
  return scenario;
}

// Of a sweep under way, what a person watches.
class Telling {
 public:
  Telling(DeskTask& task, const grid::Snapshot& grid) : task_(task), grid_(grid) {}

  void operator()(const planner::SweepProgress& progress) {
    for (const twin::FailureOutcome& outcome : progress.outcomes) {
      breaking_ += outcome.promises_broken > 0 ? 1 : 0;
      overloading_ += outcome.utilization_max > 1 ? 1 : 0;
      if (worst_.size() == kToldWorst && !hurts_more(outcome, worst_.back())) continue;
      worst_.insert(std::upper_bound(worst_.begin(), worst_.end(), outcome, twin::hurts_more), outcome);
      if (worst_.size() > kToldWorst) worst_.pop_back();
    }
    task_.tell([&] {
      Json::Array worst;
      for (const twin::FailureOutcome& outcome : worst_)
        worst.push_back(planner::outcome_json(grid_, progress.failures, outcome));
      return Json::Object{{"done", progress.done},
                          {"all", progress.all},
                          {"breaking", breaking_},
                          {"overloading", overloading_},
                          {"worst", std::move(worst)}};
    });
  }

 private:
  DeskTask& task_;
  const grid::Snapshot& grid_;
  uint64_t breaking_ = 0, overloading_ = 0;
  std::vector<twin::FailureOutcome> worst_;  // of what is known so far, the worst first
};

Result<Json> sweep(const Published& published, const Sweep& asked, DeskTask& task) {
  const auto planned = planner::grid_of_plan(published.state.grid, published.state.plan.get());
  const grid::Snapshot& grid = *planned;
  Telling telling(task, grid);
  TANDEM_ASSIGN(const Json report, planner::sweep_failures(grid, *published.state.plan, asked.asked, task.clock,
                                                           std::ref(telling), task.over));
  Json::Object answer = report.object();
  answer["offset"] = published.state.head.last();  // the plan's and not the grid's alone
  answer["fail"] = asked.fail;
  answer["hours"] = hours_json(*published.state.plan);
  return Json(std::move(answer));
}

Result<Json> fail_together(const Published& published, const planner::Scenario& scenario, DeskTask& task) {
  const control::State& state = published.state;
  const auto planned = planner::grid_of_plan(state.grid, state.plan.get());
  TANDEM_ASSIGN(const Json report, planner::fail_together(*planned, *state.plan, scenario, task.left));
  Json::Object answer = report.object();
  answer["offset"] = state.head.last();
  answer["hours"] = hours_json(*state.plan);
  return Json(std::move(answer));
}

}  // namespace

Result<DeskQuestion> read_whatif(const Call& call) {
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"fail", "failures", "traffic", "fill", "trip", "worst",
                                                            "verify", "seed", "time_limit_ms", "stream"}));
  DeskQuestion question;
  TANDEM_ASSIGN(question.stream, read_flag(body, "stream", false));
  if (body["failures"].is_null()) {
    TANDEM_ASSIGN(const Sweep asked, read_sweep(body));
    question.limit = asked.limit;
    question.work = [published = call.published, asked](DeskTask& task) { return sweep(*published, asked, task); };
  } else {
    TANDEM_ASSIGN(const planner::Scenario scenario, read_scenario(body, *call.published->state.grid));
    question.work = [published = call.published, scenario](DeskTask& task) {
      return fail_together(*published, scenario, task);
    };
  }
  if (!call.published->state.plan)
    return fail(ErrorCode::unavailable, "no plan is accepted yet, so no promise is at stake; try again in a moment");
  return question;
}

}  // namespace tandem::api
