// Webhooks over HTTP: registered, listed, replayed and removed.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "api/call.h"
#include "api/routes.h"
#include "api/webhook_sender.h"

namespace tandem::api {

class WebhookRoutes {
 public:
  WebhookRoutes(CorePort& core, WebhookSender& sender) : core_(core), sender_(sender) {}

  static bool serves(Operation operation);
  boost::asio::awaitable<void> handle(Operation operation, const Call& call, http::ResponseWriter& writer) const;

 private:
  struct Change;
  Json view(const Published& published, const std::string& id) const;
  Result<Json> read(Operation operation, const Call& call) const;
  Result<Change> read_change(Operation operation, const Call& call) const;
  boost::asio::awaitable<Result<Json>> change(Operation operation, const Call& call) const;

  CorePort& core_;
  WebhookSender& sender_;
};

}  // namespace tandem::api
