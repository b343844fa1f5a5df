#include "gateway/prompt_text.h"

#include <cstring>
#include <string_view>

namespace tandem::gateway {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// A text and its end, so that no two values run into each other.
void add_text(std::string_view text, routing::PrefixHasher& prefix) {
  prefix.add(text);
  prefix.add(std::string_view("\0", 1));
}

void add_number(uint64_t value, routing::PrefixHasher& prefix) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  prefix.add({bytes, sizeof value});
}

// As deep as the reader lets a body nest.
void add_value(element value, routing::PrefixHasher& prefix) {
  switch (value.type()) {
    case element_type::STRING: add_text(value.get_string().value(), prefix); break;
    case element_type::ARRAY: {
      const simdjson::dom::array items = value;
      for (const element item : items) add_value(item, prefix);
      break;
    }
    case element_type::OBJECT: {
      const simdjson::dom::object members = value;
      for (const auto member : members) {
        add_text(member.key, prefix);
        add_value(member.value, prefix);
      }
      break;
    }
    case element_type::INT64: add_number(static_cast<uint64_t>(value.get_int64().value()), prefix); break;
    default: add_text(simdjson::minify(value), prefix); break;
  }
}

}  // namespace

void add_prompt(simdjson::dom::object body, routing::PrefixHasher& prefix) {
  for (const char* member : {"tools", "instructions", "messages", "prompt", "input"}) {
    element value;
    if (body[member].get(value) == simdjson::SUCCESS) add_value(value, prefix);
  }
}

}  // namespace tandem::gateway
