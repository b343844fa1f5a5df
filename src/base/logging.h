// One line a happening, on standard error, for the people who run the program. What the grid did is on the log
// (module `log`), not here.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace tandem {

enum class LogLevel { debug, info, warning, error };

void set_log_level(LogLevel level);
void write_log_line(LogLevel level, std::string_view line);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  write_log_line(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  write_log_line(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  write_log_line(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tandem
