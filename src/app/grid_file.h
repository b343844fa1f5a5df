// Reading grid files for the commands that work on files alone.
#pragma once

#include <filesystem>
#include <optional>

#include "base/json.h"
#include "base/result.h"
#include "grid/snapshot.h"

namespace tandem::app {

// The grid of a file. Prints every problem, with file:line, on standard error, and is empty when one is an error.
std::optional<grid::Snapshot> load_grid(const std::filesystem::path& file);

// The document of a plan, as `tandem plan --json` writes it. Errors: those of reading; invalid_argument where it is no
// JSON, with the file's name.
Result<Json> read_plan_file(const std::filesystem::path& file);

// Prints an error of a command; returns its exit status: 2 where the input is wrong, else 1.
int report(const Error& error);

}  // namespace tandem::app
