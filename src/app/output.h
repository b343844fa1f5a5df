// Where the commands write to.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/result.h"

namespace tandem::app {

// The file of `--output`: "-" is standard output; a regular file is replaced whole, one behind a link too; a pipe or
// device takes the text as it comes. Errors: those of base/file.h, naming the file.
Result<void> write_output(const std::filesystem::path& file, std::string_view text);

// What is wrong with a file that a command was to work on, a line each: the first 20, errors before warnings, and how
// many more there are. A person mends those first, and more would scroll them away; `tandem check` lists all of a grid
// file.
std::string first_of(const std::vector<Diagnostic>& diagnostics);
void print_diagnostics(const std::vector<Diagnostic>& diagnostics);  // on standard error

// What is printed is known to have arrived only here. Errors: io.
Result<void> flush_standard_output();

}  // namespace tandem::app
