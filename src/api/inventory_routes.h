// The living inventory over HTTP: lists, single entities, edits, relations and search.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "api/call.h"
#include "api/routes.h"
#include "api/search_index.h"

namespace tandem::api {

class InventoryRoutes {
 public:
  // What takes milliseconds runs on `aside`.
  InventoryRoutes(CorePort& core, const SearchIndex& search, const Clock& clock, boost::asio::thread_pool& aside)
      : core_(core), search_(search), clock_(clock), aside_(aside) {}

  static bool serves(Operation operation);
  boost::asio::awaitable<void> handle(Operation operation, const Call& call, http::ResponseWriter& writer) const;

 private:
  boost::asio::awaitable<void> get_entity(const Call& call, http::ResponseWriter& writer) const;
  boost::asio::awaitable<void> edit_entity(Operation operation, const Call& call, http::ResponseWriter& writer) const;
  boost::asio::awaitable<void> edit_many(Operation operation, const Call& call, http::ResponseWriter& writer) const;
  boost::asio::awaitable<void> erase_personal_data(const Call& call, http::ResponseWriter& writer) const;
  Result<Json> read(Operation operation, const Call& call) const;
  Result<Json> search(const Call& call) const;

  CorePort& core_;
  const SearchIndex& search_;
  const Clock& clock_;
  boost::asio::thread_pool& aside_;
};

}  // namespace tandem::api
