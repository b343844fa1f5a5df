// YAML: kinds (or their sections of a grid file) with a list of entities each. A grid file is such a feed too.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ingest/feed_kind.h"
#include "ingest/feed_readers.h"
#include "ingest/yaml_value.h"

namespace tandem::ingest {
namespace {

class YamlReader final : public FeedReader {
 public:
  YamlReader(std::string_view file_name, FeedSink& sink) : file_name_(file_name), sink_(sink) {}

  void push(std::string_view bytes) override {
    too_large_ |= bytes_.size() + bytes.size() > kFeedYamlBytesMax;
    if (!too_large_) bytes_ += bytes;
  }

  void finish() override {
    if (too_large_)
      return file_fault(1, fmt::format("the file is larger than {} MB", kFeedYamlBytesMax >> 20),
                        "split it, or write CSV, which has no such limit");
    std::vector<Diagnostic> diagnostics;
    const auto root = parse_yaml(bytes_, file_name_, diagnostics);
    for (Diagnostic& diagnostic : diagnostics)
      file_fault(diagnostic.line, std::move(diagnostic.message), std::move(diagnostic.fix));
    if (!root || !diagnostics.empty()) return;
    if (root->type != YamlNode::Type::map)
      return file_fault(root->line, "the file is not a map of kinds to lists",
                        "write rack: and below it a list of racks");
    read_root(*root);
  }

  std::string column(const FeedPlace&, std::string_view, std::string_view attribute) const override {
    return attribute.empty() ? std::string() : fmt::format("key '{}'", attribute);
  }
  std::vector<std::string> notes() const override { return {}; }

 private:
  void file_fault(int line, std::string message, std::string fix) {
    FeedPlace place;
    place.line = static_cast<uint32_t>(std::max(line, 1));
    sink_.fault({place, "", "", "", std::move(message), std::move(fix)}, std::exchange(first_fault_, false));
  }

  void read_root(const YamlNode& root) {
    inventory::Row grid;  // keys at the top that are attributes of the grid as a whole
    grid.kind = grid.id = std::string(grid::kGrid);
    const grid::Kind& grid_kind = *feed_kind(grid::kGrid);
    for (size_t i = 0; i < root.keys.size(); ++i) {
      const std::string& key = root.keys[i];
      const grid::Kind* kind = grid::find_section(key);
      if (kind == nullptr) kind = feed_kind(key);
      if (key == kFormatKey) continue;
      if (kind != nullptr && !(kind->name == grid::kGrid && root.items[i].type != YamlNode::Type::list)) {
        read_list(*kind, root.items[i], root.key_lines[i]);
      } else if (const grid::Attribute* attribute = grid_kind.find(key)) {
        grid.attributes[key] = yaml_value(root.items[i], attribute);
      } else {
        first_fault_ = true;
        file_fault(root.key_lines[i], no_such_kind(key), "name a kind of the ontology and below it a list");
      }
    }
    if (!grid.attributes.empty())
      sink_.row(std::move(grid), FeedPlace{static_cast<uint32_t>(root.line), 0, rows_++, 0});
  }

  void read_list(const grid::Kind& kind, const YamlNode& list, int line) {
    if (list.type == YamlNode::Type::null) return;
    first_fault_ = true;
    if (list.type != YamlNode::Type::list)
      return file_fault(line, fmt::format("'{}' is not a list", kind.name), "start each entity with '- '");
    for (const YamlNode& item : list.items) read_entity(kind, item);
  }

  void read_entity(const grid::Kind& kind, const YamlNode& node) {
    first_fault_ = true;
    const FeedPlace place{static_cast<uint32_t>(node.line), 0, rows_++, 0};
    if (node.type != YamlNode::Type::map)
      return file_fault(node.line, fmt::format("this {} is not a record", kind.name),
                        "write id: …, and the other keys");
    inventory::Row row;
    row.kind = kind.name;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      if (node.keys[i] != "id") {
        row.attributes[node.keys[i]] = yaml_value(node.items[i], kind.find(node.keys[i]));
      } else if (node.items[i].type == YamlNode::Type::scalar) {
        row.id = node.items[i].text;
      } else {
        return sink_.fault(
            {place, row.kind, "", "key 'id'", "the id is not a text", "write id: with a name of its own"}, true);
      }
    }
    sink_.row(std::move(row), place);
  }

  static constexpr std::string_view kFormatKey = "tandem";  // of a grid file

  std::string file_name_;
  FeedSink& sink_;
  std::string bytes_;
  uint32_t rows_ = 0;
  bool too_large_ = false, first_fault_ = true;
};

}  // namespace

std::unique_ptr<FeedReader> make_yaml_reader(std::string_view file_name, FeedSink& sink) {
  return std::make_unique<YamlReader>(file_name, sink);
}

}  // namespace tandem::ingest
