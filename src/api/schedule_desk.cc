#include "api/schedule_desk.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/desk.h"
#include "api/desk_stream.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr int kSchedulesHeldMax = 2;  // one runs for a minute; a third would wait longer than a caller does
constexpr int64_t kScheduleDefaultMs = 60'000;
constexpr int64_t kScheduleMaxMs = 600'000;
constexpr int64_t kScheduleWork = 2'000, kScheduleWorkMax = 10'000;
constexpr size_t kScheduledDemandsMax = 24'000;  // of all plans together, with their reasons: 50 MB

}  // namespace

ScheduleDesk::~ScheduleDesk() {
  closing_.request_stop();
  thread_.join();
}

Result<ScheduleDesk::Question> ScheduleDesk::read_question(const Call& call) {
  TANDEM_ASSIGN(const Json body,
                read_object(call.request, {"periods", "plans", "seed", "work", "time_limit_ms", "stream"}));
  Question question;
  question.published = call.published;
  TANDEM_ASSIGN(const int64_t periods,
                read_whole(body, "periods", question.options.periods_max, 1, planner::kPeriodsMax));
  TANDEM_ASSIGN(const int64_t seed, read_whole(body, "seed", 1, 0, INT64_MAX));
  TANDEM_ASSIGN(const int64_t work, read_whole(body, "work", kScheduleWork, 1, kScheduleWorkMax));
  TANDEM_ASSIGN(const int64_t limit_ms, read_whole(body, "time_limit_ms", kScheduleDefaultMs, 0, kScheduleMaxMs));
  TANDEM_ASSIGN(question.plans, read_flag(body, "plans", false));
  TANDEM_ASSIGN(question.stream, read_flag(body, "stream", false));
  question.options.periods_max = static_cast<uint32_t>(periods);
  question.options.seed = static_cast<uint64_t>(seed);
  question.options.limit.iterations = static_cast<uint64_t>(work);
  question.limit = milliseconds(limit_ms);
  const size_t rows = call.published->state.grid->demands.size() * static_cast<size_t>(periods);
  if (question.plans && rows > kScheduledDemandsMax)
    return fail(ErrorCode::too_large,
                fmt::format("{} plans of {} demands are more than an answer holds; ask without 'plans', or with "
                            "fewer periods: at most {} demands in all",
                            periods, call.published->state.grid->demands.size(), kScheduledDemandsMax),
                "plans");
  return question;
}

Result<Json> ScheduleDesk::work(const Question& question, std::stop_source stop, const Tell& tell) const {
  const std::stop_callback close(closing_.get_token(), [&] { stop.request_stop(); });
  const control::State& state = question.published->state;
  const planner::Schedule schedule = planner::schedule(*state.grid, question.options, stop.get_token(), tell);
  Json::Object answer = planner::schedule_to_json(schedule, *state.grid, question.plans).object();
  answer["offset"] = state.head.last();
  answer["complete"] = !stop.stop_requested();
  return Json(std::move(answer));
}

// The work goes on until it has ended, whoever leaves: it is told so, and uses what stands here.
asio::awaitable<void> ScheduleDesk::answer_in_pieces(std::shared_ptr<const Question> question,
                                                     http::ResponseWriter& writer) {
  const auto executor = co_await asio::this_coro::executor;
  const auto stream = std::make_shared<DeskStream>(executor);
  asio::post(thread_, [this, stream, question, executor] {
    const auto timer = limited(executor, question->limit, stream->stop());
    uint64_t plans = 0;
    Duration next;
    const auto tell = [&](const planner::ScheduleProgress& progress) {
      ++plans;
      const Duration now = clock_.monotonic();
      if (now < next) return;
      next = now + kToldEvery;
      stream->say_progress(
          Json::Object{{"doing", progress.doing}, {"plans", plans}, {"eur_per_day", progress.eur_per_day}});
    };
    stream->end(work(*question, stream->stop(), tell));
  });
  co_await DeskStream::send(stream, writer);
}

asio::awaitable<void> ScheduleDesk::answer(const Call& call, http::ResponseWriter& writer) {
  const DeskPlace place(held_, kSchedulesHeldMax);
  Result<Json> answer = fail(ErrorCode::resource_exhausted, "too many schedules wait already; try again in a minute");
  if (place.is_free()) {
    auto question = read_question(call);
    if (question && question->stream) {
      auto asked = std::make_shared<const Question>(std::move(*question));
      co_await answer_in_pieces(std::move(asked), writer);
      co_return;
    }
    if (question) {
      const auto executor = co_await asio::this_coro::executor;
      const std::stop_source stop;
      writer.on_disconnect([stop]() mutable { stop.request_stop(); });
      answer = co_await run_aside(thread_, [&] {
        const auto timer = limited(executor, question->limit, stop);
        return work(*question, stop, {});
      });
    } else {
      answer = tl::unexpected(question.error());
    }
  }
  co_await respond_result(std::move(answer), writer);
}

}  // namespace tandem::api
