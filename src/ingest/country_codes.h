// Names of countries to ISO 3166-1 alpha-2 codes.
#pragma once

#include <optional>
#include <string_view>

namespace tandem::ingest {

// The code of a country by its usual English name, in any case, or of a code itself; nothing when it is not known.
std::optional<std::string_view> country_code(std::string_view name);

}  // namespace tandem::ingest
