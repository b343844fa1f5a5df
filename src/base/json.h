// JSON as a value for the control surfaces, where documents are small. (The gateway's request path reads only the few
// fields it needs and forwards the bytes.) Objects keep their keys sorted, so equal values print equal bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tandem {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(int64_t{value}) {}
  Json(unsigned value) : value_(int64_t{value}) {}
  Json(int64_t value) : value_(value) {}
  Json(uint64_t value) : value_(static_cast<int64_t>(value)) {}
  Json(double value) : value_(value) {}  // a value that is not finite prints as null
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_number() const { return std::holds_alternative<int64_t>(value_) || std::holds_alternative<double>(value_); }
  bool is_integer() const { return std::holds_alternative<int64_t>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // The value if it has that type, else the fallback.
  std::string_view text(std::string_view fallback = {}) const;
  double number(double fallback = 0) const;
  int64_t integer(int64_t fallback = 0) const;
  bool boolean(bool fallback = false) const;
  const Array& array() const;    // empty when this is no array
  const Object& object() const;  // empty when this is no object

  // The member of an object, or null when this is no object or has no such member.
  const Json& operator[](std::string_view key) const;

  bool operator==(const Json&) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

// Strict RFC 8259; nesting up to 128 levels, valid UTF-8 only.
// Errors: invalid_argument with the reason.
Result<Json> parse_json(std::string_view text);

// Compact, or indented by two spaces for people. Numbers print in the shortest form that reads back the same.
std::string to_json(const Json& value);
std::string to_json_pretty(const Json& value);

// Appends `text` as a JSON string with its quotes; bytes that are not valid UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace tandem
