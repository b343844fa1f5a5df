#include <fmt/format.h>

#include "api/questions.h"
#include "planner/schedule.h"

namespace tandem::api {

namespace {

constexpr int64_t kScheduleDefaultMs = 60'000;
constexpr int64_t kScheduleMaxMs = 600'000;
constexpr int64_t kScheduleWork = 2'000, kScheduleWorkMax = 10'000;
constexpr size_t kScheduledDemandsMax = 24'000;  // of all plans together, with their reasons: 50 MB

Result<Json> plan_day(const Published& published, const planner::ScheduleOptions& options, bool plans, DeskTask& task) {
  const control::State& state = published.state;
  uint64_t made = 0;
  const auto tell = [&](const planner::ScheduleProgress& progress) {
    ++made;
    task.tell([&] {
      return Json::Object{{"doing", progress.doing}, {"plans", made}, {"eur_per_day", progress.eur_per_day}};
    });
  };
  const planner::Schedule schedule = planner::schedule(*state.grid, options, task.over, tell);
  Json::Object answer = planner::schedule_to_json(schedule, *state.grid, plans).object();
  answer["offset"] = state.head.last();
  answer["complete"] = !task.over.stop_requested();
  return Json(std::move(answer));
}

}  // namespace

Result<DeskQuestion> read_schedule(const Call& call) {
  TANDEM_ASSIGN(const Json body,
                read_object(call.request, {"periods", "plans", "seed", "work", "time_limit_ms", "stream"}));
  planner::ScheduleOptions options;
  TANDEM_ASSIGN(const int64_t periods, read_whole(body, "periods", options.periods_max, 1, planner::kPeriodsMax));
  TANDEM_ASSIGN(const int64_t seed, read_whole(body, "seed", 1, 0, INT64_MAX));
  TANDEM_ASSIGN(const int64_t work, read_whole(body, "work", kScheduleWork, 1, kScheduleWorkMax));
  TANDEM_ASSIGN(const int64_t limit_ms, read_whole(body, "time_limit_ms", kScheduleDefaultMs, 0, kScheduleMaxMs));
  TANDEM_ASSIGN(const bool plans, read_flag(body, "plans", false));
  TANDEM_ASSIGN(const bool stream, read_flag(body, "stream", false));
  options.periods_max = static_cast<uint32_t>(periods);
  options.seed = static_cast<uint64_t>(seed);
  options.limit.iterations = static_cast<uint64_t>(work);
  const size_t demands = call.published->state.grid->demands.size();
  if (plans && demands * static_cast<size_t>(periods) > kScheduledDemandsMax)
    return fail(ErrorCode::too_large,
                fmt::format("{} plans of {} demands are more than an answer holds; ask without 'plans', or with "
                            "fewer periods: at most {} demands in all",
                            periods, demands, kScheduledDemandsMax),
                "plans");
  const auto work_on = [published = call.published, options, plans](DeskTask& task) {
    return plan_day(*published, options, plans, task);
  };
  return DeskQuestion{work_on, milliseconds(limit_ms), stream};
}

}  // namespace tandem::api
