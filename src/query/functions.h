// Functions on text that SQLite computes in time that grows with the product of its arguments' lengths, one call of
// which could outlast any limit: the same, with the second argument bounded.
#pragma once

#include <cstddef>

struct sqlite3;

namespace tandem::query {

inline constexpr size_t kPatternBytesMax = 256;  // no id, name or separator is longer; 4 MB times this takes ~0.1 s

// instr, replace, and trim, ltrim and rtrim of two arguments.
void install_functions(sqlite3* database);

}  // namespace tandem::query
