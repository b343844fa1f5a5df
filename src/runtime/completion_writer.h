// The bytes of an emulated answer. Internal to the module.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/completion_request.h"

namespace tandem::runtime {

// Appends `count` tokens of four bytes each of the text that every emulated answer is cut from, from token `first` on.
void append_emulated_text(std::string& out, uint64_t first, uint64_t count);

// Prints one answer in the shapes of the OpenAI API. Every object carries the system fingerprint "tandem-emulator".
class CompletionWriter {
 public:
  // `id` and `model` are escaped here; `created` in seconds since 1970.
  CompletionWriter(const CompletionRequest& request, std::string_view id, std::string_view model, int64_t created);

  // Server-sent events that bring the answer from `first` on by `count` tokens; the first one opens it.
  void append_tokens(std::string& out, uint64_t first, uint64_t count) const;
  // Those that end it: the reason, usage where it was asked for, [DONE].
  void append_end(std::string& out, uint64_t tokens, bool limited) const;

  std::string whole(uint64_t tokens, bool limited) const;

 private:
  void open_chunk(std::string& out) const;
  void close_chunk(std::string& out) const;
  std::string usage(uint64_t tokens) const;

  CompletionKind kind_;
  bool include_usage_;
  uint32_t prompt_tokens_;
  std::string id_;    // as JSON
  std::string tail_;  // ,"created":…,"model":…,"system_fingerprint":…
};

}  // namespace tandem::runtime
