// What the readers of foreign topologies share: encodings, lines and errors with their place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"

namespace tandem::ingest {

// Adds errors with file and line; after kErrorsMax it stops adding, because the rest follow from the first.
class ErrorSink {
 public:
  ErrorSink(std::string_view file, std::vector<Diagnostic>& diagnostics) : file_(file), diagnostics_(diagnostics) {}
  void error(int line, std::string message, std::string fix) {
    add(Diagnostic::Severity::error, line, std::move(message), std::move(fix));
  }
  void warning(int line, std::string message, std::string fix) {
    add(Diagnostic::Severity::warning, line, std::move(message), std::move(fix));
  }
  bool full() const { return added_ >= kErrorsMax; }

 private:
  static constexpr size_t kErrorsMax = 200;
  void add(Diagnostic::Severity severity, int line, std::string message, std::string fix);

  std::string file_;
  std::vector<Diagnostic>& diagnostics_;
  size_t added_ = 0;
};

// Whether `bytes` are at most kTopologyBytesMax; more is an error.
bool small_enough(std::string_view bytes, ErrorSink& errors);

// `bytes` as UTF-8: kept when they are, else read as ISO-8859-1, in which every byte is a letter.
std::string to_utf8(std::string_view bytes);

// `text` with HTML's numeric and Latin-1 entities ("&#246;", "&#xF6;", "&ouml;") replaced; others stay as they are.
std::string decode_entities(std::string_view text);

// `text` without control characters and white space at the ends, at most 200 bytes of whole characters.
std::string clean_label(std::string_view text);

// The parts of a line between blanks and tabs.
std::vector<std::string_view> fields(std::string_view line);

}  // namespace tandem::ingest
