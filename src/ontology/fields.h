// Reads a YAML mapping strictly.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/yaml_tree.h"

namespace tandem::ontology {

// Where problems of one file go.
class Reports {
 public:
  Reports(std::string_view file, std::vector<Diagnostic>& diagnostics) : file_(file), diagnostics_(diagnostics) {}
  void error(int line, std::string message, std::string fix = {}) {
    diagnostics_.push_back({Diagnostic::Severity::error, file_, line, std::move(message), std::move(fix)});
  }

 private:
  std::string file_;
  std::vector<Diagnostic>& diagnostics_;
};

// The keys of a mapping, each read at most once; what is left unread when it ends is an error.
class Fields {
 public:
  // Reports a node that is no mapping, and then has no keys.
  Fields(const YamlNode& node, std::string what, Reports& reports);
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;
  ~Fields();

  int line() const { return line_; }
  const YamlNode* take(std::string_view key);  // null when it is not there
  std::string text(std::string_view key, bool required = false);
  std::vector<std::string> texts(std::string_view key);  // a text counts as a list of one
  bool boolean(std::string_view key);
  std::optional<double> number(std::string_view key);
  std::optional<int64_t> count(std::string_view key, int64_t most);  // from 0
  // One of `choices` by position; `absent` when it is not there, or not one of them, which is reported.
  size_t choice(std::string_view key, const std::vector<std::string>& choices, size_t absent);

 private:
  void wrong(const YamlNode& node, std::string_view key, std::string_view what_is_right);

  const YamlNode* map_ = nullptr;
  int line_;
  std::string what_;
  Reports& reports_;
  std::vector<std::string> known_;
};

}  // namespace tandem::ontology
