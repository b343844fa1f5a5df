#include "inventory/suggest.h"

#include <fmt/format.h>

#include <algorithm>

#include "inventory/place.h"
#include "ontology/ontology.h"

namespace tandem::inventory {
namespace {

std::string called(const Referrer& entity) { return fmt::format("{} {}", entity.kind, entity.id); }

std::string in_words(const Json& value) {
  if (value.is_null()) return "none";
  return value.is_string() ? std::string(value.text()) : to_json(value);
}

// "planning: rack k-1; discovery: rack k-2".
std::string what_is_said(const std::vector<Evidence>& evidence) {
  std::string said;
  for (const Evidence& e : evidence) {
    const std::string name = e.attribute.empty() ? std::string() : e.attribute + " ";
    const std::string value =
        e.attribute.empty() ? (e.value.boolean() ? "is there" : "is not there") : in_words(e.value);
    said += fmt::format("{}{}: {}{}", said.empty() ? "" : "; ", e.source, name, value);
  }
  return said;
}

std::string sources(const std::vector<Evidence>& evidence, bool there) {
  std::string names;
  for (const Evidence& e : evidence) {
    if (!e.attribute.empty() || e.value.boolean() != there) continue;
    names += (names.empty() ? "" : ", ") + e.source;
  }
  return names;
}

// What must be touched or seen needs a person there; the rest is looked up from a desk.
bool is_physical(const Referrer& entity) {
  const ontology::Kind* kind = ontology::Ontology::built_in().find(entity.kind);
  if (kind == nullptr) return false;
  return kind->group == "hardware" || kind->group == "outside_plant" || kind->group == "place" ||
         kind->group == "power" || kind->group == "optical";
}

std::string desk_of(const Referrer& entity) {
  const ontology::Kind* kind = ontology::Ontology::built_in().find(entity.kind);
  const std::string_view group = kind ? kind->group : std::string_view();
  if (group == "compute") return "platform operations";
  if (group == "business" || group == "service") return "service desk";
  return "network operations";
}

std::string label_of(const Snapshot& snapshot, const Referrer& entity) {
  const Json::Object attributes = snapshot.attributes(entity.kind, entity.id);
  for (const char* name : {"serial", "asset_tag", "label", "address", "router_id", "hostname"})
    if (const auto found = attributes.find(name); found != attributes.end() && found->second.is_string())
      return fmt::format(" ({} {})", name, found->second.text());
  return {};
}

// Every place that is claimed for it, each once, as its relations name them.
std::string places_claimed(const std::vector<Evidence>& evidence) {
  std::vector<std::string> places;
  for (const Evidence& e : evidence) {
    if (e.attribute.empty()) continue;
    std::string place = fmt::format("{} {}", e.attribute, in_words(e.value));
    if (std::ranges::find(places, place) == places.end()) places.push_back(std::move(place));
  }
  return fmt::format("{}", fmt::join(places, ", "));
}

struct Words {
  std::string summary;
  std::string action;
};

Words words_for_duplicate(const Snapshot& snapshot, const Discrepancy& d) {
  std::string all = called(d.about), others;
  for (const Referrer& other : d.also) {
    const std::string place = place_of(snapshot, other).path;
    all += ", " + called(other);
    others += fmt::format("{}{}{}", others.empty() ? "" : "; ", called(other), place.empty() ? "" : " in " + place);
  }
  std::vector<std::string> numbers;
  for (const Evidence& e : d.evidence)
    if (std::string number = fmt::format("{} {}", e.attribute, in_words(e.value));
        std::ranges::find(numbers, number) == numbers.end())
      numbers.push_back(std::move(number));
  return {fmt::format("{} are known by one number: {}", all, fmt::join(numbers, ", ")),
          fmt::format("Read the number of {}, and of {}. If it is the same thing, keep one of them and retract the "
                      "other; if not, correct "
                      "the number that is wrong.",
                      called(d.about), others)};
}

Words words_for(const Snapshot& snapshot, const Discrepancy& d) {
  const std::string it = called(d.about), label = label_of(snapshot, d.about);
  const std::string other = d.also.empty() ? std::string() : called(d.also.front());
  switch (d.kind) {
    case DiscrepancyKind::moved:
      if (!other.empty())
        return {fmt::format("{} is gone and {} was not planned; both have one serial number{}: it was moved", it, other,
                            label),
                fmt::format("Read the serial number of {}. If it is that of {}, record the move; if not, look for {}.",
                            other, it, it)};
      return {fmt::format("{} is said to be at different places: {}", it, what_is_said(d.evidence)),
              fmt::format("Look for {}{} at each: {}. Record where it is.", it, label, places_claimed(d.evidence))};
    case DiscrepancyKind::swapped:
      return {fmt::format("{} and {} end where the other should: {}", it, other, what_is_said(d.evidence)),
              fmt::format("Trace {} and {} at the ports they share, by their labels or with light. Either patch them "
                          "back or record "
                          "them as they are.",
                          it, other)};
    case DiscrepancyKind::ghost:
      return {fmt::format("{} is known to {} and not seen by {}", it, sources(d.evidence, true),
                          sources(d.evidence, false)),
              fmt::format("See whether {}{} is there and has power. If it is gone, retract it; if it is there, mend "
                          "what should see it.",
                          it, label)};
    case DiscrepancyKind::unplanned:
      return {fmt::format("{} is seen by {} and not in the plan of {}", it, sources(d.evidence, true),
                          sources(d.evidence, false)),
              fmt::format("Find out who put {}{} there. Take it into the plan, or take it out.", it, label)};
    case DiscrepancyKind::stale:
      return {fmt::format("{} was not seen of late by {}", it, sources(d.evidence, true)),
              fmt::format(
                  "Ask {}{} itself, and what is next to it. If nothing answers, release it; else mend its monitoring.",
                  it, label)};
    case DiscrepancyKind::silent:
      return {fmt::format("source {} has stopped speaking", d.about.id),
              fmt::format("See whether {} runs and reaches what it watches; until then what it said may be old.",
                          d.about.id)};
    case DiscrepancyKind::duplicate: return words_for_duplicate(snapshot, d);
    case DiscrepancyKind::value_conflict:
      return {fmt::format("{}: {}", it, what_is_said(d.evidence)),
              fmt::format("Read {} of {}{} where it is set. Correct the source that is wrong, or accept the deviation.",
                          d.attribute, it, label)};
  }
  return {};
}

}  // namespace

void suggest(const Snapshot& snapshot, Discrepancy& discrepancy) {
  Words words = words_for(snapshot, discrepancy);
  discrepancy.summary = std::move(words.summary);
  Verification& verification = discrepancy.verification;
  verification.action = std::move(words.action);
  const Place place = place_of(snapshot, discrepancy.also.empty() || discrepancy.kind != DiscrepancyKind::moved
                                             ? discrepancy.about
                                             : discrepancy.also.front());
  verification.place = place.path;
  verification.site = place.site;
  verification.latitude_deg = place.latitude_deg;
  verification.longitude_deg = place.longitude_deg;
  verification.who = is_physical(discrepancy.about) ? "field technician" : desk_of(discrepancy.about);
}

}  // namespace tandem::inventory
