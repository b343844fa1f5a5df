// What `--help` looks like.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace CLI {
class FormatterBase;
}

namespace tandem::app {

// The library's help, in lines as wide as the terminal, and without what only repeats: that options exclude each other
// is said where they are given together. In footers, lines that begin with two spaces are commands to be pasted.
std::shared_ptr<CLI::FormatterBase> help_formatter();

// A shell's command in lines of at most `width` columns that can be pasted as they are; 0: in one. A line is longer
// where one word, or one text in single quotes, is.
std::string continued(std::string_view command, size_t width);

}  // namespace tandem::app
