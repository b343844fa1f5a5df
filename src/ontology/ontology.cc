#include "ontology/ontology.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "ontology/data.h"
#include "ontology/embedded.h"

namespace tandem::ontology {

bool Relation::may_name(std::string_view kind) const { return std::ranges::binary_search(targets, kind); }

bool is_personal(const grid::Attribute& attribute) {
  return attribute.personal || std::ranges::any_of(attribute.fields, is_personal);
}

bool Kind::has_personal() const { return std::ranges::any_of(attributes, is_personal); }

const Relation* Kind::relation(std::string_view attribute) const {
  const auto found = std::ranges::find(relations, attribute, &Relation::attribute);
  return found == relations.end() ? nullptr : &*found;
}

Ontology::Ontology(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Ontology::Ontology(Ontology&&) noexcept = default;
Ontology& Ontology::operator=(Ontology&&) noexcept = default;
Ontology::~Ontology() = default;

const Ontology& Ontology::built_in() {
  static const Ontology kBuiltIn = [] {
    std::vector<Diagnostic> diagnostics;
    auto loaded = load(embedded_files(), grid::kinds(), diagnostics);
    CHECK(loaded.has_value());  // a test reads the same files
    return std::move(*loaded);
  }();
  return kBuiltIn;
}

std::span<const Kind> Ontology::kinds() const { return data_->kinds; }

const Kind* Ontology::find(std::string_view kind) const {
  const auto found = std::ranges::lower_bound(data_->kinds, kind, {}, &Kind::name);
  return found != data_->kinds.end() && found->name == kind ? &*found : nullptr;
}

std::span<const Incoming> Ontology::incoming(std::string_view kind) const {
  const Kind* found = find(kind);
  if (!found) return {};
  return data_->incoming[static_cast<size_t>(found - data_->kinds.data())];
}

std::string Ontology::unknown_kind(std::string_view kind) const {
  std::vector<std::string> names;
  for (const Kind& known : data_->kinds) names.emplace_back(known.name);
  const auto meant = nearest(kind, names);
  return fmt::format("no kind '{}'{}", kind.substr(0, grid::kIdBytesMax),
                     meant ? fmt::format("; did you mean '{}'?", *meant) : "");
}

}  // namespace tandem::ontology
