// Reads what /v1/responses is asked, as a chat completion that every engine serves. Internal.
#pragma once

#include <string>
#include <string_view>

#include "gateway/api_error.h"

namespace tandem::gateway {

struct ResponsesRequest {
  std::string chat_body;  // the same asked of /v1/chat/completions
  std::string echo;       // what the answer repeats of the request: members of JSON text, "\"tools\":[],\"top_p\":1.0"
};

// Checks as strictly as RequestReader does. Refused, with what to do instead: whatever would need the gateway to keep a
// conversation (`previous_response_id`, `store`, `conversation`, `background`, references to items), tools that run at
// the provider, and files by id. Members that are not of this API go to the engine as they are.
Checked<ResponsesRequest> read_responses_request(std::string_view body);

}  // namespace tandem::gateway
