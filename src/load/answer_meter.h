// Reads one streamed answer as it comes and measures it. Pure: the times are given. Internal to the module.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "http/sse.h"

namespace tandem::load {

class AnswerMeter {
 public:
  // The next bytes of the stream, which came at `now`. Errors: too_large (an event beyond all bounds).
  Result<void> feed(std::string_view bytes, Duration now);

  // A whole answer's body. False when it is no such answer.
  bool feed_whole(std::string_view body, Duration now);

  bool done() const { return done_; }                                 // [DONE] came
  const std::optional<std::string>& error() const { return error_; }  // what an error event said
  std::optional<Duration> first_at() const { return first_at_; }      // the first piece of text
  Duration last_at() const { return last_at_; }                       // the last one
  // As the server counts; else the number of pieces of text.
  uint64_t output_tokens() const { return counted_tokens_.value_or(pieces_); }
  std::optional<uint64_t> prompt_tokens() const { return prompt_tokens_; }

  // Mean time between tokens; nothing for an answer of one.
  std::optional<Duration> per_token() const;

 private:
  void take_event(const std::string& data, Duration now);
  void take_text(Duration now);

  http::SseParser parser_;
  std::optional<std::string> error_;
  std::optional<Duration> first_at_;
  Duration last_at_;
  uint64_t pieces_ = 0;
  std::optional<uint64_t> counted_tokens_, prompt_tokens_;
  bool done_ = false;
};

// What an OpenAI error object says, shortened: its type (or code) and its message. Any bytes.
struct ServerError {
  std::string type;  // "unknown" where there is none
  std::string message;
};
ServerError read_server_error(std::string_view body);

}  // namespace tandem::load
