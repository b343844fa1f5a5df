// GET /api/v1/usage: what was used, from the accounts that the log gives. Internal to the module.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "api/call.h"

namespace tandem::api {

// Core and activity must outlive it; adding up runs on the pool.
class UsageDesk {
 public:
  UsageDesk(const CorePort& core, const Activity& activity, boost::asio::thread_pool& aside)
      : core_(core), activity_(activity), aside_(aside) {}

  // {"offset","from","to","step","kept_from","closed_to","group_by","usage","total","open"}, or the rows of `usage` as
  // CSV where that is accepted. Errors: invalid_argument, too_large.
  boost::asio::awaitable<void> answer(const Call& call, http::ResponseWriter& writer);

 private:
  Result<std::string> work(const Call& call, bool as_csv) const;

  const CorePort& core_;
  const Activity& activity_;
  boost::asio::thread_pool& aside_;
};

}  // namespace tandem::api
