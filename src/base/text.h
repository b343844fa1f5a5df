// Small, exact functions on text.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

std::string_view trim(std::string_view text);  // without ASCII white space at either end
std::vector<std::string_view> split(std::string_view text, char separator);
bool iequals(std::string_view a, std::string_view b);  // ASCII case-insensitive
std::string to_lower(std::string_view text);           // ASCII

// The whole of `text` as a number; nothing for trailing characters, overflow, NaN or infinity.
std::optional<double> parse_number(std::string_view text);
std::optional<int64_t> parse_integer(std::string_view text);

// The length, 1 to 4, of the valid UTF-8 sequence at the front of `text`; 0 when there is none (RFC 3629).
size_t utf8_sequence_length(std::string_view text);
bool is_utf8(std::string_view text);

// The candidate nearest to `name` by edit distance, if near enough to be what was meant (at most a third of its
// length apart): for "no site 'x'; did you mean 'y'?".
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

// An id from any name: lower-case ASCII letters, digits and single hyphens; accented Latin letters lose their accents
// ("Düsseldorf" → "duesseldorf", "Łódź" → "lodz"). Empty when nothing remains.
std::string slug(std::string_view name);

}  // namespace tandem
