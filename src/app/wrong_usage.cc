#include "app/wrong_usage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace tandem::app {
namespace {

std::string no_count(const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::string() : fmt::format("'{}' is no whole number from 0 on", text.substr(0, 64));
}

std::string no_number(const std::string& text) {
  const auto number = parse_number(text);
  return number && std::isfinite(*number) ? std::string() : fmt::format("'{}' is no number", text.substr(0, 64));
}

const CLI::App& innermost(const CLI::App& program) {
  const auto named = program.get_subcommands();
  return named.empty() ? program : innermost(*named.back());
}

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

}  // namespace

void check_numbers(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("UINT")) option->check(no_count);
    if (type.starts_with("FLOAT")) option->check(no_number);
  }
  for (CLI::App* below : command.get_subcommands([](CLI::App*) { return true; })) check_numbers(*below);
}

std::string wrong_usage(const CLI::App& program, const CLI::Error& error) {
  const CLI::App& command = innermost(program);
  const std::string what = error.what();
  if (what == "A subcommand is required") return program.help();
  const std::string name = full_name(command);
  return fmt::format("{}: {}\n`{} --help` has its options and examples.\n", name, what, name);
}

}  // namespace tandem::app
