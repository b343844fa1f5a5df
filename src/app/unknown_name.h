// Words of a command line that name nothing.
#pragma once

#include <optional>
#include <span>
#include <string>

namespace CLI {
class App;
}

namespace tandem::app {

// The first option or command among the arguments (without the program's name) that `program` does not have, as a
// sentence with what is nearest: the library would speak of what is missing then instead.
std::optional<std::string> unknown_name(const CLI::App& program, std::span<const char* const> arguments);

}  // namespace tandem::app
