// Branches over HTTP: made, edited, compared, merged and discarded.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "api/call.h"
#include "api/routes.h"

namespace tandem::api {

class BranchRoutes {
 public:
  // What takes long, for it grows with a branch's edits, runs on `aside`.
  BranchRoutes(CorePort& core, boost::asio::thread_pool& aside) : core_(core), aside_(aside) {}

  static bool serves(Operation operation);
  boost::asio::awaitable<void> handle(Operation operation, const Call& call, http::ResponseWriter& writer) const;

 private:
  boost::asio::awaitable<void> change(Operation operation, const Call& call, http::ResponseWriter& writer) const;

  CorePort& core_;
  boost::asio::thread_pool& aside_;
};

}  // namespace tandem::api
