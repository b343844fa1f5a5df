// Texts that mean something: whether one has its format, and its canonical form.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "grid/schema.h"

namespace tandem::grid {

// The canonical form of a text of that format. Errors: invalid_argument, whose message says what would be right.
Result<std::string> canonical_text(Format format, std::string_view text);

// Whether a text has that format and is in its canonical form.
bool is_canonical_text(Format format, std::string_view text);

}  // namespace tandem::grid
