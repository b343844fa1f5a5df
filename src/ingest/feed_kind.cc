#include "ingest/feed_kind.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "base/text.h"
#include "ontology/ontology.h"

namespace tandem::ingest {
namespace {

// Depth first along relations, so that a kind comes after those it names.
void visit(const ontology::Kind& kind, std::set<std::string_view>& seen, std::vector<const grid::Kind*>& order) {
  if (!seen.insert(kind.name).second) return;
  for (const ontology::Relation& relation : kind.relations)
    if (!relation.any_target)
      for (const std::string_view target : relation.targets)
        if (const ontology::Kind* known = ontology::Ontology::built_in().find(target)) visit(*known, seen, order);
  order.push_back(&kind);
}

}  // namespace

const std::vector<const grid::Kind*>& kinds_in_order() {
  static const std::vector<const grid::Kind*> order = [] {
    std::vector<const grid::Kind*> kinds;
    std::set<std::string_view> seen;
    for (const ontology::Kind& kind : ontology::Ontology::built_in().kinds()) visit(kind, seen, kinds);
    return kinds;
  }();
  return order;
}

const grid::Kind* feed_kind(std::string_view name) { return ontology::Ontology::built_in().find(name); }

std::string tmf639_type(std::string_view name) {
  const ontology::Kind* kind = ontology::Ontology::built_in().find(name);
  return std::string(kind == nullptr || kind->mapping.tmf_type.empty() ? "Resource" : kind->mapping.tmf_type);
}

std::string no_such_kind(std::string_view name) {
  return ontology::Ontology::built_in().unknown_kind(name.substr(0, 60));
}

std::string attribute_meant(const grid::Kind& kind, std::string_view name) {
  std::vector<std::string> names;
  for (const grid::Attribute& attribute : kind.attributes) names.emplace_back(attribute.name);
  if (const auto meant = nearest(name, names)) return fmt::format("did you mean '{}'?", *meant);
  return fmt::format("there are {}", fmt::join(names, ", "));
}

}  // namespace tandem::ingest
