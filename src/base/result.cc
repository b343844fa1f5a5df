#include "base/result.h"

#include <array>

#include "base/check.h"

namespace tandem {

const ErrorDescription& describe(ErrorCode code) {
  static constexpr std::array<ErrorDescription, 15> kTable{{
      {"invalid_argument", 400, "invalid_request_error"},
      {"unauthenticated", 401, "authentication_error"},
      {"permission_denied", 403, "permission_error"},
      {"not_found", 404, "not_found_error"},
      {"conflict", 409, "conflict_error"},
      {"too_large", 413, "invalid_request_error"},
      {"quota_exceeded", 429, "rate_limit_error"},
      {"resource_exhausted", 503, "overloaded_error"},
      {"unavailable", 503, "service_unavailable_error"},
      {"deadline_exceeded", 504, "timeout_error"},
      {"fenced", 503, "service_unavailable_error"},
      {"corrupt", 500, "server_error"},
      {"io", 500, "server_error"},
      {"infeasible", 422, "invalid_request_error"},
      {"internal", 500, "server_error"},
  }};
  const auto position = static_cast<size_t>(code);
  CHECK(position < kTable.size());
  return kTable[position];
}

std::string to_string(const Error& error) {
  std::string text(describe(error.code).name);
  text.append(": ").append(error.message);
  if (!error.context.empty()) text.append(" (").append(error.context).append(")");
  return text;
}

}  // namespace tandem
