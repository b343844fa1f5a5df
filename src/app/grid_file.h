// Reading grid files for the commands that work on files alone.
#pragma once

#include <filesystem>
#include <optional>

#include "grid/snapshot.h"

namespace tandem::app {

// The grid of a file. Prints every problem, with file:line, on standard error, and is empty when one is an error.
std::optional<grid::Snapshot> load_grid(const std::filesystem::path& file);

// Prints an error of a command; returns its exit status: 2 where the input is wrong, else 1.
int report(const Error& error);

}  // namespace tandem::app
