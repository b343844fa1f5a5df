// What an Ontology holds.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "ontology/ontology.h"

namespace tandem::ontology {

struct Ontology::Data {
  std::string_view keep(std::string text) { return texts.emplace_back(std::move(text)); }

  std::deque<std::string> texts;                // what the views of the kinds look at
  std::vector<Kind> kinds;                      // ascending by name
  std::vector<std::vector<Incoming>> incoming;  // of each kind
};

}  // namespace tandem::ontology
