// GraphML as the Topology Zoo writes it, and NetworkX. Of XML it reads elements, attributes, text and CDATA; a document
// type, and with it entities of the file's own, is refused.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "ingest/lines.h"
#include "ingest/topology.h"
#include "ingest/zoo_graph.h"

namespace tandem::ingest {
namespace {

constexpr size_t kElementsDeepMax = 32;  // graphml, graph, node, data, and what editors draw nodes with
constexpr std::string_view kXmlBlanks = " \t\r\n";

struct Tag {
  std::string_view name;  // without the prefix of its namespace
  std::vector<std::pair<std::string_view, std::string_view>> attributes;
  bool opens = false, closes = false;  // both of <name/>
  int line = 1;

  std::string_view attribute(std::string_view wanted) const {
    const auto found = std::ranges::find(attributes, wanted, &std::pair<std::string_view, std::string_view>::first);
    return found == attributes.end() ? std::string_view() : found->second;
  }
};

class TagReader {
 public:
  TagReader(std::string_view text, ErrorSink& errors) : rest_(text), errors_(errors) {}

  // The next tag; nothing at the end, and where what follows is no XML, which is said.
  std::optional<Tag> next() {
    text_.clear();
    for (;;) {
      text_ += take(rest_.find('<'));
      if (rest_.empty()) return std::nullopt;
      if (rest_.starts_with("<!--")) {
        if (!take_past("-->")) return std::nullopt;
      } else if (rest_.starts_with("<![CDATA[")) {
        const auto all = take_past("]]>");
        if (!all) return std::nullopt;
        text_ += all->substr(9, all->size() - 12);
      } else if (rest_.starts_with("<?")) {
        if (!take_past("?>")) return std::nullopt;
      } else if (rest_.starts_with("<!")) {
        return refuse("a document type is declared", "remove it: GraphML needs none");
      } else {
        return read_tag();
      }
    }
  }

  // What stood between the last tag and the one before.
  std::string_view text() const { return text_; }
  int line() const { return line_; }

 private:
  // So many bytes from the front, or all that are left.
  std::string_view take(size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    line_ += static_cast<int>(std::ranges::count(taken, '\n'));
    return taken;
  }

  std::optional<std::string_view> take_past(std::string_view end) {
    const size_t at = rest_.find(end);
    if (at != std::string_view::npos) return take(at + end.size());
    refuse(fmt::format("'{}' has no end", rest_.substr(0, 4)), fmt::format("end it with {}", end));
    return std::nullopt;
  }

  std::nullopt_t refuse(std::string message, std::string fix) {
    errors_.error(line_, std::move(message), std::move(fix));
    return std::nullopt;
  }

  std::optional<Tag> read_tag() {
    Tag tag;
    tag.line = line_;
    take(1);
    tag.closes = rest_.starts_with('/');
    tag.opens = !tag.closes;
    if (tag.closes) take(1);
    tag.name = take(rest_.find_first_of(" \t\r\n/>"));
    tag.name.remove_prefix(std::min(tag.name.rfind(':') + 1, tag.name.size()));
    for (;;) {
      take(rest_.find_first_not_of(kXmlBlanks));
      if (rest_.starts_with('>') || rest_.starts_with("/>")) break;
      const std::string_view name = take(rest_.find_first_of("= \t\r\n\"'<>"));
      take(rest_.find_first_not_of(kXmlBlanks));
      const bool valued = !name.empty() && take(1) == "=";
      take(rest_.find_first_not_of(kXmlBlanks));
      const std::string_view quote = take(1);
      const size_t end = quote == "\"" || quote == "'" ? rest_.find(quote) : std::string_view::npos;
      if (!valued || end == std::string_view::npos)
        return refuse(fmt::format("an attribute of <{}> was expected here", tag.name.substr(0, 40)),
                      "write name=\"value\"");
      tag.attributes.emplace_back(name, take(end));
      take(1);
    }
    tag.closes |= take(rest_.find('>') + 1).size() == 2;
    return tag;
  }

  std::string_view rest_;
  ErrorSink& errors_;
  std::string text_;
  int line_ = 1;
};

class GraphmlReader {
 public:
  GraphmlReader(std::string_view text, ErrorSink& errors) : tags_(text, errors), errors_(errors), graph_(errors) {}

  Topology read() {
    while (const auto tag = tags_.next())
      if ((tag->opens && !open(*tag)) || (tag->closes && !close(*tag))) return graph_.finish();
    if (!open_.empty())
      errors_.error(tags_.line(), fmt::format("<{}> of line {} does not end", name(open_.back()), open_.back().line),
                    fmt::format("close it with </{}>", name(open_.back())));
    if (!graph_seen_) errors_.error(1, "there is no graph in this file", "GraphML has a <graph> within <graphml>");
    return graph_.finish();
  }

 private:
  static std::string_view name(const Tag& tag) { return tag.name.substr(0, 40); }

  bool refuse(const Tag& tag, std::string message, std::string fix) {
    errors_.error(tag.line, std::move(message), std::move(fix));
    return false;
  }

  bool open(const Tag& tag) {
    if (open_.size() == kElementsDeepMax)
      return refuse(tag, fmt::format("elements are nested deeper than {}", kElementsDeepMax), "a topology needs 4");
    open_.push_back(tag);
    if (tag.name == "key") {
      const std::string_view called = tag.attribute("attr.name");
      names_.try_emplace(tag.attribute("id"), called.empty() ? tag.attribute("id") : called);
    } else if (tag.name == "default") {
      errors_.warning(tag.line, "the default of a key is not read", "write the value where it holds");
    } else if (tag.name == "hyperedge") {
      errors_.warning(tag.line, "a hyperedge is not read", "write a node in its middle, and an edge to each end");
    } else if (tag.name == "graph") {
      if (std::exchange(graph_seen_, true))
        return refuse(tag, "there is another graph in this file", "import one graph, without graphs in its nodes");
      graph_.set_directed(tag.attribute("edgedefault") == "directed");
    } else if (tag.name == "node" || tag.name == "edge") {
      if (record_) return refuse(tag, fmt::format("a {} within another element's", name(tag)), "close that first");
      record_.emplace().line = tag.line;
      for (const char* attribute : {"id", "source", "target"})
        record_->values.emplace(attribute, tag.attribute(attribute));
    }
    return true;
  }

  bool close(const Tag& tag) {
    if (open_.empty() || open_.back().name != tag.name)
      return refuse(tag, fmt::format("</{}> closes nothing that is open", name(tag)),
                    open_.empty() ? "remove it" : fmt::format("</{}> was expected", name(open_.back())));
    const Tag opened = std::move(open_.back());
    open_.pop_back();
    if (tag.name == "data") return read_data(opened.attribute("key"));
    if (!record_ || (tag.name != "node" && tag.name != "edge")) return true;
    ZooRecord record = std::move(*record_);
    record_.reset();
    if (const std::string& id = record.values["id"]; !parse_number(id)) record.values.try_emplace("label", id);
    return tag.name == "node" ? graph_.add_node(record) : graph_.add_edge(record);
  }

  bool read_data(std::string_view key) {
    const auto found = names_.find(key);
    const std::string_view called = found == names_.end() ? key : found->second, value = trim(tags_.text());
    if (value.empty()) return true;
    if (record_)
      record_->values.try_emplace(std::string(called), value);
    else if (called == "label")
      graph_.set_name(value);
    return true;
  }

  TagReader tags_;
  ErrorSink& errors_;
  ZooGraph graph_;
  bool graph_seen_ = false;
  std::vector<Tag> open_;
  std::map<std::string_view, std::string_view> names_;  // of keys, by their ids
  std::optional<ZooRecord> record_;                     // of the node or edge that is open
};

}  // namespace

Topology parse_graphml(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics) {
  ErrorSink errors(file_name, diagnostics);
  if (!small_enough(bytes, errors)) return {};
  const std::string text = to_utf8(bytes);
  return GraphmlReader(text, errors).read();
}

}  // namespace tandem::ingest
