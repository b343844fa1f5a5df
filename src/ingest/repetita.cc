// REPETITA's two files: a directed graph, and demands on it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "ingest/lines.h"
#include "ingest/topology.h"

namespace tandem::ingest {
namespace {

constexpr double kGbpsPerKbps = 1e-6;

// Lines with their fields; empty lines are skipped.
class FieldLines {
 public:
  explicit FieldLines(std::string_view text) : text_(text) {}

  bool next() {
    while (!text_.empty()) {
      const size_t end = std::min(text_.find('\n'), text_.size());
      current = fields(text_.substr(0, end));
      text_.remove_prefix(std::min(end + 1, text_.size()));
      ++line;
      if (!current.empty()) return true;
    }
    current.clear();
    return false;
  }

  std::vector<std::string_view> current;
  int line = 0;

 private:
  std::string_view text_;
};

class RepetitaReader {
 public:
  RepetitaReader(std::string_view text, ErrorSink& errors, Topology& topology)
      : lines_(text), errors_(errors), topology_(topology) {}

  void read_graph() {
    topology_.directed = true;
    if (!open_section("NODES", "label x y", kTopologyNodesMax)) return;
    for (size_t i = 0; i < count_ && next_row(3); ++i) read_node();
    if (errors_.full() || !open_section("EDGES", "label src dest weight bw delay", kTopologyEdgesMax)) return;
    for (size_t i = 0; i < count_ && next_row(6); ++i) read_edge();
    if (lines_.next())
      errors_.error(lines_.line, "there is more than the edges", "the counts of NODES and EDGES must be right");
  }

  void read_demands() {
    if (!open_section("DEMANDS", "label src dest bw", kTopologyDemandsMax)) return;
    for (size_t i = 0; i < count_ && next_row(4); ++i) {
      const auto& f = lines_.current;
      const auto from = node(f[1]), to = node(f[2]);
      const auto rate = number(f[3], "bw");
      if (from && to && rate) topology_.demands.push_back({clean_label(f[0]), *from, *to, *rate * kGbpsPerKbps});
    }
  }

 private:
  // "<name> <count>" and the line that names the columns.
  bool open_section(std::string_view name, std::string_view columns, size_t count_max) {
    const bool there = lines_.next();
    const auto count = there && lines_.current.size() == 2 && lines_.current[0] == name
                           ? parse_integer(lines_.current[1])
                           : std::nullopt;
    if (!count || *count < 0 || static_cast<uint64_t>(*count) > count_max) {
      errors_.error(std::max(1, lines_.line), fmt::format("'{}' and a count were expected here", name),
                    fmt::format("write a count of at most {}", count_max));
      return false;
    }
    count_ = static_cast<size_t>(*count);
    if (!lines_.next() || lines_.current != fields(columns)) {
      errors_.error(lines_.line, fmt::format("the names of the columns of {} were expected here", name),
                    fmt::format("write: {}", columns));
      return false;
    }
    return true;
  }

  bool next_row(size_t columns) {
    if (errors_.full()) return false;
    if (!lines_.next()) {
      errors_.error(lines_.line, "the file ends too early", fmt::format("it promised {} rows in this section", count_));
      return false;
    }
    if (lines_.current.size() == columns) return true;
    errors_.error(lines_.line, fmt::format("this row has {} fields, not {}", lines_.current.size(), columns),
                  "write one row a line");
    return false;
  }

  void read_node() {
    const auto& f = lines_.current;
    TopologyNode node;
    node.label = clean_label(f[0]);
    node.line = lines_.line;
    const auto x = parse_number(f[1]), y = parse_number(f[2]);
    if (!x || !y)
      return errors_.error(lines_.line, "the coordinates cannot be read", "write: label longitude latitude");
    node.place = grid::Place{Degrees(*y), Degrees(*x)};
    topology_.nodes.push_back(std::move(node));
  }

  void read_edge() {
    const auto& f = lines_.current;
    const auto from = node(f[1]), to = node(f[2]);
    const auto weight = number(f[3], "weight"), bandwidth = number(f[4], "bw"), delay = number(f[5], "delay");
    if (!from || !to || !weight || !bandwidth || !delay) return;
    topology_.edges.push_back({clean_label(f[0]), *from, *to, *bandwidth * kGbpsPerKbps, *weight, *delay, lines_.line});
  }

  std::optional<double> number(std::string_view text, std::string_view what) {
    const auto value = parse_number(text);
    if (value && *value >= 0) return value;
    errors_.error(lines_.line, fmt::format("the {} '{}' is not a number from 0", what, text.substr(0, 40)),
                  "write a number");
    return std::nullopt;
  }

  std::optional<size_t> node(std::string_view text) {
    const auto position = parse_integer(text);
    if (position && *position >= 0 && static_cast<size_t>(*position) < topology_.nodes.size())
      return static_cast<size_t>(*position);
    errors_.error(
        lines_.line, fmt::format("'{}' is no node", text.substr(0, 40)),
        fmt::format("nodes are numbered from 0 to {}", topology_.nodes.empty() ? 0 : topology_.nodes.size() - 1));
    return std::nullopt;
  }

  FieldLines lines_;
  ErrorSink& errors_;
  Topology& topology_;
  size_t count_ = 0;
};

}  // namespace

Topology parse_repetita(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics) {
  ErrorSink errors(file_name, diagnostics);
  Topology topology;
  if (!small_enough(bytes, errors)) return topology;
  const std::string text = to_utf8(bytes);
  RepetitaReader(text, errors, topology).read_graph();
  return topology;
}

void parse_repetita_demands(std::string_view bytes, std::string_view file_name, Topology& topology,
                            std::vector<Diagnostic>& diagnostics) {
  ErrorSink errors(file_name, diagnostics);
  if (!small_enough(bytes, errors)) return;
  const std::string text = to_utf8(bytes);
  RepetitaReader(text, errors, topology).read_demands();
}

}  // namespace tandem::ingest
