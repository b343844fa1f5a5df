#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tandem {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\nThis is a bug in tandem.\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace tandem
