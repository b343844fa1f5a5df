// The terminal that standard output goes to.
#pragma once

#include <cstddef>
#include <string_view>

namespace tandem::app {

// Its columns; 0 where standard output is a file or a pipe, so that what other programs read is whole.
size_t terminal_width();

// Standard output: the text in lines as wide as the terminal, ended.
void print_wrapped(std::string_view text, size_t indent = 0);

}  // namespace tandem::app
