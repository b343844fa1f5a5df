// Words of a command line that name nothing.
#pragma once

#include <optional>
#include <span>
#include <string>

namespace CLI {
class App;
}

namespace tandem::app {

struct UnknownName {
  std::string sentence;  // with what is nearest
  std::string command;   // whose --help lists what there is: "tandem", "tandem log tail"
};

// The first option or command among the arguments (without the program's name) that `program` does not have: the
// library would speak of what is missing then instead.
std::optional<UnknownName> unknown_name(const CLI::App& program, std::span<const char* const> arguments);

}  // namespace tandem::app
