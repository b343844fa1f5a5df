// Every table there is, and the two that describe them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "query/virtual_table.h"

namespace tandem::query {

// First the kinds of the ontology, ascending, then the tables over all of them, the walks, and the descriptions.
class Catalogue {
 public:
  Catalogue();
  std::span<const std::unique_ptr<VirtualTable>> tables() const { return tables_; }
  const VirtualTable* find(std::string_view name) const;  // in any letter case, as SQL has it
  std::vector<std::string> names() const;

 private:
  std::vector<std::unique_ptr<VirtualTable>> tables_;
};

// The one there is: it follows from the ontology.
const Catalogue& catalogue();

}  // namespace tandem::query
