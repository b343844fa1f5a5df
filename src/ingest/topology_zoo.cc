// GML as the Topology Zoo writes it.
#include <fmt/format.h>

#include <algorithm>

#include "ingest/lines.h"
#include "ingest/topology.h"
#include "ingest/zoo_graph.h"

namespace tandem::ingest {
namespace {

constexpr int kDepthMax = 8;  // graph, node, graphics and what others may add

struct Token {
  enum class Type : uint8_t { word, string, open, close, end };
  Type type = Type::end;
  std::string_view text;
  int line = 1;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Token next() {
    skip_blanks();
    if (at_ >= text_.size()) return {Token::Type::end, {}, line_};
    const char c = text_[at_];
    if (c == '[' || c == ']') return {c == '[' ? Token::Type::open : Token::Type::close, text_.substr(at_++, 1), line_};
    if (c == '"') return string();
    const size_t start = at_;
    at_ = std::min(text_.find_first_of(" \t\r\n[]\"", at_), text_.size());
    return {Token::Type::word, text_.substr(start, at_ - start), line_};
  }

 private:
  void skip_blanks() {
    for (bool line_start = at_ == 0; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') {
        ++line_;
        line_start = true;
      } else if (c == '#' && line_start) {
        at_ = std::min(text_.find('\n', at_), text_.size()) - 1;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return;
      }
    }
  }

  Token string() {
    const int line = line_;
    const size_t start = ++at_;
    at_ = std::min(text_.find('"', at_), text_.size());
    const std::string_view content = text_.substr(start, at_ - start);
    line_ += static_cast<int>(std::count(content.begin(), content.end(), '\n'));
    if (at_ < text_.size()) ++at_;
    return {Token::Type::string, content, line};
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

class GmlReader {
 public:
  GmlReader(std::string_view text, ErrorSink& errors) : lexer_(text), errors_(errors), graph_(errors) {}

  Topology read() {
    read_list("", 0);
    if (!graph_seen_) errors_.error(1, "there is no graph in this file", "GML starts with 'graph ['");
    return graph_.finish();
  }

 private:
  // Reads key-value pairs up to the closing bracket, lists among them left out. `within` is the key of the list.
  ZooRecord read_list(std::string_view within, int depth) {
    ZooRecord record;
    for (;;) {
      const Token key = lexer_.next();
      if (key.type == Token::Type::close && depth > 0) return record;
      if (key.type == Token::Type::end) {
        if (depth > 0)
          errors_.error(key.line, fmt::format("the list of '{}' does not end", within.substr(0, 40)),
                        "close it with ]");
        return record;
      }
      if (key.type != Token::Type::word) {
        errors_.error(key.line, "a key was expected here", "write key and value");
        if (errors_.full() || key.type == Token::Type::open) return skip_to_end();
        continue;
      }
      if (!read_value(record, within, key, depth)) return skip_to_end();
    }
  }

  ZooRecord skip_to_end() {
    while (lexer_.next().type != Token::Type::end) {
    }
    return {};
  }

  bool read_value(ZooRecord& record, std::string_view within, const Token& key, int depth) {
    const Token value = lexer_.next();
    if (value.type == Token::Type::word || value.type == Token::Type::string) {
      if (within == "graph" && key.text == "label") graph_.set_name(value.text);
      if (within == "graph" && key.text == "directed") graph_.set_directed(value.text == "1");
      record.values.try_emplace(std::string(key.text), value.text);
      return true;
    }
    if (value.type != Token::Type::open) {
      errors_.error(value.line, fmt::format("'{}' has no value", key.text.substr(0, 40)), "write key and value");
      return value.type == Token::Type::close && depth == 0;
    }
    if (depth == kDepthMax) {
      errors_.error(value.line, fmt::format("lists are nested deeper than {}", kDepthMax), "a topology needs 3");
      return false;
    }
    if (key.text == "graph") graph_seen_ = true;
    ZooRecord list = read_list(key.text, depth + 1);
    list.line = key.line;
    if (within == "graph" && key.text == "node") return graph_.add_node(list);
    if (within == "graph" && key.text == "edge") return graph_.add_edge(list);
    return true;
  }

  Lexer lexer_;
  ErrorSink& errors_;
  ZooGraph graph_;
  bool graph_seen_ = false;
};

}  // namespace

Topology parse_topology_zoo(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics) {
  ErrorSink errors(file_name, diagnostics);
  if (!small_enough(bytes, errors)) return {};
  const std::string text = to_utf8(bytes);
  return GmlReader(text, errors).read();
}

}  // namespace tandem::ingest
