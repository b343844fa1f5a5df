#include "gateway/openai_reply.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace tandem::gateway {
namespace {

using simdjson::dom::element;

constexpr size_t kDepthMax = 128;         // log-probabilities and tool calls nest under ten
constexpr size_t kKeptBytes = 64 * 1024;  // of a parser, from reply to reply

std::optional<uint64_t> read_count(element object, std::string_view key) {
  uint64_t count;
  if (object[key].get(count) != simdjson::SUCCESS) return std::nullopt;
  return count;
}

std::optional<Usage> read_usage(element root) {
  element usage;
  if (root["usage"].get(usage) != simdjson::SUCCESS || !usage.is_object()) return std::nullopt;
  const auto prompt = read_count(usage, "prompt_tokens");
  auto completion = read_count(usage, "completion_tokens");
  if (!completion && prompt == read_count(usage, "total_tokens")) completion = 0;  // embeddings put nothing out
  if (!prompt || !completion) return std::nullopt;
  Usage counted{*prompt, *completion};
  element details;
  if (usage["prompt_tokens_details"].get(details) == simdjson::SUCCESS && details.is_object())
    counted.cached_tokens = std::min(read_count(details, "cached_tokens").value_or(0), *prompt);
  if (usage["completion_tokens_details"].get(details) == simdjson::SUCCESS && details.is_object())
    counted.reasoning_tokens = std::min(read_count(details, "reasoning_tokens").value_or(0), *completion);
  return counted;
}

size_t text_length(element parent, std::string_view key) {
  element text;
  if (parent[key].get(text) != simdjson::SUCCESS || !text.is_string()) return 0;
  return text.get_string_length().value();
}

// Bytes of output in one choice of a chunk or of a whole reply; a tool call counts by its JSON text.
size_t choice_bytes(element choice) {
  if (!choice.is_object()) return 0;
  size_t bytes = text_length(choice, "text");
  for (const std::string_view key : {"delta", "message"}) {
    element part;
    if (choice[key].get(part) != simdjson::SUCCESS || !part.is_object()) continue;
    bytes += text_length(part, "content") + text_length(part, "reasoning_content") + text_length(part, "reasoning") +
             text_length(part, "refusal");
    element calls;
    if (part["tool_calls"].get(calls) == simdjson::SUCCESS && calls.is_array() && calls.get_array().size() > 0)
      bytes += simdjson::minify(calls).size();
  }
  return bytes;
}

struct Choices {
  size_t count = 0;
  size_t text_bytes = 0;
};

Choices read_choices(element root) {
  Choices result;
  element choices;
  if (root["choices"].get(choices) != simdjson::SUCCESS || !choices.is_array()) return result;
  const simdjson::dom::array items = choices;
  for (const element choice : items) {
    ++result.count;
    result.text_bytes += choice_bytes(choice);
  }
  return result;
}

std::string engine_message(element root) {
  element error;
  if (root["error"].get(error) != simdjson::SUCCESS) return {};
  std::string_view message;
  if (error.is_string()) return std::string(std::string_view(error));
  if (error.is_object() && error["message"].get(message) == simdjson::SUCCESS) return std::string(message);
  return "the engine reported an error without a message";
}

// The end of the first event at or after `from`: one past its blank line; npos when there is none yet.
size_t event_end(std::string_view text, size_t from) {
  for (size_t at = text.find('\n', from); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (at + 1 < text.size() && text[at + 1] == '\n') return at + 2;
    if (at + 2 < text.size() && text[at + 1] == '\r' && text[at + 2] == '\n') return at + 3;
  }
  return std::string_view::npos;
}

// The data of an event: its one data line, or its data lines joined in `joined`; nothing when it has none (a comment, a
// keep-alive).
std::optional<std::string_view> event_data(std::string_view event, std::string& joined) {
  std::optional<std::string_view> data;
  while (!event.empty()) {
    std::string_view line = event.substr(0, event.find('\n'));
    event.remove_prefix(std::min(line.size() + 1, event.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("data:")) continue;
    line.remove_prefix(5);
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (data) {
      if (joined.empty()) joined = *data;
      joined.append("\n").append(line);
      line = joined;
    }
    data = line;
  }
  return data;
}

}  // namespace

struct ReplyParser {
  Result<element> parse(std::string_view text);
  simdjson::dom::parser parser;
};

std::shared_ptr<ReplyParser> make_reply_parser() { return std::make_shared<ReplyParser>(); }

// The element is good until the next one is parsed.
Result<element> ReplyParser::parse(std::string_view text) {
  if (parser.capacity() > kKeptBytes && text.size() <= kKeptBytes) parser = simdjson::dom::parser();
  if (parser.capacity() < text.size() || parser.max_depth() != kDepthMax)
    if (parser.allocate(std::max<size_t>(text.size(), 1'024), kDepthMax) != simdjson::SUCCESS)
      return fail(ErrorCode::too_large, "the engine's answer is too large to read");
  element root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root); error)
    return fail(ErrorCode::corrupt, fmt::format("the engine's answer is not JSON: {}", simdjson::error_message(error)));
  if (!root.is_object()) return fail(ErrorCode::corrupt, "the engine's answer is not a JSON object");
  return root;
}

std::string usage_json(const Usage& usage) {
  return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}})", usage.prompt_tokens,
                     usage.completion_tokens, usage.prompt_tokens + usage.completion_tokens);
}

Result<WholeReply> read_whole_reply(std::string_view body, ReplyParser& parser) {
  TANDEM_ASSIGN(const element root, parser.parse(body));
  return WholeReply{read_usage(root), read_choices(root).text_bytes};
}

Result<WholeReply> read_whole_reply(std::string_view body) { return read_whole_reply(body, *make_reply_parser()); }

std::string with_usage(std::string_view body, const Usage& usage) {
  const size_t end = body.rfind('}');
  CHECK(end != std::string_view::npos);
  const bool is_first = trim(body.substr(0, end)) == "{";
  return fmt::format(R"({}{}"usage":{}{})", body.substr(0, end), is_first ? "" : ",", usage_json(usage),
                     body.substr(end));
}

StreamReader::StreamReader(bool strip_usage, std::shared_ptr<ReplyParser> parser)
    : strip_usage_(strip_usage), parser_(std::move(parser)) {}

StreamReader::Step StreamReader::feed(std::string_view bytes) {
  Step step;
  pending_.append(bytes);
  size_t begin = 0;
  while (!ended_ && !failed_) {
    const size_t end = event_end(pending_, std::max(begin, searched_));
    if ((end == std::string_view::npos ? pending_.size() : end) - begin > kEventBytesMax)
      step.error = Error{
          ErrorCode::too_large, fmt::format("an event of the engine's stream is over {} bytes", kEventBytesMax), {}};
    if (end == std::string_view::npos || step.error) break;
    const std::string_view event = std::string_view(pending_).substr(begin, end - begin);
    begin = end;
    Result<bool> hand_on = true;
    std::string joined;
    if (const auto data = event_data(event, joined)) hand_on = take_data(*data, step);
    if (!hand_on)
      step.error = std::move(hand_on.error());
    else if (*hand_on)
      step.forward.append(event);
    failed_ = step.error.has_value();
  }
  failed_ = failed_ || step.error;
  if (ended_ || failed_) begin = pending_.size();
  pending_.erase(0, begin);
  searched_ = pending_.size() > 2 ? pending_.size() - 2 : 0;  // a blank line may lack its last two bytes
  return step;
}

Result<bool> StreamReader::take_data(std::string_view data, Step& step) {
  if (trim(data) == "[DONE]") {
    ended_ = true;
    step.has_data = true;
    return false;
  }
  TANDEM_ASSIGN(const element root, parser_->parse(data));
  const bool first = std::exchange(first_, false);
  if (std::string message = engine_message(root); !message.empty()) {
    if (first) return fail(ErrorCode::unavailable, std::move(message));
    engine_error_ = true;
  }
  step.has_data = true;
  const Choices choices = read_choices(root);
  if (choices.text_bytes > 0) {
    ++step.tokens;
    ++tokens_;
  }
  if (const auto usage = read_usage(root)) {
    usage_ = usage;
    if (strip_usage_ && choices.count == 0) return false;
  }
  return true;
}

}  // namespace tandem::gateway
