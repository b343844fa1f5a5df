#include "app/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "base/text_table.h"

namespace tandem::app {

size_t terminal_width(int descriptor) {
  winsize size{};
  if (isatty(descriptor) == 0 || ioctl(descriptor, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

void print_wrapped(std::string_view text, size_t indent) {
  fmt::print("{}\n", wrapped(text, terminal_width(), indent));
}

}  // namespace tandem::app
