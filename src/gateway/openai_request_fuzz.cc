#include <algorithm>
#include <cstdlib>

#include "base/json.h"
#include "gateway/openai_request.h"

// Whatever is read can be rewritten, and stays a request for the model named, with the same prompt.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::gateway;
  if (size == 0) return 0;
  const auto surface = static_cast<Surface>(data[0] % 3);
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestReader reader;
  tandem::routing::PrefixHasher prefix, prefix_again;
  const auto request = reader.read(surface, body, &prefix);
  if (!request) {
    if (!tandem::parse_json(body_of(request.error()))) std::abort();
    return 0;
  }
  const std::string rewritten = rewrite(body, *request, "other-model").value_or(std::string(body));
  const auto again = reader.read(surface, rewritten, &prefix_again);
  if (!again || again->model != "other-model" || again->prompt_tokens != request->prompt_tokens) std::abort();
  if (request->stream && !again->include_usage) std::abort();
  const auto points = prefix.points(), points_again = prefix_again.points();
  if (!std::equal(points.begin(), points.end(), points_again.begin(), points_again.end(),
                  [](const auto& a, const auto& b) { return a.hash == b.hash; }) &&
      body.size() > tandem::routing::PrefixHasher::kStepBytes)
    std::abort();
  return 0;
}
