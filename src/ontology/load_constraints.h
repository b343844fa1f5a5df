// The constraints of a kind, from its file.
#pragma once

#include "ontology/data.h"
#include "ontology/fields.h"

namespace tandem::ontology {

// Takes the list under `constraints`; all kinds and their relations are known.
void load_constraints(const YamlNode& list, Ontology::Data& data, Kind& kind, Reports& reports);

}  // namespace tandem::ontology
