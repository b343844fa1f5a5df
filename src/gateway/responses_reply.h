// Writes an engine's chat completion as the answer of /v1/responses: whole, or as the events of its stream. Internal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "gateway/openai_reply.h"

namespace simdjson::dom {
class element;
}

namespace tandem::gateway {

// What every form of one answer says of itself.
struct ResponseHead {
  std::string id;  // of the request; the response is "resp_<id>"
  int64_t created_at_s = 0;
  std::string model;
  std::string echo;  // of the request: see ResponsesRequest
};

class ResponsesReply {
 public:
  // `bytes_max` bounds the text that is kept, for a stream's last event repeats all of it.
  ResponsesReply(ResponseHead head, size_t bytes_max) : head_(std::move(head)), bytes_max_(bytes_max) {}

  // The whole answer, from a chat completion. Errors: corrupt (no message in it), too_large.
  Result<std::string> whole(std::string_view chat, const Usage& usage);

  // The events that chat chunks become; the first call begins with response.created. `chunks` are whole events, as
  // StreamReader hands them on. Errors: corrupt, too_large; what came before the error is in `out`.
  Result<void> add_events(std::string_view chunks, std::string& out);
  // Those that end it: what is open is done, then response.completed or, where a limit or a filter ended the answer,
  // response.incomplete.
  void end(const Usage& usage, std::string& out);
  // response.failed, with what came until then.
  void fail_with(std::string_view message, const Usage& usage, std::string& out);

 private:
  enum class Kind : uint8_t { text, refusal, reasoning, call };
  struct Item {
    Kind kind = Kind::text;
    std::string id = {};
    std::string text = {};     // a call's arguments
    std::string call_id = {};  // of calls, as all below
    std::string name = {};
    uint64_t index = 0;  // the engine's
    bool open = true;
  };

  // `part`: "message" of a whole completion, "delta" of a chunk.
  Result<void> take(const simdjson::dom::element& root, std::string_view part, std::string& out);
  Result<void> take_text(Kind kind, std::string_view text, std::string& out);
  Result<void> take_call(const simdjson::dom::element& call, uint64_t position, std::string& out);
  Result<void> open(Item item, std::string& out);
  Result<void> keep(size_t bytes);
  void close(size_t position, std::string& out);
  void close_all(std::string& out);
  void event(std::string& out, std::string_view type, std::string_view members);
  void response_event(std::string& out, std::string_view type, std::string_view status, const Usage* usage,
                      std::string_view failure = {});
  static std::string item_json(const Item& item, std::string_view status);
  static std::string part_json(const Item& item);
  std::string response_json(std::string_view status, const Usage* usage, std::string_view failure) const;
  bool is_incomplete() const { return finish_reason_ == "length" || finish_reason_ == "content_filter"; }

  ResponseHead head_;
  size_t bytes_max_;
  size_t bytes_ = 0;
  std::vector<Item> items_;
  std::string finish_reason_;
  uint64_t sequence_ = 0;  // of the next event
};

}  // namespace tandem::gateway
