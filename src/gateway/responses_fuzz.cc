#include <cstdlib>

#include "base/json.h"
#include "gateway/openai_request.h"
#include "gateway/responses_reply.h"
#include "gateway/responses_request.h"
#include "http/sse.h"

// What is read is a chat completion that the gateway reads too; what any engine's bytes become is JSON, event by event.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::gateway;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    const auto request = read_responses_request(text);
    if (!request) return tandem::parse_json(body_of(request.error())) ? 0 : (std::abort(), 0);
    if (!tandem::parse_json(request->chat_body) || !tandem::parse_json('{' + request->echo + '}')) std::abort();
    RequestReader reader;
    const auto read = reader.read(Surface::chat_completions, request->chat_body);
    if (!read && !tandem::parse_json(body_of(read.error()))) std::abort();
    return 0;
  }
  ResponsesReply whole({"d", 1, "m", R"("tools":[])"}, 4'096);
  if (const auto response = whole.whole(text, {1, 2}); response && !tandem::parse_json(*response)) std::abort();
  ResponsesReply stream({"d", 1, "m", R"("tools":[])"}, 4'096);
  std::string out;
  if (stream.add_events(text, out))
    stream.end({1, 2}, out);
  else
    stream.fail_with("cut", {1, 2}, out);
  tandem::http::SseParser parser(64 * 1024);
  const auto events = parser.feed(out);
  if (!events) return 0;
  for (const auto& event : *events)
    if (!tandem::parse_json(event.data)) std::abort();
  return 0;
}
