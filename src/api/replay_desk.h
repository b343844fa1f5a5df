// POST /api/v1/replay: requests simulated on the grid as it is. Internal to the module.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <stop_token>

#include "api/call.h"

namespace tandem::api {

// Has a thread of its own: a simulation takes a second for each policy and holds up nobody else.
class ReplayDesk {
 public:
  ~ReplayDesk();  // ends what runs

  // {"offset","policies":[…],"verdict"}. The joint plan is the accepted one, where there is one.
  // Errors: invalid_argument, not_found (no demand asks anything), resource_exhausted (too many at once), unavailable.
  boost::asio::awaitable<void> answer(const Call& call, http::ResponseWriter& writer);

 private:
  Result<Json> work(const Call& call) const;

  std::stop_source closing_;
  std::atomic<int> held_ = 0;  // running and waiting
  boost::asio::thread_pool threads_{1};
};

}  // namespace tandem::api
