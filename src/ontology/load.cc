// ontology/*.yaml to kinds: strict, every error with file and line.
#include <algorithm>
#include <limits>
#include <map>

#include "base/text.h"
#include "ontology/data.h"
#include "ontology/fields.h"
#include "ontology/load_constraints.h"

namespace tandem::ontology {
namespace {

using grid::Attribute;
using grid::Format;
using grid::Type;

constexpr std::string_view kCommon = "common.yaml";  // attributes that every kind has
constexpr size_t kFilesMax = 1'000;                  // an ontology has some tens of kinds
constexpr size_t kEntriesMax = 500;                  // attributes or relations of one kind: far more than anyone reads
constexpr size_t kNameBytesMax = 64;                 // names stand in SQL, URLs and CSV headers
constexpr int64_t kRetainDaysMax = 36'500;           // a century

const std::vector<std::string> kTypes{"boolean", "integer", "number", "text", "choice", "record"};
constexpr Type kTypeOf[] = {Type::boolean, Type::integer, Type::number, Type::text, Type::choice, Type::record};
const std::vector<std::string> kFormats{"any",         "country", "prefix",  "url",   "address",
                                        "mac_address", "date",    "instant", "email", "external_id"};
constexpr Format kFormatOf[] = {Format::any,     Format::country,     Format::prefix, Format::url,
                                Format::address, Format::mac_address, Format::date,   Format::instant,
                                Format::email,   Format::external_id};
const std::vector<std::string> kImpacts{"none", "on_holder", "on_target"};

bool is_name(std::string_view text) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && text.size() <= kNameBytesMax && text.front() >= 'a' && text.front() <= 'z' &&
         std::ranges::all_of(text, allowed);
}

std::string stem(std::string_view file) {
  return std::string(file.substr(0, file.size() - std::min<size_t>(file.size(), 5)));
}

// One kind as its file gives it.
class KindReader {
 public:
  KindReader(Ontology::Data& data, const std::vector<std::string>& kinds, Reports& reports)
      : data_(data), kinds_(kinds), reports_(reports) {}

  // `kind` holds the noun already where there is one; constraints come later, when all kinds are known.
  void read(const YamlNode& root, Kind& kind) {
    const std::string what(kind.name);
    Fields fields(root, what, reports_);
    kind.group = data_.keep(fields.text("group", /*required=*/true));
    if (!kind.noun) kind.description = data_.keep(fields.text("description", /*required=*/true));
    if (const auto days = fields.count("retain_past_days", kRetainDaysMax))
      kind.retain_past_days = static_cast<uint32_t>(*days);
    if (const YamlNode* mappings = fields.take("mappings")) read_mapping(*mappings, what, kind.mapping);
    if (const YamlNode* attributes = fields.take("attributes")) read_attributes(*attributes, what, kind.attributes);
    if (const YamlNode* relations = fields.take("relations")) read_relations(*relations, kind);
    fields.take("constraints");
  }

  void read_attributes(const YamlNode& map, const std::string& owner, std::vector<Attribute>& attributes) {
    for_each(map, "attributes of " + owner, [&](const std::string& name, int line, const YamlNode& node) {
      if (std::ranges::find(attributes, name, &Attribute::name) != attributes.end())
        return reports_.error(line, fmt::format("{} has the attribute '{}' already", owner, name), "leave it out here");
      attributes.push_back(read_attribute(name, node));
    });
  }

 private:
  // Calls visit(name, line, value) for each entry whose key may be a name.
  template <class Visit>
  void for_each(const YamlNode& map, const std::string& what, Visit visit) {
    if (map.type != YamlNode::Type::map || map.keys.size() > kEntriesMax)
      return reports_.error(map.line, what + " are no mapping, or a very long one", "write name: {…} for each");
    for (size_t i = 0; i < map.keys.size(); ++i) {
      std::string_view key = map.keys[i];
      if (const size_t dot = key.find('.'); dot != std::string_view::npos && is_name(key.substr(0, dot)))
        key = key.substr(dot + 1);
      if (!is_name(key) || key == "id" || key == "kind")
        reports_.error(map.key_lines[i], fmt::format("'{}' is no name for one of the {}", map.keys[i], what),
                       fmt::format("a name has at most {} of a-z, 0-9 and _, and is not id or kind", kNameBytesMax));
      else
        visit(map.keys[i], map.key_lines[i], map.items[i]);
    }
  }

  Attribute read_attribute(const std::string& name, const YamlNode& node) {
    Attribute attribute;
    attribute.name = data_.keep(name);
    Fields fields(node, name, reports_);
    attribute.description = data_.keep(fields.text("description", /*required=*/true));
    attribute.type = kTypeOf[fields.choice("type", kTypes, 3)];
    attribute.list = fields.boolean("list");
    attribute.required = fields.boolean("required");
    attribute.personal = fields.boolean("personal");
    attribute.format = kFormatOf[fields.choice("format", kFormats, 0)];
    for (const std::string& choice : fields.texts("choices")) attribute.choices.push_back(data_.keep(choice));
    read_range(fields, attribute);
    if (const YamlNode* of = fields.take("fields")) read_attributes(*of, name, attribute.fields);
    if (const YamlNode* absent = fields.take("absent")) attribute.absent = read_absent(attribute, *absent);
    check(attribute, fields.line());
    return attribute;
  }

  void read_range(Fields& fields, Attribute& attribute) {
    attribute.minimum = fields.number("minimum");
    attribute.maximum = fields.number("maximum");
    if (const auto above = fields.number("above")) attribute.minimum = *above, attribute.exclusive_minimum = true;
    if (const auto below = fields.number("below")) attribute.maximum = *below, attribute.exclusive_maximum = true;
  }

  // The value where the attribute is left out: itself a value of the attribute.
  Json read_absent(const Attribute& attribute, const YamlNode& node) {
    const bool text_wanted = attribute.type == Type::text || attribute.type == Type::choice;
    Json value;
    if (node.type == YamlNode::Type::scalar)
      value = node.plain && !text_wanted ? yaml_scalar(node.text) : Json(node.text);
    if (node.type == YamlNode::Type::list && node.items.empty()) value = Json::Array{};
    std::vector<grid::Problem> problems;
    Json canonical = grid::check_value(attribute, value, {}, problems);
    for (const grid::Problem& problem : problems) reports_.error(node.line, "absent: " + problem.message, problem.fix);
    return canonical;
  }

  void check(const Attribute& attribute, int line) {
    const auto wrong = [&](std::string_view message, std::string_view fix) {
      reports_.error(line, fmt::format("{} {}", attribute.name, message), std::string(fix));
    };
    const bool is_number = attribute.type == Type::number || attribute.type == Type::integer;
    if ((attribute.type == Type::choice) != !attribute.choices.empty())
      wrong("has choices and is no choice, or the other way", "");
    if ((attribute.type == Type::record) != !attribute.fields.empty())
      wrong("has fields and is no record, or the other way", "");
    if (attribute.format != Format::any && attribute.type != Type::text) wrong("has a format and is no text", "");
    if (!is_number && (attribute.minimum || attribute.maximum)) wrong("has a range and is no number", "");
    if (is_number && (!attribute.minimum || !attribute.maximum))
      wrong("has no range", "write minimum and maximum, or above and below");
    if (attribute.minimum.value_or(0) > attribute.maximum.value_or(std::numeric_limits<double>::infinity()))
      wrong("has a range that is empty", "");
    if (attribute.type == Type::number && grid::unit_of(attribute.name).empty())
      wrong("has a name without a unit", "end the name with its unit, such as _m, _kw or _fraction");
  }

  void read_relations(const YamlNode& map, Kind& kind) {
    for_each(map, fmt::format("relations of {}", kind.name),
             [&](const std::string& name, int, const YamlNode& node) { read_relation(name, node, kind); });
  }

  void read_relation(const std::string& path, const YamlNode& node, Kind& kind) {
    Fields fields(node, path, reports_);
    Relation relation;
    const size_t dot = path.find('.');
    relation.attribute = data_.keep(path.substr(0, dot));
    if (dot != std::string::npos) relation.field = data_.keep(path.substr(dot + 1));
    relation.name = data_.keep(fields.text("as", /*required=*/true));
    relation.inverse = data_.keep(fields.text("inverse", /*required=*/true));
    if (!is_name(relation.name) || !is_name(relation.inverse))
      reports_.error(fields.line(), fmt::format("{} is not named from both ends", path),
                     "write as: mounted_in, inverse: holds");
    relation.located_in = fields.boolean("located_in");
    relation.weak = fields.boolean("weak");
    relation.impact = static_cast<Impact>(fields.choice("impact", kImpacts, 0));
    if (kind.find(relation.attribute))
      take_over(fields, relation, kind);
    else
      define(fields, relation, kind);
    kind.relations.push_back(std::move(relation));
  }

  // A relation of a noun: the schema of the nouns says all but its names and what it means.
  void take_over(Fields& fields, Relation& relation, const Kind& kind) {
    const Attribute* attribute = kind.find(relation.attribute);
    relation.required = attribute->required;
    relation.many = attribute->list;
    if (!relation.field.empty()) {
      const auto field = std::ranges::find(attribute->fields, relation.field, &Attribute::name);
      attribute = field == attribute->fields.end() ? nullptr : &*field;
    }
    if (!attribute || attribute->type != Type::reference)
      return reports_.error(fields.line(), fmt::format("{} has no reference '{}'", kind.name, relation.attribute));
    if (is_personal(*kind.find(relation.attribute)))
      return reports_.error(fields.line(),
                            fmt::format("{} is personal: it is sealed, and leads nowhere", relation.attribute));
    relation.targets = {attribute->refers_to};
    relation.description = attribute->description;
  }

  void define(Fields& fields, Relation& relation, Kind& kind) {
    relation.description = data_.keep(fields.text("description", /*required=*/true));
    relation.many = fields.boolean("many");
    relation.required = fields.boolean("required");
    std::vector<std::string> targets = fields.texts("to");
    relation.any_target = targets == std::vector<std::string>{"any"};
    if (relation.any_target) targets = kinds_;
    std::ranges::sort(targets);
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    for (const std::string& target : targets) relation.targets.push_back(target_name(target, fields.line()));
    if (targets.empty())
      reports_.error(fields.line(), fmt::format("{} leads nowhere", relation.attribute), "write to: <kind>");
    if (!relation.field.empty())
      return reports_.error(fields.line(), fmt::format("{} is a field", relation.field),
                            "only nouns have references in records");
    Attribute attribute{
        .name = relation.attribute, .type = Type::reference, .list = relation.many, .required = relation.required};
    if (relation.targets.size() == 1)
      attribute.refers_to = relation.targets.front();
    else
      attribute.refers_to_any = relation.targets;
    attribute.description = relation.description;
    kind.attributes.push_back(std::move(attribute));
  }

  std::string_view target_name(const std::string& target, int line) {
    if (std::ranges::binary_search(kinds_, target)) return data_.keep(target);
    const auto meant = nearest(target, kinds_);
    reports_.error(line, fmt::format("there is no kind '{}'", target),
                   meant ? fmt::format("did you mean '{}'?", *meant) : "");
    return {};
  }

  void read_mapping(const YamlNode& node, const std::string& owner, Mapping& mapping) {
    Fields fields(node, "mappings of " + owner, reports_);
    mapping.sid = data_.keep(fields.text("sid"));
    mapping.netbox = data_.keep(fields.text("netbox"));
    const std::string tmf = fields.text("tmf");
    const size_t space = tmf.find(' ');
    mapping.tmf_api = data_.keep(tmf.substr(0, space));
    if (space != std::string::npos) mapping.tmf_type = data_.keep(tmf.substr(space + 1));
    if (!tmf.empty() && mapping.tmf_type.empty())
      reports_.error(fields.line(), "tmf is not an API and a type", "write TMF639 PhysicalResource");
    for (const std::string& path : fields.texts("yang")) {
      if (!path.starts_with('/'))
        reports_.error(fields.line(), fmt::format("'{}' is no YANG path", path), "write /module:node/…");
      mapping.yang.push_back(data_.keep(path));
    }
  }

  Ontology::Data& data_;
  const std::vector<std::string>& kinds_;  // ascending
  Reports& reports_;
};

// Every reference of a kind is a relation with its two names.
void check_relations(const Kind& kind, int line, Reports& reports) {
  const auto named = [&](std::string_view attribute, std::string_view field) {
    return std::ranges::any_of(kind.relations,
                               [&](const Relation& r) { return r.attribute == attribute && r.field == field; });
  };
  const auto report = [&](std::string_view attribute) {
    reports.error(line, fmt::format("{} refers by '{}' without a relation", kind.name, attribute),
                  "name it from both ends under relations");
  };
  for (const Attribute& attribute : kind.attributes) {
    if (attribute.type == Type::reference && !named(attribute.name, {})) report(attribute.name);
    for (const Attribute& field : attribute.fields)
      if (field.type == Type::reference && !named(attribute.name, field.name)) report(attribute.name);
  }
}

void add_incoming(Ontology::Data& data) {
  data.incoming.resize(data.kinds.size());
  for (const Kind& kind : data.kinds)
    for (const Relation& relation : kind.relations)
      for (const std::string_view target : relation.targets) {
        const auto found = std::ranges::lower_bound(data.kinds, target, {}, &Kind::name);
        data.incoming[static_cast<size_t>(found - data.kinds.begin())].push_back({&kind, &relation});
      }
  for (auto& incoming : data.incoming)
    std::ranges::stable_sort(incoming, {},
                             [](const Incoming& in) { return std::pair(in.kind->name, in.relation->attribute); });
}

}  // namespace

// In three passes: the names of all kinds, what each is, and the constraints, which speak of several.
std::optional<Ontology> Ontology::load(std::span<const File> files, std::span<const grid::Kind> nouns,
                                       std::vector<Diagnostic>& diagnostics) {
  std::vector<Diagnostic> found;
  auto data = std::make_unique<Data>();
  std::map<std::string, YamlNode, std::less<>> trees;  // by kind
  std::map<std::string, Kind, std::less<>> kinds;
  std::vector<Attribute> common;
  std::optional<YamlNode> common_constraints;
  for (const grid::Kind& noun : nouns) {
    Kind& kind = kinds[std::string(noun.name)];
    static_cast<grid::Kind&>(kind) = noun;
    kind.noun = true;
  }
  for (const File& file : files.first(std::min(files.size(), kFilesMax))) {
    Reports reports(file.name, found);
    auto tree = parse_yaml(file.text, file.name, found);
    if (!tree) continue;
    const std::string name = stem(file.name);
    if (file.name == kCommon) {
      Fields fields(*tree, name, reports);
      if (const YamlNode* attributes = fields.take("attributes"))
        KindReader(*data, {}, reports).read_attributes(*attributes, name, common);
      if (const YamlNode* constraints = fields.take("constraints")) common_constraints = *constraints;
    } else if (!is_name(name) || !file.name.ends_with(".yaml")) {
      reports.error(0, fmt::format("'{}' names no kind", file.name), "call it <kind>.yaml");
    } else if (!trees.emplace(name, std::move(*tree)).second) {
      reports.error(0, fmt::format("the kind '{}' is there twice", name), "keep one file");
    } else {
      kinds[name].name = data->keep(name);
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, kind] : kinds) names.push_back(name);
  for (auto& [name, kind] : kinds) {
    Reports reports(name + ".yaml", found);
    const auto tree = trees.find(name);
    if (tree != trees.end()) KindReader(*data, names, reports).read(tree->second, kind);
    check_relations(kind, tree == trees.end() ? 0 : tree->second.line, reports);
    for (const Attribute& attribute : common)
      if (!kind.find(attribute.name)) kind.attributes.push_back(attribute);
    data->kinds.push_back(std::move(kind));
  }
  if (has_errors(found)) {
    diagnostics.insert(diagnostics.end(), found.begin(), found.end());
    return std::nullopt;
  }
  for (Kind& kind : data->kinds) {
    if (common_constraints) {
      Reports reports(kCommon, found);
      load_constraints(*common_constraints, *data, kind, reports);
    }
    if (const auto tree = trees.find(kind.name); tree != trees.end())
      if (const YamlNode* constraints = tree->second.find("constraints")) {
        Reports reports(tree->first + ".yaml", found);
        load_constraints(*constraints, *data, kind, reports);
      }
  }
  diagnostics.insert(diagnostics.end(), found.begin(), found.end());
  if (has_errors(found)) return std::nullopt;
  add_incoming(*data);
  return Ontology(std::move(data));
}

}  // namespace tandem::ontology
