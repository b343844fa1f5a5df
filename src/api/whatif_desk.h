// POST /api/v1/whatif: what failures do, on the grid as it is. Internal to the module.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "api/call.h"

namespace tandem::api {

// One thread of its own: a sweep of seconds holds up neither the gateway nor quick questions.
class WhatIfDesk {
 public:
  explicit WhatIfDesk(const Clock& clock) : clock_(clock) {}
  ~WhatIfDesk();  // ends what runs

  // planner::sweep_failures, or planner::fail_together where `failures` are named, on the accepted plan. A sweep that
  // its time limit ends says so: "complete" is false. Errors: invalid_argument, not_found, too_large, unavailable (no
  // plan yet), resource_exhausted (too many at once).
  boost::asio::awaitable<void> answer(const Call& call, http::ResponseWriter& writer);

 private:
  Result<Json> work(const Call& call) const;
  Result<Json> sweep(const Json& body, const Call& call) const;

  const Clock& clock_;
  std::atomic<bool> closing_ = false;
  std::atomic<int> held_ = 0;  // running and waiting
  boost::asio::thread_pool thread_{1};
};

}  // namespace tandem::api
