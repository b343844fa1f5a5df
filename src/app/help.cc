#include "app/help.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "app/terminal.h"
#include "base/text.h"
#include "base/text_table.h"

namespace tandem::app {
namespace {

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* command) const override {
    return wrapped(command->get_description(), width()) + "\n";
  }
  std::string make_option(const CLI::Option* option, bool positional) const override {
    constexpr size_t kMargin = 26;
    const std::string names = "  " + make_option_name(option, positional) + make_option_opts(option);
    const std::string gap =
        names.size() + 2 <= kMargin ? std::string(kMargin - names.size(), ' ') : "\n" + std::string(kMargin, ' ');
    return names + gap + wrapped(make_option_desc(option), width(), kMargin) + "\n";
  }
  std::string make_subcommand(const CLI::App* command) const override {
    constexpr size_t kMargin = 14;
    const std::string name = "  " + command->get_name();
    return name + std::string(kMargin - std::min(name.size(), kMargin - 1), ' ') +
           wrapped(command->get_description(), width(), kMargin) + "\n";
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return {};       // a flag
    const std::string type = option->get_type_name();  // "UINT:INT in [1 - 24]" where a range is checked
    std::string text = " " + type.substr(0, type.find(':'));
    if (!option->get_default_str().empty()) text += "=" + option->get_default_str();
    if (const size_t range = type.find('['); range != std::string::npos) text += " " + type.substr(range);
    if (option->get_required()) text += " (required)";
    return text;
  }
  // Where it is read by no person at a terminal, as when its commands are tried, commands are whole.
  std::string make_footer(const CLI::App* command) const override {
    const std::string footer = command->get_footer();
    if (footer.empty()) return {};
    std::string text;
    for (const std::string_view line : split(footer, '\n'))
      text += (line.starts_with("  ") ? continued(line, terminal_width()) : wrapped(line, width())) + "\n";
    return text;
  }

 private:
  static size_t width() {
    constexpr size_t kReadable = 100;  // where standard output is no terminal: a pager's
    return terminal_width() == 0 ? kReadable : std::max<size_t>(terminal_width(), 40);
  }
};

// Parted at spaces, but not within single quotes, where a shell would keep what parts them.
std::vector<std::string_view> shell_words(std::string_view command) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  bool quoted = false;
  for (size_t at = 0; at <= command.size(); ++at) {
    if (at < command.size() && command[at] == '\'') quoted = !quoted;
    if (at < command.size() && (quoted || command[at] != ' ')) continue;
    if (at > begin) words.push_back(command.substr(begin, at - begin));
    begin = at + 1;
  }
  return words;
}

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_formatter() { return std::make_shared<HelpFormatter>(); }

std::string continued(std::string_view command, size_t width) {
  constexpr std::string_view kEnd = " \\";
  if (width == 0) return std::string(command);
  std::string text = " ";
  size_t at = text.size();
  const auto words = shell_words(command);
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t needs = 1 + display_width(words[i]) + (i + 1 < words.size() ? kEnd.size() : 0);
    if (i > 0 && at + needs > width) {
      text.append(kEnd).append("\n   ");
      at = 3;
    }
    text.append(" ").append(words[i]);
    at += 1 + display_width(words[i]);
  }
  return text;
}

}  // namespace tandem::app
