// GML as the Topology Zoo writes it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "ingest/lines.h"
#include "ingest/topology.h"

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

// The values of one `[ … ]`, the nested ones left out.
struct Record {
  std::map<std::string, std::string_view, std::less<>> values;
  int line = 0;

  std::string_view text(std::string_view key) const {
    const auto found = values.find(key);
    return found == values.end() ? std::string_view() : found->second;
  }
  std::optional<double> number(std::string_view key) const { return parse_number(text(key)); }
};

class GmlReader {
 public:
  GmlReader(std::string_view text, ErrorSink& errors) : lexer_(text), errors_(errors) {}

  Topology read() {
    read_list("", 0);
    if (!graph_seen_) errors_.error(1, "there is no graph in this file", "GML starts with 'graph ['");
    resolve_edges();
    return std::move(topology_);
  }

 private:
  // Reads key-value pairs up to the closing bracket. `within` is the key of the list.
  Record read_list(std::string_view within, int depth) {
    Record record;
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

  Record skip_to_end() {
    while (lexer_.next().type != Token::Type::end) {
    }
    return {};
  }

  bool read_value(Record& record, std::string_view within, const Token& key, int depth) {
    const Token value = lexer_.next();
    if (value.type == Token::Type::word || value.type == Token::Type::string) {
      if (within == "graph" && key.text == "label") topology_.name = clean_label(decode_entities(value.text));
      if (within == "graph" && key.text == "directed") topology_.directed = value.text == "1";
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
    Record list = read_list(key.text, depth + 1);
    list.line = key.line;
    if (within == "graph" && key.text == "node") return add_node(list);
    if (within == "graph" && key.text == "edge") return add_edge(list);
    return true;
  }

  bool add_node(const Record& record) {
    if (topology_.nodes.size() == kTopologyNodesMax) {
      errors_.error(record.line, fmt::format("there are more than {} nodes", kTopologyNodesMax),
                    "import a smaller network");
      return false;
    }
    const auto id = record.number("id");
    if (!id) {
      errors_.error(record.line, "a node has no id", "write id and a number");
      return true;
    }
    if (!positions_.emplace(*id, topology_.nodes.size()).second) {
      errors_.error(record.line, fmt::format("there are two nodes with the id {}", *id), "give each its own");
      return true;
    }
    TopologyNode node;
    node.label = clean_label(decode_entities(record.text("label")));
    if (node.label == "None" || node.label == "?") node.label.clear();
    node.country = clean_label(decode_entities(record.text("Country")));
    node.junction = record.text("hyperedge") == "1" || record.text("Internal") == "0";
    node.line = record.line;
    const auto latitude = record.number("Latitude"), longitude = record.number("Longitude");
    if (latitude && longitude) {
      if (std::abs(*latitude) <= 90 && std::abs(*longitude) <= 180)
        node.place = grid::Place{Degrees(*latitude), Degrees(*longitude)};
      else
        errors_.warning(record.line, fmt::format("{}, {} is nowhere on Earth", *latitude, *longitude),
                        "the node is placed by its neighbours");
    }
    topology_.nodes.push_back(std::move(node));
    return true;
  }

  bool add_edge(const Record& record) {
    if (edges_.size() == kTopologyEdgesMax) {
      errors_.error(record.line, fmt::format("there are more than {} edges", kTopologyEdgesMax),
                    "import a smaller network");
      return false;
    }
    edges_.push_back(record);
    return true;
  }

  void resolve_edges() {
    for (const Record& record : edges_) {
      const auto from = find(record, "source"), to = find(record, "target");
      if (!from || !to) continue;
      TopologyEdge edge;
      edge.label = clean_label(decode_entities(record.text("LinkLabel")));
      edge.from = *from;
      edge.to = *to;
      edge.capacity = std::max(0.0, record.number("LinkSpeedRaw").value_or(0) / 1e9);
      edge.line = record.line;
      topology_.edges.push_back(std::move(edge));
    }
  }

  std::optional<size_t> find(const Record& record, std::string_view end) {
    const auto id = record.number(end);
    const auto found = id ? positions_.find(*id) : positions_.end();
    if (found != positions_.end()) return found->second;
    errors_.error(record.line,
                  fmt::format("the {} of this edge is '{}', which is no node", end, record.text(end).substr(0, 40)),
                  "name the id of a node");
    return std::nullopt;
  }

  Lexer lexer_;
  ErrorSink& errors_;
  Topology topology_;
  bool graph_seen_ = false;
  std::map<double, size_t> positions_;
  std::vector<Record> edges_;
};

}  // namespace

Topology parse_topology_zoo(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics) {
  ErrorSink errors(file_name, diagnostics);
  if (bytes.size() > kTopologyBytesMax) {
    errors.error(0, fmt::format("the file has {} bytes", bytes.size()),
                 fmt::format("at most {} are allowed", kTopologyBytesMax));
    return {};
  }
  const std::string text = to_utf8(bytes);
  return GmlReader(text, errors).read();
}

}  // namespace tandem::ingest
