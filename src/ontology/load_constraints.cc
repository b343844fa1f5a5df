#include "ontology/load_constraints.h"

#include <algorithm>
#include <array>

namespace tandem::ontology {
namespace {

using grid::Attribute;
using grid::Format;
using grid::Type;

bool is_number(const Attribute& attribute) { return attribute.type == Type::number || attribute.type == Type::integer; }
bool is_place_in_network(const Attribute& attribute) {
  return attribute.format == Format::address || attribute.format == Format::prefix;
}

class ConstraintReader {
 public:
  ConstraintReader(const YamlNode& node, Ontology::Data& data, const Kind& kind, Reports& reports)
      : data_(data),
        kind_(kind),
        reports_(reports),
        fields_(node, "a constraint of " + std::string(kind.name), reports) {}

  Constraint unique() { return Unique{attributes("unique"), attributes("within")}; }

  Constraint no_overlap() {
    NoOverlap rule;
    rule.relation = relation(fields_.text("no_overlap"));
    rule.first = attribute(fields_.text("first", true), kind_, is_number);
    rule.size = attribute(fields_.text("size", true), kind_, is_number);
    if (const std::string side = fields_.text("side"); !side.empty())
      rule.side = attribute(side, kind_, [](const Attribute& a) { return a.type == Type::choice; });
    rule.limit = of_targets(rule.relation, fields_.text("limit", true), is_number);
    return rule;
  }

  Constraint exclusive() {
    Exclusive rule;
    for (const std::string& name : fields_.texts("exclusive")) rule.relations.push_back(relation(name));
    std::vector<std::string> targets = fields_.texts("of");
    std::ranges::sort(targets);
    for (const std::string& target : targets) rule.targets.push_back(target_of_each(rule.relations, target));
    return rule;
  }

  Constraint sum_at_most() {
    SumAtMost rule;
    rule.relation = relation(fields_.text("sum_at_most"));
    if (const std::string of = fields_.text("of"); !of.empty()) rule.attribute = attribute(of, kind_, is_number);
    rule.limit = of_targets(rule.relation, fields_.text("limit", true), is_number);
    if (!rule.attribute.empty() && grid::unit_of(rule.attribute) != grid::unit_of(rule.limit))
      reports_.error(fields_.line(), fmt::format("{} and {} differ in unit", rule.attribute, rule.limit));
    return rule;
  }

  Constraint inside() {
    Inside rule;
    rule.relation = relation(fields_.text("inside"));
    rule.attribute = attribute(fields_.text("attribute", true), kind_, is_place_in_network);
    rule.of = of_targets(rule.relation, fields_.text("of", true),
                         [](const Attribute& a) { return a.format == Format::prefix; });
    return rule;
  }

  Constraint ordered() {
    const std::vector<std::string> names = fields_.texts("ordered");
    if (names.size() != 2)
      return reports_.error(fields_.line(), "ordered is wrong", "write ordered: [lower, upper]"), Ordered{};
    const auto comparable = [](const Attribute& a) {
      return is_number(a) || a.format == Format::date || a.format == Format::instant;
    };
    const Ordered rule{attribute(names[0], kind_, comparable), attribute(names[1], kind_, comparable)};
    const Attribute* lower = kind_.find(rule.lower);
    const Attribute* upper = kind_.find(rule.upper);
    if (lower && upper && (lower->type != upper->type || lower->format != upper->format))
      reports_.error(fields_.line(), fmt::format("{} and {} cannot be compared", rule.lower, rule.upper));
    return rule;
  }

  Constraint acyclic() {
    const Acyclic rule{relation(fields_.text("acyclic"))};
    const Relation* found = kind_.relation(rule.relation);
    if (found && std::ranges::find(found->targets, kind_.name) == found->targets.end())
      reports_.error(fields_.line(), fmt::format("{} never leads to a {}", rule.relation, kind_.name));
    return rule;
  }

 private:
  // The name as the schema holds it, when the kind has such an attribute; else empty, and an error.
  template <class Suits>
  std::string_view attribute(const std::string& name, const Kind& kind, Suits suits) {
    if (name.empty()) return {};
    const Attribute* found = kind.find(name);
    if (found && is_personal(*found)) {
      reports_.error(fields_.line(),
                     fmt::format("'{}' of {} is personal: it is sealed, and cannot be compared", name, kind.name));
      return {};
    }
    if (found && suits(*found)) return found->name;
    reports_.error(fields_.line(), found ? fmt::format("'{}' of {} is of the wrong type", name, kind.name)
                                         : fmt::format("{} has no attribute '{}'", kind.name, name));
    return {};
  }

  std::vector<std::string_view> attributes(std::string_view key) {
    std::vector<std::string_view> names;
    for (const std::string& name : fields_.texts(key))
      names.push_back(attribute(name, kind_, [](const Attribute& a) { return a.type != Type::record; }));
    return names;
  }

  std::string_view relation(const std::string& name) {
    const Relation* found = kind_.relation(name);
    if (found && found->field.empty()) return found->attribute;
    reports_.error(fields_.line(), fmt::format("{} has no relation '{}'", kind_.name, name));
    return {};
  }

  // The kind as the schema holds it, when each of the relations may name one of it.
  std::string_view target_of_each(const std::vector<std::string_view>& relations, const std::string& target) {
    std::string_view kept;
    for (const std::string_view name : relations) {
      const Relation* found = kind_.relation(name);
      if (!found) continue;
      const auto at = std::ranges::find(found->targets, target);
      if (at != found->targets.end())
        kept = *at;
      else
        reports_.error(fields_.line(), fmt::format("{} never names a {}", name, target));
    }
    return kept;
  }

  template <class Suits>
  std::string_view of_targets(std::string_view relation, const std::string& name, Suits suits) {
    const Relation* found = kind_.relation(relation);
    std::string_view kept;
    if (!found) return kept;
    for (const std::string_view target : found->targets) {
      const auto kind = std::ranges::lower_bound(data_.kinds, target, {}, &Kind::name);
      kept = attribute(name, *kind, suits);
    }
    return kept;
  }

  Ontology::Data& data_;
  const Kind& kind_;
  Reports& reports_;
  Fields fields_;
};

struct Rule {
  std::string_view key;
  Constraint (ConstraintReader::*read)();
};
constexpr std::array kRules{
    Rule{"unique", &ConstraintReader::unique},       Rule{"no_overlap", &ConstraintReader::no_overlap},
    Rule{"exclusive", &ConstraintReader::exclusive}, Rule{"sum_at_most", &ConstraintReader::sum_at_most},
    Rule{"inside", &ConstraintReader::inside},       Rule{"ordered", &ConstraintReader::ordered},
    Rule{"acyclic", &ConstraintReader::acyclic}};

}  // namespace

void load_constraints(const YamlNode& list, Ontology::Data& data, Kind& kind, Reports& reports) {
  constexpr size_t kConstraintsMax = 50;
  if (list.type != YamlNode::Type::list || list.items.size() > kConstraintsMax)
    return reports.error(list.line, "constraints are no list, or a very long one", "write - unique: [name]");
  for (const YamlNode& node : list.items) {
    const auto rule = std::ranges::find_if(kRules, [&](const Rule& r) { return node.find(r.key) != nullptr; });
    if (rule == kRules.end()) {
      std::vector<std::string_view> keys;
      for (const Rule& known : kRules) keys.push_back(known.key);
      reports.error(node.line, "no such constraint", fmt::format("write one of {}", fmt::join(keys, ", ")));
      continue;
    }
    ConstraintReader reader(node, data, kind, reports);
    kind.constraints.push_back((reader.*rule->read)());
  }
}

}  // namespace tandem::ontology
