// How TMF639 names what an entity has: shared by the reader and the writer.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "grid/schema.h"

namespace tandem::ingest {

// A member of a resource and the attribute that takes it, as a text.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kTmf639Members{
    {{"name", "name"}, {"description", "description"}, {"serialNumber", "serial"}}};

// Of ResourceStatusType and of the attribute `status`. What has no counterpart is said by the characteristic alone.
struct Tmf639Status {
  std::string_view theirs, ours;
};
inline constexpr std::array<Tmf639Status, 5> kTmf639Statuses{{{"available", "active"},
                                                              {"reserved", "planned"},
                                                              {"standby", "staged"},
                                                              {"suspended", "maintenance"},
                                                              {"alarm", "failed"}}};

constexpr std::string_view tmf639_status(std::string_view theirs) {
  for (const auto& status : kTmf639Statuses)
    if (status.theirs == theirs) return status.ours;
  return {};
}

// Kinds that a resource names as a related party, and a reference that names one. Its role is the attribute's name.
inline constexpr std::array<std::string_view, 5> kTmf639Parties{"contact", "customer", "manufacturer", "provider",
                                                                "tenant"};
inline bool tmf639_names_party(const grid::Attribute& attribute) {
  const auto may_name = [&](std::string_view kind) {
    return attribute.refers_to == kind ||
           std::ranges::find(attribute.refers_to_any, kind) != attribute.refers_to_any.end();
  };
  // What may name anything is no relation of a party.
  return attribute.type == grid::Type::reference && attribute.refers_to_any.size() <= kTmf639Parties.size() &&
         std::ranges::any_of(kTmf639Parties, may_name);
}

// The attribute by which an entity of the kind stands in one of that other kind; null when there is none.
const grid::Attribute* tmf639_place(std::string_view kind, std::string_view place);

// The id of an entity of ours as a resource: "rack:par1-r1".
inline std::string tmf639_id(std::string_view kind, std::string_view id) {
  std::string joined(kind);
  joined += ':';
  joined += id;
  return joined;
}

}  // namespace tandem::ingest
