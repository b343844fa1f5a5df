// SQLite's messages as sentences for who wrote the statement: where, what is there instead.
#pragma once

#include <string>
#include <string_view>

namespace tandem::query {

// "line 1, column 8: no such column: link.capacity; did you mean capacity_gbps?". `byte` < 0 where it is not known.
std::string explain_mistake(std::string_view sql, std::string_view message, int byte);

}  // namespace tandem::query
