#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "app/commands.h"
#include "app/terminal.h"
#include "ontology/ontology.h"

namespace tandem::app {
namespace {

using ontology::Kind;
using ontology::Ontology;
using ontology::Relation;

std::string joined(const std::vector<std::string_view>& names, std::string_view separator) {
  return fmt::format("{}", fmt::join(names, separator));
}

// "number of W, 0 to 1000000", "choice of front, rear, both", "list of text (external_id)".
std::string type_of(const Json& attribute) {
  std::string text(attribute["type"].text());
  if (const auto unit = attribute["unit"].text(); !unit.empty()) text += fmt::format(" of {}", unit);
  const auto bound = [&](std::string_view key, std::string_view word) {
    if (const Json& value = attribute[key]; value.is_number()) text += fmt::format("{} {}", word, value.number());
  };
  bound("minimum", ", from");
  bound("above", ", above");
  bound("maximum", " to");
  bound("below", " below");
  if (const Json& choices = attribute["choices"]; choices.is_array()) {
    std::vector<std::string_view> names;
    for (const Json& choice : choices.array()) names.push_back(choice.text());
    text += " of " + joined(names, ", ");
  }
  if (const auto format = attribute["format"].text(); !format.empty()) text += fmt::format(" ({})", format);
  if (attribute["list"].boolean()) text = "list of " + text;
  if (attribute["required"].boolean()) text += ", required";
  if (const Json& absent = attribute["absent"]; absent.is_number() || absent.is_string() || absent.is_bool())
    text += fmt::format(", default {}", absent.is_string() ? std::string(absent.text()) : to_json(absent));
  if (attribute["personal"].boolean()) text += ", personal";
  return text;
}

// A name, and beside it what is to be said of it.
void print_row(std::string_view name, const std::string& text) {
  constexpr size_t kMargin = 25;
  print_wrapped(fmt::format("  {:<22} {}", name, text), kMargin);
}

void print_attributes(const Json& kind) {
  fmt::print("\nattributes\n");
  for (const Json& attribute : kind["attributes"].array()) {
    if (attribute["type"].text() == "reference") continue;
    print_row(attribute["name"].text(), type_of(attribute));
    print_row("", std::string(attribute["description"].text()));
    for (const Json& field : attribute["fields"].array())
      print_row("", fmt::format("  {}: {}. {}", field["name"].text(), type_of(field), field["description"].text()));
  }
}

std::string what_follows(const Relation& relation) {
  switch (relation.impact) {
    case ontology::Impact::none: return {};
    case ontology::Impact::on_holder: return "; fails with it";
    case ontology::Impact::on_target: return "; takes it down";
  }
  return {};
}

void print_relations(const Ontology& all, const Kind& kind) {
  if (!kind.relations.empty()) fmt::print("\nrelations\n");
  for (const Relation& relation : kind.relations) {
    const std::string attribute = relation.field.empty() ? std::string(relation.attribute)
                                                         : fmt::format("{}.{}", relation.attribute, relation.field);
    print_row(attribute, fmt::format("{} {}{}{}{}", relation.name, relation.many ? "several " : "one ",
                                     relation.any_target ? "of any kind" : joined(relation.targets, ", "),
                                     relation.required ? ", required" : "", what_follows(relation)));
    print_row("", std::string(relation.description));
  }
  if (!all.incoming(kind.name).empty()) fmt::print("\nnamed by\n");
  for (const ontology::Incoming& incoming : all.incoming(kind.name))
    print_row(incoming.relation->inverse,
              fmt::format("{} ({}.{})", incoming.kind->name, incoming.kind->name, incoming.relation->attribute));
}

void print_mapping(const ontology::Mapping& mapping) {
  if (mapping.sid.empty() && mapping.tmf_api.empty() && mapping.netbox.empty() && mapping.yang.empty()) return;
  fmt::print("\nelsewhere\n");
  if (!mapping.sid.empty()) print_row("TM Forum SID", std::string(mapping.sid));
  if (!mapping.tmf_api.empty()) print_row(mapping.tmf_api, std::string(mapping.tmf_type));
  if (!mapping.netbox.empty()) print_row("NetBox", std::string(mapping.netbox));
  for (const std::string_view path : mapping.yang) print_row("YANG", std::string(path));
}

void print_kind(const Ontology& all, const Kind& kind) {
  print_wrapped(fmt::format("{}: {}", kind.name, kind.description));
  if (kind.noun) fmt::print("A noun: plans are made from it.\n");
  if (kind.retain_past_days) fmt::print("Its past is kept for {} days.\n", *kind.retain_past_days);
  print_attributes(to_json(all, kind));
  print_relations(all, kind);
  if (!kind.constraints.empty()) fmt::print("\nconstraints\n");
  for (const ontology::Constraint& constraint : kind.constraints)
    print_wrapped(fmt::format("  {}", describe(constraint, kind)), 4);
  print_mapping(kind.mapping);
}

void print_all(const Ontology& all) {
  std::map<std::string_view, std::vector<const Kind*>> groups;
  for (const Kind& kind : all.kinds()) groups[kind.group].push_back(&kind);
  for (const auto& [group, kinds] : groups) {
    fmt::print("{}\n", group);
    for (const Kind* kind : kinds) print_row(kind->name, std::string(kind->description));
  }
  fmt::print("\ntandem ontology KIND shows one of these {} kinds.\n", all.kinds().size());
}

}  // namespace

int run_ontology(const OntologyOptions& options) {
  const Ontology& all = Ontology::built_in();
  const Kind* kind = options.kind.empty() ? nullptr : all.find(options.kind);
  if (!options.kind.empty() && !kind) {
    fmt::print(stderr, "tandem: {}\n`tandem ontology` lists them.\n", all.unknown_kind(options.kind));
    return 2;
  }
  if (options.json)
    fmt::print("{}\n", to_json_pretty(kind ? to_json(all, *kind) : to_json(all)));
  else if (kind)
    print_kind(all, *kind);
  else
    print_all(all);
  return 0;
}

}  // namespace tandem::app
