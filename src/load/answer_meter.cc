#include "load/answer_meter.h"

#include "base/json.h"

namespace tandem::load {
namespace {

constexpr size_t kMessageBytesMax = 300;  // enough to see what is wrong

std::string shortened(std::string_view text) {
  if (text.size() <= kMessageBytesMax) return std::string(text);
  return std::string(text.substr(0, kMessageBytesMax)) + "…";
}

std::optional<uint64_t> count(const Json& value) {
  constexpr int64_t kCountMax = int64_t{1} << 32;  // beyond any context; keeps sums within range
  if (!value.is_integer() || value.integer() < 0 || value.integer() > kCountMax) return std::nullopt;
  return static_cast<uint64_t>(value.integer());
}

std::string_view text_of(const Json& choice) {
  for (const auto* part : {&choice["delta"]["content"], &choice["message"]["content"], &choice["text"]})
    if (!part->text().empty()) return part->text();
  return choice["delta"]["reasoning_content"].text();
}

}  // namespace

Result<void> AnswerMeter::feed(std::string_view bytes, Duration now) {
  TANDEM_ASSIGN(const auto events, parser_.feed(bytes));
  for (const http::SseEvent& event : events) take_event(event.data, now);
  return {};
}

void AnswerMeter::take_event(const std::string& data, Duration now) {
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  // Most events are one token's: after the first they are only counted, without being decoded.
  const bool plain = first_at_ && data.find("\"usage\":{") == std::string::npos &&
                     data.find("\"error\"") == std::string::npos &&
                     data.find("\"finish_reason\":\"") == std::string::npos;
  if (plain) return take_text(now);
  const auto json = parse_json(data);
  if (!json) {
    error_ = "an event is not JSON: " + shortened(data);
    return;
  }
  if (!(*json)["error"].is_null()) {
    const ServerError error = read_server_error(data);
    error_ = error.type + ": " + error.message;
    return;
  }
  if (const Json& usage = (*json)["usage"]; usage.is_object()) {
    counted_tokens_ = count(usage["completion_tokens"]);
    prompt_tokens_ = count(usage["prompt_tokens"]);
  }
  for (const Json& choice : (*json)["choices"].array())
    if (!text_of(choice).empty()) return take_text(now);
}

void AnswerMeter::take_text(Duration now) {
  if (!first_at_) first_at_ = now;
  last_at_ = now;
  ++pieces_;
}

bool AnswerMeter::feed_whole(std::string_view body, Duration now) {
  const auto json = parse_json(body);
  if (!json || (*json)["choices"].array().empty()) return false;
  take_text(now);
  counted_tokens_ = count((*json)["usage"]["completion_tokens"]);
  prompt_tokens_ = count((*json)["usage"]["prompt_tokens"]);
  done_ = true;
  return true;
}

std::optional<Duration> AnswerMeter::per_token() const {
  if (!first_at_ || output_tokens() < 2) return std::nullopt;
  return Duration{(last_at_ - *first_at_).ns / static_cast<int64_t>(output_tokens() - 1)};
}

ServerError read_server_error(std::string_view body) {
  const auto json = parse_json(body);
  const Json none;
  const Json& error = json ? (*json)["error"] : none;
  ServerError result{"unknown", shortened(body)};
  if (error.is_string()) result.message = shortened(error.text());
  if (!error.is_object()) return result;
  const std::string_view type = error["type"].text(error["code"].text("unknown"));
  if (!type.empty() && type.size() <= 64) result.type = type;
  result.message = shortened(error["message"].text());
  return result;
}

}  // namespace tandem::load
