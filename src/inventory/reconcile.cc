#include "inventory/reconcile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "inventory/horizon.h"
#include "inventory/suggest.h"
#include "ontology/ontology.h"

namespace tandem::inventory {
namespace {

constexpr double kMeasurementTolerance = 0.02;  // lengths and losses are measured to about a percent each time
constexpr double kIntervalsSilent = 3;          // two may be lost without anybody minding
constexpr size_t kPageOfDisputed = 1'000;
constexpr size_t kDuplicatesNamed = 20;  // of one value: more have not been given a number but a placeholder
constexpr std::string_view kNumbersOfGear[] = {"serial", "asset_tag", "external_ids"};

// A source that says how it speaks.
struct Feed {
  std::string name;
  std::vector<std::string> covers;  // kinds that it lists whole
  std::optional<Duration> interval;
  std::set<std::string> spoken_of;  // of those kinds it has seen an entity at least
  std::set<std::string> intends;    // of those it says how they are meant to be
  Instant last_word;

  bool is_late(Instant last, Instant now) const {
    return interval && static_cast<double>((now - last).ns) > kIntervalsSilent * static_cast<double>(interval->ns);
  }
};

std::vector<Feed> feeds_of(const Snapshot& snapshot) {
  std::vector<Feed> feeds;
  snapshot.for_each_json("source", [&](const std::string& id, const Json::Object& attributes) {
    Feed feed;
    feed.name = id;
    if (const auto covers = attributes.find("covers"); covers != attributes.end())
      for (const Json& kind : covers->second.array()) feed.covers.emplace_back(kind.text());
    if (const auto interval = attributes.find("interval_s"); interval != attributes.end())
      feed.interval = Duration{static_cast<int64_t>(interval->second.number() * 1e9)};
    if (!feed.covers.empty() || feed.interval) feeds.push_back(std::move(feed));
    return true;
  });
  return feeds;
}

bool covers(const Feed& feed, const std::string& kind) {
  return std::ranges::find(feed.covers, kind) != feed.covers.end();
}

bool differ(const Json& a, const Json& b) {
  if (!a.is_number() || !b.is_number() || (a.is_integer() && b.is_integer())) return a != b;
  return std::abs(a.number() - b.number()) >
         kMeasurementTolerance * std::max(std::abs(a.number()), std::abs(b.number()));
}

// An attribute with what is said of it, where that differs.
struct Difference {
  std::string attribute;
  std::vector<Evidence> said;
};

std::vector<Difference> differences_of(const Snapshot& snapshot, const Referrer& entity) {
  std::vector<Difference> all;
  for (const Claim& claim : snapshot.claims(entity.kind, entity.id)) {
    if (!claim.holds) continue;
    if (all.empty() || all.back().attribute != claim.attribute) all.push_back({claim.attribute, {}});
    all.back().said.push_back({claim.source, claim.standing, claim.attribute, to_json_value(claim.value),
                               claim.valid_from, claim.offset, claim.believed});
  }
  std::erase_if(all, [](const Difference& difference) {
    return std::ranges::none_of(difference.said,
                                [&](const Evidence& e) { return differ(e.value, difference.said.front().value); });
  });
  return all;
}

enum class Role : uint8_t { place, end, value };

// What an attribute means to the question where things are.
Role role_of(const ontology::Kind* kind, const std::string& attribute) {
  if (kind == nullptr) return Role::value;
  if (const ontology::Relation* relation = kind->relation(attribute)) {
    if (relation->located_in) return Role::place;
    return relation->impact == ontology::Impact::on_target ? Role::end : Role::value;
  }
  if (attribute == "slot") return Role::place;
  for (const ontology::Constraint& constraint : kind->constraints)
    if (const auto* room = std::get_if<ontology::NoOverlap>(&constraint);
        room && (room->first == attribute || room->side == attribute))
      return Role::place;
  return Role::value;
}

// An end of a line on which exactly two values are said.
struct DisputedEnd {
  Referrer line;
  Difference difference;
  std::string believed, other;
};

class Search {
 public:
  Search(const Snapshot& snapshot, Instant now) : snapshot_(snapshot), now_(now), feeds_(feeds_of(snapshot)) {}

  std::vector<Discrepancy> run() {
    compare_claims();
    pair_ends();
    hear_feeds();
    look_for_missing();
    find_duplicates();
    recognise_moved();
    for (const auto& [feed, last] : silent_) add_silent(feed, last);
    return std::move(found_);
  }

 private:
  void compare_claims() {
    std::vector<Referrer> page = snapshot_.disputed(kPageOfDisputed);
    while (!page.empty()) {
      for (const Referrer& entity : page) compare(entity);
      const Referrer last = page.back();
      page = snapshot_.disputed(kPageOfDisputed, &last);
    }
  }

  void compare(const Referrer& entity) {
    const ontology::Kind* kind = ontology::Ontology::built_in().find(entity.kind);
    Discrepancy moved = make(DiscrepancyKind::moved, entity);
    for (Difference& difference : differences_of(snapshot_, entity)) {
      switch (role_of(kind, difference.attribute)) {
        case Role::place: std::ranges::move(difference.said, std::back_inserter(moved.evidence)); break;
        case Role::end: add_end(entity, std::move(difference)); break;
        case Role::value: add_conflict(entity, std::move(difference)); break;
      }
    }
    if (!moved.evidence.empty()) add(std::move(moved));
  }

  void add_conflict(const Referrer& entity, Difference difference) {
    Discrepancy conflict = make(DiscrepancyKind::value_conflict, entity);
    conflict.id += "." + difference.attribute;
    conflict.attribute = difference.attribute;
    conflict.evidence = std::move(difference.said);
    add(std::move(conflict));
  }

  void add_end(const Referrer& line, Difference difference) {
    std::set<std::string> values;
    std::string believed;
    for (const Evidence& evidence : difference.said) {
      values.emplace(evidence.value.text());
      if (evidence.believed) believed = evidence.value.text();
    }
    if (values.size() != 2 || !values.contains(believed)) return add_conflict(line, std::move(difference));
    values.erase(believed);
    ends_.push_back({line, std::move(difference), believed, *values.begin()});
  }

  // Two ends of which each is said to be where the other is believed.
  void pair_ends() {
    std::map<std::tuple<std::string, std::string, std::string>, size_t> waiting;  // kind, believed, other → position
    std::vector<bool> paired(ends_.size());
    for (size_t i = 0; i < ends_.size(); ++i) {
      const DisputedEnd& end = ends_[i];
      const auto partner = waiting.find({end.line.kind, end.other, end.believed});
      if (partner == waiting.end() || ends_[partner->second].line == end.line) {
        waiting.emplace(std::tuple(end.line.kind, end.believed, end.other), i);
        continue;
      }
      const DisputedEnd& first = ends_[partner->second];
      paired[i] = paired[partner->second] = true;
      Discrepancy swapped = make(DiscrepancyKind::swapped, first.line);
      swapped.also.push_back(end.line);
      swapped.evidence = first.difference.said;
      swapped.evidence.insert(swapped.evidence.end(), end.difference.said.begin(), end.difference.said.end());
      waiting.erase(partner);
      add(std::move(swapped));
    }
    for (size_t i = 0; i < ends_.size(); ++i)
      if (!paired[i]) add_conflict(ends_[i].line, std::move(ends_[i].difference));
  }

  // What each feed has spoken of, and when last.
  void hear_feeds() {
    for (const std::string& kind : covered_kinds())
      snapshot_.for_each_id(kind, [&](const std::string& id) {
        for (const Presence& presence : snapshot_.presences(kind, id)) hear(kind, id, presence);
        return true;
      });
    for (const Feed& feed : feeds_)
      if (!feed.spoken_of.empty() && feed.is_late(feed.last_word, now_)) silent_.emplace(feed.name, feed.last_word);
  }

  void hear(const std::string& kind, const std::string& id, const Presence& presence) {
    const auto feed = std::ranges::find(feeds_, presence.source, &Feed::name);
    if (feed == feeds_.end() || !covers(*feed, kind)) return;
    feed->last_word = std::max(feed->last_word, presence.last_seen);
    if (!feed->spoken_of.insert(kind).second) return;
    for (const Claim& claim : snapshot_.claims(kind, id))
      if (claim.source == feed->name && claim.standing == Standing::intended) feed->intends.insert(kind);
  }

  std::set<std::string> covered_kinds() const {
    std::set<std::string> kinds;
    for (const Feed& feed : feeds_) kinds.insert(feed.covers.begin(), feed.covers.end());
    return kinds;
  }

  void look_for_missing() {
    for (const std::string& kind : covered_kinds())
      snapshot_.for_each_id(kind, [&](const std::string& id) {
        look_for({kind, id});
        return true;
      });
  }

  void look_for(const Referrer& entity) {
    const std::vector<Presence> presences = snapshot_.presences(entity.kind, entity.id);
    std::vector<Evidence> absent, late;
    bool missing_in_plan = false, missing_in_world = false, seen_in_world = false;
    for (const Feed& feed : feeds_) {
      if (!feed.spoken_of.contains(entity.kind)) continue;
      const bool intends = feed.intends.contains(entity.kind);
      const Standing standing = intends ? Standing::intended : Standing::discovered;
      const auto presence = std::ranges::find(presences, feed.name, &Presence::source);
      if (presence == presences.end() || presence->unseen_since) {
        const Instant since = presence == presences.end() ? first_seen(presences) : *presence->unseen_since;
        absent.push_back({feed.name, standing, "", false, since, 0, false});
        (intends ? missing_in_plan : missing_in_world) = true;
      } else {
        seen_in_world |= !intends;
        if (feed.is_late(presence->last_seen, now_) && !silent_.contains(feed.name))
          late.push_back({feed.name, standing, "", true, presence->last_seen, 0, false});
      }
    }
    if (missing_in_plan && seen_in_world)
      return add_missing(DiscrepancyKind::unplanned, entity, presences, std::move(absent));
    if (missing_in_world && is_expected(entity))
      return add_missing(DiscrepancyKind::ghost, entity, presences, std::move(absent));
    if (late.empty() || !is_expected(entity)) return;
    Discrepancy stale = make(DiscrepancyKind::stale, entity);
    stale.evidence = std::move(late);
    add(std::move(stale));
  }

  static Instant first_seen(const std::vector<Presence>& presences) {
    Instant first = presences.empty() ? Instant{} : presences.front().first_seen;
    for (const Presence& presence : presences) first = std::min(first, presence.first_seen);
    return first;
  }

  // What is planned, in store or gone is not looked for.
  bool is_expected(const Referrer& entity) const {
    const Json::Object attributes = snapshot_.attributes(entity.kind, entity.id);
    const auto status = attributes.find("status");
    if (status == attributes.end()) return true;
    const std::string_view name = status->second.text();
    return name != "planned" && name != "staged" && name != "stored" && name != "retired";
  }

  void add_missing(DiscrepancyKind what, const Referrer& entity, const std::vector<Presence>& presences,
                   std::vector<Evidence> absent) {
    Discrepancy missing = make(what, entity);
    for (const Presence& presence : presences)
      if (!presence.unseen_since)
        missing.evidence.push_back(
            {presence.source, standing_of(entity, presence.source), "", true, presence.first_seen, 0, true});
    std::ranges::move(absent, std::back_inserter(missing.evidence));
    missing_.push_back(std::move(missing));
  }

  // One number on several things that are there. Those that share several numbers are one finding.
  void find_duplicates() {
    std::set<Referrer> ghosts;
    for (const Discrepancy& missing : missing_)
      if (missing.kind == DiscrepancyKind::ghost) ghosts.insert(missing.about);
    for (const ontology::Kind& kind : ontology::Ontology::built_in().kinds()) {
      std::map<std::vector<std::string>, std::set<std::string_view>> numbers;  // of the same entities
      for (const ontology::Constraint& constraint : kind.constraints) {
        const auto* unique = std::get_if<ontology::Unique>(&constraint);
        if (!unique || unique->attributes.size() != 1 || !unique->within.empty()) continue;
        const std::string_view number = unique->attributes.front();
        if (std::ranges::find(kNumbersOfGear, number) == std::end(kNumbersOfGear)) continue;
        snapshot_.for_each_shared_key(kind.name, *unique, [&](std::string_view, std::vector<std::string> ids) {
          std::erase_if(ids, [&](const std::string& id) {
            const Referrer entity{std::string(kind.name), id};
            return ghosts.contains(entity) || !is_there(entity);
          });
          if (ids.size() > 1) numbers[std::move(ids)].insert(number);
        });
      }
      for (const auto& [ids, shared] : numbers) add_duplicate(kind.name, ids, shared);
    }
  }

  void add_duplicate(std::string_view kind, const std::vector<std::string>& ids,
                     const std::set<std::string_view>& numbers) {
    const std::span named = std::span(ids).first(std::min(ids.size(), kDuplicatesNamed));
    Discrepancy duplicate = make(DiscrepancyKind::duplicate, {std::string(kind), ids.front()});
    for (const std::string& id : named) {
      for (const Claim& claim : snapshot_.claims(kind, id))
        if (claim.believed && numbers.contains(claim.attribute))
          duplicate.evidence.push_back({claim.source, claim.standing, claim.attribute, to_json_value(claim.value),
                                        claim.valid_from, claim.offset, true});
      if (id == ids.front()) continue;
      duplicate.also.push_back({std::string(kind), id});
      duplicate.id += "+" + id;
    }
    add(std::move(duplicate));
  }

  // What is only planned or no longer kept, and what nobody sees any more, may share its number with what took its
  // place.
  bool is_there(const Referrer& entity) const {
    const Json::Object attributes = snapshot_.attributes(entity.kind, entity.id);
    const auto status = attributes.find("status");
    if (status != attributes.end() && (status->second.text() == "planned" || status->second.text() == "retired"))
      return false;
    return std::ranges::any_of(snapshot_.presences(entity.kind, entity.id),
                               [](const Presence& presence) { return !presence.unseen_since; });
  }

  Standing standing_of(const Referrer& entity, const std::string& source) const {
    for (const Claim& claim : snapshot_.claims(entity.kind, entity.id))
      if (claim.source == source) return claim.standing;
    return Standing::observed;
  }

  // One serial number on something that is gone and on something nobody planned: the same gear.
  void recognise_moved() {
    std::map<std::pair<std::string, std::string>, size_t> gone;  // kind and serial → position
    for (size_t i = 0; i < missing_.size(); ++i)
      if (missing_[i].kind == DiscrepancyKind::ghost)
        if (const std::string serial = serial_of(missing_[i].about); !serial.empty())
          gone.emplace(std::pair(missing_[i].about.kind, serial), i);
    std::set<size_t> explained;
    for (size_t i = 0; i < missing_.size(); ++i) {
      if (missing_[i].kind != DiscrepancyKind::unplanned) continue;
      const auto before = gone.find({missing_[i].about.kind, serial_of(missing_[i].about)});
      if (before == gone.end()) continue;
      Discrepancy moved = make(DiscrepancyKind::moved, missing_[before->second].about);
      moved.also.push_back(missing_[i].about);
      moved.evidence = missing_[before->second].evidence;
      std::ranges::copy(missing_[i].evidence, std::back_inserter(moved.evidence));
      explained.insert({i, before->second});
      add(std::move(moved));
    }
    for (size_t i = 0; i < missing_.size(); ++i)
      if (!explained.contains(i)) add(std::move(missing_[i]));
  }

  std::string serial_of(const Referrer& entity) const {
    const Json::Object attributes = snapshot_.attributes(entity.kind, entity.id);
    const auto serial = attributes.find("serial");
    return serial == attributes.end() ? std::string() : std::string(serial->second.text());
  }

  void add_silent(const std::string& feed, Instant last) {
    Discrepancy silent = make(DiscrepancyKind::silent, {"source", feed});
    silent.evidence.push_back({feed, Standing::observed, "", false, last, 0, false});
    add(std::move(silent));
  }

  static Discrepancy make(DiscrepancyKind kind, const Referrer& about) {
    Discrepancy discrepancy;
    discrepancy.kind = kind;
    discrepancy.about = about;
    discrepancy.id = fmt::format("{}:{}:{}", name_of(kind), about.kind, about.id);
    return discrepancy;
  }

  void add(Discrepancy discrepancy) {
    for (const Evidence& evidence : discrepancy.evidence) {
      discrepancy.since = std::max(discrepancy.since, evidence.since);
      discrepancy.offset = std::max(discrepancy.offset, evidence.offset);
    }
    // Where it is about what is there, not about a value, the last change of the entity is its newest word.
    if (discrepancy.offset == 0)
      if (const auto entity = snapshot_.find(discrepancy.about.kind, discrepancy.about.id))
        discrepancy.offset = entity->changed;
    found_.push_back(std::move(discrepancy));
  }

  const Snapshot& snapshot_;
  Instant now_;
  std::vector<Feed> feeds_;
  std::vector<DisputedEnd> ends_;
  std::vector<Discrepancy> missing_;
  std::map<std::string, Instant> silent_;
  std::vector<Discrepancy> found_;
};

struct Deviation {
  std::string id;
  std::string about;        // "<kind>/<id>"
  std::string discrepancy;  // its kind
  std::string attribute;
  log::Offset offset = 0;  // 0: the offset of the deviation itself
};

std::vector<Deviation> deviations_of(const Snapshot& snapshot) {
  std::vector<Deviation> deviations;
  snapshot.for_each("deviation", [&](const Entity& entity) {
    const auto text = [&](const char* name) {
      const v1::Value* value = entity.find(name);
      return value ? value->text() : std::string();
    };
    const v1::Value* offset = entity.find("offset");
    deviations.push_back({entity.id, text("about"), text("discrepancy"), text("attribute"),
                          offset ? static_cast<log::Offset>(offset->integer()) : entity.changed});
    return true;
  });
  return deviations;
}

void mark_accepted(std::vector<Discrepancy>& found, const std::vector<Deviation>& deviations) {
  for (const Deviation& deviation : deviations)
    for (Discrepancy& d : found)
      if (deviation.about == d.about.kind + "/" + d.about.id && deviation.discrepancy == name_of(d.kind) &&
          deviation.attribute == d.attribute && d.offset <= deviation.offset)
        d.accepted_as = deviation.id;
}

bool has_part(const Discrepancy& discrepancy, const Referrer& entity) {
  return discrepancy.about == entity || std::ranges::find(discrepancy.also, entity) != discrepancy.also.end();
}

bool is_asked_for(const Discrepancy& discrepancy, const ReconcileOptions& options) {
  return (!options.about || has_part(discrepancy, *options.about)) &&
         (!options.kind || discrepancy.kind == *options.kind) &&
         (options.entity_kind.empty() || discrepancy.about.kind == options.entity_kind);
}

}  // namespace

std::string_view name_of(DiscrepancyKind kind) {
  switch (kind) {
    case DiscrepancyKind::value_conflict: return "value_conflict";
    case DiscrepancyKind::moved: return "moved";
    case DiscrepancyKind::swapped: return "swapped";
    case DiscrepancyKind::ghost: return "ghost";
    case DiscrepancyKind::unplanned: return "unplanned";
    case DiscrepancyKind::stale: return "stale";
    case DiscrepancyKind::silent: return "silent";
    case DiscrepancyKind::duplicate: return "duplicate";
  }
  return {};
}

std::span<const DiscrepancyKind> discrepancy_kinds() {
  using enum DiscrepancyKind;
  static constexpr DiscrepancyKind kKinds[] = {value_conflict, moved, swapped, ghost,
                                               unplanned,      stale, silent,  duplicate};
  return kKinds;
}

Result<void> reconcilable(const Snapshot& snapshot, const ReconcileOptions& options) {
  const std::string_view kind =
      options.about ? std::string_view(options.about->kind) : std::string_view(options.entity_kind);
  return reaches_all(snapshot, [&](const ontology::Kind& read) {
    return kind.empty() || read.name == kind || read.name == "deviation";
  });
}

Reconciliation reconcile(const Snapshot& snapshot, Instant now, const ReconcileOptions& options) {
  Reconciliation result;
  std::vector<Discrepancy> found = Search(snapshot, now).run();
  mark_accepted(found, deviations_of(snapshot));
  std::erase_if(found, [&](const Discrepancy& d) {
    if (!is_asked_for(d, options)) return true;
    if (d.accepted_as.empty()) return false;
    ++result.accepted;
    return !options.accepted;
  });
  std::ranges::sort(found, [](const Discrepancy& a, const Discrepancy& b) {
    return a.since != b.since ? a.since > b.since : a.id < b.id;
  });
  result.found = found.size();
  if (found.size() > options.limit) found.resize(options.limit);
  for (Discrepancy& discrepancy : found) suggest(snapshot, discrepancy);
  result.discrepancies = std::move(found);
  return result;
}

}  // namespace tandem::inventory
