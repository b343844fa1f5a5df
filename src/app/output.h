// Where the commands write to.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace tandem::app {

// The file of `--output`: "-" is standard output; a regular file is replaced whole, one behind a link too; a pipe or
// device takes the text as it comes. Errors: those of base/file.h, naming the file.
Result<void> write_output(const std::filesystem::path& file, std::string_view text);

// What is printed is known to have arrived only here. Errors: io.
Result<void> flush_standard_output();

}  // namespace tandem::app
