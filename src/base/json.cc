#include "base/json.h"

#include <fmt/format.h>

#include <cmath>

#include "base/check.h"
#include "base/json_element.h"
#include "base/text.h"

namespace tandem {
namespace {

constexpr size_t kDepthMax = 128;  // deeper documents are attacks, not data

struct Writer {
  std::string out;
  bool pretty = false;
  int depth = 0;

  void line() {
    if (!pretty) return;
    out += '\n';
    out.append(static_cast<size_t>(depth) * 2, ' ');
  }

  void write(const Json& value) {
    if (value.is_string()) {
      append_json_string(out, value.text());
    } else if (value.is_integer()) {
      fmt::format_to(std::back_inserter(out), "{}", value.integer());
    } else if (value.is_number()) {
      write_double(value.number());
    } else if (value.is_bool()) {
      out += value.boolean() ? "true" : "false";
    } else if (value.is_array()) {
      write_array(value.array());
    } else if (value.is_object()) {
      write_object(value.object());
    } else {
      out += "null";
    }
  }

  // A whole double keeps its point, so that it reads back as a double.
  void write_double(double number) {
    if (!std::isfinite(number)) {
      out += "null";
      return;
    }
    const std::string digits = fmt::format("{}", number);
    out += digits;
    if (digits.find_first_of(".e") == std::string::npos) out += ".0";
  }

  void write_array(const Json::Array& array) {
    out += '[';
    ++depth;
    bool first = true;
    for (const Json& item : array) {
      if (!std::exchange(first, false)) out += ',';
      line();
      write(item);
    }
    --depth;
    if (!array.empty()) line();
    out += ']';
  }

  void write_object(const Json::Object& object) {
    out += '{';
    ++depth;
    bool first = true;
    for (const auto& [key, item] : object) {
      if (!std::exchange(first, false)) out += ',';
      line();
      append_json_string(out, key);
      out += pretty ? ": " : ":";
      write(item);
    }
    --depth;
    if (!object.empty()) line();
    out += '}';
  }
};

const Json kNull;

}  // namespace

std::string_view Json::text(std::string_view fallback) const {
  const auto* value = std::get_if<std::string>(&value_);
  return value ? std::string_view(*value) : fallback;
}

double Json::number(double fallback) const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<int64_t>(&value_)) return static_cast<double>(*value);
  return fallback;
}

int64_t Json::integer(int64_t fallback) const {
  const auto* value = std::get_if<int64_t>(&value_);
  return value ? *value : fallback;
}

bool Json::boolean(bool fallback) const {
  const auto* value = std::get_if<bool>(&value_);
  return value ? *value : fallback;
}

const Json::Array& Json::array() const {
  static const Array kEmpty;
  const auto* value = std::get_if<Array>(&value_);
  return value ? *value : kEmpty;
}

const Json::Object& Json::object() const {
  static const Object kEmpty;
  const auto* value = std::get_if<Object>(&value_);
  return value ? *value : kEmpty;
}

const Json& Json::operator[](std::string_view key) const {
  const auto& members = object();
  const auto found = members.find(key);
  return found == members.end() ? kNull : found->second;
}

Json to_json_value(simdjson::dom::element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY: {
      Json::Array array;
      const simdjson::dom::array items = element;
      for (const auto item : items) array.push_back(to_json_value(item));
      return array;
    }
    case simdjson::dom::element_type::OBJECT: {
      Json::Object object;
      const simdjson::dom::object fields = element;
      for (const auto field : fields) object[std::string(field.key)] = to_json_value(field.value);
      return object;
    }
    case simdjson::dom::element_type::INT64: return int64_t(element);
    case simdjson::dom::element_type::UINT64: return static_cast<double>(uint64_t(element));
    case simdjson::dom::element_type::DOUBLE: return double(element);
    case simdjson::dom::element_type::STRING: return std::string_view(element);
    case simdjson::dom::element_type::BOOL: return bool(element);
    case simdjson::dom::element_type::NULL_VALUE: return nullptr;
  }
  return nullptr;
}

Result<Json> parse_json(std::string_view text) {
  simdjson::dom::parser parser;
  if (parser.allocate(text.size(), kDepthMax) != simdjson::SUCCESS)
    return fail(ErrorCode::too_large, "the JSON document is too large to read");
  simdjson::dom::element element;
  const auto error = parser.parse(text.data(), text.size()).get(element);
  if (error)
    return fail(ErrorCode::invalid_argument, fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  return to_json_value(element);
}

std::string to_json(const Json& value) {
  Writer writer;
  writer.write(value);
  return std::move(writer.out);
}

std::string to_json_pretty(const Json& value) {
  Writer writer;
  writer.pretty = true;
  writer.write(value);
  return std::move(writer.out);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x80) {
      const size_t length = utf8_sequence_length(text.substr(i));
      if (length == 0) {
        out += "\xEF\xBF\xBD";
        ++i;
      } else {
        out.append(text.substr(i, length));
        i += length;
      }
      continue;
    }
    switch (byte) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (byte < 0x20)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        else
          out += text[i];
    }
    ++i;
  }
  out += '"';
}

}  // namespace tandem
