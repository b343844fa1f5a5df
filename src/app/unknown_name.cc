#include "app/unknown_name.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "base/text.h"

namespace tandem::app {
namespace {

std::string no_such(const char* what, const std::string& name, const std::string& of,
                    const std::vector<std::string>& known) {
  const auto meant = nearest(name, known);
  return fmt::format("no {} '{}'{}{}", what, name.substr(0, 64), of.empty() ? "" : fmt::format(" of {}", of),
                     meant ? fmt::format("; did you mean '{}'?", *meant) : "");
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

}  // namespace

std::optional<std::string> unknown_name(const CLI::App& program, std::span<const char* const> arguments) {
  const CLI::App* command = &program;
  for (const std::string_view argument : arguments) {
    if (argument == "--") break;  // only values follow
    const std::string name(argument.substr(0, argument.find('=')));
    if (name.starts_with("--")) {
      const std::vector<std::string> known = options_of(*command);
      if (std::find(known.begin(), known.end(), name) == known.end())
        return no_such("option", name, command->get_name(), known);
      continue;
    }
    const auto commands = command->get_subcommands([](const CLI::App*) { return true; });
    if (name.starts_with('-') || commands.empty()) continue;
    std::vector<std::string> known;
    for (const CLI::App* one : commands) known.push_back(one->get_name());
    const auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end())
      return no_such("command", name, command == &program ? std::string() : command->get_name(), known);
    command = commands[static_cast<size_t>(at - known.begin())];
  }
  return std::nullopt;
}

}  // namespace tandem::app
