// POST /api/v1/schedule: a day of the grid as it is, planned in periods. Internal to the module.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <stop_token>

#include "api/call.h"
#include "planner/schedule.h"

namespace tandem::api {

// Has a thread of its own: a schedule is tens of plans, and holds up nobody else.
class ScheduleDesk {
 public:
  explicit ScheduleDesk(const Clock& clock) : clock_(clock) {}
  ~ScheduleDesk();  // ends what runs

  // {"offset","complete", …} as planner::schedule_to_json has it; "complete" is false where the time limit ended it.
  // With "stream" the answer is server-sent events: `progress` a few times a second, {"doing","plans","eur_per_day"},
  // then one `report`, or `error`; a caller who leaves ends the work. Errors: invalid_argument, too_large (plans asked
  // for of more demands than an answer should hold), resource_exhausted (too many at once).
  boost::asio::awaitable<void> answer(const Call& call, http::ResponseWriter& writer);

 private:
  struct Question {
    std::shared_ptr<const Published> published;
    planner::ScheduleOptions options;
    bool plans = false, stream = false;
    Duration limit;
  };
  using Tell = std::function<void(const planner::ScheduleProgress&)>;
  static Result<Question> read_question(const Call& call);
  Result<Json> work(const Question& question, std::stop_source stop, const Tell& tell) const;
  boost::asio::awaitable<void> answer_in_pieces(std::shared_ptr<const Question> question, http::ResponseWriter& writer);

  const Clock& clock_;
  std::stop_source closing_;
  std::atomic<int> held_ = 0;  // running and waiting
  boost::asio::thread_pool thread_{1};
};

}  // namespace tandem::api
