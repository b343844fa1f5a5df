#include "api/desk.h"

#include <fmt/format.h>

namespace tandem::api {

Result<int64_t> read_whole(const Json& body, const char* name, int64_t fallback, int64_t least, int64_t most) {
  const Json& value = body[name];
  if (value.is_null()) return fallback;
  if (value.is_integer() && value.integer() >= least && value.integer() <= most) return value.integer();
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be a whole number from {} to {}", name, least, most),
              name);
}

Result<bool> read_flag(const Json& body, const char* name, bool fallback) {
  const Json& value = body[name];
  if (value.is_null()) return fallback;
  if (value.is_bool()) return value.boolean();
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be true or false", name), name);
}

Result<double> read_positive(const Json& body, const char* name, double fallback, double most) {
  const Json& value = body[name];
  if (value.is_null()) return fallback;
  if (value.is_number() && value.number() > 0 && value.number() <= most) return value.number();
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be a number above 0, at most {:g}", name, most),
              name);
}

}  // namespace tandem::api
