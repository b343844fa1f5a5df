// How a client is told of its tenant's limits, in the words that OpenAI's clients know. Internal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "gateway/api_error.h"
#include "gateway/tenant_meter.h"
#include "http/message.h"

namespace tandem::gateway {

// Errors: quota_exceeded, with the code `insufficient_quota` and the time to the next month: waiting a moment does not
// mend it.
Checked<std::monostate> check_budget(const grid::TenantLimits& limits, uint64_t spent_nano_eur,
                                     const std::string& tenant, Instant now);

// `rate_limit_exceeded`, with the time after which as much could be taken; `what`: "requests" or "tokens".
tl::unexpected<ApiError> over_limit(const std::string& tenant, const char* what, uint64_t per_minute, uint64_t wanted,
                                    const RateMeter::Standing& standing);

struct LimitHeaders {
  http::FieldName limit, remaining, reset;
};
inline constexpr LimitHeaders kRequestHeaders{http::FieldName("x-ratelimit-limit-requests"),
                                              http::FieldName("x-ratelimit-remaining-requests"),
                                              http::FieldName("x-ratelimit-reset-requests")};
inline constexpr LimitHeaders kTokenHeaders{http::FieldName("x-ratelimit-limit-tokens"),
                                            http::FieldName("x-ratelimit-remaining-tokens"),
                                            http::FieldName("x-ratelimit-reset-tokens")};
void add_number(http::Headers& headers, http::FieldName name, uint64_t number);
void add_standing(http::Headers& headers, const LimitHeaders& names, uint64_t per_minute,
                  const RateMeter::Standing& standing);

}  // namespace tandem::gateway
