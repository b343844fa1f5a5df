// Reads the few fields of a completion request that routing needs, and rewrites it where it must. Internal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/api_error.h"
#include "routing/prefix.h"

namespace tandem::gateway {

enum class Surface : uint8_t { chat_completions, completions, embeddings, responses };
std::string_view path_of(Surface surface);  // "/v1/chat/completions"

struct CompletionRequest {
  std::string model;  // as the client wrote it
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
  std::optional<uint32_t> output_tokens_max;
  uint32_t choices = 1;      // `n`
  double prompt_tokens = 0;  // estimated, of its text
  bool is_text = true;       // nothing else belongs to the prompt: no pictures, no sound
  std::string user;          // the client's own word for who asks: `user`; empty: none
  size_t model_member = 0;   // its position among the members of the body
  std::optional<size_t> stream_options_member;
  std::string stream_options_rest;  // its other members, as JSON text "\"a\":1", comma-separated
};

// Checks the whole body: strict JSON (RFC 8259), valid UTF-8, integers within 64 bits, nesting up to 64, no member that
// matters here twice (two parsers could take different ones). What it does not know it leaves to the engine. Keeps its
// buffers from call to call up to kKeptBytes.
class RequestReader {
 public:
  // Real requests nest about eight deep: a tool's JSON schema.
  static constexpr size_t kDepthMax = 64;
  // Far above any model's context and batch; protects the sums.
  static constexpr uint32_t kOutputTokensMax = 1u << 24;
  static constexpr uint32_t kChoicesMax = 128;  // as OpenAI has it
  static constexpr size_t kKeptBytes = 256 * 1024;
  static constexpr size_t kUserBytesMax = 256;  // of what tells users apart

  RequestReader();
  ~RequestReader();
  RequestReader(RequestReader&&) noexcept;
  RequestReader& operator=(RequestReader&&) noexcept;

  // `prefix`, if any, is given the text of the prompt.
  Checked<CompletionRequest> read(Surface surface, std::string_view body, routing::PrefixHasher* prefix = nullptr);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// The body for the engine: the client's bytes, save that an alias becomes the model's id and that a stream always asks
// for its usage. Nothing where it goes there as it is. `request` was read from `body`.
std::optional<std::string> rewrite(std::string_view body, const CompletionRequest& request, std::string_view model_id);

}  // namespace tandem::gateway
