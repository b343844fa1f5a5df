#include "api/whatif_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/desk.h"
#include "api/desk_stream.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr int kWhatIfsHeldMax = 4;  // one runs; more would wait longer than a caller does
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

}  // namespace

// Of a sweep under way, what a person watches. On the desk's thread.
class WhatIfDesk::Telling {
 public:
  Telling(DeskStream& stream, const Clock& clock, const grid::Snapshot& grid)
      : stream_(stream), clock_(clock), grid_(grid) {}

  // False when nobody listens any more.
  bool operator()(const planner::SweepProgress& progress) {
    for (const twin::FailureOutcome& outcome : progress.outcomes) {
      breaking_ += outcome.promises_broken > 0 ? 1 : 0;
      overloading_ += outcome.utilization_max > 1 ? 1 : 0;
      if (worst_.size() == kToldWorst && !hurts_more(outcome, worst_.back())) continue;
      worst_.insert(std::upper_bound(worst_.begin(), worst_.end(), outcome, twin::hurts_more), outcome);
      if (worst_.size() > kToldWorst) worst_.pop_back();
    }
    const Duration now = clock_.monotonic();
    if (now < next_) return !stream_.stop().stop_requested();
    next_ = now + kToldEvery;
    Json::Array worst;
    for (const twin::FailureOutcome& outcome : worst_)
      worst.push_back(planner::outcome_json(grid_, progress.failures, outcome));
    stream_.say_progress(Json::Object{{"done", progress.done},
                                      {"all", progress.all},
                                      {"breaking", breaking_},
                                      {"overloading", overloading_},
                                      {"worst", std::move(worst)}});
    return !stream_.stop().stop_requested();
  }

 private:
  DeskStream& stream_;
  const Clock& clock_;
  const grid::Snapshot& grid_;
  uint64_t breaking_ = 0, overloading_ = 0;
  std::vector<twin::FailureOutcome> worst_;  // of what is known so far, the worst first
  Duration next_;                            // when to say something again
};

WhatIfDesk::~WhatIfDesk() {
  closing_ = true;
  thread_.join();
}

Result<WhatIfDesk::Sweep> WhatIfDesk::read_sweep(const Json& body) {
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

Result<WhatIfDesk::Question> WhatIfDesk::read_question(const Call& call) {
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"fail", "failures", "traffic", "fill", "trip", "worst",
                                                            "verify", "seed", "time_limit_ms", "stream"}));
  Question question;
  question.published = call.published;
  TANDEM_ASSIGN(question.stream, read_flag(body, "stream", false));
  if (body["failures"].is_null()) {
    TANDEM_ASSIGN(question.asked, read_sweep(body));
  } else {
    planner::Scenario scenario;
    TANDEM_ASSIGN(scenario.failures, read_failures(body, *call.published->state.grid));
    TANDEM_ASSIGN(scenario.traffic, planner::parse_traffic_choice(body["traffic"].text("auto")));
    TANDEM_ASSIGN(scenario.fill, read_positive(body, "fill", planner::kGravityFill, 10));
    TANDEM_ASSIGN(scenario.trip, read_positive(body, "trip", scenario.trip, 1e6));
    question.asked = std::move(scenario);
  }
  if (!call.published->state.plan)
    return fail(ErrorCode::unavailable, "no plan is accepted yet, so no promise is at stake; try again in a moment");
  return question;
}

Result<Json> WhatIfDesk::work(const Question& question, const Tell& tell) const {
  const grid::Snapshot& grid = *question.published->state.grid;
  const v1::Plan& plan = *question.published->state.plan;
  if (const auto* scenario = std::get_if<planner::Scenario>(&question.asked))
    return planner::fail_together(grid, plan, *scenario);
  const Sweep& sweep = std::get<Sweep>(question.asked);
  const Duration end = clock_.monotonic() + sweep.limit;
  std::stop_source stop;
  const auto progress = [&](const planner::SweepProgress& done) {
    const bool wanted = !tell || tell(done);
    if (!wanted || closing_ || clock_.monotonic() >= end) stop.request_stop();
  };
  TANDEM_ASSIGN(const Json report,
                planner::sweep_failures(grid, plan, sweep.asked, clock_, progress, stop.get_token()));
  Json::Object answer = report.object();
  answer["fail"] = sweep.fail;
  return Json(std::move(answer));
}

// The work goes on until it has ended, whoever leaves: it is told so, and uses what stands here.
asio::awaitable<void> WhatIfDesk::answer_in_pieces(Question question, http::ResponseWriter& writer) {
  const auto stream = std::make_shared<DeskStream>(co_await asio::this_coro::executor);
  const auto asked = std::make_shared<const Question>(std::move(question));
  asio::post(thread_, [this, stream, asked] {
    Telling telling(*stream, clock_, *asked->published->state.grid);
    stream->end(work(*asked, [&](const planner::SweepProgress& done) { return telling(done); }));
  });
  co_await DeskStream::send(stream, writer);
}

asio::awaitable<void> WhatIfDesk::answer(const Call& call, http::ResponseWriter& writer) {
  const DeskPlace place(held_, kWhatIfsHeldMax);
  Result<Json> answer = fail(ErrorCode::resource_exhausted, "too many what-ifs wait already; try again in a moment");
  if (place.is_free()) {
    auto question = read_question(call);
    if (question && question->stream) {
      co_await answer_in_pieces(std::move(*question), writer);
      co_return;
    }
    if (question)
      answer = co_await run_aside(thread_, [&] { return work(*question, {}); });
    else
      answer = tl::unexpected(question.error());
  }
  co_await respond_result(std::move(answer), writer);
}

}  // namespace tandem::api
