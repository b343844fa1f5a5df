// Grid files: the YAML tree to entities by the schema, every problem with its line.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "base/yaml_tree.h"
#include "ingest/ingest.h"
#include "ingest/yaml_value.h"

namespace tandem::ingest {
namespace {

using grid::Attribute;
using grid::Kind;
using grid::Problem;

constexpr std::string_view kFormatKey = "tandem";

size_t place_of(const std::vector<std::string>& keys, const std::string& key) {
  return static_cast<size_t>(std::find(keys.begin(), keys.end(), key) - keys.begin());
}

// The line of the deepest part of `path` that is in the file.
int line_at(const YamlNode& node, const grid::Path& path) {
  const YamlNode* at = &node;
  int line = node.line;
  for (const grid::PathStep& step : path) {
    const auto* index = std::get_if<size_t>(&step);
    const size_t position = index != nullptr ? *index : place_of(at->keys, std::get<std::string>(step));
    if (position >= at->items.size()) return line;
    line = at->type == YamlNode::Type::map ? at->key_lines[position] : at->items[position].line;
    at = &at->items[position];
  }
  return line;
}

class GridFileReader {
 public:
  explicit GridFileReader(std::string_view file_name) : file_(file_name) {}

  GridFile read(std::string_view bytes) {
    if (bytes.size() > kGridFileBytesMax) {
      report(0, fmt::format("the file has {} bytes", bytes.size()),
             fmt::format("at most {} are allowed", kGridFileBytesMax));
      return std::move(result_);
    }
    auto root = parse_yaml(bytes, file_, result_.diagnostics);
    if (!root) return std::move(result_);
    root_ = std::move(*root);
    if (root_.type == YamlNode::Type::map) {
      read_top();
      check_whole();
    } else {
      report(1, "the file is not a mapping of sections",
             "start with 'tandem: 1' and list sections such as 'sites:'; `tandem import` makes one of a topology");
    }
    order_diagnostics();
    return std::move(result_);
  }

 private:
  void report(int line, std::string message, std::string fix,
              Diagnostic::Severity severity = Diagnostic::Severity::error) {
    result_.diagnostics.push_back({severity, file_, line, std::move(message), std::move(fix)});
  }

  void read_top() {
    const Kind& grid_kind = *grid::find_kind(grid::kGrid);
    Json::Object attributes;
    bool format_given = false;
    for (size_t i = 0; i < root_.keys.size(); ++i) {
      const std::string& key = root_.keys[i];
      if (key == kFormatKey) {
        format_given = true;
        if (yaml_value(root_.items[i], nullptr) != Json(grid::kFileFormat))
          report(root_.key_lines[i], "this format of grid file is not known",
                 fmt::format("write tandem: {}", grid::kFileFormat));
      } else if (const Attribute* attribute = grid_kind.find(key)) {
        attributes[key] = yaml_value(root_.items[i], attribute);
      } else if (grid::find_section(key) == nullptr) {
        unknown_section(key, root_.key_lines[i]);
      }
    }
    if (!format_given) report(1, "the key 'tandem' is missing", fmt::format("write tandem: {}", grid::kFileFormat));
    if (!attributes.empty()) add_entity(grid_kind, std::string(grid::kGrid), attributes, root_, /*id_good=*/true);
    for (size_t i = 0; i < root_.keys.size(); ++i)
      if (const Kind* kind = grid::find_section(root_.keys[i])) read_section(*kind, root_.items[i], root_.key_lines[i]);
  }

  void unknown_section(const std::string& key, int line) {
    std::vector<std::string> names{std::string(kFormatKey)};
    for (const Attribute& attribute : grid::find_kind(grid::kGrid)->attributes) names.emplace_back(attribute.name);
    for (const Kind& kind : grid::kinds())
      if (!kind.section.empty()) names.emplace_back(kind.section);
    const auto meant = nearest(key, names);
    report(line, fmt::format("a grid file has no section '{}'", key.substr(0, 60)),
           meant ? fmt::format("did you mean '{}'?", *meant) : fmt::format("there are {}", fmt::join(names, ", ")));
  }

  void read_section(const Kind& kind, const YamlNode& section, int line) {
    if (section.type == YamlNode::Type::null) return;
    if (section.type != YamlNode::Type::list)
      return report(line, fmt::format("'{}' is not a list", kind.section),
                    "write each entry on its own line, starting with '- '");
    for (const YamlNode& item : section.items) {
      if (item.type == YamlNode::Type::map)
        read_entity(kind, item);
      else
        report(item.line, fmt::format("this entry of '{}' is not a record", kind.section),
               "write id: …, and the other keys");
    }
  }

  void read_entity(const Kind& kind, const YamlNode& node) {
    Json::Object attributes;
    for (size_t i = 0; i < node.keys.size(); ++i)
      if (node.keys[i] != "id") attributes[node.keys[i]] = yaml_value(node.items[i], kind.find(node.keys[i]));
    const YamlNode* id_node = node.find("id");
    std::string id;
    bool id_good = false;
    if (id_node == nullptr) {
      report(node.line, fmt::format("a {} has no id", kind.name), "write id: with a name of its own");
    } else if (id_node->type != YamlNode::Type::scalar) {
      report(id_node->line, fmt::format("the id of a {} is not a text", kind.name), "write id: with a name of its own");
    } else {
      id = id_node->text;
      const auto fault = grid::check_id(id);
      id_good = !fault;
      if (fault)
        report(id_node->line, fmt::format("the id '{}' cannot be used: {}", id.substr(0, kIdShownMax), *fault),
               "choose another");
    }
    add_entity(kind, std::move(id), attributes, node, id_good);
  }

  void add_entity(const Kind& kind, std::string id, const Json::Object& given, const YamlNode& node, bool id_good) {
    std::vector<Problem> problems;
    Json::Object attributes = grid::check_attributes(kind, given, problems);
    std::erase_if(attributes, [](const auto& attribute) { return attribute.second.is_null(); });
    const size_t own = problems.size();
    grid::check_entity(kind, attributes, problems);
    // What is there but wrong was reported as such, and is not missing as well.
    const auto is_echo = [&](const Problem& problem) {
      return std::any_of(given.begin(), given.end(),
                         [&](const auto& entry) { return problem.message == entry.first + " is missing"; });
    };
    if (own > 0)
      problems.erase(std::remove_if(problems.begin() + static_cast<ptrdiff_t>(own), problems.end(), is_echo),
                     problems.end());
    for (const Problem& problem : problems) report_problem(kind.name, id, node, problem);
    if (!id_good) return;

    bool faulty = !problems.empty();
    const auto [first, fresh] = first_lines_.try_emplace({kind.name, id}, node.line);
    if (!fresh) {
      faulty = true;
      report(line_at(node, {std::string("id")}), fmt::format("there are two {}s with the id '{}'", kind.name, id),
             fmt::format("the first is in line {}; give each its own", first->second));
    }
    if (faulty) faulty_.push_back(result_.entities.size());
    result_.entities.push_back({std::string(kind.name), std::move(id), std::move(attributes)});
    origins_.push_back(&node);
  }

  void report_problem(std::string_view kind, std::string_view id, const YamlNode& node, const Problem& problem) {
    const std::string who = kind == grid::kGrid ? std::string()
                            : id.empty()        ? fmt::format("{}: ", kind)
                                                : fmt::format("{} '{}': ", kind, id.substr(0, kIdShownMax));
    report(line_at(node, problem.path), who + problem.message, problem.fix, problem.severity);
  }

  void check_whole() {
    grid::GridRows made = grid::make_rows(result_.entities, faulty_);
    for (const auto& [entity, problem] : made.problems) {
      if (entity == grid::EntityProblem::kNoEntity)
        report(root_.line, problem.message, problem.fix, problem.severity);
      else
        report_problem(result_.entities[entity].kind, result_.entities[entity].id, *origins_[entity], problem);
    }
    result_.rows = std::move(made.rows);
  }

  void order_diagnostics() {
    auto& list = result_.diagnostics;
    std::stable_sort(list.begin(), list.end(),
                     [](const Diagnostic& a, const Diagnostic& b) { return a.line < b.line; });
    if (list.size() <= kDiagnosticsMax) return;
    const size_t more = list.size() - kDiagnosticsMax;
    list.resize(kDiagnosticsMax);
    report(0, fmt::format("there are {} more problems", more), "repair these first");
  }

  static constexpr size_t kIdShownMax = 60;

  std::string file_;
  YamlNode root_;
  GridFile result_;
  std::vector<const YamlNode*> origins_;  // of each entity
  std::vector<size_t> faulty_;
  std::map<std::pair<std::string_view, std::string>, int> first_lines_;
};

}  // namespace

GridFile parse_grid_file(std::string_view bytes, std::string_view file_name) {
  return GridFileReader(file_name).read(bytes);
}

GridSnapshot read_grid(std::string_view bytes, std::string_view file_name) {
  GridFile file = parse_grid_file(bytes, file_name);
  GridSnapshot result;
  result.diagnostics = std::move(file.diagnostics);
  if (!has_errors(result.diagnostics)) result.snapshot = grid::make_snapshot(std::move(file.rows), 0);
  return result;
}

}  // namespace tandem::ingest
