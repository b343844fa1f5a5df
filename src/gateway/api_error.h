// An error as an OpenAI client expects it: status, and {"error":{"message","type","param","code"}}. Internal.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "base/result.h"

namespace tandem::gateway {

struct ApiError {
  ErrorCode code = ErrorCode::internal;  // gives status and type, by base's table
  std::string message;
  std::string param;      // the field at fault; empty: none
  std::string reason;     // OpenAI's own `code`, e.g. "model_not_found"; empty: the code's name
  int status = 0;         // 0: the code's own
  int retry_after_s = 0;  // 0: not said
};

template <class T>
using Checked = tl::expected<T, ApiError>;

[[nodiscard]] inline tl::unexpected<ApiError> refuse(ErrorCode code, std::string message, std::string param = {},
                                                     std::string reason = {}) {
  return tl::unexpected<ApiError>(ApiError{code, std::move(message), std::move(param), std::move(reason), 0, 0});
}

int status_of(const ApiError& error);
std::string_view code_of(const ApiError& error);  // as its body has it
std::string body_of(const ApiError& error);

}  // namespace tandem::gateway
