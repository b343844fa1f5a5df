#include "gateway/responses_request.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "gateway/json_checks.h"
#include "gateway/openai_request.h"

namespace tandem::gateway {
namespace {

using simdjson::dom::element;
using Step = Checked<std::monostate>;

constexpr std::string_view kSendItWhole =
    "conversations are not kept here: send the whole conversation in 'input', earlier answers' output items among it";

std::string json_of(element value) { return simdjson::minify(value); }

tl::unexpected<ApiError> unsupported(std::string message, std::string param) {
  return invalid(std::move(message), std::move(param), "unsupported_parameter");
}

std::optional<element> member(element object, std::string_view name) {
  element value;
  if (object[name].get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

Checked<std::string_view> text_member(element object, std::string_view name, const std::string& where) {
  const std::optional<element> value = member(object, name);
  const std::string param = fmt::format("{}.{}", where, name);
  if (!value) return missing(param);
  if (!value->is_string()) return wrong_type(param, "a string", *value);
  return std::string_view(*value);
}

// An object without its `type`: what the chat API has one level down.
std::string without_type(element object) {
  std::string json = "{";
  const simdjson::dom::object members = object;
  for (const auto field : members) {
    if (field.key == "type") continue;
    if (json.size() > 1) json += ',';
    append_json_string(json, field.key);
    json += ':' + json_of(field.value);
  }
  return json + '}';
}

// The parts of one message's content, as the chat API has them.
class ChatContent {
 public:
  Step read(element content, const std::string& where) {
    if (content.is_string()) {
      add_text(std::string_view(content));
      return {};
    }
    if (!content.is_array()) return wrong_type(where, "a string or an array of parts", content);
    size_t position = 0;
    const simdjson::dom::array items = content;
    for (const element part : items)
      if (auto read = read_part(part, fmt::format("{}[{}]", where, position++)); !read) return read;
    return {};
  }

  // One text stays a string, which every engine's template takes.
  std::string json() const { return only_text_ && parts_ == 1 ? json_string(text_) : '[' + json_ + ']'; }
  const std::string& text() const { return text_; }  // of all its text parts
  bool only_text() const { return only_text_; }

 private:
  Step read_part(element part, const std::string& where) {
    if (!part.is_object()) return wrong_type(where, "an object", part);
    const auto type = text_member(part, "type", where);
    if (!type) return tl::unexpected(type.error());
    if (*type == "input_text" || *type == "output_text" || *type == "text" || *type == "refusal") {
      const auto text = text_member(part, *type == "refusal" ? "refusal" : "text", where);
      if (!text) return tl::unexpected(text.error());
      add_text(*text);
      return {};
    }
    if (*type == "input_image") return read_image(part, where);
    if (*type == "input_file") return read_file(part, where);
    if (const auto audio = member(part, "input_audio"); *type == "input_audio" && audio) {
      add(R"({"type":"input_audio","input_audio":)" + json_of(*audio) + '}');
      return {};
    }
    return unsupported(
        fmt::format("'{}.type' is '{}'; use input_text, input_image, input_file or input_audio.", where, *type),
        where + ".type");
  }

  Step read_image(element part, const std::string& where) {
    if (!member(part, "image_url"))
      return unsupported(
          fmt::format("'{}' has no 'image_url'; files are not kept here: send the image as a data URL.", where), where);
    const auto url = text_member(part, "image_url", where);
    if (!url) return tl::unexpected(url.error());
    std::string json = R"({"type":"image_url","image_url":{"url":)" + json_string(*url);
    if (const auto detail = member(part, "detail")) json += R"(,"detail":)" + json_of(*detail);
    add(json + "}}");
    return {};
  }

  Step read_file(element part, const std::string& where) {
    const auto data = member(part, "file_data");
    if (!data)
      return unsupported(
          fmt::format("'{}' has no 'file_data'; files are not kept or fetched here: send its bytes.", where), where);
    std::string json = R"({"type":"file","file":{"file_data":)" + json_of(*data);
    if (const auto name = member(part, "filename")) json += R"(,"filename":)" + json_of(*name);
    add(json + "}}");
    return {};
  }

  void add_text(std::string_view text) {
    text_ += text;
    append(R"({"type":"text","text":)" + json_string(text) + '}');
  }
  void add(const std::string& part) {
    only_text_ = false;
    append(part);
  }
  void append(const std::string& part) {
    if (parts_++ > 0) json_ += ',';
    json_ += part;
  }

  std::string json_;
  std::string text_;
  size_t parts_ = 0;
  bool only_text_ = true;
};

// The items of `input` as messages. What an assistant said and the functions that it then called are one message there.
class ChatMessages {
 public:
  void instruct(std::string_view text) { instructions_ = R"({"role":"system","content":)" + json_string(text) + '}'; }

  Step read(element input) {
    if (input.is_string()) {
      add(R"({"role":"user","content":)" + json_of(input) + '}');
      return {};
    }
    if (!input.is_array()) return wrong_type("input", "a string or an array of items", input);
    size_t position = 0;
    const simdjson::dom::array items = input;
    for (const element item : items)
      if (auto read = read_item(item, fmt::format("input[{}]", position++)); !read) return read;
    end_assistant();
    if (json_.empty()) return invalid("'input' is empty; at least one message is needed.", "input", "empty_array");
    return {};
  }

  std::string json() const {
    if (instructions_.empty()) return '[' + json_ + ']';
    return '[' + instructions_ + ',' + json_ + ']';
  }

 private:
  Step read_item(element item, const std::string& where) {
    if (!item.is_object()) return wrong_type(where, "an object", item);
    std::string_view type = "message";
    if (const auto named = member(item, "type")) {
      if (!named->is_string()) return wrong_type(where + ".type", "a string", *named);
      type = std::string_view(*named);
    }
    if (type == "message") return read_message(item, where);
    if (type == "function_call") return read_call(item, where);
    if (type == "function_call_output") return read_call_output(item, where);
    if (type == "reasoning") return {};  // chat templates have no place for an earlier turn's reasoning
    if (type == "item_reference")
      return unsupported(fmt::format("'{}' refers to a kept item, but {}.", where, kSendItWhole), where);
    return unsupported(fmt::format("'{}.type' is '{}'; items may be message, function_call, function_call_output or "
                                   "reasoning.",
                                   where, type),
                       where + ".type");
  }

  Step read_message(element item, const std::string& where) {
    const auto role = text_member(item, "role", where);
    if (!role) return tl::unexpected(role.error());
    const auto content = member(item, "content");
    if (!content) return missing(where + ".content");
    ChatContent parts;
    if (auto read = parts.read(*content, where + ".content"); !read) return read;
    if (*role == "assistant") {
      if (!parts.only_text()) return unsupported(fmt::format("'{}' may hold text only.", where), where + ".content");
      end_assistant();
      assistant_text_ = parts.text();
      return {};
    }
    if (*role != "user" && *role != "system" && *role != "developer")
      return invalid(fmt::format("'{}.role' is '{}'; it must be user, assistant, system or developer.", where, *role),
                     where + ".role", "invalid_value");
    // Open models' templates know no developer.
    add(fmt::format(R"({{"role":"{}","content":{}}})", *role == "user" ? "user" : "system", parts.json()));
    return {};
  }

  Step read_call(element item, const std::string& where) {
    const auto id = text_member(item, "call_id", where);
    if (!id) return tl::unexpected(id.error());
    const auto name = text_member(item, "name", where);
    if (!name) return tl::unexpected(name.error());
    const auto arguments = text_member(item, "arguments", where);
    if (!arguments) return tl::unexpected(arguments.error());
    if (!calls_.empty()) calls_ += ',';
    calls_ += fmt::format(R"({{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}})", json_string(*id),
                          json_string(*name), json_string(*arguments));
    return {};
  }

  Step read_call_output(element item, const std::string& where) {
    const auto id = text_member(item, "call_id", where);
    if (!id) return tl::unexpected(id.error());
    const auto output = member(item, "output");
    if (!output) return missing(where + ".output");
    ChatContent parts;
    if (auto read = parts.read(*output, where + ".output"); !read) return read;
    add(fmt::format(R"({{"role":"tool","tool_call_id":{},"content":{}}})", json_string(*id), parts.json()));
    return {};
  }

  void add(const std::string& message) {
    end_assistant();
    append(message);
  }
  void append(const std::string& message) {
    if (!json_.empty()) json_ += ',';
    json_ += message;
  }
  void end_assistant() {
    if (!assistant_text_ && calls_.empty()) return;
    std::string message = R"({"role":"assistant","content":)";
    message += assistant_text_ ? json_string(*assistant_text_) : "null";
    if (!calls_.empty()) message += R"(,"tool_calls":[)" + calls_ + ']';
    append(message + '}');
    assistant_text_.reset();
    calls_.clear();
  }

  std::string instructions_;
  std::string json_;
  std::optional<std::string> assistant_text_;  // of the assistant's message under way
  std::string calls_;
};

class ResponsesReading {
 public:
  Checked<ResponsesRequest> read(simdjson::dom::object body) {
    std::set<std::string_view> seen;
    for (const auto field : body) {
      if (!seen.insert(field.key).second) return twice(field.key);
      if (auto read = read_member(field.key, field.value); !read) return tl::unexpected(std::move(read.error()));
    }
    if (model_.empty()) return missing("model");
    if (!seen.contains("input")) return missing("input");
    ResponsesRequest request;
    request.chat_body = R"({"model":)" + model_ + R"(,"messages":)" + messages_.json() + members_;
    if (!tools_.empty())
      request.chat_body += fmt::format(R"(,"tools":[{}],"tool_choice":{},"parallel_tool_calls":{})", tools_,
                                       tool_choice_, echo("parallel_tool_calls"));
    request.chat_body += '}';
    for (const auto& [name, json] : echo_)
      request.echo += fmt::format(R"({}"{}":{})", request.echo.empty() ? "" : ",", name, json);
    return request;
  }

 private:
  Step read_member(std::string_view key, element value) {
    if (key == "model") return read_model(value);
    if (key == "input") return messages_.read(value);
    if (value.is_null()) return {};  // as if it were not there
    if (key == "instructions") return read_instructions(value);
    if (key == "max_output_tokens") return read_output_max(value);
    if (key == "stream") return read_stream(value);
    if (key == "tools") return read_tools(value);
    if (key == "tool_choice") return read_tool_choice(value);
    if (key == "text") return read_text(value);
    if (key == "reasoning") return read_reasoning(value);
    if (key == "temperature" || key == "top_p" || key == "user") {
      pass(key, json_of(value));
      echo(key) = json_of(value);
      return {};
    }
    if (key == "parallel_tool_calls") {
      if (!value.is_bool()) return wrong_type(key, "a boolean", value);
      echo(key) = json_of(value);
      return {};
    }
    if (key == "metadata") {
      if (!value.is_object()) return wrong_type(key, "an object", value);
      echo(key) = json_of(value);
      return {};
    }
    if (const auto refused = refuse_member(key, value); !refused) return refused;
    constexpr std::array<std::string_view, 10> kWithoutEffect{
        "store",        "background",        "truncation",     "include",        "top_logprobs",
        "service_tier", "safety_identifier", "stream_options", "max_tool_calls", "prompt_cache_retention"};
    if (std::find(kWithoutEffect.begin(), kWithoutEffect.end(), key) == kWithoutEffect.end()) pass(key, json_of(value));
    return {};
  }

  // What cannot be done here, each with what to do instead.
  static Step refuse_member(std::string_view key, element value) {
    const auto is_true = [&] { return !value.is_bool() || bool(value); };
    if (key == "prompt")
      return unsupported("'prompt' cannot be used: templates are not kept here; send 'instructions' and 'input'.",
                         "prompt");
    const bool needs_memory = key == "previous_response_id" || key == "conversation" || (key == "store" && is_true()) ||
                              (key == "background" && is_true());
    if (needs_memory) return unsupported(fmt::format("'{}' cannot be used: {}.", key, kSendItWhole), std::string(key));
    if (key == "truncation" && !(value.is_string() && std::string_view(value) == "disabled"))
      return unsupported("'truncation' must be \"disabled\": leave out yourself what the model need not see.",
                         "truncation");
    if (key == "top_logprobs" && !(value.is_int64() && int64_t(value) == 0))
      return unsupported("'top_logprobs' is served at /v1/chat/completions only; leave it out.", "top_logprobs");
    if (key == "include" && json_of(value) != "[]" && json_of(value) != R"(["reasoning.encrypted_content"])")
      return unsupported("'include' may hold nothing but \"reasoning.encrypted_content\", which no engine here has.",
                         "include");
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kOfChat{
        {{"messages", "input"},
         {"response_format", "text.format"},
         {"max_tokens", "max_output_tokens"},
         {"max_completion_tokens", "max_output_tokens"},
         {"reasoning_effort", "reasoning.effort"},
         {"n", "several requests"}}};
    for (const auto& [of_chat, ours] : kOfChat)
      if (key == of_chat)
        return unsupported(fmt::format("'{}' is of /v1/chat/completions; here use {}.", key, ours), std::string(key));
    return {};
  }

  Step read_model(element value) {
    if (!value.is_string()) return wrong_type("model", "a string", value);
    if (std::string_view(value).empty()) return invalid("'model' is empty.", "model");
    model_ = json_of(value);
    return {};
  }

  Step read_instructions(element value) {
    if (!value.is_string()) return wrong_type("instructions", "a string", value);
    messages_.instruct(std::string_view(value));
    echo("instructions") = json_of(value);
    return {};
  }

  Step read_output_max(element value) {
    if (!value.is_int64()) return wrong_type("max_output_tokens", "an integer", value);
    const int64_t count = int64_t(value);
    if (count < 1 || count > RequestReader::kOutputTokensMax)
      return invalid(
          fmt::format("'max_output_tokens' is {}; it must be from 1 to {}.", count, RequestReader::kOutputTokensMax),
          "max_output_tokens", count < 1 ? "integer_below_min_value" : "integer_above_max_value");
    pass("max_tokens", json_of(value));
    echo("max_output_tokens") = json_of(value);
    return {};
  }

  Step read_stream(element value) {
    if (!value.is_bool()) return wrong_type("stream", "a boolean", value);
    pass("stream", json_of(value));
    return {};
  }

  Step read_tools(element value) {
    if (!value.is_array()) return wrong_type("tools", "an array", value);
    size_t position = 0;
    const simdjson::dom::array items = value;
    for (const element tool : items) {
      const std::string where = fmt::format("tools[{}]", position++);
      if (!tool.is_object()) return wrong_type(where, "an object", tool);
      const auto type = text_member(tool, "type", where);
      if (!type) return tl::unexpected(type.error());
      if (*type != "function")
        return unsupported(
            fmt::format("'{}.type' is '{}'; only functions, which you carry out, are served here.", where, *type),
            where + ".type");
      if (const auto name = text_member(tool, "name", where); !name) return tl::unexpected(name.error());
      tools_ += fmt::format(R"({}{{"type":"function","function":{}}})", tools_.empty() ? "" : ",", without_type(tool));
    }
    echo("tools") = json_of(value);
    return {};
  }

  Step read_tool_choice(element value) {
    echo("tool_choice") = tool_choice_ = json_of(value);
    if (value.is_string()) return {};
    if (!value.is_object()) return wrong_type("tool_choice", "a string or an object", value);
    const auto type = text_member(value, "type", "tool_choice");
    if (!type) return tl::unexpected(type.error());
    if (*type != "function")
      return unsupported(fmt::format("'tool_choice.type' is '{}'; it must be function.", *type), "tool_choice.type");
    if (const auto name = text_member(value, "name", "tool_choice"); !name) return tl::unexpected(name.error());
    tool_choice_ = R"({"type":"function","function":)" + without_type(value) + '}';
    return {};
  }

  Step read_text(element value) {
    if (!value.is_object()) return wrong_type("text", "an object", value);
    if (const auto verbosity = member(value, "verbosity")) pass("verbosity", json_of(*verbosity));
    const auto format = member(value, "format");
    if (!format) return {};
    if (!format->is_object()) return wrong_type("text.format", "an object", *format);
    const auto type = text_member(*format, "type", "text.format");
    if (!type) return tl::unexpected(type.error());
    echo("text") = json_of(value);
    if (*type == "text") return {};
    if (*type == "json_object") {
      pass("response_format", R"({"type":"json_object"})");
      return {};
    }
    if (*type != "json_schema")
      return invalid(fmt::format("'text.format.type' is '{}'; it must be text, json_object or json_schema.", *type),
                     "text.format.type", "invalid_value");
    pass("response_format", R"({"type":"json_schema","json_schema":)" + without_type(*format) + '}');
    return {};
  }

  Step read_reasoning(element value) {
    if (!value.is_object()) return wrong_type("reasoning", "an object", value);
    echo("reasoning") = json_of(value);
    if (const auto effort = member(value, "effort")) pass("reasoning_effort", json_of(*effort));
    return {};
  }

  void pass(std::string_view key, const std::string& json) {
    members_ += ',';
    append_json_string(members_, key);
    members_ += ':' + json;
  }

  std::string& echo(std::string_view name) {
    return std::find_if(echo_.begin(), echo_.end(), [&](const auto& echoed) { return echoed.first == name; })->second;
  }

  std::string model_;
  ChatMessages messages_;
  std::string members_;  // of the chat request, each behind a comma
  std::string tools_;    // as the chat API has them, comma-separated
  std::string tool_choice_ = R"("auto")";
  // With what holds where the request does not say.
  std::array<std::pair<std::string_view, std::string>, 11> echo_{{{"instructions", "null"},
                                                                  {"max_output_tokens", "null"},
                                                                  {"metadata", "{}"},
                                                                  {"parallel_tool_calls", "true"},
                                                                  {"reasoning", R"({"effort":null,"summary":null})"},
                                                                  {"temperature", "1.0"},
                                                                  {"text", R"({"format":{"type":"text"}})"},
                                                                  {"tool_choice", R"("auto")"},
                                                                  {"tools", "[]"},
                                                                  {"top_p", "1.0"},
                                                                  {"user", "null"}}};
};

}  // namespace

Checked<ResponsesRequest> read_responses_request(std::string_view body) {
  if (body.empty()) return invalid("The body is empty; a JSON object is needed.");
  simdjson::dom::parser parser;
  if (parser.allocate(body.size(), RequestReader::kDepthMax) != simdjson::SUCCESS)
    return refuse(ErrorCode::too_large, "The body is too large to read.");
  element root;
  if (const auto error = parser.parse(body.data(), body.size()).get(root))
    return invalid(fmt::format("We could not parse the JSON body of your request: {}", simdjson::error_message(error)));
  if (!root.is_object()) return invalid(fmt::format("The body must be a JSON object, but it is {}.", type_name(root)));
  return ResponsesReading().read(root.get_object().value());
}

}  // namespace tandem::gateway
