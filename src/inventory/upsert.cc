// Method: each row is settled as soon as everything it refers to stands, in the inventory or in a row settled before;
// until then it waits under the name of what it lacks. What still waits at the end waits in a circle (a device names
// its address, which names its interface, which names the device): there, references that may be left out are said in a
// second event, as are weak ones whose target comes later. O(rows · (log inventory + references)).
#include "inventory/upsert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <unordered_map>

#include "base/check.h"
#include "base/text.h"
#include "grid/decode.h"
#include "grid/schema.h"
#include "inventory/staged_rows.h"
#include "inventory/tables.h"
#include "ontology/ontology.h"

namespace tandem::inventory {
namespace {

using grid::Type;

constexpr size_t kMadeIdBytesMax = 100;  // leaves room under kIdBytesMax for what tells two of a name apart
constexpr size_t kExternalIdBytesMax = 256;
constexpr size_t kNearestCandidates = 200;  // compared to say what was probably meant

// The references within whose targets names are unique: the device of an interface. None for what has a host name,
// which is its own all over the grid.
std::span<const std::string_view> scope_of(const ontology::Kind& kind) {
  if (kind.find("hostname") != nullptr) return {};
  for (const ontology::Constraint& constraint : kind.constraints)
    if (const auto* unique = std::get_if<ontology::Unique>(&constraint); unique != nullptr && !unique->within.empty())
      return unique->within;
  return {};
}

bool may_name(const grid::Attribute& reference, std::string_view kind) {
  if (reference.refers_to_any.empty()) return reference.refers_to == kind;
  return std::find(reference.refers_to_any.begin(), reference.refers_to_any.end(), kind) !=
         reference.refers_to_any.end();
}

bool has_errors(const std::vector<grid::Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(),
                     [](const grid::Problem& p) { return p.severity == Diagnostic::Severity::error; });
}

// Changes `entity` by what is said of it; returns what of that it did not have so already.
Json::Object take_in(const Json::Object& said, Json::Object& entity) {
  Json::Object different;
  for (const auto& [name, value] : said) {
    const auto known = entity.find(name);
    const bool same = value.is_null() ? known == entity.end() : known != entity.end() && known->second == value;
    if (same) continue;
    different[name] = value;
    if (value.is_null())
      entity.erase(known);
    else
      entity[name] = value;
  }
  return different;
}

// What of `said` its source has not said before, in `own`.
Json::Object not_said_before(const Json::Object& said, const Json::Object& own) {
  Json::Object different;
  for (const auto& [name, value] : said) {
    const auto known = own.find(name);
    const bool same = known == own.end() ? value.is_null() : known->second == value;
    if (!same) different[name] = value;
  }
  return different;
}

// Whether a source has said all of these external ids already.
bool holds_all(const Json::Object& own, const std::vector<std::string>& external_ids) {
  const auto known = own.find(kExternalIds);
  if (known == own.end()) return false;
  return std::all_of(external_ids.begin(), external_ids.end(), [&](const std::string& id) {
    return std::any_of(known->second.array().begin(), known->second.array().end(),
                       [&](const Json& item) { return item.text() == id; });
  });
}

// Calls visit(attribute, place of a value) for every reference that attributes hold, in records and lists too.
template <class Visit>
void for_each_reference(const grid::Attribute& attribute, Json& value, const Visit& visit) {
  if (attribute.type != Type::reference && attribute.type != Type::record) return;
  const auto one = [&](Json& item) {
    if (attribute.type == Type::reference) return visit(attribute, item);
    if (!item.is_object()) return;
    Json::Object fields = item.object();
    for (const grid::Attribute& field : attribute.fields)
      if (const auto found = fields.find(field.name); found != fields.end())
        for_each_reference(field, found->second, visit);
    item = std::move(fields);
  };
  if (!attribute.list) return one(value);
  if (!value.is_array()) return;
  Json::Array items = value.array();
  for (Json& item : items) one(item);
  value = std::move(items);
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::created: return "created";
    case Outcome::changed: return "changed";
    case Outcome::confirmed: return "confirmed";
    case Outcome::unchanged: return "unchanged";
    case Outcome::refused: return "refused";
  }
  return "refused";
}

struct Upsert::State final : grid::References {
  State(Snapshot snapshot, UpsertOptions its_options)
      : believed(std::move(snapshot)), options(std::move(its_options)) {}

  // ---- grid::References: what is believed and what rows before have said -----------------------------------------
  std::optional<size_t> position(std::string_view kind, std::string_view id) const override {
    return believed.has(kind, id) || staged.find(kind, id) ? std::optional<size_t>(0) : std::nullopt;
  }
  std::optional<uint8_t> jurisdiction(std::string_view code) const override {
    if (jurisdictions.contains(code)) return uint8_t{0};
    const auto first = believed.referrers(kJurisdiction, code, 1);
    return !first.empty() && first.front().kind == "site" ? std::optional<uint8_t>(0) : std::nullopt;
  }
  const grid::Tenant* tenant(grid::TenantIndex) const override { return nullptr; }
  std::optional<std::string> nearest(std::string_view kind, std::string_view id) const override {
    for (const std::string_view begin : {id.substr(0, id.size() - id.size() / 3), id.substr(0, 1), id.substr(0, 0)}) {
      std::vector<std::string> candidates;
      believed.for_each_id(
          kind,
          [&](const std::string& known) { return candidates.push_back(known), candidates.size() < kNearestCandidates; },
          begin);
      if (auto meant = tandem::nearest(id, candidates)) return meant;
    }
    return std::nullopt;
  }

  struct Waiting {
    size_t number;
    Row row;
  };
  // How hard a row is tried: at first it waits for all that it refers to; in a circle, for what it must have; at last
  // what is lacking is a problem.
  enum class Effort : uint8_t { all, required, none };

  // One row on its way to being settled.
  struct Attempt {
    size_t number = 0;
    const ontology::Kind* kind = nullptr;
    std::string id;
    bool exists = false;
    std::vector<std::string> external_ids;  // of the row, ascending
    Json::Object attributes;
    Json::Object aside;  // said later
    const std::vector<std::string>* weak = nullptr;
    std::vector<grid::Problem> wrong;
    std::string lacking;  // what it waits for
  };

  bool settle(size_t number, Row& row, Effort effort);
  bool identify(Attempt& attempt, const Row& row, Effort effort);
  bool resolve(Attempt& attempt, Effort effort);
  std::string resolve_one(const grid::Attribute& attribute, Json& value, std::vector<grid::Problem>* wrong,
                          const std::string& name) const;
  std::optional<Referrer> owner_of(const std::string& external_id, std::span<const std::string_view> kinds) const;
  struct SaidBefore {
    Json::Object claims;  // as they hold now; null where the source says that there is nothing
    bool unseen = false;  // it did not see the entity any more
    std::optional<int64_t> last_seen_ns;
  };
  SaidBefore said_before(std::string_view kind, const std::string& id) const;
  void add_unseen();
  bool say_what_is_seen(const TakeEvent& take) const;
  template <class ForEachSaying>
  void hand_over(const ForEachSaying& for_each_saying, const TakeEvent& take) const;
  void take_external_ids(Attempt& attempt);
  bool derive_id(Attempt& attempt, const Row& row, Effort effort);
  bool may_adopt(const Attempt& attempt, const std::string& id) const;
  void check_and_stage(Attempt& attempt);
  void stage(Attempt& attempt, const Json::Object& said, Outcome outcome);
  void say_what_was_put_aside();
  void say(size_t row, const Json::Object& said);
  log::Event event_of(size_t row, std::string_view attributes) const;
  void refuse(Attempt& attempt);
  void problem(RowProblem added);
  void wake(const std::string& name);

  Snapshot believed;
  UpsertOptions options;
  StagedRows staged;
  std::string encoded;                               // what a row says, while it is staged
  std::set<std::string, std::less<>> jurisdictions;  // that rows bring
  std::unordered_map<std::string, std::vector<Waiting>>
      waiting;  // by what they lack; looked up, and ordered at the end
  std::deque<Waiting> ready;
  struct Aside {
    size_t number;
    const ontology::Kind* kind;
    std::string id;
    Json::Object attributes;
    std::vector<std::string> weak;
  };
  std::vector<Aside> asides;
  std::map<std::string, size_t> left_out;  // weak references, by attribute and kind
  std::vector<Referrer> unseen;
  std::vector<RowProblem> problems;
  size_t problem_count = 0;
  UpsertCounts counts;
  bool finished = false;
};

// ---- One row -----------------------------------------------------------------------------------------------------

// True when the row is settled, as good or refused; false when it waits for `lacking`, to which it is then added.
bool Upsert::State::settle(size_t number, Row& row, Effort effort) {
  Attempt attempt;
  attempt.number = number;
  attempt.kind = ontology::Ontology::built_in().find(row.kind);
  attempt.id = row.id;
  if (attempt.kind == nullptr) {
    attempt.wrong.push_back({{}, ontology::Ontology::built_in().unknown_kind(row.kind.substr(0, 60)), ""});
    return refuse(attempt), true;
  }
  attempt.attributes = std::move(row.attributes);
  attempt.weak = &row.weak;
  take_external_ids(attempt);
  if (!attempt.wrong.empty()) return refuse(attempt), true;
  const bool known = identify(attempt, row, effort) && resolve(attempt, effort);
  if (!known && effort != Effort::none && attempt.wrong.empty()) {
    row.attributes = std::move(attempt.attributes);
    row.attributes.merge(attempt.aside);
    if (!attempt.external_ids.empty())
      row.attributes[std::string(kExternalIds)] = Json::Array(attempt.external_ids.begin(), attempt.external_ids.end());
    waiting[attempt.lacking].push_back({number, std::move(row)});
    return false;
  }
  if (!attempt.wrong.empty()) return refuse(attempt), true;
  check_and_stage(attempt);
  return true;
}

// Moves the attribute's texts to `external_ids`.
void Upsert::State::take_external_ids(Attempt& attempt) {
  const auto found = attempt.attributes.find(kExternalIds);
  if (found == attempt.attributes.end()) return;
  const Json value = std::move(found->second);
  attempt.attributes.erase(found);
  const auto wrong = [&](std::string message) {
    attempt.wrong.push_back(
        {{std::string(kExternalIds)}, std::move(message), "write a list of texts such as netbox:dcim.device/12"});
  };
  if (value.is_null()) return;
  if (!value.is_array()) return wrong("external_ids is not a list");
  for (const Json& item : value.array()) {
    const std::string_view text = item.text();
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size() || text.size() > kExternalIdBytesMax)
      return wrong(fmt::format("'{}' is no external id", text.substr(0, 60)));
    attempt.external_ids.emplace_back(text);
  }
  std::sort(attempt.external_ids.begin(), attempt.external_ids.end());
  attempt.external_ids.erase(std::unique(attempt.external_ids.begin(), attempt.external_ids.end()),
                             attempt.external_ids.end());
}

// The entity, of one of these kinds, that is believed to have the external id.
std::optional<Referrer> Upsert::State::owner_of(const std::string& external_id,
                                                std::span<const std::string_view> kinds) const {
  for (const std::string_view name : kinds) {
    const ontology::Kind* kind = believed.size(name) == 0 ? nullptr : ontology::Ontology::built_in().find(name);
    if (kind == nullptr) continue;
    for (const ontology::Constraint& constraint : kind->constraints) {
      const auto* unique = std::get_if<ontology::Unique>(&constraint);
      if (unique == nullptr || unique->attributes.size() != 1 || unique->attributes.front() != kExternalIds) continue;
      const auto values =
          ontology::unique_values(*kind, *unique, {{std::string(kExternalIds), Json::Array{external_id}}});
      for (const std::string& id : believed.with_key(name, *unique, values.front(), 1))
        return Referrer{std::string(name), id};
    }
  }
  return std::nullopt;
}

// What the source says of the entity in this standing.
Upsert::State::SaidBefore Upsert::State::said_before(std::string_view kind, const std::string& id) const {
  const SourceId* source = believed.tables().source_ids.find(options.source);
  SaidBefore said;
  Sight sight(believed.tables(), believed.view(), kind);
  if (source == nullptr || !sight.find(id)) return said;
  const int64_t now_ns = believed.time().ns;
  for (const ClaimView& claim :
       sight.claims)  // of each attribute in the order recorded: the last that covers now holds
    if (claim.stamp.source == *source && claim.stamp.standing == options.standing && claim.stamp.covers(now_ns))
      said.claims.insert_or_assign(std::string(claim.attribute), json_of(believed.opener().get(), kind, id, claim));
  for (const SourcePresence& presence : sight.presences)
    if (presence.source == *source) {
      said.unseen = presence.unseen_ns.has_value();
      said.last_seen_ns = presence.last_ns;
    }
  return said;
}

// Finds which entity the row is of. False when that must wait, or with a problem.
bool Upsert::State::identify(Attempt& attempt, const Row& row, Effort effort) {
  std::string found;  // by an external id
  for (const std::string& external_id : attempt.external_ids) {
    if (const auto earlier = staged.find_external(external_id)) {
      attempt.wrong.push_back({{std::string(kExternalIds)},
                               fmt::format("'{}' was said of {} '{}' before, in row {}", external_id,
                                           staged.kind(*earlier), staged.id(*earlier), *earlier + 1),
                               "say all of an entity in one row"});
      return false;
    }
    const auto owner = owner_of(external_id, std::array{attempt.kind->name});
    if (!owner) continue;
    if (owner->kind != attempt.kind->name || (!found.empty() && owner->id != found) ||
        (!row.id.empty() && owner->id != row.id)) {
      attempt.wrong.push_back({{std::string(kExternalIds)},
                               fmt::format("'{}' is of {} '{}'", external_id, owner->kind, owner->id),
                               "an external id names one entity: correct it here, or take it from that one"});
      return false;
    }
    found = owner->id;
  }
  if (!row.id.empty()) {
    if (const auto wrong = grid::check_id(row.id)) {
      attempt.wrong.push_back({{std::string("id")},
                               fmt::format("the id '{}' cannot be used: {}", row.id.substr(0, 60), *wrong),
                               "choose another"});
      return false;
    }
    attempt.id = row.id;
  } else if (!found.empty()) {
    attempt.id = found;
  } else if (!derive_id(attempt, row, effort)) {
    return false;
  }
  if (const auto earlier = staged.find(attempt.kind->name, attempt.id)) {
    attempt.wrong.push_back({{},
                             fmt::format("there are two rows of {} '{}'", attempt.kind->name, attempt.id),
                             fmt::format("the first is row {}; say all of an entity in one row", *earlier + 1)});
    return false;
  }
  attempt.exists = believed.has(attempt.kind->name, attempt.id);
  return true;
}

// An id from the name, within the id of what the entity is part of, that no other entity has.
bool Upsert::State::derive_id(Attempt& attempt, const Row& row, Effort effort) {
  // Ids outlive an erasure, so none is made of what a person is called.
  const grid::Attribute* name_attribute = attempt.kind->find("name");
  const bool is_personal = name_attribute != nullptr && ontology::is_personal(*name_attribute);
  std::string_view name = row.name;
  if (const auto own = attempt.attributes.find("name"); name.empty() && own != attempt.attributes.end())
    name = own->second.text();
  std::string id = is_personal ? std::string() : slug(name);
  const std::string tail = attempt.external_ids.empty() ? std::string() : slug(attempt.external_ids.front());
  if (id.empty()) id = tail;
  if (id.empty()) {
    if (is_personal)
      attempt.wrong.push_back(
          {{std::string("id")},
           "the row has no id and no external id, and a personal name makes none, for ids are never erased",
           "give one that says nothing of the person"});
    else
      attempt.wrong.push_back(
          {{std::string("id")}, "the row has no id, no name and no external id", "give one of them"});
    return false;
  }
  for (const std::string_view scope : scope_of(*attempt.kind)) {
    const grid::Attribute* attribute = attempt.kind->find(scope);
    const auto part_of = attempt.attributes.find(scope);
    if (attribute == nullptr || attribute->type != Type::reference || part_of == attempt.attributes.end() ||
        !part_of->second.is_string())
      continue;
    Json target = part_of->second;
    attempt.lacking = resolve_one(*attribute, target, nullptr, part_of->first);
    if (!attempt.lacking.empty() && effort != Effort::none) return false;
    if (attempt.lacking.empty()) id = fmt::format("{}:{}", grid::target_of(*attribute, target.text()).id, id);
    break;
  }
  id = id.substr(0, kMadeIdBytesMax);
  const auto is_free = [&](const std::string& candidate) {
    return !staged.find(attempt.kind->name, candidate) &&
           (!believed.has(attempt.kind->name, candidate) || may_adopt(attempt, candidate));
  };
  attempt.id = id;
  if (!is_free(attempt.id) && !tail.empty())
    attempt.id = fmt::format("{}-{}", id, tail.substr(tail.size() - std::min<size_t>(tail.size(), 20)));
  for (int i = 2; !is_free(attempt.id); ++i) attempt.id = fmt::format("{}-{}", id, i);
  return true;
}

// Whether an entity known by other means is probably the one that the row is of.
bool Upsert::State::may_adopt(const Attempt& attempt, const std::string& id) const {
  const Json::Object known = believed.attributes(attempt.kind->name, id);
  const auto known_ids = known.find(kExternalIds);
  if (known_ids != known.end())
    for (const std::string& own : attempt.external_ids) {
      const std::string_view system = std::string_view(own).substr(0, own.find(':') + 1);
      for (const Json& item : known_ids->second.array())
        if (item.text().starts_with(system)) return false;
    }
  const auto serial = attempt.attributes.find("serial"), known_serial = known.find("serial");
  return serial == attempt.attributes.end() || known_serial == known.end() || serial->second == known_serial->second;
}

// Makes every external id among the references the target's id. False when a target is not there yet.
bool Upsert::State::resolve(Attempt& attempt, Effort effort) {
  for (auto i = attempt.attributes.begin(); i != attempt.attributes.end();) {
    const grid::Attribute* attribute = attempt.kind->find(i->first);
    if (attribute == nullptr || (attribute->type != Type::reference && attribute->type != Type::record)) {
      ++i;
      continue;
    }
    const bool weak = attempt.weak != nullptr &&
                      std::find(attempt.weak->begin(), attempt.weak->end(), i->first) != attempt.weak->end();
    std::string lacking;
    Json value = i->second;
    for_each_reference(*attribute, value, [&](const grid::Attribute& reference, Json& item) {
      std::string missing =
          resolve_one(reference, item, effort == Effort::none && !weak ? &attempt.wrong : nullptr, i->first);
      if (lacking.empty()) lacking = std::move(missing);
    });
    if (lacking.empty()) {
      i->second = std::move(value);
    } else if ((effort == Effort::required && !attribute->required) || (effort != Effort::none && weak)) {
      attempt.aside.insert(attempt.attributes.extract(i++));
      continue;
    } else if (effort == Effort::none && weak) {
      ++left_out[fmt::format("{} of {}", i->first, attempt.kind->name)];
      i = attempt.attributes.erase(i);
      continue;
    } else if (effort != Effort::none) {
      attempt.lacking = std::move(lacking);
      return false;
    }
    ++i;
  }
  return true;
}

// Empty when the value now names an entity that stands, or nothing at all; else the name that is lacking: an external
// id, or "kind/id".
std::string Upsert::State::resolve_one(const grid::Attribute& attribute, Json& value, std::vector<grid::Problem>* wrong,
                                       const std::string& name) const {
  if (!value.is_string() || value.text().empty()) return {};
  const std::string_view text = value.text();
  if (text.front() != kByExternalId) {
    const grid::Target target = grid::target_of(attribute, text);
    if (target.kind.empty() || position(target.kind, target.id)) return {};
    return fmt::format("{}/{}", target.kind, target.id);  // that it never comes is found by the check of references
  }
  const std::string external_id(text.substr(1));
  std::optional<Referrer> target = attribute.refers_to_any.empty()
                                       ? owner_of(external_id, std::array{attribute.refers_to})
                                       : owner_of(external_id, attribute.refers_to_any);
  if (const auto row = staged.find_external(external_id))
    target = Referrer{std::string(staged.kind(*row)), std::string(staged.id(*row))};
  if (!target) {
    if (wrong)
      wrong->push_back({{name},
                        fmt::format("nothing has the external id '{}', neither here nor in the inventory",
                                    external_id.substr(0, 80)),
                        "give what it names too; a row that was refused counts as not there"});
    return external_id;
  }
  if (!may_name(attribute, target->kind)) {
    if (wrong)
      wrong->push_back({{name},
                        fmt::format("'{}' is of {} '{}', which cannot stand here", external_id.substr(0, 80),
                                    target->kind, target->id),
                        ""});
    return external_id;
  }
  value = !attribute.refers_to_any.empty() ? fmt::format("{}/{}", target->kind, target->id) : target->id;
  return {};
}

void Upsert::State::check_and_stage(Attempt& attempt) {
  const ontology::Kind& kind = *attempt.kind;
  const Json::Object before = attempt.exists ? believed.attributes(kind.name, attempt.id) : Json::Object();
  // External ids add up: each system knows its own.
  const SaidBefore own = attempt.exists ? said_before(kind.name, attempt.id) : SaidBefore();
  if (!attempt.external_ids.empty() && kind.find(kExternalIds) != nullptr &&
      !holds_all(own.claims, attempt.external_ids)) {
    std::set<std::string> all(attempt.external_ids.begin(), attempt.external_ids.end());
    if (const auto known = before.find(kExternalIds); known != before.end())
      for (const Json& item : known->second.array()) all.emplace(item.text());
    attempt.attributes[std::string(kExternalIds)] = Json::Array(all.begin(), all.end());
  }
  if (const auto defaults = options.defaults.find(std::string(kind.name));
      !attempt.exists && defaults != options.defaults.end())
    for (const auto& [name, value] : defaults->second) attempt.attributes.try_emplace(name, value);
  const Json::Object said = grid::check_attributes(kind, std::move(attempt.attributes), attempt.wrong);
  if (has_errors(attempt.wrong)) return refuse(attempt);
  const bool plain = !attempt.exists &&
                     std::none_of(said.begin(), said.end(), [](const auto& entry) { return entry.second.is_null(); });
  Json::Object made, different;
  bool changes = false;
  if (!plain) {
    made = before;
    changes = !take_in(said, made).empty();
    different = not_said_before(said, own.claims);
  }
  const Json::Object& whole = plain ? said : made;
  ontology::check_entity(kind, whole, attempt.wrong);
  grid::check_references(kind, whole, *this, attempt.wrong);
  if (has_errors(attempt.wrong)) return refuse(attempt);
  const bool sees_again = own.unseen || !own.last_seen_ns;
  const Outcome outcome = !attempt.exists                    ? Outcome::created
                          : different.empty() && !sees_again ? Outcome::unchanged
                          : !different.empty() && changes    ? Outcome::changed
                                                             : Outcome::confirmed;
  const bool is_later = options.observed_at_ns == 0 || sees_again || *own.last_seen_ns < options.observed_at_ns;
  if (attempt.exists && different.empty() && is_later) staged.set_seen(attempt.number);
  if (const auto code = whole.find("jurisdiction"); kind.name == "site" && code != whole.end())
    jurisdictions.emplace(code->second.text());
  stage(attempt, attempt.exists ? different : said, outcome);
}

void Upsert::State::stage(Attempt& attempt, const Json::Object& said, Outcome outcome) {
  staged.set_outcome(attempt.number, outcome);
  staged.settle(attempt.number, attempt.kind->name, attempt.id, attempt.external_ids);
  if (!said.empty() || outcome == Outcome::created) say(attempt.number, said);
  if (!attempt.aside.empty())
    asides.push_back({attempt.number, attempt.kind, attempt.id, std::move(attempt.aside), *attempt.weak});
  if (waiting.empty()) return;
  for (const std::string& external_id : attempt.external_ids) wake(external_id);
  wake(fmt::format("{}/{}", attempt.kind->name, attempt.id));
}

void Upsert::State::wake(const std::string& name) {
  const auto found = waiting.find(name);
  if (found == waiting.end()) return;
  for (Waiting& row : found->second) ready.push_back(std::move(row));
  waiting.erase(found);
}

void Upsert::State::say(size_t row, const Json::Object& said) {
  encoded.clear();
  for (const auto& [name, value] : said) {
    put_text(encoded, name);
    put_value(encoded, value);
  }
  staged.say(row, encoded);
}

log::Event Upsert::State::event_of(size_t row, std::string_view attributes) const {
  log::Event event;
  event.set_actor(options.actor);
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source(options.source);
  facts.set_observed_at_ns(options.observed_at_ns);
  facts.set_standing(static_cast<v1::Standing>(options.standing));
  facts.set_kind(std::string(staged.kind(row)));
  facts.set_id(std::string(staged.id(row)));
  while (!attributes.empty()) {
    v1::Attribute& attribute = *facts.add_attributes();
    attribute.set_name(std::string(*take_text(attributes)));
    *attribute.mutable_value() = take_known_value(attributes);
  }
  return event;
}

void Upsert::State::refuse(Attempt& attempt) {
  staged.set_outcome(attempt.number, Outcome::refused);
  staged.set_id(attempt.number, attempt.kind ? attempt.kind->name : std::string_view(), attempt.id);
  for (const grid::Problem& found : attempt.wrong)
    if (found.severity == Diagnostic::Severity::error)
      problem({attempt.number,
               attempt.kind ? std::string(attempt.kind->name) : std::string(),
               attempt.id,
               grid::to_string(found.path),
               {},
               found.message,
               found.fix});
}

void Upsert::State::problem(RowProblem added) {
  if (++problem_count <= kUpsertProblemsMax) problems.push_back(std::move(added));
}

// What was left out of a circle, now that all of it stands.
void Upsert::State::say_what_was_put_aside() {
  for (Aside& aside : asides) {
    Attempt attempt;
    attempt.number = aside.number;
    attempt.kind = aside.kind;
    attempt.id = aside.id;
    attempt.attributes = std::move(aside.attributes);
    attempt.weak = &aside.weak;
    resolve(attempt, Effort::none);
    Json::Object said = grid::check_attributes(*aside.kind, std::move(attempt.attributes), attempt.wrong);
    grid::check_references(*aside.kind, said, *this, attempt.wrong);
    if (has_errors(attempt.wrong)) {
      refuse(attempt);
      staged.withdraw(aside.number);
      continue;
    }
    said = not_said_before(said, said_before(aside.kind->name, aside.id).claims);
    if (said.empty()) continue;
    say(aside.number, said);
    Json::Object before = believed.attributes(aside.kind->name, aside.id);
    const bool changes = !take_in(said, before).empty();
    const Outcome outcome = staged.outcome(aside.number);
    if (outcome == Outcome::unchanged || outcome == Outcome::confirmed)
      staged.set_outcome(aside.number, changes ? Outcome::changed : Outcome::confirmed);
  }
}

// Entities of the feed's kinds that the source sees, as far as it said, and that no row is of.
void Upsert::State::add_unseen() {
  const SourceId* source = believed.tables().source_ids.find(options.source);
  if (source == nullptr) return;
  for (const std::string& kind : staged.kinds()) {
    for_each_seen(believed.tables(), believed.view(), kind, {}, [&](const std::string& id, const Sight& sight) {
      const bool seen = std::any_of(
          sight.presences.begin(), sight.presences.end(),
          [&](const SourcePresence& presence) { return presence.source == *source && !presence.unseen_ns; });
      if (seen && !staged.find(kind, id)) unseen.push_back({kind, id});
      return true;
    });
  }
}

// What rows are of that say nothing new, many in an event; false when `take` wants no more.
bool Upsert::State::say_what_is_seen(const TakeEvent& take) const {
  std::map<std::string_view, v1::EntitiesSeen> by_kind;
  const auto say = [&](std::string_view kind, v1::EntitiesSeen seen) {
    seen.set_source(options.source);
    seen.set_observed_at_ns(options.observed_at_ns);
    seen.set_kind(std::string(kind));
    log::Event event;
    event.set_actor(options.actor);
    *event.mutable_entities_seen() = std::move(seen);
    return take(std::move(event), kNoRow);
  };
  for (size_t row = 0; row < staged.size(); ++row) {
    if (!staged.is_seen(row)) continue;
    v1::EntitiesSeen& seen = by_kind[staged.kind(row)];
    seen.add_ids(std::string(staged.id(row)));
    if (static_cast<size_t>(seen.ids_size()) == kSeenAtOnceMax && !say(staged.kind(row), std::exchange(seen, {})))
      return false;
  }
  for (auto& [kind, seen] : by_kind)
    if (seen.ids_size() > 0 && !say(kind, std::move(seen))) return false;
  return true;
}

// What rows say, then what was only seen, then what no longer is.
template <class ForEachSaying>
void Upsert::State::hand_over(const ForEachSaying& for_each_saying, const TakeEvent& take) const {
  bool wanted = true;
  for_each_saying(
      [&](size_t row, std::string_view attributes) { return wanted = take(event_of(row, attributes), row); });
  if (wanted) wanted = say_what_is_seen(take);
  for (size_t i = 0; i < unseen.size() && wanted; ++i) {
    log::Event event;
    event.set_actor(options.actor);
    v1::EntityUnseen& one = *event.mutable_entity_unseen();
    one.set_source(options.source);
    one.set_kind(unseen[i].kind);
    one.set_id(unseen[i].id);
    one.set_observed_at_ns(options.observed_at_ns);
    wanted = take(std::move(event), kNoRow);
  }
}

// ---- The feed ----------------------------------------------------------------------------------------------------

Upsert::Upsert(Snapshot believed, UpsertOptions options)
    : state_(std::make_unique<State>(std::move(believed), std::move(options))) {}
Upsert::~Upsert() = default;

void Upsert::add(Row row) {
  State& state = *state_;
  CHECK(!state.finished);
  state.settle(state.staged.add(), row, State::Effort::all);
  while (!state.ready.empty()) {
    State::Waiting next = std::move(state.ready.front());
    state.ready.pop_front();
    state.settle(next.number, next.row, State::Effort::all);
  }
}

void Upsert::add_refused(RowProblem problem) {
  const size_t number = state_->staged.add();
  problem.row = number;
  state_->staged.set_outcome(number, Outcome::refused);
  state_->staged.set_id(number, problem.kind, problem.id);
  state_->problem(std::move(problem));
}

void Upsert::also_wrong(RowProblem problem) {
  CHECK(state_->staged.size() > 0);
  problem.row = state_->staged.size() - 1;
  state_->problem(std::move(problem));
}

void Upsert::finish() {
  State& state = *state_;
  CHECK(!std::exchange(state.finished, true));
  for (const State::Effort effort : {State::Effort::required, State::Effort::none}) {
    for (bool progress = true; progress;) {
      progress = false;
      std::vector<State::Waiting> rows;
      for (auto& [name, waiting] : state.waiting) std::move(waiting.begin(), waiting.end(), std::back_inserter(rows));
      state.waiting.clear();
      std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
      for (State::Waiting& row : rows) {
        progress |= state.settle(row.number, row.row, effort);
        while (!state.ready.empty()) {
          State::Waiting next = std::move(state.ready.front());
          state.ready.pop_front();
          progress |= state.settle(next.number, next.row, State::Effort::all);
        }
      }
    }
  }
  state.say_what_was_put_aside();
  std::stable_sort(state.problems.begin(), state.problems.end(),
                   [](const RowProblem& a, const RowProblem& b) { return a.row < b.row; });
  if (state.options.full && state.problem_count == 0) state.add_unseen();
  state.counts = state.staged.counts();
  state.counts.unseen = state.unseen.size();
}

const UpsertCounts& Upsert::counts() const { return state_->counts; }
Outcome Upsert::outcome(size_t row) const { return state_->staged.outcome(row); }
std::string Upsert::id(size_t row) const { return std::string(state_->staged.id(row)); }
const std::vector<RowProblem>& Upsert::problems() const { return state_->problems; }
size_t Upsert::problem_count() const { return state_->problem_count; }
std::vector<std::string> Upsert::notes() const {
  std::vector<std::string> sentences;
  for (const auto& [what, count] : state_->left_out)
    sentences.push_back(
        fmt::format("{}: left out {} time{}, because the feed and the inventory do not hold what it names", what, count,
                    count == 1 ? "" : "s"));
  return sentences;
}
bool Upsert::accepted() const { return state_->problem_count == 0 || state_->options.partial; }

void Upsert::for_each_event(const TakeEvent& take) const {
  CHECK(state_->finished);
  if (accepted()) state_->hand_over([&](const auto& saying) { state_->staged.for_each_saying(saying); }, take);
}

void Upsert::take_events(const TakeEvent& take) {
  CHECK(state_->finished);
  if (accepted()) state_->hand_over([&](const auto& saying) { state_->staged.take_sayings(saying); }, take);
}

}  // namespace tandem::inventory
