// Reads what engines answer: enough to account for it, to notice that it is none, and to hand it on. Internal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::gateway {

struct Usage {
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint64_t cached_tokens = 0;     // of the prompt's: `prompt_tokens_details.cached_tokens`
  uint64_t reasoning_tokens = 0;  // of the completion's: `completion_tokens_details.reasoning_tokens`
  bool operator==(const Usage&) const = default;
};

// {"prompt_tokens":…,"completion_tokens":…,"total_tokens":…}
std::string usage_json(const Usage& usage);

struct WholeReply {
  std::optional<Usage> usage;
  size_t text_bytes = 0;  // of all its choices, for an estimate where it counts none
};

// The buffers of reading, for all replies of one thread: one is read at a time.
struct ReplyParser;
std::shared_ptr<ReplyParser> make_reply_parser();

// Errors: corrupt, for what is not a JSON object.
Result<WholeReply> read_whole_reply(std::string_view body, ReplyParser& parser);
Result<WholeReply> read_whole_reply(std::string_view body);  // with buffers of its own

// The same reply with `usage` as its last member; for one that has none.
std::string with_usage(std::string_view body, const Usage& usage);

// Reads a stream of completion chunks as it comes, and returns its bytes event by event, unchanged, save for the usage
// chunk where the client did not ask for one.
class StreamReader {
 public:
  static constexpr size_t kEventBytesMax = 1024 * 1024;  // far above a tool call, far below harm

  explicit StreamReader(bool strip_usage, std::shared_ptr<ReplyParser> parser = make_reply_parser());

  struct Step {
    std::string forward;    // whole events
    bool has_data = false;  // one of them was a chunk or the end
    uint32_t tokens = 0;    // chunks among them that carry output
    // What came after `forward` and ends the reading: corrupt (an event that is no chunk), too_large; unavailable with
    // the engine's own message, when the very first event is an error.
    std::optional<Error> error;
  };
  // What comes after the end or an error is dropped.
  Step feed(std::string_view bytes);

  bool ended() const { return ended_; }  // "[DONE]" has come; it is not among the bytes returned
  const std::optional<Usage>& usage() const { return usage_; }
  uint64_t tokens() const { return tokens_; }          // chunks with output so far
  bool engine_error() const { return engine_error_; }  // an error object came in the stream, and was handed on

 private:
  // Whether the event is handed on.
  Result<bool> take_data(std::string_view data, std::string_view event, Step& step);
  size_t like_last(std::string_view rest) const;
  void count_token(Step& step);
  void remember(std::string_view data, std::string_view event);

  bool strip_usage_;
  std::shared_ptr<ReplyParser> parser_;
  std::string pending_;
  size_t searched_ = 0;  // of pending_: no event ends before it
  // What stands around the content in the event of the last chunk that was parsed; empty where it had none.
  std::string before_content_, after_content_;
  bool first_ = true;
  bool failed_ = false;
  bool ended_ = false;
  bool engine_error_ = false;
  uint64_t tokens_ = 0;
  std::optional<Usage> usage_;
};

}  // namespace tandem::gateway
