#include "base/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem {

std::string to_string(const Diagnostic& d) {
  const char* severity = d.severity == Diagnostic::Severity::error ? "error" : "warning";
  const std::string place = d.line > 0 ? fmt::format("{}:{}", d.file, d.line) : d.file;
  return d.fix.empty() ? fmt::format("{}: {}: {}", place, severity, d.message)
                       : fmt::format("{}: {}: {}; {}", place, severity, d.message, d.fix);
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Diagnostic::Severity::error; });
}

}  // namespace tandem
