#include "gateway/responses_reply.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "gateway/json_checks.h"
#include "http/sse.h"

namespace tandem::gateway {
namespace {

using simdjson::dom::element;

constexpr size_t kItemBytes = 512;  // of an item beyond its text
constexpr size_t kReplyDepthMax = 128;

std::string_view text_of(element object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// What engines call the thoughts before an answer, in two words.
std::string_view reasoning_of(element message) {
  const std::string_view text = text_of(message, "reasoning_content");
  return text.empty() ? text_of(message, "reasoning") : text;
}

std::string responses_usage_json(const Usage& usage) {
  return fmt::format(R"({{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{}}},"output_tokens":{},)"
                     R"("output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}}})",
                     usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens,
                     usage.prompt_tokens + usage.completion_tokens);
}

tl::unexpected<Error> no_completion(const char* why) {
  return fail(ErrorCode::corrupt, fmt::format("the engine's answer {}", why));
}

Result<element> parse_reply(simdjson::dom::parser& parser, std::string_view text) {
  element root;
  const bool fits = parser.capacity() >= text.size() && parser.max_depth() == kReplyDepthMax;
  if ((!fits && parser.allocate(std::max<size_t>(text.size(), 1'024), kReplyDepthMax) != simdjson::SUCCESS) ||
      parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS || !root.is_object())
    return no_completion("is not a JSON object");
  return root;
}

}  // namespace

Result<std::string> ResponsesReply::whole(std::string_view chat, const Usage& usage) {
  simdjson::dom::parser parser;
  TANDEM_ASSIGN(const element root, parse_reply(parser, chat));
  element message;
  if (root["choices"].at(0)["message"].get(message) != simdjson::SUCCESS) return no_completion("has no message");
  std::string events;  // nobody is told of them
  TANDEM_TRY(take(root, "message", events));
  close_all(events);
  return response_json(is_incomplete() ? "incomplete" : "completed", &usage, {});
}

Result<void> ResponsesReply::add_events(std::string_view chunks, std::string& out) {
  if (sequence_ == 0) {
    response_event(out, "response.created", "in_progress", nullptr);
    response_event(out, "response.in_progress", "in_progress", nullptr);
  }
  http::SseParser events;
  TANDEM_ASSIGN(const std::vector<http::SseEvent> read, events.feed(chunks));
  simdjson::dom::parser parser;
  for (const http::SseEvent& event : read) {
    TANDEM_ASSIGN(const element root, parse_reply(parser, event.data));
    TANDEM_TRY(take(root, "delta", out));
  }
  return {};
}

void ResponsesReply::end(const Usage& usage, std::string& out) {
  close_all(out);
  if (is_incomplete())
    response_event(out, "response.incomplete", "incomplete", &usage);
  else
    response_event(out, "response.completed", "completed", &usage);
}

void ResponsesReply::fail_with(std::string_view message, const Usage& usage, std::string& out) {
  response_event(out, "response.failed", "failed", &usage, message);
}

Result<void> ResponsesReply::take(const element& root, std::string_view part, std::string& out) {
  element choice;
  if (root["choices"].at(0).get(choice) != simdjson::SUCCESS) return {};  // a usage chunk
  if (const std::string_view reason = text_of(choice, "finish_reason"); !reason.empty()) finish_reason_ = reason;
  element message;
  if (choice[part].get(message) != simdjson::SUCCESS || !message.is_object()) return {};
  TANDEM_TRY(take_text(Kind::reasoning, reasoning_of(message), out));
  TANDEM_TRY(take_text(Kind::text, text_of(message, "content"), out));
  TANDEM_TRY(take_text(Kind::refusal, text_of(message, "refusal"), out));
  element calls;
  if (message["tool_calls"].get(calls) != simdjson::SUCCESS || !calls.is_array()) return {};
  uint64_t position = 0;
  const simdjson::dom::array items = calls;
  for (const element call : items) TANDEM_TRY(take_call(call, position++, out));
  return {};
}

Result<void> ResponsesReply::take_text(Kind kind, std::string_view text, std::string& out) {
  if (text.empty()) return {};
  if (items_.empty() || !items_.back().open || items_.back().kind != kind) {
    Item item;
    item.kind = kind;
    TANDEM_TRY(open(std::move(item), out));
  }
  TANDEM_TRY(keep(text.size()));
  Item& item = items_.back();
  item.text += text;
  const char* type = kind == Kind::text      ? "response.output_text.delta"
                     : kind == Kind::refusal ? "response.refusal.delta"
                                             : "response.reasoning_text.delta";
  event(out, type,
        fmt::format(R"("item_id":{},"output_index":{},"content_index":0,"delta":{}{})", json_string(item.id),
                    items_.size() - 1, json_string(text), kind == Kind::text ? R"(,"logprobs":[])" : ""));
  return {};
}

// A chunk brings a part of a call, which its index names; the first part has id and name.
Result<void> ResponsesReply::take_call(const element& call, uint64_t position, std::string& out) {
  uint64_t index = position;
  if (call["index"].get(index) != simdjson::SUCCESS) index = position;
  element function;
  if (call["function"].get(function) != simdjson::SUCCESS) return no_completion("calls no function");
  const auto with_index = [&](const Item& item) { return item.kind == Kind::call && item.index == index; };
  auto found = std::find_if(items_.begin(), items_.end(), with_index);
  if (found == items_.end()) {
    Item item;
    item.kind = Kind::call;
    item.index = index;
    item.name = text_of(function, "name");
    item.call_id = text_of(call, "id");
    if (item.name.empty()) return no_completion("calls a function without a name");
    if (item.call_id.empty()) item.call_id = fmt::format("call_{}_{}", head_.id, index);
    TANDEM_TRY(open(std::move(item), out));
    found = items_.end() - 1;
  }
  const std::string_view arguments = text_of(function, "arguments");
  if (arguments.empty()) return {};
  TANDEM_TRY(keep(arguments.size()));
  found->text += arguments;
  event(out, "response.function_call_arguments.delta",
        fmt::format(R"("item_id":{},"output_index":{},"delta":{})", json_string(found->id), found - items_.begin(),
                    json_string(arguments)));
  return {};
}

// A text ends where something else begins; calls stay open to the end, for their parts may come in turns.
Result<void> ResponsesReply::open(Item item, std::string& out) {
  TANDEM_TRY(keep(kItemBytes + item.name.size() + item.call_id.size()));
  if (!items_.empty() && items_.back().kind != Kind::call) close(items_.size() - 1, out);
  const size_t position = items_.size();
  const char* prefix = item.kind == Kind::call ? "fc" : item.kind == Kind::reasoning ? "rs" : "msg";
  item.id = fmt::format("{}_{}_{}", prefix, head_.id, position);
  event(out, "response.output_item.added",
        fmt::format(R"("output_index":{},"item":{})", position, item_json(item, "in_progress")));
  if (item.kind != Kind::call)
    event(out, "response.content_part.added",
          fmt::format(R"("item_id":{},"output_index":{},"content_index":0,"part":{})", json_string(item.id), position,
                      part_json(item)));
  items_.push_back(std::move(item));
  return {};
}

Result<void> ResponsesReply::keep(size_t bytes) {
  bytes_ += bytes;
  if (bytes_ > bytes_max_)
    return fail(ErrorCode::too_large, fmt::format("the engine's answer is over {} bytes", bytes_max_));
  return {};
}

void ResponsesReply::close(size_t position, std::string& out) {
  Item& item = items_[position];
  if (!item.open) return;
  item.open = false;
  const std::string place = fmt::format(R"("item_id":{},"output_index":{})", json_string(item.id), position);
  const std::string text = json_string(item.text);
  if (item.kind == Kind::call) {
    event(out, "response.function_call_arguments.done",
          fmt::format(R"({},"name":{},"arguments":{})", place, json_string(item.name), text));
  } else {
    const std::string_view type = item.kind == Kind::text      ? "response.output_text.done"
                                  : item.kind == Kind::refusal ? "response.refusal.done"
                                                               : "response.reasoning_text.done";
    event(out, type,
          fmt::format(R"({},"content_index":0,"{}":{}{})", place, item.kind == Kind::refusal ? "refusal" : "text", text,
                      item.kind == Kind::text ? R"(,"logprobs":[])" : ""));
    event(out, "response.content_part.done", fmt::format(R"({},"content_index":0,"part":{})", place, part_json(item)));
  }
  event(out, "response.output_item.done",
        fmt::format(R"("output_index":{},"item":{})", position,
                    item_json(item, is_incomplete() && position + 1 == items_.size() ? "incomplete" : "completed")));
}

void ResponsesReply::close_all(std::string& out) {
  for (size_t position = 0; position < items_.size(); ++position) close(position, out);
}

void ResponsesReply::event(std::string& out, std::string_view type, std::string_view members) {
  const std::string data = fmt::format(R"({{"type":"{}","sequence_number":{},{}}})", type, sequence_++, members);
  out += http::format_sse(type, {}, data);
}

void ResponsesReply::response_event(std::string& out, std::string_view type, std::string_view status,
                                    const Usage* usage, std::string_view failure) {
  event(out, type, R"("response":)" + response_json(status, usage, failure));
}

std::string ResponsesReply::part_json(const Item& item) {
  switch (item.kind) {
    case Kind::refusal: return fmt::format(R"({{"type":"refusal","refusal":{}}})", json_string(item.text));
    case Kind::reasoning: return fmt::format(R"({{"type":"reasoning_text","text":{}}})", json_string(item.text));
    default:
      return fmt::format(R"({{"type":"output_text","text":{},"annotations":[],"logprobs":[]}})",
                         json_string(item.text));
  }
}

std::string ResponsesReply::item_json(const Item& item, std::string_view status) {
  const std::string id = json_string(item.id);
  if (item.kind == Kind::call)
    return fmt::format(R"({{"type":"function_call","id":{},"call_id":{},"name":{},"arguments":{},"status":"{}"}})", id,
                       json_string(item.call_id), json_string(item.name), json_string(item.text), status);
  const std::string content = item.text.empty() ? "[]" : '[' + part_json(item) + ']';
  if (item.kind == Kind::reasoning)
    return fmt::format(R"({{"type":"reasoning","id":{},"summary":[],"content":{},"status":"{}"}})", id, content,
                       status);
  return fmt::format(R"({{"type":"message","id":{},"role":"assistant","content":{},"status":"{}"}})", id, content,
                     status);
}

std::string ResponsesReply::response_json(std::string_view status, const Usage* usage, std::string_view failure) const {
  std::string output;
  for (size_t i = 0; i < items_.size(); ++i) {
    const bool cut_short = items_[i].open || (is_incomplete() && i + 1 == items_.size());
    output += (i == 0 ? "" : ",") + item_json(items_[i], cut_short ? "incomplete" : "completed");
  }
  std::string details = "null";
  if (status == "incomplete")
    details = fmt::format(R"({{"reason":"{}"}})", finish_reason_ == "length" ? "max_output_tokens" : "content_filter");
  std::string error = "null";
  if (!failure.empty()) error = fmt::format(R"({{"code":"server_error","message":{}}})", json_string(failure));
  return fmt::format(R"({{"id":{},"object":"response","created_at":{},"status":"{}","background":false,"error":{},)"
                     R"("incomplete_details":{},{},"model":{},"output":[{}],"previous_response_id":null,"store":false,)"
                     R"("top_logprobs":0,"truncation":"disabled","usage":{}}})",
                     json_string("resp_" + head_.id), head_.created_at_s, status, error, details, head_.echo,
                     json_string(head_.model), output, usage != nullptr ? responses_usage_json(*usage) : "null");
}

}  // namespace tandem::gateway
