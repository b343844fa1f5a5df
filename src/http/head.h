// The parts of a message head that requests and responses share, as pure functions over bytes (RFC 9112, chapters 2,
// 5). Internal to the module.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/text.h"
#include "http/message.h"

namespace tandem::http {

// Why bytes are not a message as we read it. The texts are literals.
struct Refusal {
  int status = 400;          // for the answer, where there is one to give
  std::string_view code;     // of the error object: "bad_request", "headers_too_large", …
  std::string_view message;  // a sentence for the person who wrote the client
  bool operator==(const Refusal&) const = default;
};

template <class T>
using Parsed = tl::expected<T, Refusal>;

struct HeadLimits {
  size_t bytes_max = 32 * 1024;
  size_t fields_max = 100;
};

enum class BodyKind : uint8_t { none, length, chunked, until_close };

struct BodyFraming {
  BodyKind kind = BodyKind::none;
  uint64_t length = 0;  // bytes, for BodyKind::length
  bool operator==(const BodyFraming&) const = default;
};

bool is_token(std::string_view text);        // RFC 9110 §5.6.2; not empty
bool is_field_value(std::string_view text);  // no control characters but tab
bool is_target(std::string_view text);       // as a request line has it, path and query
bool is_host(std::string_view text);         // with or without a port; may be empty

// Fields that say how one message is framed on one connection: a sender makes its own.
bool is_framing_field(const Header& field);

// Whether the field has that name. (Most differ in length, which is the cheap thing to look at: a head is searched for
// half a dozen names.)
inline bool is_named(const Header& field, std::string_view name) {
  return field.name.size() == name.size() && iequals(field.name, name);
}

// The fields as lines, behind `head`, but for those that frame the message and `own`, which the sender makes itself.
// Errors: invalid_argument, for one that cannot be sent.
Result<void> append_fields(const Headers& headers, std::string_view own, std::string& head);

// The length of the head at the front of `bytes`, its ending blank line included; nothing when more bytes are needed.
// `checked` is how far an earlier call came; start it at 0. Refuses a line that ends in a bare LF.
Parsed<std::optional<size_t>> find_head_end(std::string_view bytes, size_t& checked, const HeadLimits& limits);

// One line without its CRLF into a name and its trimmed value.
Parsed<Header> parse_field_line(std::string_view line);

// Every field of `lines`, each ended by CRLF, up to the blank line.
Parsed<void> parse_fields(std::string_view lines, const HeadLimits& limits, Headers& headers);

// How the fields frame the body; `none` when they do not say. Refuses every encoding but exactly "chunked", repeated
// fields, and both at once.
Parsed<BodyFraming> parse_framing(const Headers& headers, bool is_http_1_0);

// Whether the connection is kept after the message: by default from HTTP/1.1 on, else when asked for.
bool keeps_alive(const Headers& headers, bool is_http_1_0);

}  // namespace tandem::http
