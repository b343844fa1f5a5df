#include "inventory/constraints.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "grid/prefix.h"
#include "grid/schema.h"
#include "ontology/ontology.h"

namespace tandem::inventory {
namespace {

constexpr size_t kNamed = 5;             // entities in a sentence: enough to find the rest
constexpr size_t kLocationsMax = 1'000;  // followed upwards from one entity; places are some ten deep

const ontology::Kind* kind_of(std::string_view kind) { return ontology::Ontology::built_in().find(kind); }

const Json& value_of(const Json::Object& attributes, std::string_view name) {
  static const Json kNull;
  const auto found = attributes.find(name);
  return found == attributes.end() ? kNull : found->second;
}

// A number, or what the ontology says where there is none.
double number_of(const ontology::Kind& kind, const Json::Object& attributes, std::string_view name) {
  const Json& value = value_of(attributes, name);
  if (value.is_number()) return value.number();
  const grid::Attribute* attribute = kind.find(name);
  return attribute && attribute->absent.is_number() ? attribute->absent.number() : 0;
}

void add_target(const ontology::Relation& relation, const Json& value, std::vector<EntityKey>& targets) {
  if (value.is_array()) {
    for (const Json& item : value.array()) add_target(relation, item, targets);
  } else if (value.is_object()) {
    add_target(relation, value[relation.field], targets);
  } else if (value.is_string()) {
    const std::string_view text = value.text();
    const size_t slash = text.find('/');
    if (relation.targets.size() == 1 && !relation.any_target)
      targets.push_back({std::string(relation.targets.front()), std::string(text)});
    else if (slash != std::string_view::npos)
      targets.push_back({std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))});
  }
}

// Whom an entity names by a relation, as often as it does.
std::vector<EntityKey> targets_of(const ontology::Relation& relation, const Json::Object& attributes) {
  std::vector<EntityKey> targets;
  add_target(relation, value_of(attributes, relation.attribute), targets);
  return targets;
}

std::string name_of(const EntityKey& entity) { return fmt::format("{} '{}'", entity.kind, entity.id); }

std::string names_of(const std::vector<EntityKey>& entities) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(entities.size(), kNamed); ++i) names.push_back(name_of(entities[i]));
  if (entities.size() > kNamed) names.push_back(fmt::format("{} more", entities.size() - kNamed));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string number(double value) { return fmt::format("{:g}", value); }

struct Member {
  EntityKey entity;
  Json::Object attributes;
};

class Checker {
 public:
  Checker(const Snapshot& snapshot, std::span<const EntityKey> touched, size_t limit)
      : snapshot_(snapshot), touched_(touched.begin(), touched.end()), limit_(limit) {}

  std::vector<Violation> check() {
    for (const EntityKey& entity : touched_) {
      if (full()) break;
      if (snapshot_.has(entity.kind, entity.id))
        check_present(entity);
      else
        check_absent(entity);
    }
    return std::move(found_);
  }

 private:
  bool full() const { return found_.size() >= limit_; }
  void add(Violation violation) {
    if (!full()) found_.push_back(std::move(violation));
  }

  void check_present(const EntityKey& entity) {
    const ontology::Kind* kind = kind_of(entity.kind);
    if (!kind) return;
    const Json::Object attributes = snapshot_.attributes(entity.kind, entity.id);
    check_schema(*kind, entity, attributes);
    check_references(*kind, entity, attributes);
    for (const ontology::Constraint& constraint : kind->constraints)
      std::visit([&](const auto& rule) { check_rule(*kind, constraint, rule, entity, attributes); }, constraint);
    for (const ontology::Incoming& incoming : ontology::Ontology::built_in().incoming(entity.kind))
      check_as_target(incoming, entity);
    check_location(*kind, entity, attributes);
  }

  void check_schema(const ontology::Kind& kind, const EntityKey& entity, const Json::Object& attributes) {
    std::vector<grid::Problem> problems;
    ontology::check_entity(kind, attributes, problems);
    for (const grid::Problem& problem : problems) {
      if (problem.severity != Diagnostic::Severity::error) continue;
      add({entity.kind,
           entity.id,
           "schema",
           grid::to_string(problem.path),
           fmt::format("{}: {}", name_of(entity), problem.message),
           problem.fix,
           {},
           0});
    }
  }

  void check_references(const ontology::Kind& kind, const EntityKey& entity, const Json::Object& attributes) {
    for (const ontology::Relation& relation : kind.relations) {
      if (relation.weak || !attributes.contains(relation.attribute)) continue;
      for (EntityKey& target : targets_of(relation, attributes))
        if (!snapshot_.has(target.kind, target.id)) add(dangling(entity, relation, std::move(target)));
    }
  }

  // Who still names an entity that is gone.
  void check_absent(const EntityKey& entity) {
    for (const EntityKey& referrer : snapshot_.referrers(entity.kind, entity.id, SIZE_MAX)) {
      const ontology::Kind* kind = kind_of(referrer.kind);
      if (!kind || full()) continue;
      const Json::Object attributes = snapshot_.attributes(referrer.kind, referrer.id);
      for (const ontology::Relation& relation : kind->relations) {
        const auto targets = relation.weak ? std::vector<EntityKey>() : targets_of(relation, attributes);
        if (std::ranges::find(targets, entity) != targets.end()) add(dangling(referrer, relation, entity));
      }
    }
  }

  static Violation dangling(const EntityKey& entity, const ontology::Relation& relation, EntityKey target) {
    std::string message =
        fmt::format("{} of {} is {}, which is not there", relation.attribute, name_of(entity), name_of(target));
    std::string fix = fmt::format("bring {} back, or let {} name another", name_of(target), name_of(entity));
    return {entity.kind,        entity.id,      "reference",         std::string(relation.attribute),
            std::move(message), std::move(fix), {std::move(target)}, 0};
  }

  // ---- Rules of one entity and those that share something with it
  // -----------------------------------------------------

  void check_rule(const ontology::Kind& kind, const ontology::Constraint& constraint, const ontology::Unique& rule,
                  const EntityKey& entity, const Json::Object& attributes) {
    for (const std::string& value : ontology::unique_values(kind, rule, attributes)) {
      const std::vector<std::string> ids = snapshot_.with_key(entity.kind, rule, value, kNamed + 1);
      if (ids.size() < 2 || !first_time(constraint, {entity.kind, value})) continue;
      std::vector<EntityKey> holders;
      for (const std::string& id : ids) holders.push_back({entity.kind, id});
      add({entity.kind,
           ids.front(),
           ontology::name_of(constraint),
           std::string(rule.attributes.front()),
           fmt::format("{} have the same {}{}", names_of(holders), fmt::join(rule.attributes, " and "),
                       shared_value(rule, attributes)),
           fmt::format("give all but one of them another {}", fmt::join(rule.attributes, " or ")),
           {holders.begin() + 1, holders.end()},
           0});
    }
  }

  static std::string shared_value(const ontology::Unique& rule, const Json::Object& attributes) {
    std::string text;
    if (rule.attributes.size() == 1) text = ", " + to_json(value_of(attributes, rule.attributes.front()));
    for (const std::string_view scope : rule.within)
      if (const Json& value = value_of(attributes, scope); value.is_string())
        text += fmt::format(", in {} '{}'", scope, value.text());
    return text;
  }

  void check_rule(const ontology::Kind& kind, const ontology::Constraint& constraint, const ontology::NoOverlap& rule,
                  const EntityKey&, const Json::Object& attributes) {
    for (const EntityKey& target : targets_of(*kind.relation(rule.relation), attributes))
      check_room(kind, constraint, rule, target);
  }

  void check_rule(const ontology::Kind& kind, const ontology::Constraint& constraint, const ontology::SumAtMost& rule,
                  const EntityKey&, const Json::Object& attributes) {
    for (const EntityKey& target : targets_of(*kind.relation(rule.relation), attributes))
      check_sum(kind, constraint, rule, target);
  }

  void check_rule(const ontology::Kind& kind, const ontology::Constraint& constraint, const ontology::Exclusive& rule,
                  const EntityKey&, const Json::Object& attributes) {
    for (const std::string_view relation : rule.relations)
      for (const EntityKey& target : targets_of(*kind.relation(relation), attributes))
        if (rule.targets.empty() || std::ranges::find(rule.targets, target.kind) != rule.targets.end())
          check_exclusive(kind, constraint, rule, target);
  }

  void check_rule(const ontology::Kind& kind, const ontology::Constraint& constraint, const ontology::Inside& rule,
                  const EntityKey& entity, const Json::Object& attributes) {
    for (const EntityKey& target : targets_of(*kind.relation(rule.relation), attributes))
      check_inside(constraint, rule, {entity, attributes}, target);
  }

  void check_rule(const ontology::Kind&, const ontology::Constraint&, const ontology::Ordered&, const EntityKey&,
                  const Json::Object&) {}  // in check_schema

  void check_rule(const ontology::Kind& kind, const ontology::Constraint& constraint, const ontology::Acyclic& rule,
                  const EntityKey& entity, const Json::Object& attributes) {
    const ontology::Relation* relation = kind.relation(rule.relation);
    check_cycle(entity, attributes, ontology::name_of(constraint),
                [&](const ontology::Relation& other) { return other.attribute == relation->attribute; });
  }

  // What entities that name this one share of it: its room, its limit, its range.
  void check_as_target(const ontology::Incoming& incoming, const EntityKey& target) {
    for (const ontology::Constraint& constraint : incoming.kind->constraints) {
      if (const auto* room = std::get_if<ontology::NoOverlap>(&constraint);
          room && room->relation == incoming.relation->attribute)
        check_room(*incoming.kind, constraint, *room, target);
      if (const auto* sum = std::get_if<ontology::SumAtMost>(&constraint);
          sum && sum->relation == incoming.relation->attribute)
        check_sum(*incoming.kind, constraint, *sum, target);
      if (const auto* inside = std::get_if<ontology::Inside>(&constraint);
          inside && inside->relation == incoming.relation->attribute)
        for (const Member& member : members(*incoming.kind, inside->relation, target))
          check_inside(constraint, *inside, member, target);
    }
  }

  // ---- Rules of all that name one target
  // ------------------------------------------------------------------------------

  void check_room(const ontology::Kind& kind, const ontology::Constraint& constraint, const ontology::NoOverlap& rule,
                  const EntityKey& target) {
    if (!first_time(constraint, target)) return;
    struct Place {
      const EntityKey* entity;
      double first, end;
      std::string side;
    };
    const std::vector<Member> all = members(kind, rule.relation, target);
    std::vector<Place> places;
    for (const Member& member : all) {
      const Json& first = value_of(member.attributes, rule.first);
      if (!first.is_number()) continue;
      const Json& side = value_of(member.attributes, rule.side);
      const grid::Attribute* sides = kind.find(rule.side);
      places.push_back({&member.entity, first.number(), first.number() + number_of(kind, member.attributes, rule.size),
                        side.is_string()                     ? std::string(side.text())
                        : sides && sides->absent.is_string() ? std::string(sides->absent.text())
                                                             : ""});
    }
    std::ranges::stable_sort(places, {}, &Place::first);
    const ontology::Kind* target_kind = kind_of(target.kind);
    const double limit =
        target_kind ? number_of(*target_kind, snapshot_.attributes(target.kind, target.id), rule.limit) : 0;
    for (size_t i = 0; i < places.size(); ++i) {
      const Place& place = places[i];
      if (limit > 0 && (place.first < 1 || place.end > 1 + limit))
        add_out_of_room(constraint, rule, *place.entity, place.first, place.end, target, limit);
      for (size_t j = i + 1; j < places.size() && places[j].first < place.end; ++j) {
        const Place& other = places[j];
        const bool meet = rule.side.empty() || place.side == other.side || place.side == "both" || other.side == "both";
        if (meet && other.end > other.first)
          add_overlap(constraint, rule, *place.entity, *other.entity, target, other.first);
      }
    }
  }

  void add_overlap(const ontology::Constraint& constraint, const ontology::NoOverlap& rule, const EntityKey& a,
                   const EntityKey& b, const EntityKey& target, double at) {
    if (!touched_.contains(a) && !touched_.contains(b) && !touched_.contains(target)) return;
    const auto [first, second] = std::minmax(a, b);
    add({first.kind,
         first.id,
         ontology::name_of(constraint),
         std::string(rule.first),
         fmt::format("{} and {} overlap in {}, at {} {}", name_of(first), name_of(second), name_of(target), rule.first,
                     number(at)),
         fmt::format("give one of them another {} or another {}", rule.first, rule.relation),
         {second},
         0});
  }

  void add_out_of_room(const ontology::Constraint& constraint, const ontology::NoOverlap& rule, const EntityKey& entity,
                       double first, double end, const EntityKey& target, double limit) {
    if (!touched_.contains(entity) && !touched_.contains(target)) return;
    add({entity.kind,
         entity.id,
         ontology::name_of(constraint),
         std::string(rule.first),
         fmt::format("{} takes {} {} to {} of {}, which has 1 to {}", name_of(entity), rule.first, number(first),
                     number(end - 1), name_of(target), number(limit)),
         fmt::format("put it between 1 and {}", number(limit)),
         {target},
         std::max(1 - first, end - 1 - limit)});
  }

  void check_sum(const ontology::Kind& kind, const ontology::Constraint& constraint, const ontology::SumAtMost& rule,
                 const EntityKey& target) {
    if (!first_time(constraint, target)) return;
    const Json::Object limits = snapshot_.attributes(target.kind, target.id);
    const Json& limit = value_of(limits, rule.limit);
    if (!limit.is_number()) return;
    double sum = 0;
    std::vector<std::pair<double, EntityKey>> parts;
    for (const Member& member : members(kind, rule.relation, target)) {
      const double part = rule.attribute.empty() ? 1 : number_of(kind, member.attributes, rule.attribute);
      sum += part;
      if (part > 0) parts.emplace_back(-part, member.entity);
    }
    if (sum <= limit.number() * (1 + 1e-9)) return;  // sums of decimals are not exact
    std::ranges::sort(parts);
    std::vector<EntityKey> largest;
    for (size_t i = 0; i < std::min(parts.size(), kNamed); ++i) largest.push_back(parts[i].second);
    add({target.kind,
         target.id,
         ontology::name_of(constraint),
         std::string(rule.limit),
         fmt::format(
             "what names {} comes to {}{}, above its {} of {}; the most by {}", name_of(target), number(sum),
             rule.attribute.empty() ? fmt::format(" of kind {}", kind.name) : fmt::format(" {}", rule.attribute),
             rule.limit, number(limit.number()), names_of(largest)),
         fmt::format("move {} off it, or raise its {}", rule.attribute.empty() ? "some" : number(sum - limit.number()),
                     rule.limit),
         {},
         sum - limit.number()});
  }

  void check_exclusive(const ontology::Kind& kind, const ontology::Constraint& constraint,
                       const ontology::Exclusive& rule, const EntityKey& target) {
    if (!first_time(constraint, target)) return;
    std::vector<EntityKey> users;  // as often as they use it
    for (const EntityKey& referrer : snapshot_.referrers(target.kind, target.id, SIZE_MAX)) {
      if (referrer.kind != kind.name) continue;
      const Json::Object attributes = snapshot_.attributes(referrer.kind, referrer.id);
      for (const std::string_view relation : rule.relations)
        for (const EntityKey& used : targets_of(*kind.relation(relation), attributes))
          if (used == target) users.push_back(referrer);
    }
    if (users.size() < 2) return;
    std::vector<EntityKey> others(users.begin() + 1, users.end());
    others.push_back(target);
    std::ranges::sort(others);
    add({users.front().kind, users.front().id, ontology::name_of(constraint), std::string(rule.relations.front()),
         fmt::format("{} is used {} times: by {}", name_of(target), users.size(), names_of(users)),
         fmt::format("let all but one of them name another {}", target.kind), std::move(others), 0});
  }

  void check_inside(const ontology::Constraint& constraint, const ontology::Inside& rule, const Member& member,
                    const EntityKey& target) {
    const Json::Object outer_attributes = snapshot_.attributes(target.kind, target.id);
    const Json& inner_text = value_of(member.attributes, rule.attribute);
    const Json& outer_text = value_of(outer_attributes, rule.of);
    if (!inner_text.is_string() || !outer_text.is_string()) return;
    const auto outer = grid::parse_prefix(outer_text.text());
    const std::string_view text = inner_text.text();
    const auto inner_prefix = grid::parse_prefix(text);
    const auto address = grid::parse_address(text.substr(0, text.find('/')));
    if (!outer || !address) return;
    const bool longer = !inner_prefix || inner_prefix->length >= outer->length;
    if (longer && covers(*outer, *address)) return;
    add({member.entity.kind,
         member.entity.id,
         ontology::name_of(constraint),
         std::string(rule.attribute),
         fmt::format("{} {} of {} is not within {}, {}", rule.attribute, text, name_of(member.entity), name_of(target),
                     outer_text.text()),
         fmt::format("give it an {} of {}, or name the {} it is of", rule.attribute, outer_text.text(), rule.relation),
         {target},
         0});
  }

  static bool covers(const grid::Prefix& prefix, const std::array<uint8_t, 16>& address) {
    for (size_t bit = 0; bit < prefix.length; bit += 8) {
      const unsigned rest = std::min<unsigned>(8, prefix.length - static_cast<unsigned>(bit));
      const auto mask = static_cast<uint8_t>(0xff00u >> rest);
      if ((prefix.address[bit / 8] ^ address[bit / 8]) & mask) return false;
    }
    return true;
  }

  // ---- Cycles
  // ----------------------------------------------------------------------------------------------------------

  void check_location(const ontology::Kind&, const EntityKey& entity, const Json::Object& attributes) {
    check_cycle(entity, attributes, "location", [](const ontology::Relation& relation) { return relation.located_in; });
  }

  // Follows relations upwards; an entity that nobody names is in no cycle.
  template <class Follow>
  void check_cycle(const EntityKey& start, const Json::Object& attributes, const std::string& constraint,
                   Follow follow) {
    std::vector<EntityKey> ahead;
    const auto look = [&](const EntityKey& entity, const Json::Object& values) {
      const ontology::Kind* kind = kind_of(entity.kind);
      if (!kind) return;
      for (const ontology::Relation& relation : kind->relations)
        if (follow(relation)) std::ranges::copy(targets_of(relation, values), std::back_inserter(ahead));
    };
    look(start, attributes);
    if (ahead.empty() || snapshot_.referrers(start.kind, start.id, 1).empty()) return;
    std::set<EntityKey> seen;
    while (!ahead.empty() && seen.size() < kLocationsMax) {
      const EntityKey entity = std::move(ahead.back());
      ahead.pop_back();
      if (entity == start) {
        add({start.kind,
             start.id,
             constraint,
             {},
             fmt::format("{} is, by what it names, within itself", name_of(start)),
             "let one of those in the circle name another",
             {seen.begin(), seen.end()},
             0});
        return;
      }
      if (seen.insert(entity).second) look(entity, snapshot_.attributes(entity.kind, entity.id));
    }
  }

  // ---- What is shared
  // ----------------------------------------------------------------------------------------------------

  // Entities of the kind that name the target by the relation, ascending by id.
  std::vector<Member> members(const ontology::Kind& kind, std::string_view relation, const EntityKey& target) const {
    std::vector<Member> members;
    for (EntityKey& referrer : snapshot_.referrers(target.kind, target.id, SIZE_MAX)) {
      if (referrer.kind != kind.name) continue;
      Json::Object attributes = snapshot_.attributes(referrer.kind, referrer.id);
      const auto targets = targets_of(*kind.relation(relation), attributes);
      if (std::ranges::find(targets, target) != targets.end())
        members.push_back({std::move(referrer), std::move(attributes)});
    }
    return members;
  }

  // False where this group was checked already: many of the touched share one rack.
  bool first_time(const ontology::Constraint& constraint, const EntityKey& group) {
    return checked_.emplace(&constraint, group).second;
  }

  const Snapshot& snapshot_;
  std::set<EntityKey> touched_;
  size_t limit_;
  std::set<std::pair<const ontology::Constraint*, EntityKey>> checked_;  // looked up only
  std::vector<Violation> found_;
};

// What tells one violation from another.
auto identity(const Violation& violation) {
  return std::tie(violation.kind, violation.id, violation.constraint, violation.attribute, violation.others);
}

}  // namespace

std::vector<Violation> violations(const Snapshot& snapshot, std::span<const EntityKey> touched, size_t limit) {
  std::vector<Violation> found = Checker(snapshot, touched, limit).check();
  std::ranges::stable_sort(found, {}, identity);
  const auto repeated = std::ranges::unique(found, {}, identity);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

std::vector<Violation> new_violations(const Snapshot& before, const Snapshot& after, std::span<const EntityKey> touched,
                                      size_t limit) {
  std::vector<Violation> found = violations(after, touched, SIZE_MAX);
  if (found.empty()) return found;
  std::vector<EntityKey> violating;
  for (const Violation& violation : found) {
    violating.push_back({violation.kind, violation.id});
    violating.insert(violating.end(), violation.others.begin(), violation.others.end());
  }
  const std::vector<Violation> known = violations(before, violating, SIZE_MAX);
  std::erase_if(found, [&](const Violation& violation) {
    const auto same = std::ranges::lower_bound(known, identity(violation), {}, identity);
    return same != known.end() && identity(*same) == identity(violation) && violation.excess <= same->excess;
  });
  if (found.size() > limit) found.resize(limit);
  return found;
}

std::optional<EntityKey> strong_referrer(const Snapshot& snapshot, const std::string& kind, const std::string& id) {
  constexpr size_t kFirst = 16;  // nearly always one of them holds, or there are no more
  for (const size_t limit : {kFirst, SIZE_MAX}) {
    std::vector<EntityKey> referrers = snapshot.referrers(kind, id, limit);
    for (EntityKey& referrer : referrers) {
      if (referrer.kind == kind && referrer.id == id) continue;
      const ontology::Kind* known = kind_of(referrer.kind);
      const auto strong = [&](const ontology::Relation& relation) { return !relation.weak && relation.may_name(kind); };
      if (!known || std::ranges::any_of(known->relations, strong)) return std::move(referrer);
    }
    if (referrers.size() < limit) break;
  }
  return std::nullopt;
}

}  // namespace tandem::inventory
