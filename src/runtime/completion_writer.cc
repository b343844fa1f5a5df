#include "runtime/completion_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace tandem::runtime {
namespace {

constexpr std::string_view kText =
    "This answer comes from Tandem's emulated engine. No model runs here and the words mean nothing; only their pace "
    "is "
    "meant. It follows the measured profile of a model on an accelerator, by batch, with the queue, the prefill and "
    "the "
    "decode steps that such a server has. ";
constexpr size_t kTokenBytes = 4;
constexpr size_t kTextBytes = kText.size() / kTokenBytes * kTokenBytes;

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

void append_emulated_text(std::string& out, uint64_t first, uint64_t count) {
  size_t at = static_cast<size_t>(first * kTokenBytes % kTextBytes);
  for (size_t left = count * kTokenBytes; left > 0;) {
    const size_t piece = std::min(left, kTextBytes - at);
    out.append(kText.substr(at, piece));
    left -= piece;
    at = 0;
  }
}

CompletionWriter::CompletionWriter(const CompletionRequest& request, std::string_view id, std::string_view model,
                                   int64_t created)
    : kind_(request.kind),
      include_usage_(request.include_usage),
      prompt_tokens_(request.prompt_tokens),
      id_(as_json(id)),
      tail_(
          fmt::format(R"(,"created":{},"model":{},"system_fingerprint":"tandem-emulator")", created, as_json(model))) {}

void CompletionWriter::open_chunk(std::string& out) const {
  out.append(R"(data: {"id":)").append(id_);
  out.append(kind_ == CompletionKind::chat ? R"(,"object":"chat.completion.chunk")" : R"(,"object":"text_completion")");
  out.append(tail_);
}

void CompletionWriter::close_chunk(std::string& out) const {
  if (include_usage_) out.append(R"(,"usage":null)");
  out.append("}\n\n");
}

void CompletionWriter::append_tokens(std::string& out, uint64_t first, uint64_t count) const {
  const bool chat = kind_ == CompletionKind::chat;
  if (first == 0 && chat) {
    open_chunk(out);
    out.append(
        R"(,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}])");
    close_chunk(out);
  }
  if (count == 0) return;
  open_chunk(out);
  out.append(chat ? R"(,"choices":[{"index":0,"delta":{"content":")" : R"(,"choices":[{"index":0,"text":")");
  append_emulated_text(out, first, count);
  out.append(chat ? R"("},"logprobs":null,"finish_reason":null}])" : R"(","logprobs":null,"finish_reason":null}])");
  close_chunk(out);
}

void CompletionWriter::append_end(std::string& out, uint64_t tokens, bool limited) const {
  open_chunk(out);
  out.append(kind_ == CompletionKind::chat ? R"(,"choices":[{"index":0,"delta":{},)"
                                           : R"(,"choices":[{"index":0,"text":"",)");
  out.append(R"("logprobs":null,"finish_reason":)").append(limited ? R"("length"}])" : R"("stop"}])");
  close_chunk(out);
  if (include_usage_) {
    open_chunk(out);
    out.append(R"(,"choices":[])").append(usage(tokens)).append("}\n\n");
  }
  out.append("data: [DONE]\n\n");
}

std::string CompletionWriter::whole(uint64_t tokens, bool limited) const {
  const bool chat = kind_ == CompletionKind::chat;
  std::string out = R"({"id":)" + id_;
  out.append(chat ? R"(,"object":"chat.completion")" : R"(,"object":"text_completion")").append(tail_);
  out.append(chat ? R"(,"choices":[{"index":0,"message":{"role":"assistant","content":")"
                  : R"(,"choices":[{"index":0,"text":")");
  append_emulated_text(out, 0, tokens);
  out.append(chat ? R"("})" : R"(")").append(R"(,"logprobs":null,"finish_reason":)");
  out.append(limited ? R"("length"}])" : R"("stop"}])").append(usage(tokens)).append("}");
  return out;
}

std::string CompletionWriter::usage(uint64_t tokens) const {
  return fmt::format(R"(,"usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}})", prompt_tokens_,
                     tokens, prompt_tokens_ + tokens);
}

}  // namespace tandem::runtime
