// SNDlib's native format: sections in parentheses, one entry a line.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "ingest/lines.h"
#include "ingest/topology.h"

namespace tandem::ingest {
namespace {

class SndlibReader {
 public:
  SndlibReader(std::string_view text, ErrorSink& errors) : text_(text), errors_(errors) {}

  Topology read() {
    topology_.capacity_unit = Topology::CapacityUnit::not_stated;
    bool header = false;
    for (int line = 1; !text_.empty() && !errors_.full(); ++line) {
      const size_t end = std::min(text_.find('\n'), text_.size());
      const std::string_view content = trim(text_.substr(0, end));
      text_.remove_prefix(std::min(end + 1, text_.size()));
      if (content.starts_with("?SNDlib")) header = true;
      if (content.starts_with("# network ")) topology_.name = clean_label(content.substr(10));
      if (content.empty() || content.front() == '#' || content.front() == '?') continue;
      read_line(line, fields(content));
    }
    if (!header)
      errors_.error(1, "the first line is not SNDlib's", "it starts with '?SNDlib native format; type: network'");
    if (section_ != Section::none) errors_.error(0, "the last section does not end", "close it with )");
    if (header && topology_.nodes.empty()) errors_.error(0, "there is no node", "list them under NODES (");
    return std::move(topology_);
  }

 private:
  enum class Section : uint8_t { none, nodes, links, demands, other };  // META and the paths are skipped

  void read_line(int line, const std::vector<std::string_view>& f) {
    if (section_ == Section::none) return open_section(line, f);
    if (section_ == Section::other) return skip_line(f);
    if (f.size() == 1 && f[0] == ")") {
      section_ = Section::none;
      return;
    }
    switch (section_) {
      case Section::nodes: return read_node(line, f);
      case Section::links: return read_link(line, f);
      case Section::demands: return read_demand(line, f);
      case Section::none:
      case Section::other: return;
    }
  }

  // Entries of a skipped section may be parentheses over several lines; free text may have some that are never closed.
  void skip_line(const std::vector<std::string_view>& f) {
    if (f.size() == 1 && f[0] == ")") {
      if (nested_ == 0) section_ = Section::none;
      if (nested_ > 0) --nested_;
    } else if (f.back() == "(") {
      ++nested_;
    }
  }

  void open_section(int line, const std::vector<std::string_view>& f) {
    if (f.size() < 2 || f[1] != "(")
      return errors_.error(line, "a section was expected here", "sections start like 'NODES ('");
    section_ = f[0] == "NODES"     ? Section::nodes
               : f[0] == "LINKS"   ? Section::links
               : f[0] == "DEMANDS" ? Section::demands
                                   : Section::other;
    if (f.size() == 3 && f[2] == ")") section_ = Section::none;
  }

  // <node_id> [( <longitude> <latitude> )]
  void read_node(int line, const std::vector<std::string_view>& f) {
    if (topology_.nodes.size() == kTopologyNodesMax)
      return errors_.error(line, fmt::format("there are more than {} nodes", kTopologyNodesMax),
                           "import a smaller network");
    TopologyNode node;
    node.label = clean_label(f[0]);
    node.line = line;
    if (!positions_.emplace(f[0], topology_.nodes.size()).second)
      return errors_.error(line, fmt::format("there are two nodes '{}'", node.label), "give each its own name");
    if (f.size() > 1) {
      const auto longitude = f.size() == 5 ? parse_number(f[2]) : std::nullopt,
                 latitude = f.size() == 5 ? parse_number(f[3]) : std::nullopt;
      if (!longitude || !latitude || f[1] != "(" || f[4] != ")")
        errors_.error(line, fmt::format("the place of node '{}' cannot be read", node.label),
                      "write ( longitude latitude )");
      else
        node.place = grid::Place{Degrees(*latitude), Degrees(*longitude)};
    }
    topology_.nodes.push_back(std::move(node));
  }

  // <link_id> ( <source> <target> ) <capacity> <cost> <routing_cost> <setup_cost> ( {<module_capacity> <module_cost>}*
  // )
  void read_link(int line, const std::vector<std::string_view>& f) {
    if (topology_.edges.size() == kTopologyEdgesMax)
      return errors_.error(line, fmt::format("there are more than {} links", kTopologyEdgesMax),
                           "import a smaller network");
    const bool shaped =
        f.size() >= 11 && f[1] == "(" && f[4] == ")" && f[9] == "(" && f.back() == ")" && f.size() % 2 == 1;
    if (!shaped)
      return errors_.error(line, "this link cannot be read",
                           "write: id ( source target ) capacity cost routing setup ( modules )");
    const auto from = find(line, f[2]), to = find(line, f[3]);
    if (!from || !to) return;
    TopologyEdge edge;
    edge.label = clean_label(f[0]);
    edge.from = *from;
    edge.to = *to;
    edge.line = line;
    // What is installed, else the largest module that could be.
    const auto installed = number(line, f[5], "capacity");
    const auto routing_cost = number(line, f[7], "routing cost");
    if (!installed || !routing_cost) return;
    edge.capacity = *installed;
    edge.weight = *routing_cost;
    double largest_module = 0;
    for (size_t i = 10; i + 1 < f.size(); i += 2) {
      const auto module = number(line, f[i], "module capacity");
      if (!module) return;
      largest_module = std::max(largest_module, *module);
    }
    if (edge.capacity == 0) edge.capacity = largest_module;
    topology_.edges.push_back(std::move(edge));
  }

  // <demand_id> ( <source> <target> ) <routing_unit> <demand_value> <max_path_length>
  void read_demand(int line, const std::vector<std::string_view>& f) {
    if (topology_.demands.size() == kTopologyDemandsMax)
      return errors_.error(line, fmt::format("there are more than {} demands", kTopologyDemandsMax),
                           "import a smaller network");
    if (f.size() < 7 || f[1] != "(" || f[4] != ")")
      return errors_.error(line, "this demand cannot be read", "write: id ( source target ) unit value length");
    const auto from = find(line, f[2]), to = find(line, f[3]);
    const auto value = number(line, f[6], "demand");
    if (from && to && value) topology_.demands.push_back({clean_label(f[0]), *from, *to, *value});
  }

  std::optional<double> number(int line, std::string_view text, std::string_view what) {
    const auto value = parse_number(text);
    if (value && *value >= 0) return value;
    errors_.error(line, fmt::format("the {} '{}' is not a number from 0", what, text.substr(0, 40)), "write a number");
    return std::nullopt;
  }

  std::optional<size_t> find(int line, std::string_view name) {
    const auto found = positions_.find(name);
    if (found != positions_.end()) return found->second;
    errors_.error(line, fmt::format("there is no node '{}'", clean_label(name.substr(0, 60))), "name one of NODES");
    return std::nullopt;
  }

  std::string_view text_;
  ErrorSink& errors_;
  Topology topology_;
  Section section_ = Section::none;
  size_t nested_ = 0;  // entries open within a skipped section
  std::map<std::string, size_t, std::less<>> positions_;
};

}  // namespace

Topology parse_sndlib(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics) {
  ErrorSink errors(file_name, diagnostics);
  if (!small_enough(bytes, errors)) return {};
  const std::string text = to_utf8(bytes);
  return SndlibReader(text, errors).read();
}

}  // namespace tandem::ingest
