// POST /api/v1/query: SQL over the inventory. Internal to the module.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "api/call.h"

namespace tandem::api {

// Has threads of its own, so that a query of seconds holds up nobody else. The clock must outlive it.
class QueryDesk {
 public:
  explicit QueryDesk(const Clock& clock) : clock_(clock) {}
  ~QueryDesk();  // ends what runs

  // {"columns","rows","offset","truncated"}, or CSV where that is accepted. Errors: invalid_argument, permission_denied
  // (more than a read), too_large, deadline_exceeded, resource_exhausted (too many at once), not_found (branch).
  boost::asio::awaitable<void> answer(const Call& call, http::ResponseWriter& writer);

 private:
  Result<std::string> work(const Call& call, bool as_csv) const;

  const Clock& clock_;
  std::atomic<bool> closing_ = false;
  std::atomic<int> held_ = 0;            // running and waiting
  boost::asio::thread_pool threads_{2};  // one slow query leaves room for quick ones
};

}  // namespace tandem::api
