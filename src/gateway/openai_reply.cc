#include "gateway/openai_reply.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace tandem::gateway {
namespace {

using simdjson::dom::element;

constexpr size_t kDepthMax = 128;         // log-probabilities and tool calls nest under ten
constexpr size_t kKeptBytes = 64 * 1024;  // of a parser, from reply to reply

// The members of an object that are asked for, each as it comes first, in one walk over it.
template <size_t kCount>
using Members = std::array<std::optional<element>, kCount>;

template <size_t kCount>
Members<kCount> members_of(element object, const std::array<std::string_view, kCount>& names) {
  Members<kCount> members;
  const simdjson::dom::object fields = object;
  for (const auto field : fields) {
    const std::string_view key = field.key;
    for (size_t i = 0; i < kCount; ++i)
      if (key == names[i] && !members[i]) members[i] = field.value;
  }
  return members;
}

std::optional<uint64_t> count_of(const std::optional<element>& value) {
  uint64_t count;
  if (!value || value->get(count) != simdjson::SUCCESS) return std::nullopt;
  return count;
}

uint64_t detail_of(const std::optional<element>& details, std::string_view name) {
  uint64_t count;
  return details && details->is_object() && (*details)[name].get(count) == simdjson::SUCCESS ? count : 0;
}

std::optional<Usage> read_usage(const std::optional<element>& usage) {
  static constexpr std::array<std::string_view, 5> kNames{"prompt_tokens", "completion_tokens", "total_tokens",
                                                          "prompt_tokens_details", "completion_tokens_details"};
  if (!usage || !usage->is_object()) return std::nullopt;
  const auto [prompts, completions, totals, prompt_details, completion_details] = members_of(*usage, kNames);
  const auto prompt = count_of(prompts);
  auto completion = count_of(completions);
  if (!completion && prompt == count_of(totals)) completion = 0;  // embeddings put nothing out
  if (!prompt || !completion) return std::nullopt;
  Usage counted{*prompt, *completion};
  counted.cached_tokens = std::min(detail_of(prompt_details, "cached_tokens"), *prompt);
  counted.reasoning_tokens = std::min(detail_of(completion_details, "reasoning_tokens"), *completion);
  return counted;
}

size_t text_length(const std::optional<element>& text) {
  return text && text->is_string() ? text->get_string_length().value() : 0;
}

// Bytes of output in a delta or a message; a tool call counts by its JSON text.
size_t part_bytes(const std::optional<element>& part) {
  static constexpr std::array<std::string_view, 5> kNames{"content", "reasoning_content", "reasoning", "refusal",
                                                          "tool_calls"};
  if (!part || !part->is_object()) return 0;
  const auto [content, reasoning_content, reasoning, refusal, calls] = members_of(*part, kNames);
  size_t bytes = text_length(content) + text_length(reasoning_content) + text_length(reasoning) + text_length(refusal);
  if (calls && calls->is_array() && calls->get_array().size() > 0) bytes += simdjson::minify(*calls).size();
  return bytes;
}

// In one choice of a chunk or of a whole reply.
size_t choice_bytes(element choice) {
  static constexpr std::array<std::string_view, 3> kNames{"text", "delta", "message"};
  if (!choice.is_object()) return 0;
  const auto [text, delta, message] = members_of(choice, kNames);
  return text_length(text) + part_bytes(delta) + part_bytes(message);
}

struct Choices {
  size_t count = 0;
  size_t text_bytes = 0;
};

Choices read_choices(const std::optional<element>& choices) {
  Choices result;
  if (!choices || !choices->is_array()) return result;
  const simdjson::dom::array items = *choices;
  for (const element choice : items) {
    ++result.count;
    result.text_bytes += choice_bytes(choice);
  }
  return result;
}

// What matters of a reply or of a chunk.
struct ReplyMembers {
  explicit ReplyMembers(element root) {
    static constexpr std::array<std::string_view, 3> kNames{"choices", "usage", "error"};
    auto members = members_of(root, kNames);
    choices = members[0];
    usage = members[1];
    error = members[2];
  }
  std::optional<element> choices, usage, error;
};

// What may stand in a JSON string as it is.
bool is_plain_text(std::string_view text) {
  bool is_ascii = true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == '"' || byte == '\\') return false;
    if (byte >= 0x80) is_ascii = false;
  }
  return is_ascii || is_utf8(text);
}

std::string engine_message(const std::optional<element>& error) {
  if (!error) return {};
  std::string_view message;
  if (error->is_string()) return std::string(std::string_view(*error));
  if (error->is_object() && (*error)["message"].get(message) == simdjson::SUCCESS) return std::string(message);
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
  const ReplyMembers reply(root);
  return WholeReply{read_usage(reply.usage), read_choices(reply.choices).text_bytes};
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
  const bool is_continued = !pending_.empty();
  if (is_continued) bytes = pending_.append(bytes);
  size_t begin = 0;
  size_t forwarded = 0;  // of the bytes: handed on, or never to be
  while (!ended_ && !failed_) {
    // Where its end has been looked for before, what has come of it is not gone through again.
    const size_t known = begin >= searched_ ? like_last(bytes.substr(begin)) : 0;
    if (known > 0) {
      count_token(step);
      begin += known;
      continue;
    }
    const size_t end = event_end(bytes, std::max(begin, searched_));
    if ((end == std::string_view::npos ? bytes.size() : end) - begin > kEventBytesMax)
      step.error = Error{
          ErrorCode::too_large, fmt::format("an event of the engine's stream is over {} bytes", kEventBytesMax), {}};
    if (end == std::string_view::npos || step.error) break;
    Result<bool> hand_on = true;
    const std::string_view event = bytes.substr(begin, end - begin);
    std::string joined;
    if (like_last(event) == event.size())
      count_token(step);
    else if (const auto data = event_data(event, joined))
      hand_on = take_data(*data, joined.empty() ? event : std::string_view(), step);
    if (!hand_on) step.error = std::move(hand_on.error());
    if (!hand_on || !*hand_on) {
      step.forward.append(bytes.substr(forwarded, begin - forwarded));
      forwarded = end;
    }
    begin = end;
    failed_ = step.error.has_value();
  }
  step.forward.append(bytes.substr(forwarded, begin - forwarded));
  failed_ = failed_ || step.error;
  if (ended_ || failed_) begin = bytes.size();
  if (is_continued)
    pending_.erase(0, begin);
  else
    pending_ = bytes.substr(begin);
  searched_ = pending_.size() > 2 ? pending_.size() - 2 : 0;  // a blank line may lack its last two bytes
  return step;
}

// Most chunks of a stream differ in their content alone. An event that is as that of the last one was, but for a
// content that needs no escapes, is as good a chunk as that and need not be parsed, nor be taken apart: a fiftieth of
// the work. The size of such a one at the beginning of `rest`; 0 where there is none.
size_t StreamReader::like_last(std::string_view rest) const {
  const size_t begin = before_content_.size();
  if (begin == 0 || !rest.starts_with(before_content_)) return 0;
  size_t end = begin;
  bool is_ascii = true;
  for (; end < rest.size() && rest[end] != '"'; ++end) {
    const auto byte = static_cast<unsigned char>(rest[end]);
    if (byte < 0x20 || byte == '\\') return 0;
    if (byte >= 0x80) is_ascii = false;
  }
  const size_t size = end + after_content_.size();
  if (end == begin || size > kEventBytesMax || !rest.substr(end).starts_with(after_content_)) return 0;
  return is_ascii || is_utf8(rest.substr(begin, end - begin)) ? size : 0;
}

void StreamReader::count_token(Step& step) {
  step.has_data = true;
  ++step.tokens;
  ++tokens_;
}

// Of a valid chunk that carries output and no more, and its event; of one whose data came in several lines that is
// empty. Within a string a quote is escaped, so that what is found is a member and its value, whatever the member's
// place.
void StreamReader::remember(std::string_view data, std::string_view event) {
  static constexpr std::string_view kMember = R"("content":")";
  before_content_.clear();
  const size_t member = data.find(kMember);
  if (member == std::string_view::npos || event.empty()) return;
  const size_t begin = member + kMember.size();
  const size_t end = data.find('"', begin);
  if (end == std::string_view::npos || !is_plain_text(data.substr(begin, end - begin))) return;
  const auto data_begin = static_cast<size_t>(data.data() - event.data());
  before_content_ = event.substr(0, data_begin + begin);
  after_content_ = event.substr(data_begin + end);
}

Result<bool> StreamReader::take_data(std::string_view data, std::string_view event, Step& step) {
  if (trim(data) == "[DONE]") {
    ended_ = true;
    step.has_data = true;
    return false;
  }
  TANDEM_ASSIGN(const element root, parser_->parse(data));
  const ReplyMembers chunk(root);
  const bool first = std::exchange(first_, false);
  if (std::string message = engine_message(chunk.error); !message.empty()) {
    if (first) return fail(ErrorCode::unavailable, std::move(message));
    engine_error_ = true;
  }
  step.has_data = true;
  const Choices choices = read_choices(chunk.choices);
  if (choices.text_bytes > 0) {
    ++step.tokens;
    ++tokens_;
  }
  const auto usage = read_usage(chunk.usage);
  if (choices.text_bytes > 0 && !usage && !chunk.error)
    remember(data, event);
  else
    before_content_.clear();
  if (usage) {
    usage_ = usage;
    if (strip_usage_ && choices.count == 0) return false;
  }
  return true;
}

}  // namespace tandem::gateway
