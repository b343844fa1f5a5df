// What is wrong with a file: every error at once, each with its place and what would be right.
#pragma once

#include <string>
#include <vector>

namespace tandem {

struct Diagnostic {
  enum class Severity { error, warning };

  Severity severity = Severity::error;
  std::string file;
  int line = 0;         // from 1; 0 when the whole file is meant
  std::string message;  // what is wrong
  std::string fix;      // what would be right; may be empty where the message says it

  bool operator==(const Diagnostic&) const = default;
};

// "grid.yaml:12: error: no site 'x'; did you mean 'y'?"
std::string to_string(const Diagnostic& diagnostic);

bool has_errors(const std::vector<Diagnostic>& diagnostics);

}  // namespace tandem
