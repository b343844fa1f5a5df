#include "http/request_parser.h"

#include <algorithm>

#include "base/text.h"

namespace tandem::http {
namespace {

// The longest registered method is UPDATEREDIRECTREF with 17.
constexpr size_t kMethodBytesMax = 32;
// What the next request may reuse; more would be held by connections that are idle.
constexpr size_t kBodyBytesKept = 16 * 1024;

tl::unexpected<Refusal> bad_request(std::string_view message) {
  return tl::unexpected(Refusal{400, "bad_request", message});
}

}  // namespace

void RequestParser::next_request() {
  state_ = State::head;
  request_.method.clear();
  request_.target.clear();
  request_.query.clear();
  request_.headers.clear();
  request_.body.clear();
  if (request_.body.capacity() > kBodyBytesKept) request_.body.shrink_to_fit();
  framing_ = {};
  decoder_ = BodyDecoder();
  head_checked_ = 0;
  passed_empty_line_ = false;
}

size_t RequestParser::consume(std::string_view bytes) {
  switch (state_) {
    case State::head: return consume_head(bytes);
    case State::body: return consume_body(bytes);
    default: return 0;
  }
}

size_t RequestParser::consume_head(std::string_view bytes) {
  // One empty line before a request is passed over: old clients end a body with it (RFC 9112 §2.2).
  if (!passed_empty_line_ && bytes.starts_with("\r\n")) {
    passed_empty_line_ = true;
    return 2;
  }
  if (bytes.empty() || (!passed_empty_line_ && bytes == "\r")) return 0;
  if (!is_token(bytes.substr(0, 1))) {  // a TLS handshake, a binary protocol: no need to wait for a line's end
    refuse({400, "bad_request", "this is not an HTTP request"});
    return 0;
  }
  const auto end = find_head_end(bytes, head_checked_, limits_.head);
  if (!end) {
    refuse(end.error());
    return 0;
  }
  if (!*end) return 0;
  if (const auto parsed = parse_head(bytes.substr(0, **end)); !parsed) {
    refuse(parsed.error());
    return 0;
  }
  decoder_ = BodyDecoder(framing_);
  state_ = decoder_.done() ? State::complete : State::body;
  return **end;
}

size_t RequestParser::consume_body(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && !decoder_.done()) {
    const BodyDecoder::Step step = decoder_.next(bytes.substr(taken));
    taken += step.taken;
    if (decoder_.malformed()) {
      refuse({400, "bad_request", "the body's chunks are malformed"});
      return taken;
    }
    if (step.data.size() > limits_.body_bytes_max - request_.body.size()) {
      refuse({413, "body_too_large", "the body is larger than this server takes"});
      return taken;
    }
    request_.body.append(step.data);
  }
  if (decoder_.done()) state_ = State::complete;
  return taken;
}

Parsed<void> RequestParser::parse_head(std::string_view head) {
  const size_t line_end = head.find("\r\n");
  if (const auto line = parse_request_line(head.substr(0, line_end)); !line) return line;
  if (const auto fields = parse_fields(head.substr(line_end + 2), limits_.head, request_.headers); !fields)
    return fields;
  if (const auto host = check_host(); !host) return host;
  const auto framing = parse_framing(request_.headers, is_http_1_0_);
  if (!framing) return tl::unexpected(framing.error());
  framing_ = *framing;
  if (framing_.length > limits_.body_bytes_max) {
    return tl::unexpected(Refusal{413, "body_too_large", "the body is larger than this server takes"});
  }
  keeps_alive_ = http::keeps_alive(request_.headers, is_http_1_0_);
  return check_expectation();
}

Parsed<void> RequestParser::parse_request_line(std::string_view line) {
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end <= method_end) {
    return bad_request("the request line is not 'METHOD /path HTTP/1.1'");
  }
  const std::string_view method = line.substr(0, method_end);
  const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  const std::string_view version = line.substr(target_end + 1);
  if (!is_token(method) || method.size() > kMethodBytesMax) return bad_request("the method is malformed");
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7])) {
    return bad_request("the version is malformed");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return tl::unexpected(Refusal{505, "version_not_supported", "this server speaks HTTP/1.1 and HTTP/1.0"});
  }
  request_.is_http_1_0 = is_http_1_0_ = version == "HTTP/1.0";
  request_.method = method;
  return parse_target(target);
}

Parsed<void> RequestParser::parse_target(std::string_view target) {
  // The absolute form is for proxies, but a server must take it (RFC 9112 §3.2.2).
  if (target.size() >= 7 && iequals(target.substr(0, 7), "http://")) {
    target.remove_prefix(7);
    const size_t path = target.find('/');
    if (path == 0 || path == std::string_view::npos) return bad_request("the target has no host or no path");
    if (!is_host(target.substr(0, path))) return bad_request("the target's host is malformed");
    target.remove_prefix(path);
  }
  if (!target.starts_with('/')) return bad_request("the target does not begin with '/'");
  if (!is_target(target)) return bad_request("the target has a character that must be percent-encoded");
  const size_t question = std::min(target.find('?'), target.size());
  request_.target = target.substr(0, question);
  request_.query = target.substr(std::min(question + 1, target.size()));
  return {};
}

Parsed<void> RequestParser::check_host() {
  const auto host = request_.headers.find("host");
  if (!host && !is_http_1_0_) return bad_request("the request has no host");
  if (host && !is_host(*host)) return bad_request("the host is malformed");
  if (host && request_.headers.count("host") > 1) return bad_request("host is given more than once");
  return {};
}

Parsed<void> RequestParser::check_expectation() {
  expects_continue_ = false;
  const auto expectation = request_.headers.find("expect");
  if (!expectation || is_http_1_0_) return {};
  if (!iequals(*expectation, "100-continue")) {
    return tl::unexpected(Refusal{417, "expectation_failed", "the only expectation this server knows is 100-continue"});
  }
  expects_continue_ = true;
  return {};
}

void RequestParser::refuse(const Refusal& refusal) {
  refusal_ = refusal;
  state_ = State::refused;
}

}  // namespace tandem::http
