#include "app/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "base/file.h"

namespace tandem::app {
namespace {

constexpr size_t kDiagnosticsShown = 20;  // a screen

tl::unexpected<Error> not_written(std::string_view where, int error) {
  return fail(ErrorCode::io, fmt::format("cannot write to {}: {}", where, std::generic_category().message(error)));
}

Result<void> write_to(std::FILE* out, std::string_view text, std::string_view where) {
  if (std::fwrite(text.data(), 1, text.size(), out) != text.size() || std::fflush(out) != 0)
    return not_written(where, errno);
  return {};
}

}  // namespace

std::string first_of(const std::vector<Diagnostic>& diagnostics) {
  std::vector<const Diagnostic*> rows;
  for (const Diagnostic& diagnostic : diagnostics) rows.push_back(&diagnostic);
  if (rows.size() > kDiagnosticsShown)
    std::ranges::stable_partition(rows,
                                  [](const Diagnostic* row) { return row->severity == Diagnostic::Severity::error; });
  std::string text;
  for (size_t i = 0; i < std::min(rows.size(), kDiagnosticsShown); ++i) text += to_string(*rows[i]) + "\n";
  if (rows.size() > kDiagnosticsShown) text += fmt::format("… and {} more\n", rows.size() - kDiagnosticsShown);
  return text;
}

void print_diagnostics(const std::vector<Diagnostic>& diagnostics) { fmt::print(stderr, "{}", first_of(diagnostics)); }

Result<void> write_output(const std::filesystem::path& file, std::string_view text) {
  if (file == "-") return write_to(stdout, text, "standard output");
  std::error_code unknown;
  const auto status = std::filesystem::status(file, unknown);
  const std::filesystem::path folder = file.parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder, unknown))
    return fail(ErrorCode::not_found,
                fmt::format("there is no folder '{}' to write '{}' in", folder.string(), file.filename().string()));
  if (!std::filesystem::exists(status)) return write_file_durably(file, text);
  if (std::filesystem::is_directory(status))
    return fail(ErrorCode::invalid_argument, fmt::format("'{}' is a directory: name a file in it", file.string()));
  if (std::filesystem::is_regular_file(status))
    return write_file_durably(std::filesystem::canonical(file, unknown), text);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "w"), std::fclose);
  return out != nullptr ? write_to(out.get(), text, file.string()) : not_written(file.string(), errno);
}

Result<void> flush_standard_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return not_written("standard output", errno);
  return {};
}

}  // namespace tandem::app
