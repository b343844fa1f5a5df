// The terminal that is written to.
#pragma once

#include <cstddef>
#include <string_view>

namespace tandem::app {

// The columns of the terminal that a descriptor is, standard output when not given; 0 where it is a file or a pipe, so
// that what other programs read is whole.
size_t terminal_width(int descriptor = 1);

// Standard output: the text in lines as wide as the terminal, ended.
void print_wrapped(std::string_view text, size_t indent = 0);

}  // namespace tandem::app
