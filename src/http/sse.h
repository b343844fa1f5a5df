// Server-sent events (WHATWG HTML, "Server-sent events"): writing one, and reading a stream of them as it comes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tandem::http {

struct SseEvent {
  std::string event;  // empty when the stream named none (then it is a "message")
  std::string id;     // the last id the stream gave, here or earlier
  std::string data;   // its lines joined by '\n'; an event without a data field is not delivered
  bool operator==(const SseEvent&) const = default;
};

// One event with its ending blank line. `event` and `id` may be empty and are then left out; they end at their first
// line break. `data` may have several lines.
std::string format_sse(std::string_view event, std::string_view id, std::string_view data);

// Give it the bytes in any pieces; lines may end in \n, \r\n or \r. What follows the last blank line is kept until more
// comes, and dropped with the parser.
class SseParser {
 public:
  // A line or an event's data longer than this is an error: far above a token or a tool call, far below harm.
  static constexpr size_t kEventBytesMax = 1024 * 1024;

  explicit SseParser(size_t event_bytes_max = kEventBytesMax) : event_bytes_max_(event_bytes_max) {}

  // The events that these bytes complete, in order. Errors: too_large; the parser stays failed.
  Result<std::vector<SseEvent>> feed(std::string_view bytes);

 private:
  void end_line(std::vector<SseEvent>& events);

  size_t event_bytes_max_;
  std::string line_;  // the line under way
  SseEvent event_;    // the event under way
  bool has_data_ = false;
  bool after_cr_ = false;   // the last byte was \r: a \n now belongs to it
  bool first_line_ = true;  // a byte-order mark may precede it
  bool failed_ = false;
};

}  // namespace tandem::http
