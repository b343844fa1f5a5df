#include "gateway/api_error.h"

#include "base/json.h"

namespace tandem::gateway {

int status_of(const ApiError& error) { return error.status != 0 ? error.status : describe(error.code).http_status; }

std::string_view code_of(const ApiError& error) {
  return error.reason.empty() ? std::string_view(describe(error.code).name) : std::string_view(error.reason);
}

std::string body_of(const ApiError& error) {
  const ErrorDescription& description = describe(error.code);
  std::string body = R"({"error":{"message":)";
  append_json_string(body, error.message);
  body += R"(,"type":)";
  append_json_string(body, description.openai_type);
  body += R"(,"param":)";
  if (error.param.empty())
    body += "null";
  else
    append_json_string(body, error.param);
  body += R"(,"code":)";
  append_json_string(body, code_of(error));
  body += "}}";
  return body;
}

}  // namespace tandem::gateway
