// Where to listen, as the command line has it.
#pragma once

#include <string_view>

#include "http/http.h"

namespace tandem::app {

// "127.0.0.1:8080" or "[::1]:8080"; port 0 means any free one. Errors: invalid_argument.
Result<http::Endpoint> parse_listen(std::string_view text);

}  // namespace tandem::app
