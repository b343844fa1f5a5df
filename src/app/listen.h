// Where to listen, as the command line has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.h"

namespace tandem::app {

// "127.0.0.1:8080" or "[::1]:8080"; port 0 means any free one. Errors: invalid_argument.
Result<http::Endpoint> parse_listen(std::string_view text);

// That nobody listens there yet. `option` names it on the command line. Errors: those of http::Server::listen; who has
// the port, and what to do.
Result<void> check_port_is_free(const http::Endpoint& listen, std::string_view option);

// Who listens on a port of this machine, for a person: "'nginx' (process 123)", or that it is another user's. Nothing
// where nobody does.
std::optional<std::string> port_holder(uint16_t port);

}  // namespace tandem::app
