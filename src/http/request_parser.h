// Bytes to requests: the strict parse, without a socket, in pieces of any size. Internal to the module.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/body_decoder.h"
#include "http/head.h"
#include "http/message.h"

namespace tandem::http {

struct RequestLimits {
  HeadLimits head;
  size_t body_bytes_max = 16 * 1024 * 1024;
};

class RequestParser {
 public:
  enum class State : uint8_t { head, body, complete, refused };

  explicit RequestParser(const RequestLimits& limits) : limits_(limits) {}

  void next_request();  // forgets the last one

  // Takes what it can from the front of `bytes` and returns how much; the rest must be given again with more behind
  // it. Returns at the end of the head, so that the caller can see to `expects_continue` before the body.
  size_t consume(std::string_view bytes);

  State state() const { return state_; }
  const Refusal& refusal() const { return refusal_; }
  Request& request() { return request_; }

  // Of the request whose head has been read.
  bool is_http_1_0() const { return is_http_1_0_; }
  bool keeps_alive() const { return keeps_alive_; }
  bool expects_continue() const { return expects_continue_; }
  uint64_t body_bytes_expected() const { return framing_.length; }  // 0 when not known

 private:
  size_t consume_head(std::string_view bytes);
  size_t consume_body(std::string_view bytes);
  Parsed<void> parse_head(std::string_view head);
  Parsed<void> parse_request_line(std::string_view line);
  Parsed<void> parse_target(std::string_view target);
  Parsed<void> check_host();
  Parsed<void> check_expectation();
  void refuse(const Refusal& refusal);

  RequestLimits limits_;
  State state_ = State::head;
  Refusal refusal_;
  Request request_;
  BodyFraming framing_;
  BodyDecoder decoder_;
  size_t head_checked_ = 0;
  bool passed_empty_line_ = false;
  bool is_http_1_0_ = false;
  bool keeps_alive_ = false;
  bool expects_continue_ = false;
};

}  // namespace tandem::http
