// Where a webhook's events go. Internal to the module.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::api {

struct WebhookAddress {
  bool is_tls = false;
  std::string host;  // a name or a literal, without brackets
  uint16_t port = 0;
  std::string target;  // path and query
  bool operator==(const WebhookAddress&) const = default;
};

// "https://host[:port]/path", or "http://" to this machine itself (localhost, 127.0.0.0/8, ::1): nothing that leaves
// the machine goes unencrypted. Without a user, a fragment or anything that is not ASCII. Errors: invalid_argument
// naming the fix.
Result<WebhookAddress> parse_webhook_url(std::string_view url);

}  // namespace tandem::api
