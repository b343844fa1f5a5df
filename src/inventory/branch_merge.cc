// What stands in the way of a merge: both sides changed the same, or the result would violate a constraint.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "inventory/branch.h"
#include "inventory/held_edits.h"

namespace tandem::inventory {
namespace {

constexpr size_t kValueBytesShown = 60;  // in a sentence; the whole value stands beside it

std::string shown(const Json& value) {
  if (value.is_null()) return "nothing";
  std::string text = to_json(value);
  if (text.size() > kValueBytesShown) {
    size_t end = kValueBytesShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u) --end;  // not within a character
    text = text.substr(0, end) + "…";
  }
  return text;
}

// One entity in the base, in the branch and in the parent as it is now.
class Sides {
 public:
  Sides(const Branch& branch, const Snapshot& onto, const EntityKey& entity, const v1::HeldEdits& held)
      : branch_(branch), onto_(onto), entity_(entity), held_(held) {
    for (const v1::HeldEdit& said : held.edits()) {
      if (said.edit().has_retraction()) removed_ = true;
      if (said.edit().has_facts())
        for (const v1::Attribute& attribute : said.edit().facts().attributes()) said_[attribute.name()] = said.offset();
      if (!said.edit().has_taken_back()) last_offset_ = said.offset();
    }
    for (const v1::Attribute& attribute : held.seen().attributes())
      seen_[attribute.name()] = branch.head.shown(entity, attribute.name(), attribute.value());
  }

  std::vector<Conflict> conflicts() const {
    if (last_offset_ == 0) return {};  // all was taken back
    const bool was = branch_.base.has(entity_.kind, entity_.id);
    const bool ours = branch_.head.has(entity_.kind, entity_.id);
    const bool theirs = onto_.has(entity_.kind, entity_.id);
    if (!theirs) {
      if (was && ours && !held_.seen().removed()) return {removed_there()};
      return {};
    }
    if (onto_.holds_same(branch_.base, entity_.kind, entity_.id)) return {};
    return ours ? differing_attributes() : removed_here();
  }

 private:
  Json value_in(const Snapshot& snapshot, const std::string& attribute) const {
    const auto& values = values_of(snapshot);
    const auto found = values.find(attribute);
    return found == values.end() ? Json() : found->second;
  }
  const Json::Object& values_of(const Snapshot& snapshot) const {
    auto& values = values_[&snapshot];
    if (!values) values = snapshot.attributes(entity_.kind, entity_.id);
    return *values;
  }
  // What the branch takes the parent to say.
  Json expected(const std::string& attribute) const {
    const auto seen = seen_.find(attribute);
    return seen != seen_.end() ? seen->second : value_in(branch_.base, attribute);
  }

  Conflict conflict(Conflict::What what) const {
    Conflict conflict;
    conflict.what = what;
    conflict.kind = entity_.kind;
    conflict.id = entity_.id;
    conflict.ours_offset = last_offset_;
    return conflict;
  }

  Conflict removed_there() const {
    Conflict found = conflict(Conflict::What::removed_there);
    found.base = values_of(branch_.base);
    found.ours = values_of(branch_.head);
    found.message =
        fmt::format("{} '{}' is edited in branch '{}' (offset {}) and was removed from {} since the branch began",
                    entity_.kind, entity_.id, branch_.name, found.ours_offset, parent_name());
    found.fix = "take ours to bring it back as the branch has it, or take theirs to drop the branch's edits of it";
    return found;
  }

  // Removed in the branch: whatever the parent has changed since was not known to whoever removed it.
  std::vector<Conflict> removed_here() const {
    Json::Object base, theirs;
    std::vector<std::string> names;
    for (const std::string& name : names_in(onto_)) {
      if (value_in(onto_, name) == expected(name)) continue;
      base[name] = value_in(branch_.base, name);
      theirs[name] = value_in(onto_, name);
      names.push_back(name);
    }
    if (names.empty()) return {};
    Conflict found = conflict(Conflict::What::removed_here);
    found.base = std::move(base);
    found.theirs = std::move(theirs);
    found.theirs_offset = onto_.find(entity_.kind, entity_.id)->changed;
    found.message = fmt::format("{} '{}' is removed in branch '{}' (offset {}), and {} changed its {} at offset {}",
                                entity_.kind, entity_.id, branch_.name, found.ours_offset, parent_name(),
                                fmt::join(names, ", "), found.theirs_offset);
    found.fix = "take ours to remove it all the same, or take theirs to keep it";
    return {std::move(found)};
  }

  std::vector<Conflict> differing_attributes() const {
    std::vector<Conflict> found;
    for (const std::string& name : touched()) {
      const Json theirs = value_in(onto_, name), ours = value_in(branch_.head, name);
      if (theirs == ours || theirs == expected(name)) continue;
      Conflict& one = found.emplace_back(conflict(Conflict::What::both_changed));
      one.attribute = name;
      one.base = value_in(branch_.base, name);
      one.ours = ours;
      one.theirs = theirs;
      if (const auto said = said_.find(name); said != said_.end()) one.ours_offset = said->second;
      one.theirs_offset = offset_there(name);
      one.message = fmt::format("{} of {} '{}': {} in branch '{}' (offset {}), {} in {} (offset {}); it was {}", name,
                                entity_.kind, entity_.id, shown(ours), branch_.name, one.ours_offset, shown(theirs),
                                parent_name(), one.theirs_offset, shown(one.base));
      one.fix = fmt::format("take ours to set {}, or take theirs to leave {}", shown(ours), shown(theirs));
    }
    return found;
  }

  // Attributes that a merge would set, ascending: those said, and all there are where the entity is removed first.
  std::set<std::string> touched() const {
    std::set<std::string> names;
    for (const auto& [name, offset] : said_) names.insert(name);
    if (removed_) names.merge(names_in(onto_));
    return names;
  }
  // Attributes that the snapshot, or the base, has.
  std::set<std::string> names_in(const Snapshot& snapshot) const {
    std::set<std::string> names;
    for (const Snapshot* side : {&snapshot, &branch_.base})
      for (const auto& [name, value] : values_of(*side)) names.insert(name);
    return names;
  }
  log::Offset offset_there(const std::string& name) const {
    const auto entity = onto_.find(entity_.kind, entity_.id);
    for (const Attribute& attribute : entity->attributes)
      if (attribute.name == name) return attribute.offset;
    return entity->changed;  // it took the attribute back
  }
  std::string parent_name() const {
    return branch_.parent.empty() ? "main" : fmt::format("branch '{}'", branch_.parent);
  }

  const Branch& branch_;
  const Snapshot& onto_;
  const EntityKey& entity_;
  const v1::HeldEdits& held_;
  bool removed_ = false;                     // in the branch, at some time
  log::Offset last_offset_ = 0;              // of the last edit
  std::map<std::string, log::Offset> said_;  // attributes the branch sets, and where it does
  std::map<std::string, Json> seen_;
  mutable std::map<const Snapshot*, std::optional<Json::Object>> values_;  // read once each, by address: looked up only
};

}  // namespace

std::string_view to_string(Conflict::What what) {
  switch (what) {
    case Conflict::What::both_changed: return "both_changed";
    case Conflict::What::removed_there: return "removed_there";
    case Conflict::What::removed_here: return "removed_here";
  }
  return "";
}

std::vector<Conflict> conflicts(const Branch& branch, const Snapshot& onto, const EntityKey& entity) {
  const SharedBytes* held = branch.edits.find(entity);
  return held ? Sides(branch, onto, entity, parse_held(*held)).conflicts() : std::vector<Conflict>();
}

std::vector<Conflict> conflicts(const Branch& branch, const Snapshot& onto, size_t limit) {
  std::vector<Conflict> all;
  for (const auto& [entity, held] : branch.edits) {
    if (all.size() >= limit) break;
    if (onto.holds_same(branch.base, entity.kind, entity.id)) continue;  // nearly all of them
    for (Conflict& conflict : conflicts(branch, onto, entity)) all.push_back(std::move(conflict));
  }
  if (all.size() > limit) all.resize(limit);
  return all;
}

MergeOutcome try_merge(const Branch& branch, const Snapshot& onto, size_t limit) {
  MergeOutcome outcome;
  outcome.conflicts = conflicts(branch, onto, limit);
  outcome.merged = onto;
  for_each_edit(branch, [&](const EntityKey&, const v1::HeldEdit& said) {
    if (!said.edit().has_taken_back()) apply_edit(said.edit(), onto.offset(), {said.at_ns()}, outcome.merged);
    return true;
  });
  std::vector<EntityKey> touched;
  touched.reserve(branch.edits.size());
  for (const auto& [entity, held] : branch.edits) touched.push_back(entity);
  outcome.violations = new_violations(onto, outcome.merged, touched, limit);
  return outcome;
}

}  // namespace tandem::inventory
