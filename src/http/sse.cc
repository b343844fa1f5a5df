#include "http/sse.h"

#include <algorithm>

namespace tandem::http {
namespace {

std::string_view first_line(std::string_view text) { return text.substr(0, text.find_first_of("\r\n")); }

}  // namespace

std::string format_sse(std::string_view event, std::string_view id, std::string_view data) {
  std::string text;
  text.reserve(data.size() + event.size() + id.size() + 24);
  if (!event.empty()) text.append("event: ").append(first_line(event)).append("\n");
  if (!id.empty()) text.append("id: ").append(first_line(id)).append("\n");
  for (;;) {
    const std::string_view line = first_line(data);
    text.append("data: ").append(line).append("\n");
    data.remove_prefix(line.size());
    if (data.empty()) break;
    data.remove_prefix(data.starts_with("\r\n") ? 2 : 1);
  }
  text.append("\n");
  return text;
}

Result<std::vector<SseEvent>> SseParser::feed(std::string_view bytes) {
  const auto too_large = [this] {
    failed_ = true;
    return fail(ErrorCode::too_large,
                "an event of the stream is larger than " + std::to_string(event_bytes_max_) + " bytes");
  };
  if (failed_) return too_large();
  std::vector<SseEvent> events;
  while (!bytes.empty()) {
    if (after_cr_ && bytes.front() == '\n') bytes.remove_prefix(1);
    after_cr_ = false;
    const size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    if (line_.size() + event_.data.size() + end > event_bytes_max_) return too_large();
    line_.append(bytes.substr(0, end));
    if (end == bytes.size()) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(events);
  }
  return events;
}

void SseParser::end_line(std::vector<SseEvent>& events) {
  std::string_view line = line_;
  if (first_line_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  first_line_ = false;
  if (line.empty()) {
    if (has_data_) {
      event_.data.pop_back();  // each line of data was given a '\n'; the last has none
      events.push_back(event_);
    }
    event_.event.clear();
    event_.data.clear();
    has_data_ = false;
  } else {
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "data") {
      event_.data.append(value).push_back('\n');
      has_data_ = true;
    } else if (name == "event") {
      event_.event = value;
    } else if (name == "id" && value.find('\0') == std::string_view::npos) {
      event_.id = value;
    }  // comments (an empty name), retry and unknown fields are passed over
  }
  line_.clear();
}

}  // namespace tandem::http
