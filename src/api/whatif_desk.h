// POST /api/v1/whatif: what failures do, on the grid as it is. Internal to the module.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <variant>

#include "api/call.h"
#include "planner/whatif.h"

namespace tandem::api {

// One thread of its own: a sweep of seconds holds up neither the gateway nor quick questions.
class WhatIfDesk {
 public:
  explicit WhatIfDesk(const Clock& clock) : clock_(clock) {}
  ~WhatIfDesk();  // ends what runs

  // planner::sweep_failures, or planner::fail_together where `failures` are named, on the accepted plan. A sweep that
  // its time limit ends says so: "complete" is false. With "stream" the answer is server-sent events: `progress` a few
  // times a second, {"done","all","breaking","overloading","worst"} so far, then one `report`, which is what is
  // answered without it, or `error`; a caller who leaves ends the sweep. Errors: invalid_argument, not_found,
  // too_large, unavailable (no plan yet), resource_exhausted (too many at once).
  boost::asio::awaitable<void> answer(const Call& call, http::ResponseWriter& writer);

 private:
  struct Sweep {
    planner::FailureSweep asked;
    std::string fail;  // as it was asked for
    Duration limit;
  };
  // One what-if with the grid it is asked of, which lives as long as it does.
  struct Question {
    std::shared_ptr<const Published> published;
    std::variant<Sweep, planner::Scenario> asked;
    bool stream = false;
  };
  // Says how far a sweep is; false ends it.
  using Tell = std::function<bool(const planner::SweepProgress&)>;
  class Telling;

  static Result<Question> read_question(const Call& call);
  static Result<Sweep> read_sweep(const Json& body);
  Result<Json> work(const Question& question, const Tell& tell) const;
  boost::asio::awaitable<void> answer_in_pieces(Question question, http::ResponseWriter& writer);

  const Clock& clock_;
  std::atomic<bool> closing_ = false;
  std::atomic<int> held_ = 0;  // running and waiting
  boost::asio::thread_pool thread_{1};
};

}  // namespace tandem::api
