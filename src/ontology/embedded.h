// The files of ontology/, compiled into the program (cmake/EmbedOntology.cmake writes the table).
#pragma once

#include <span>

#include "ontology/ontology.h"

namespace tandem::ontology {

std::span<const File> embedded_files();  // ascending by name

}  // namespace tandem::ontology
