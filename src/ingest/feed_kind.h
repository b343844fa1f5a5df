// What feeds ask of the kinds there are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grid/schema.h"

namespace tandem::ingest {

// The kind of that name; null when there is none.
const grid::Kind* feed_kind(std::string_view name);

// All kinds, those that a kind refers to before it wherever they form no circle.
const std::vector<const grid::Kind*>& kinds_in_order();

// @type of its resource in TMF639: "PhysicalResource", "Resource" where the ontology says nothing.
std::string tmf639_type(std::string_view kind);

// True when the reference may name several kinds, so that its value is "<kind>/<id>".
inline bool names_kind(const grid::Attribute& attribute) { return !attribute.refers_to_any.empty(); }

// "no kind 'rak'; did you mean 'rack'?"
std::string no_such_kind(std::string_view name);

// "did you mean 'height_u'?", or the attributes there are.
std::string attribute_meant(const grid::Kind& kind, std::string_view name);

}  // namespace tandem::ingest
