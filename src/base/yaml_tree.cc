#include "base/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <istream>
#include <memory>
#include <streambuf>

#include "base/text.h"

namespace tandem {
namespace {

constexpr size_t kDepthMax = 16;         // a grid file needs 6
constexpr size_t kNodesMax = 8'000'000;  // ~700 MB as a tree; 10⁶ entities have fewer

// Ends the reading of a document at something that is not allowed at all. Never leaves this file.
struct Refused : std::exception {
  int line;
  std::string message, fix;
  Refused(int at, std::string what_is_wrong, std::string what_is_right)
      : line(at), message(std::move(what_is_wrong)), fix(std::move(what_is_right)) {}
};

int line_of(const YAML::Mark& mark) { return mark.line + 1; }

// Builds the tree from the parser's events.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(YamlNode& root, std::string_view file, std::vector<Diagnostic>& diagnostics)
      : root_(root), file_(file), diagnostics_(diagnostics) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (std::exchange(started_, true))
      throw Refused(line_of(mark), "a second document starts here", "write all of it in one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    YamlNode node;
    node.line = line_of(mark);
    add(mark, std::move(node), /*is_scalar=*/true);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused(line_of(mark), "aliases (*name) are not allowed", "write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    YamlNode node;
    node.type = YamlNode::Type::scalar;
    node.plain = tag != "!";
    node.line = line_of(mark);
    node.text = value;
    add(mark, std::move(node), /*is_scalar=*/true);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Type::list);
  }
  void OnSequenceEnd() override { open_.pop_back(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Type::map);
  }
  void OnMapEnd() override {
    drop_duplicates(*open_.back().node);
    open_.pop_back();
  }

 private:
  struct Open {
    YamlNode* node;  // stable while open: its parent gets no further item before it closes
    bool key_next;   // of a map: the next scalar is a key
  };

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) throw Refused(line_of(mark), "anchors (&name) are not allowed", "leave it out");
  }

  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Refused(line_of(mark), "tags (!name) are not allowed", "leave it out");
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Type type) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (open_.size() == kDepthMax)
      throw Refused(line_of(mark), fmt::format("the nesting is deeper than {} levels", kDepthMax), "write it flatter");
    YamlNode node;
    node.type = type;
    node.line = line_of(mark);
    YamlNode* added = add(mark, std::move(node), /*is_scalar=*/false);
    open_.push_back({added, type == YamlNode::Type::map});
  }

  YamlNode* add(const YAML::Mark& mark, YamlNode node, bool is_scalar) {
    if (++nodes_ > kNodesMax)
      throw Refused(line_of(mark), fmt::format("there are more than {} values", kNodesMax), "split the file");
    if (open_.empty()) {
      root_ = std::move(node);
      return &root_;
    }
    Open& parent = open_.back();
    if (parent.node->type == YamlNode::Type::map && std::exchange(parent.key_next, !parent.key_next)) {
      if (!is_scalar || node.type == YamlNode::Type::null)
        throw Refused(line_of(mark), "a key must be a name", "write key: value");
      parent.node->keys.push_back(std::move(node.text));
      parent.node->key_lines.push_back(node.line);
      return nullptr;
    }
    if (node.type == YamlNode::Type::null && parent.node->type == YamlNode::Type::map)
      node.line = parent.node->key_lines.back();
    parent.node->items.push_back(std::move(node));
    return &parent.node->items.back();
  }

  void drop_duplicates(YamlNode& map) {
    std::vector<size_t> order(map.keys.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return map.keys[a] < map.keys[b]; });
    std::vector<size_t> repeated;
    for (size_t i = 1, first = 0; i < order.size(); ++i) {
      if (map.keys[order[i]] != map.keys[order[first]]) {
        first = i;
        continue;
      }
      repeated.push_back(order[i]);
      diagnostics_.push_back({Diagnostic::Severity::error, file_, map.key_lines[order[i]],
                              fmt::format("the key '{}' is there twice", map.keys[order[i]]),
                              fmt::format("keep this one or the one in line {}", map.key_lines[order[first]])});
    }
    std::sort(repeated.rbegin(), repeated.rend());
    for (const size_t position : repeated) {
      map.keys.erase(map.keys.begin() + static_cast<ptrdiff_t>(position));
      map.key_lines.erase(map.key_lines.begin() + static_cast<ptrdiff_t>(position));
      map.items.erase(map.items.begin() + static_cast<ptrdiff_t>(position));
    }
  }

  YamlNode& root_;
  std::string file_;
  std::vector<Diagnostic>& diagnostics_;
  std::vector<Open> open_;
  size_t nodes_ = 0;
  bool started_ = false;
};

// A stream over bytes that stay where they are.
class BytesBuffer final : public std::streambuf {
 public:
  explicit BytesBuffer(std::string_view bytes) {
    char* begin = const_cast<char*>(bytes.data());  // a get area is never written through
    setg(begin, begin, begin + bytes.size());
  }
};

// Reports the first line whose bytes are not text. The parser takes NUL and EOT for the end of the file.
bool check_text(std::string_view bytes, std::string_view file, std::vector<Diagnostic>& diagnostics) {
  int line = 1;
  while (!bytes.empty()) {
    const size_t length = utf8_sequence_length(bytes);
    const char c = bytes.front();
    const bool control = length == 1 && ((c >= 0 && c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F);
    if (length == 0 || control) {
      diagnostics.push_back({Diagnostic::Severity::error, std::string(file), line,
                             control ? fmt::format("there is a control character (byte {})", static_cast<int>(c))
                                     : std::string("the bytes are not UTF-8"),
                             "write plain text in UTF-8"});
      return false;
    }
    if (c == '\n') ++line;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &items[i];
  return nullptr;
}

Json yaml_scalar(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto integer = parse_integer(text)) return *integer;
  if (const auto number = parse_number(text)) return *number;
  return text;
}

std::optional<YamlNode> parse_yaml(std::string_view bytes, std::string_view file_name,
                                   std::vector<Diagnostic>& diagnostics) {
  YamlNode root;
  if (!check_text(bytes, file_name, diagnostics)) return std::nullopt;
  const auto report = [&](int line, std::string message, std::string fix) {
    diagnostics.push_back(
        {Diagnostic::Severity::error, std::string(file_name), line, std::move(message), std::move(fix)});
  };
  TreeBuilder builder(root, file_name, diagnostics);
  try {
    BytesBuffer buffer(bytes);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return root;
  } catch (const Refused& refused) {
    report(refused.line, refused.message, refused.fix);
  } catch (const YAML::Exception& exception) {
    report(exception.mark.is_null() ? 1 : line_of(exception.mark), "this is not YAML: " + exception.msg,
           "check indentation, brackets and quotes");
  }
  return std::nullopt;
}

}  // namespace tandem
