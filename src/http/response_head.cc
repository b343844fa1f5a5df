#include "http/response_head.h"

namespace tandem::http {
namespace {

tl::unexpected<Refusal> bad_response(std::string_view message) {
  return tl::unexpected(Refusal{502, "bad_response", message});
}

}  // namespace

Parsed<ResponseHead> parse_response_head(std::string_view head, std::string_view request_method,
                                         const HeadLimits& limits) {
  const size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const bool is_http_1_0 = line.starts_with("HTTP/1.0 ");
  if (line_end == std::string_view::npos || (!is_http_1_0 && !line.starts_with("HTTP/1.1 "))) {
    return bad_response("the status line is not that of HTTP/1.1");
  }
  ResponseHead response;
  const std::string_view digits = line.substr(9, 3);
  for (const char c : digits) {
    if (c < '0' || c > '9') return bad_response("the status is not a number");
    response.status = response.status * 10 + (c - '0');
  }
  // The reason phrase is for people; some servers leave it out with its space.
  const std::string_view reason = line.substr(9 + digits.size());
  if (digits.size() != 3 || response.status < 100 || response.status > 599)
    return bad_response("the status is not a number of 100 to 599");
  if ((!reason.empty() && reason.front() != ' ') || !is_field_value(reason))
    return bad_response("the reason phrase is malformed");
  if (const auto fields = parse_fields(head.substr(line_end + 2), limits, response.headers); !fields) {
    return tl::unexpected(fields.error());
  }
  const auto framing = parse_framing(response.headers, is_http_1_0);
  if (!framing) return tl::unexpected(framing.error());
  response.framing = *framing;
  response.keeps_alive = keeps_alive(response.headers, is_http_1_0);
  const bool is_bodiless =
      request_method == "HEAD" || response.status < 200 || response.status == 204 || response.status == 304;
  if (is_bodiless) {
    response.framing = {BodyKind::none, 0};
  } else if (response.framing.kind == BodyKind::none) {
    response.framing = {BodyKind::until_close, 0};
    response.keeps_alive = false;
  }
  return response;
}

}  // namespace tandem::http
