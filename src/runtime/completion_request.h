// The body of a request to /v1/completions or /v1/chat/completions, as far as an emulator needs it. Internal to the
// module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::runtime {

enum class CompletionKind : uint8_t { chat, text };

struct CompletionRequest {
  CompletionKind kind = CompletionKind::chat;
  std::string model;
  uint32_t prompt_tokens = 1;          // estimated at four bytes a token (token ids count as one each); ≥ 1
  std::optional<uint32_t> max_tokens;  // ≥ 1; max_completion_tokens or max_tokens
  uint32_t min_tokens = 0;             // vLLM's extension
  bool ignore_eos = false;             // vLLM's extension: produce max_tokens, whatever the model says
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
  bool operator==(const CompletionRequest&) const = default;
};

// What the emulator has no use for (temperature, tools, …) is let pass where real engines would take it; only the text
// of messages counts as prompt. Errors: invalid_argument, naming the field.
Result<CompletionRequest> parse_completion_request(CompletionKind kind, std::string_view body);

// The length of the answer and why it ends.
struct OutputLength {
  uint32_t tokens = 1;
  bool limited = false;  // by max_tokens or the context: finish_reason is "length", else "stop"
};

// `wanted` is what the answer would come to without limits: a draw, or what the caller asked for.
// Errors: invalid_argument when prompt and max_tokens do not fit in the context.
Result<OutputLength> choose_output_length(const CompletionRequest& request, uint32_t context_tokens, uint32_t wanted);

}  // namespace tandem::runtime
