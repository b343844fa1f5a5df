// The bytes of a request of a wanted size. Internal to the module.
#pragma once

#include <string>

#include "http/client.h"
#include "load/load.h"
#include "load/schedule.h"

namespace tandem::load {

// English-looking text of exactly four bytes a token, different from its beginning for every number, so that no prefix
// cache answers for it.
std::string synthetic_text(uint64_t number, uint32_t tokens);

// `base_path` is what stands before "/v1".
http::ClientRequest make_request(const LoadOptions& options, const PlannedRequest& planned,
                                 const std::string& base_path);

struct Target {
  http::Endpoint endpoint;
  std::string base_path;  // "" or "/pools/a"
  bool is_tls = false;
};
// "http://host:port/base/v1" and the like, or https. Errors: invalid_argument.
Result<Target> parse_url(std::string_view url);
// Of the options' URL. Errors: invalid_argument (also where the file of authorities is none).
Result<Target> target_of(const LoadOptions& options);
http::ClientOptions client_options(const LoadOptions& options, const Target& target);

}  // namespace tandem::load
