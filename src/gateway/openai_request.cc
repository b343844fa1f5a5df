#include "gateway/openai_request.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "gateway/json_checks.h"
#include "gateway/prompt_text.h"
#include "routing/routing.h"

namespace tandem::gateway {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

Checked<bool> read_flag(std::string_view param, element value) {
  if (value.is_null()) return false;
  if (!value.is_bool()) return wrong_type(param, "a boolean", value);
  return bool(value);
}

Checked<std::optional<uint32_t>> read_count(std::string_view param, element value, uint32_t max) {
  if (value.is_null()) return std::nullopt;
  if (value.type() == element_type::UINT64)
    return invalid(fmt::format("'{}' is above {}.", param, max), std::string(param));
  if (!value.is_int64()) return wrong_type(param, "an integer", value);
  const int64_t count = value.get_int64().value();
  if (count < 1 || count > max)
    return invalid(fmt::format("'{}' is {}; it must be from 1 to {}.", param, count, max), std::string(param),
                   count < 1 ? "integer_below_min_value" : "integer_above_max_value");
  return static_cast<uint32_t>(count);
}

struct Text {
  size_t bytes = 0;
  bool is_all = true;  // there is nothing beside it
};

// The text in a message's content: a string, null, or parts of which the text ones count.
Checked<Text> read_content(size_t position, element content) {
  const auto param = [position] { return fmt::format("messages[{}].content", position); };
  if (content.is_null()) return Text{};
  if (content.is_string()) return Text{content.get_string_length().value()};
  if (!content.is_array()) return wrong_type(param(), "a string or an array of parts", content);
  Text found;
  const simdjson::dom::array items = content;
  for (const element part : items) {
    if (!part.is_object()) return wrong_type(param() + "[]", "an object", part);
    element text;
    const bool is_text = part["text"].get(text) == simdjson::SUCCESS && text.is_string();
    if (is_text) found.bytes += text.get_string_length().value();
    found.is_all = found.is_all && is_text;
  }
  return found;
}

Checked<Text> read_messages(element value) {
  if (!value.is_array()) return wrong_type("messages", "an array of messages", value);
  Text found;
  size_t position = 0;
  const simdjson::dom::array items = value;
  for (const element message : items) {
    if (!message.is_object()) return wrong_type(fmt::format("messages[{}]", position), "an object", message);
    const auto role_param = [position] { return fmt::format("messages[{}].role", position); };
    std::optional<element> role;
    std::optional<element> content;
    const simdjson::dom::object members = message;
    for (const auto member : members) {
      if (member.key == "role" && !role) role = member.value;
      if (member.key == "content" && !content) content = member.value;
    }
    if (!role) return missing(role_param());
    if (!role->is_string()) return wrong_type(role_param(), "a string", *role);
    if (content) {
      const Checked<Text> text = read_content(position, *content);
      if (!text) return tl::unexpected(text.error());
      found.bytes += text->bytes;
      found.is_all = found.is_all && text->is_all;
    }
    ++position;
  }
  if (position == 0) return invalid("'messages' is empty; at least one message is needed.", "messages", "empty_array");
  return found;
}

// Estimated tokens of a prompt: a string, strings, tokens, or arrays of tokens.
Checked<double> read_prompt(std::string_view param, element value, bool nested = false) {
  if (value.is_string()) return routing::estimate_tokens(value.get_string_length().value());
  if (!value.is_array()) return wrong_type(param, "a string or an array of strings or tokens", value);
  double tokens = 0;
  bool any = false;
  const simdjson::dom::array items = value;
  for (const element item : items) {
    any = true;
    if (item.is_string() && !nested) {
      tokens += routing::estimate_tokens(item.get_string_length().value());
    } else if (item.is_int64()) {
      tokens += 1;
    } else if (item.is_array() && !nested) {
      const Checked<double> inner = read_prompt(param, item, true);
      if (!inner) return inner;
      tokens += *inner;
    } else {
      return wrong_type(param, nested ? "tokens" : "a string or an array of strings or tokens", item);
    }
  }
  if (!any) return invalid(fmt::format("'{}' is empty.", param), std::string(param), "empty_array");
  return tokens;
}

// The members seen so far, to refuse one that comes twice.
enum Member : uint32_t {
  kModel = 1,
  kStream = 2,
  kStreamOptions = 4,
  kMaxTokens = 8,
  kMaxCompletionTokens = 16,
  kChoices = 32,
  kPrompt = 64
};

class Reading {
 public:
  explicit Reading(Surface surface) : surface_(surface) {}

  Checked<CompletionRequest> read(simdjson::dom::object body) {
    size_t position = 0;
    for (const auto field : body) {
      if (auto checked = read_member(field.key, field.value, position); !checked)
        return tl::unexpected(std::move(checked.error()));
      ++position;
    }
    return finish();
  }

 private:
  using Step = Checked<std::monostate>;

  Step read_member(std::string_view key, element value, size_t position) {
    const bool chat = surface_ == Surface::chat_completions;
    if (surface_ == Surface::embeddings) return read_embeddings_member(key, value, position);
    if (key == "model") return once(kModel, key, [&] { return read_model(value, position); });
    if (key == "stream") return once(kStream, key, [&] { return take(read_flag(key, value), request_.stream); });
    if (key == "stream_options") return once(kStreamOptions, key, [&] { return read_stream_options(value, position); });
    if (key == "n") return once(kChoices, key, [&] { return read_choices(value); });
    if (key == "max_tokens") return once(kMaxTokens, key, [&] { return read_output_max(key, value); });
    if (key == "max_completion_tokens" && chat)
      return once(kMaxCompletionTokens, key, [&] { return read_output_max(key, value); });
    if (key == "messages" && chat) {
      return once(kPrompt, key, [&]() -> Step {
        const Checked<Text> text = read_messages(value);
        if (!text) return tl::unexpected(text.error());
        text_bytes_ += text->bytes;
        request_.is_text = text->is_all;
        return {};
      });
    }
    if (key == "prompt" && !chat)
      return once(kPrompt, key, [&] { return take(read_prompt(key, value), request_.prompt_tokens); });
    if (key == "tools" && chat) text_bytes_ += simdjson::minify(value).size();  // engines put them into the prompt
    return {};
  }

  Step read_embeddings_member(std::string_view key, element value, size_t position) {
    if (key == "model") return once(kModel, key, [&] { return read_model(value, position); });
    if (key == "input")
      return once(kPrompt, key, [&] { return take(read_prompt(key, value), request_.prompt_tokens); });
    return {};
  }

  template <class Read>
  Step once(Member member, std::string_view key, Read read) {
    if ((seen_ & member) != 0) return twice(key);
    seen_ |= member;
    return read();
  }

  template <class T>
  static Step take(Checked<T> value, T& into) {
    if (!value) return tl::unexpected(std::move(value.error()));
    into = *value;
    return {};
  }

  Step read_model(element value, size_t position) {
    if (!value.is_string()) return wrong_type("model", "a string", value);
    request_.model = std::string_view(value);
    request_.model_member = position;
    if (request_.model.empty()) return invalid("'model' is empty.", "model");
    return {};
  }

  Step read_stream_options(element value, size_t position) {
    if (value.is_null()) {
      request_.stream_options_member = position;
      return {};
    }
    if (!value.is_object()) return wrong_type("stream_options", "an object", value);
    request_.stream_options_member = position;
    has_stream_options_ = true;
    bool seen = false;
    const simdjson::dom::object members = value;
    for (const auto field : members) {
      if (field.key == "include_usage") {
        if (std::exchange(seen, true))
          return invalid("'stream_options.include_usage' occurs twice in the body.", "stream_options",
                         "duplicate_parameter");
        if (auto taken = take(read_flag("stream_options.include_usage", field.value), request_.include_usage); !taken)
          return taken;
        continue;
      }
      append_json_string(request_.stream_options_rest, field.key);
      request_.stream_options_rest += ':' + simdjson::minify(field.value) + ',';
    }
    return {};
  }

  Step read_choices(element value) {
    const auto count = read_count("n", value, RequestReader::kChoicesMax);
    if (!count) return tl::unexpected(count.error());
    request_.choices = count->value_or(1);
    return {};
  }

  Step read_output_max(std::string_view key, element value) {
    const auto count = read_count(key, value, RequestReader::kOutputTokensMax);
    if (!count) return tl::unexpected(count.error());
    if (*count) request_.output_tokens_max = std::min(**count, request_.output_tokens_max.value_or(UINT32_MAX));
    return {};
  }

  Checked<CompletionRequest> finish() {
    if ((seen_ & kModel) == 0) return missing("model");
    if ((seen_ & kPrompt) == 0)
      return missing(surface_ == Surface::chat_completions ? "messages"
                     : surface_ == Surface::completions    ? "prompt"
                                                           : "input");
    if (surface_ == Surface::embeddings) request_.output_tokens_max = 0;
    if (has_stream_options_ && !request_.stream)
      return invalid("'stream_options' is only allowed when 'stream' is true.", "stream_options");
    request_.prompt_tokens += routing::estimate_tokens(text_bytes_);
    return std::move(request_);
  }

  Surface surface_;
  CompletionRequest request_;
  uint32_t seen_ = 0;
  size_t text_bytes_ = 0;
  bool has_stream_options_ = false;
};

struct Span {
  size_t begin = 0;
  size_t end = 0;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Where the values of an object's members stand, in its valid JSON text.
class MemberScanner {
 public:
  explicit MemberScanner(std::string_view text) : text_(text) {}

  std::vector<Span> scan() {
    std::vector<Span> values;
    skip_space();
    CHECK(peek() == '{');
    ++at_;
    for (skip_space(); peek() != '}'; skip_space()) {
      if (peek() == ',') {
        ++at_;
        continue;
      }
      skip_string();
      skip_space();
      CHECK(peek() == ':');
      ++at_;
      skip_space();
      const size_t begin = at_;
      skip_value();
      values.push_back({begin, at_});
    }
    return values;
  }

 private:
  char peek() const {
    CHECK(at_ < text_.size());
    return text_[at_];
  }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  void skip_string() {
    CHECK(peek() == '"');
    for (++at_;; ++at_) {
      at_ = text_.find('"', at_);
      CHECK(at_ != std::string_view::npos);
      size_t backslashes = 0;
      while (text_[at_ - 1 - backslashes] == '\\') ++backslashes;  // ends at the opening quote at the latest
      if (backslashes % 2 == 0) break;
    }
    ++at_;
  }
  void skip_value() {
    if (peek() == '"') return skip_string();
    size_t depth = 0;
    do {
      const char c = peek();
      if (c == '"') {
        skip_string();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
    } while (depth > 0 || !is_value_end());
  }
  bool is_value_end() const { return peek() == ',' || peek() == '}' || is_space(peek()); }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

struct RequestReader::Parser {
  simdjson::dom::parser parser;
};

RequestReader::RequestReader() = default;
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;

std::string_view path_of(Surface surface) {
  switch (surface) {
    case Surface::chat_completions: return "/v1/chat/completions";
    case Surface::completions: return "/v1/completions";
    case Surface::embeddings: return "/v1/embeddings";
    case Surface::responses: return "/v1/responses";
  }
  CHECK(false);
}

Checked<CompletionRequest> RequestReader::read(Surface surface, std::string_view body, routing::PrefixHasher* prefix) {
  if (body.empty()) return invalid("The body is empty; a JSON object is needed.");
  if (parser_ == nullptr) parser_ = std::make_unique<Parser>();
  simdjson::dom::parser& parser = parser_->parser;
  if (parser.capacity() < body.size() || parser.max_depth() != kDepthMax)
    if (parser.allocate(body.size(), kDepthMax) != simdjson::SUCCESS)
      return refuse(ErrorCode::too_large, "The body is too large to read.");
  element root;
  const auto error = parser.parse(body.data(), body.size()).get(root);
  Checked<CompletionRequest> request = [&]() -> Checked<CompletionRequest> {
    if (error)
      return invalid(
          fmt::format("We could not parse the JSON body of your request: {}", simdjson::error_message(error)));
    if (!root.is_object())
      return invalid(fmt::format("The body must be a JSON object, but it is {}.", type_name(root)));
    return Reading(surface).read(root.get_object().value());
  }();
  if (request && prefix != nullptr && body.size() > routing::PrefixHasher::kStepBytes)
    add_prompt(root.get_object().value(), *prefix);
  std::string_view user;
  if (request && root["user"].get(user) == simdjson::SUCCESS) request->user = user.substr(0, kUserBytesMax);
  if (parser.capacity() > kKeptBytes) parser_.reset();
  return request;
}

std::optional<std::string> rewrite(std::string_view body, const CompletionRequest& request, std::string_view model_id) {
  struct Edit {
    Span span;
    std::string text;
  };
  const bool rename = request.model != model_id;
  const bool ask_usage = request.stream && !request.include_usage;
  if (!rename && !ask_usage) return std::nullopt;
  std::vector<Edit> edits;
  if (rename || request.stream_options_member) {
    const std::vector<Span> values = MemberScanner(body).scan();
    if (rename) {
      std::string text;
      append_json_string(text, model_id);
      edits.push_back({values.at(request.model_member), std::move(text)});
    }
    if (ask_usage && request.stream_options_member)
      edits.push_back(
          {values.at(*request.stream_options_member), '{' + request.stream_options_rest + R"("include_usage":true})"});
  }
  if (ask_usage && !request.stream_options_member) {
    const size_t end = body.rfind('}');
    edits.push_back({{end, end}, R"(,"stream_options":{"include_usage":true})"});
  }
  std::sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) { return a.span.begin < b.span.begin; });
  std::string out;
  out.reserve(body.size() + 64);
  size_t from = 0;
  for (const Edit& edit : edits) {
    out.append(body.substr(from, edit.span.begin - from)).append(edit.text);
    from = edit.span.end;
  }
  return out.append(body.substr(from));
}

}  // namespace tandem::gateway
