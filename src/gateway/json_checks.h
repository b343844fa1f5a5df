// Small words on clients' JSON: what is wrong with it, and text as JSON. Internal.
#pragma once

#include <fmt/format.h>
#include <simdjson.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "gateway/api_error.h"

namespace tandem::gateway {

inline tl::unexpected<ApiError> invalid(std::string message, std::string param = {}, std::string reason = {}) {
  return refuse(ErrorCode::invalid_argument, std::move(message), std::move(param), std::move(reason));
}

inline std::string_view type_name(simdjson::dom::element value) {
  using simdjson::dom::element_type;
  switch (value.type()) {
    case element_type::ARRAY: return "an array";
    case element_type::OBJECT: return "an object";
    case element_type::INT64: return "an integer";
    case element_type::UINT64: return "an integer";
    case element_type::DOUBLE: return "a number";
    case element_type::STRING: return "a string";
    case element_type::BOOL: return "a boolean";
    case element_type::NULL_VALUE: return "null";
  }
  CHECK(false);
}

inline tl::unexpected<ApiError> wrong_type(std::string_view param, std::string_view expected,
                                           simdjson::dom::element got) {
  return invalid(
      fmt::format("Invalid type for '{}': expected {}, but got {} instead.", param, expected, type_name(got)),
      std::string(param), "invalid_type");
}

inline tl::unexpected<ApiError> missing(const std::string& name) {
  return invalid(fmt::format("Missing required parameter: '{}'.", name), name, "missing_required_parameter");
}

inline tl::unexpected<ApiError> twice(std::string_view name) {
  return invalid(fmt::format("'{}' occurs twice in the body.", name), std::string(name), "duplicate_parameter");
}

inline std::string json_string(std::string_view text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

}  // namespace tandem::gateway
