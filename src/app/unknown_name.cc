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

// How many of the arguments that follow are the value of the option that `name` is.
int values_of(const CLI::App& command, const std::string& name) {
  const CLI::Option* option = command.get_option_no_throw(name);
  return option == nullptr ? 0 : option->get_items_expected_max();
}

// Of an argument that a command has no place for: most often a file that an option names.
std::string no_place(const std::string& argument, const CLI::App& command) {
  const bool has_grid = command.get_option_no_throw("--grid") != nullptr;
  return fmt::format("{} takes no '{}' alone{}", command.get_name(), argument.substr(0, 64),
                     has_grid ? fmt::format("; did you mean '--grid {}'?", argument.substr(0, 64)) : "");
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

}  // namespace

std::optional<UnknownName> unknown_name(const CLI::App& program, std::span<const char* const> arguments) {
  const CLI::App* command = &program;
  std::string path = program.get_name();
  int values = 0;  // that may follow, of the option before
  for (const std::string_view argument : arguments) {
    if (argument == "--") break;  // only values follow
    const std::string name(argument.substr(0, argument.find('=')));
    if (name.starts_with("--")) {
      const std::vector<std::string> known = options_of(*command);
      if (std::find(known.begin(), known.end(), name) == known.end())
        return UnknownName{no_such("option", name, command->get_name(), known), path};
      values = name.size() < argument.size() ? 0 : values_of(*command, name);
      continue;
    }
    if (name.starts_with('-')) {
      values = values_of(*command, name);
      continue;
    }
    const auto commands = command->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty()) {
      const bool has_place = std::ranges::any_of(command->get_options(), &CLI::Option::get_positional);
      if (values-- <= 0 && !has_place && command != &program)
        return UnknownName{no_place(std::string(argument), *command), path};
      continue;
    }
    std::vector<std::string> known;
    for (const CLI::App* one : commands) known.push_back(one->get_name());
    const auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end())
      return UnknownName{no_such("command", name, command == &program ? std::string() : command->get_name(), known),
                         path};
    command = commands[static_cast<size_t>(at - known.begin())];
    path += " " + command->get_name();
  }
  return std::nullopt;
}

}  // namespace tandem::app
