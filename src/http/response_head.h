// Bytes to the head of a response, for the client, as strict as the server is. Internal to the module.
#pragma once

#include <string_view>

#include "http/head.h"
#include "http/message.h"

namespace tandem::http {

struct ResponseHead {
  int status = 0;  // 100 to 599
  Headers headers;
  BodyFraming framing;
  bool keeps_alive = false;
};

// `head` is a whole head as find_head_end delimits it; `request_method` because the answer to HEAD has no body
// (RFC 9112 §6.3).
Parsed<ResponseHead> parse_response_head(std::string_view head, std::string_view request_method,
                                         const HeadLimits& limits);

}  // namespace tandem::http
