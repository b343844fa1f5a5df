// The words of HTTP that both sides share: headers, a request, and small exact functions on their text (RFC 9110).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tandem::http {

struct Header {
  std::string_view name;   // a token; compared without regard to ASCII case
  std::string_view value;  // without white space at either end
  bool operator==(const Header&) const = default;
};

// The name of a field, written in the code and checked as that is compiled, so that it is not looked at again where it
// is sent: a token, and none of those that a sender makes itself.
class FieldName {
 public:
  template <size_t kSize>
  explicit consteval FieldName(const char (&literal)[kSize]) : text_(literal, kSize - 1) {
    for (const char c : text_)
      if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) throw "a name is of a-z, 0-9 and '-'";
    for (const std::string_view own :
         {"", "connection", "keep-alive", "content-length", "transfer-encoding", "date", "host"})
      if (text_ == own) throw "a sender makes this field itself";
  }
  constexpr operator std::string_view() const { return text_; }

 private:
  std::string_view text_;
};

// Header fields in the order of the wire, in one piece of memory, as they are sent. Names may repeat. What `find`,
// `lines` and iteration give is good until the next change.
class Headers {
 public:
  // Twice what a request may carry (see ServerOptions::header_fields_max), so that a proxy has room to add its own.
  static constexpr size_t kFieldsMax = 256;
  static constexpr size_t kBytesMax = 64 * 1024 * 1024;  // of their lines: more than anybody reads

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Header;
    using difference_type = std::ptrdiff_t;
    using pointer = const Header*;
    using reference = Header;

    Iterator() = default;
    Iterator(const Headers* headers, size_t position) : headers_(headers), position_(position) {}
    Header operator*() const { return headers_->at(position_); }
    Iterator& operator++() {
      ++position_;
      return *this;
    }
    Iterator operator++(int) { return {headers_, position_++}; }
    bool operator==(const Iterator&) const = default;

   private:
    const Headers* headers_ = nullptr;
    size_t position_ = 0;
  };

  Headers() = default;
  // GCC 12 cannot keep a braced list of strings in one expression with `co_await`: make the Headers a variable first,
  // or use `json_headers`.
  Headers(std::initializer_list<Header> fields);
  Headers(const Headers& other) { *this = other; }
  Headers& operator=(const Headers& other);
  Headers(Headers&& other) noexcept { swap(other); }
  Headers& operator=(Headers&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Headers() = default;

  // Neither text may be one of these headers' own. False, and nothing added, when kFieldsMax or kBytesMax are there.
  bool add(std::string_view name, std::string_view value) {
    has_unknown_names_ = true;
    return put(name, value);
  }
  bool add(FieldName name, std::string_view value) { return put(name, value); }
  bool set(std::string_view name, std::string_view value);  // replaces every field of that name by this one
  void remove(std::string_view name);
  void clear();

  // The first field of that name; nothing when there is none.
  std::optional<std::string_view> find(std::string_view name) const {
    if ((marks_ & mark_of(name)) == 0) return std::nullopt;  // as for most that are asked for
    return search(name);
  }
  size_t count(std::string_view name) const;  // of fields of that name
  // The same, with a fallback.
  std::string_view value_or(std::string_view name, std::string_view fallback) const;

  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, fields_.size()}; }

  // "name: value\r\n" of each, one after another.
  std::string_view lines() const { return {text_.get(), size_}; }
  static constexpr size_t line_size(const Header& field) {
    return field.name.size() + kColon.size() + field.value.size() + kLineEnd.size();
  }
  // False: every name is a FieldName.
  bool has_unknown_names() const { return has_unknown_names_; }

  bool operator==(const Headers& other) const { return lines() == other.lines(); }

 private:
  static constexpr std::string_view kColon = ": ";
  static constexpr std::string_view kLineEnd = "\r\n";
  struct Field {
    uint32_t begin = 0;  // of its line in text_
    uint32_t name_size = 0;
    uint32_t value_size = 0;
  };

  // One of 64 bits, the same for names that differ in case alone.
  static constexpr uint64_t mark_of(std::string_view name) {
    if (name.empty()) return 1;
    const auto lower = [](char c) { return static_cast<unsigned>(static_cast<unsigned char>(c) | 0x20u); };
    return uint64_t{1} << ((name.size() * 5 + lower(name.front()) * 3 + lower(name.back())) % 64);
  }

  bool put(std::string_view name, std::string_view value);
  void grow(size_t wanted);
  void swap(Headers& other) noexcept;
  std::optional<std::string_view> search(std::string_view name) const;
  std::string_view name_of(const Field& field) const { return {text_.get() + field.begin, field.name_size}; }
  std::string_view value_of(const Field& field) const {
    return {text_.get() + field.begin + field.name_size + kColon.size(), field.value_size};
  }
  Header at(size_t position) const { return {name_of(fields_[position]), value_of(fields_[position])}; }

  std::unique_ptr<char[]> text_;  // the lines, and room for more
  uint32_t size_ = 0;             // of the lines
  uint32_t capacity_ = 0;
  bool has_unknown_names_ = false;
  uint64_t marks_ = 0;  // of all names
  std::vector<Field> fields_;
};

Headers content_type(std::string_view type);  // one field, content-type
Headers json_headers();                       // content-type: application/json

class LocalPeer;

struct Request {
  std::string method;        // as sent, upper case by custom: "GET"
  std::string target;        // the path as sent, beginning with '/', not percent-decoded, without the query
  std::string query;         // what follows '?', not decoded; empty when there is none
  Headers headers;           // as sent; content-length and transfer-encoding agree with the body
  std::string body;          // whole, without chunk framing
  std::string peer_address;  // "192.0.2.7" or "2001:db8::7", without port
  std::shared_ptr<const LocalPeer> local_peer;  // null: not over loopback
  bool is_http_1_0 = false;
};

// A request of this machine itself, as far as can be told: a loopback peer that passes nothing on for another, as a
// proxy beside this program does, and asks for this machine by a loopback name or address. (A page of another site
// whose name leads here for once asks for it by that name.) Who passes something on is known by the headers by which
// proxies tell of themselves, or by speaking HTTP/1.0, which clients of today do not by themselves. A proxy that does
// neither cannot be told from a local tool by what it sends.
bool is_from_this_machine(const Request& request);

// Such a request of a user who may do here whatever this program may: whose process made the connection (LocalPeer).
// Who passes it on for others is told by that, unless it runs as that user too.
bool is_of_trusted_user(const Request& request);

// Where a server listens. Host is a name, an IPv4 or an IPv6 literal without brackets.
struct Endpoint {
  Endpoint() = default;
  Endpoint(std::string its_host, uint16_t its_port) : host(std::move(its_host)), port(its_port) {}

  std::string host;
  uint16_t port = 80;
  auto operator<=>(const Endpoint&) const = default;
};

std::string to_string(const Endpoint& endpoint);  // "host:8080", "[::1]:8080"

// "http://host[:port][/]" or "host:port". Errors: invalid_argument.
Result<Endpoint> parse_endpoint(std::string_view text);

// Replaces %XX by its byte. Nothing where a % is not followed by two hexadecimal digits, or where %00 would hide a NUL.
std::optional<std::string> percent_decode(std::string_view text);

// The other way: letters, digits and "-._~" stay as they are.
std::string percent_encode(std::string_view text);

// The pairs of "a=1&b=two+words", decoded ('+' is a space), in order. A name without '=' has an empty value; pairs
// that do not decode are left out; at most kQueryPairsMax are read.
inline constexpr size_t kQueryPairsMax =
    1'000;  // longer queries are within the header limit, but nothing of ours has them
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

// The first value of `name` in a query, decoded.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// {"error":{"message":…,"type":…,"param":null,"code":…}}: the OpenAI error object, from base's error table.
std::string json_error_body(const Error& error);

std::string_view reason_phrase(int status);  // "Not Found"; "Unknown" for a status that has none

}  // namespace tandem::http
