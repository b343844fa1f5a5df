// Bugs stop the program. CHECK is always on and must never be reachable from outside input: that is a Result.
#pragma once

namespace tandem {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace tandem

#define CHECK(condition)                                      \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::tandem::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
