// IP addresses and prefixes as text.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"
#include "grid/nouns.h"

namespace tandem::grid {

// "10.1.0.0/16" or "2001:db8::/32". Errors: invalid_argument: no address, a length out of range, host bits that are
// set.
Result<Prefix> parse_prefix(std::string_view text);

// An IPv4 or IPv6 address in the form Prefix holds it. Errors: invalid_argument.
Result<std::array<uint8_t, 16>> parse_address(std::string_view text);

// As parse_prefix reads it.
std::string to_string(const Prefix& prefix);

}  // namespace tandem::grid
