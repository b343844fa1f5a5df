#include "runtime/completion_request.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "runtime/engine.h"

namespace tandem::runtime {
namespace {

constexpr uint64_t kBytesPerToken = 4;  // within ~20 % for English under common vocabularies

// The context is the field that is wrong.
tl::unexpected<Error> invalid(std::string message, std::string_view field) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::string(field));
}

// The length of a message's content: text, or parts of which those of type text count.
Result<uint64_t> content_bytes(const Json& content) {
  if (content.is_null()) return 0;  // an assistant's turn that only called a tool
  if (content.is_string()) return content.text().size();
  if (!content.is_array()) return invalid("a message's 'content' must be a text or a list of parts", "messages");
  uint64_t bytes = 0;
  for (const Json& part : content.array()) {
    if (!part.is_object()) return invalid("a part of a message's 'content' must be an object", "messages");
    bytes += part["text"].text().size();
  }
  return bytes;
}

uint32_t tokens_of(uint64_t bytes) {
  const uint64_t tokens = (bytes + kBytesPerToken - 1) / kBytesPerToken;
  return static_cast<uint32_t>(std::clamp<uint64_t>(tokens, 1, EngineRequest::kTokensMax));
}

// What a message may be said by, here and at OpenAI; engines' chat templates refuse any other.
constexpr std::array<std::string_view, 6> kRoles{"system", "developer", "user", "assistant", "tool", "function"};

Result<uint32_t> chat_prompt_tokens(const Json& body) {
  const Json& messages = body["messages"];
  if (!messages.is_array() || messages.array().empty())
    return invalid("'messages' must be a list of at least one message", "messages");
  uint64_t bytes = 0;
  for (const Json& message : messages.array()) {
    if (!message.is_object() || !message["role"].is_string())
      return invalid("each message must be an object with a 'role'", "messages");
    const std::string_view role = message["role"].text();
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end())
      return invalid(
          fmt::format("'{}' is no role of a message; one of {}", role.substr(0, 40), fmt::join(kRoles, ", ")),
          "messages");
    TANDEM_ASSIGN(const uint64_t content, content_bytes(message["content"]));
    bytes += content;
  }
  return tokens_of(bytes);
}

Result<uint32_t> text_prompt_tokens(const Json& body) {
  const Json& prompt = body["prompt"];
  if (prompt.is_string()) return tokens_of(prompt.text().size());
  if (!prompt.is_array() || prompt.array().empty())
    return invalid("'prompt' must be a text or a list of token ids", "prompt");
  const Json::Array& parts = prompt.array();
  if (parts.size() == 1 && parts[0].is_string()) return tokens_of(parts[0].text().size());
  if (!std::all_of(parts.begin(), parts.end(), [](const Json& part) { return part.is_integer(); }))
    return invalid("'prompt' must hold one text or token ids; several prompts in one request are not served", "prompt");
  return static_cast<uint32_t>(std::min<size_t>(parts.size(), EngineRequest::kTokensMax));
}

Result<std::optional<uint32_t>> token_count(const Json& body, std::string_view field, uint32_t low) {
  const Json& value = body[field];
  if (value.is_null()) return std::nullopt;
  if (!value.is_integer() || value.integer() < low || value.integer() > EngineRequest::kTokensMax)
    return invalid(fmt::format("'{}' must be an integer between {} and {}", field, low, EngineRequest::kTokensMax),
                   field);
  return static_cast<uint32_t>(value.integer());
}

Result<bool> flag(const Json& body, std::string_view field) {
  if (body[field].is_null()) return false;
  if (!body[field].is_bool()) return invalid(fmt::format("'{}' must be true or false", field), field);
  return body[field].boolean();
}

// How an answer is sampled is nothing to an emulator, but a client must not learn here that an engine takes what none
// does: the ranges are those in which OpenAI and vLLM agree.
struct Range {
  std::string_view field;
  double low, high;
  bool above_low = false;  // the lowest is itself too low
};
constexpr Range kSampling[] = {
    {"temperature", 0, 2}, {"top_p", 0, 1, true}, {"presence_penalty", -2, 2}, {"frequency_penalty", -2, 2}};

Result<void> check_sampling(const Json& body) {
  for (const auto& [field, low, high, above_low] : kSampling) {
    const Json& value = body[field];
    if (value.is_null()) continue;
    const double number = value.number();
    if (!value.is_number() || number < low || (above_low && number == low) || number > high)
      return invalid(fmt::format("'{}' must be a number {} {} to {}", field, above_low ? "above" : "from", low, high),
                     field);
  }
  if (!body["seed"].is_null() && !body["seed"].is_integer()) return invalid("'seed' must be an integer", "seed");
  const Json& stop = body["stop"];
  const auto is_text = [](const Json& text) { return text.is_string(); };
  if (!stop.is_null() && !stop.is_string() &&
      !(stop.is_array() && std::all_of(stop.array().begin(), stop.array().end(), is_text)))
    return invalid("'stop' must be a text or a list of texts", "stop");
  return {};
}

}  // namespace

Result<CompletionRequest> parse_completion_request(CompletionKind kind, std::string_view body) {
  TANDEM_ASSIGN(const Json json, parse_json(body));
  if (!json.is_object()) return invalid("the body must be a JSON object", {});
  CompletionRequest request;
  request.kind = kind;
  if (!json["model"].is_string() || json["model"].text().empty()) return invalid("'model' must name a model", "model");
  request.model = json["model"].text();
  if (!json["n"].is_null() && json["n"].integer() != 1)
    return invalid("'n' must be 1: one answer a request is served", "n");
  TANDEM_ASSIGN(request.prompt_tokens,
                kind == CompletionKind::chat ? chat_prompt_tokens(json) : text_prompt_tokens(json));
  TANDEM_ASSIGN(request.max_tokens, token_count(json, "max_completion_tokens", 1));
  if (!request.max_tokens) {
    TANDEM_ASSIGN(request.max_tokens, token_count(json, "max_tokens", 1));
  }
  TANDEM_ASSIGN(const auto min_tokens, token_count(json, "min_tokens", 0));
  request.min_tokens = min_tokens.value_or(0);
  if (request.max_tokens && request.min_tokens > *request.max_tokens)
    return invalid(
        fmt::format("'min_tokens' is {}, above the {} of 'max_tokens'", request.min_tokens, *request.max_tokens),
        "min_tokens");
  TANDEM_TRY(check_sampling(json));
  TANDEM_ASSIGN(request.ignore_eos, flag(json, "ignore_eos"));
  TANDEM_ASSIGN(request.stream, flag(json, "stream"));
  const Json& options = json["stream_options"];
  if (!options.is_null() && !options.is_object())
    return invalid("'stream_options' must be an object", "stream_options");
  TANDEM_ASSIGN(request.include_usage, flag(options, "include_usage"));
  return request;
}

Result<OutputLength> choose_output_length(const CompletionRequest& request, uint32_t context_tokens, uint32_t wanted) {
  const uint64_t asked = uint64_t{request.prompt_tokens} + request.max_tokens.value_or(1);
  if (asked > context_tokens)  // in the words by which clients' libraries know it
    return invalid(
        fmt::format("This model's maximum context length is {} tokens; the prompt has {} and 'max_tokens' asks for {}",
                    context_tokens, request.prompt_tokens, request.max_tokens.value_or(1)),
        request.kind == CompletionKind::chat ? "messages" : "prompt");
  const uint32_t limit = request.max_tokens.value_or(context_tokens - request.prompt_tokens);
  if (request.ignore_eos && request.max_tokens) return OutputLength{limit, true};
  const uint32_t length = std::max({wanted, request.min_tokens, 1u});
  return OutputLength{std::min(length, limit), length > limit};
}

}  // namespace tandem::runtime
