#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "control/admit.h"
#include "control/control.h"
#include "grid/decode.h"
#include "grid/schema.h"
#include "ontology/ontology.h"
#include "planner/planner.h"

namespace tandem::control {
namespace {

constexpr size_t kProblemsNamed = 5;        // of one event: enough to mend it, short enough to read
constexpr size_t kNearestCandidates = 200;  // compared to say what was probably meant: ~50 µs, also for each of a flood
constexpr size_t kNameBytesMax = 256;       // of an actor or a source: "api:<caller>", a feed
constexpr size_t kReportedMax = 100'000;    // totals in a window, deployments in a report: sites × models
constexpr size_t kViolationsNamed = 20;     // of a rejected plan, which may break thousands

// What attributes may refer to, as the inventory has it.
class Believed final : public grid::References {
 public:
  explicit Believed(const inventory::Snapshot& inventory) : inventory_(inventory) {}

  std::optional<size_t> position(std::string_view kind, std::string_view id) const override {
    return inventory_.has(kind, id) ? std::optional<size_t>(0) : std::nullopt;
  }
  std::optional<uint8_t> jurisdiction(std::string_view code) const override {
    // Referrers ascend by kind, and no kind before "site" names a jurisdiction.
    const auto first = inventory_.referrers(inventory::kJurisdiction, code, 1);
    return !first.empty() && first.front().kind == "site" ? std::optional<uint8_t>(0) : std::nullopt;
  }
  const grid::Tenant* tenant(grid::TenantIndex) const override { return nullptr; }
  std::optional<std::string> nearest(std::string_view kind, std::string_view id) const override {
    // Of many, those that begin alike: what was meant differs in at most a third.
    for (const std::string_view begin : {id.substr(0, id.size() - id.size() / 3), id.substr(0, 1), id.substr(0, 0)}) {
      std::vector<std::string> candidates;
      inventory_.for_each_id(
          kind,
          [&](const std::string& known) { return candidates.push_back(known), candidates.size() < kNearestCandidates; },
          begin);
      if (auto meant = tandem::nearest(id, candidates)) return meant;
    }
    return std::nullopt;
  }

 private:
  const inventory::Snapshot& inventory_;
};

Error refusal(const std::string& entity, const std::vector<grid::Problem>& problems) {
  std::string message;
  size_t named = 0;
  for (const grid::Problem& problem : problems) {
    if (problem.severity != Diagnostic::Severity::error || named == kProblemsNamed) continue;
    ++named;
    const std::string place = problem.path.empty() ? std::string() : grid::to_string(problem.path) + ": ";
    message += fmt::format("{}{}{}{}{}", message.empty() ? "" : "; ", place, problem.message,
                           problem.fix.empty() ? "" : ", ", problem.fix);
  }
  return {ErrorCode::invalid_argument, message, entity};
}

bool any_error(const std::vector<grid::Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(),
                     [](const grid::Problem& p) { return p.severity == Diagnostic::Severity::error; });
}

Result<void> check_source(const std::string& source) {
  if (source.size() <= kNameBytesMax && is_utf8(source)) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("a source is named in at most {} bytes of UTF-8", kNameBytesMax));
}

// A site may bring a jurisdiction that no other has; a snapshot can tell only so many apart.
bool too_many_jurisdictions(const inventory::Snapshot& inventory, const Json::Object& attributes) {
  const auto found = attributes.find("jurisdiction");
  if (found == attributes.end() || !inventory.referrers(inventory::kJurisdiction, found->second.text(), 1).empty())
    return false;
  return inventory.referred(inventory::kJurisdiction, grid::kJurisdictionsMax).size() >= grid::kJurisdictionsMax;
}

// Whose facts they are, for an error: short, whatever they say.
std::string entity_of(const v1::FactsRecorded& facts) {
  return fmt::format("{} {}", facts.kind().substr(0, grid::kIdBytesMax), facts.id().substr(0, grid::kIdBytesMax));
}

Result<void> check_claim(const v1::FactsRecorded& facts) {
  const auto wrong = [&](const char* message) { return fail(ErrorCode::invalid_argument, message, entity_of(facts)); };
  if (!v1::Standing_IsValid(facts.standing())) return wrong("what is said is observed, discovered or intended");
  if (!(facts.confidence() >= 0 && facts.confidence() <= 1)) return wrong("confidence is from 0 to 1");
  if (facts.valid_to_ns() != 0 && facts.valid_to_ns() <= facts.valid_from_ns())
    return wrong("what is said ends after it begins");
  return {};
}

Result<void> admit_unseen(const inventory::Snapshot& inventory, const v1::EntityUnseen& unseen) {
  TANDEM_TRY(check_source(unseen.source()));
  if (inventory.has(unseen.kind(), unseen.id())) return {};
  return fail(ErrorCode::not_found, fmt::format("no {} '{}'", unseen.kind().substr(0, 64), unseen.id().substr(0, 128)));
}

// Also of an entity that nobody knows: a branch that is gone may have spoken of it.
Result<void> admit_erasure(const v1::PersonalDataErased& erased) {
  const ontology::Kind* kind = ontology::Ontology::built_in().find(erased.kind());
  if (kind == nullptr)
    return fail(ErrorCode::invalid_argument, ontology::Ontology::built_in().unknown_kind(erased.kind()), "kind");
  if (!kind->has_personal())
    return fail(ErrorCode::invalid_argument, fmt::format("no attribute of kind '{}' is personal", kind->name), "kind");
  if (const auto wrong = grid::check_id(erased.id())) return fail(ErrorCode::invalid_argument, *wrong, "id");
  if (erased.reason().size() > grid::kTextBytesMax)
    return fail(ErrorCode::too_large, fmt::format("a reason has at most {} bytes", grid::kTextBytesMax), "reason");
  return {};
}

// Not before the ontology says so, whoever asks.
Result<void> admit_expiry(const inventory::Snapshot& inventory, const v1::HistoryExpired& expired, Instant now) {
  const ontology::Kind* kind = ontology::Ontology::built_in().find(expired.kind());
  if (kind == nullptr)
    return fail(ErrorCode::invalid_argument, ontology::Ontology::built_in().unknown_kind(expired.kind()));
  if (!kind->retain_past_days)
    return fail(ErrorCode::invalid_argument, fmt::format("the history of kind '{}' is kept for ever", kind->name));
  if (expired.before() <= inventory.history_begins(kind->name))
    return fail(ErrorCode::conflict, fmt::format("the history of kind '{}' begins at offset {} already", kind->name,
                                                 inventory.history_begins(kind->name)));
  const bool is_past = expired.before() <= inventory.offset() &&
                       inventory.time_at(expired.before()) + hours(24 * int64_t{*kind->retain_past_days}) <= now;
  if (is_past) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("the history of kind '{}' is kept for {} days", kind->name, *kind->retain_past_days));
}

Result<void> admit_seen(const inventory::Snapshot& inventory, const v1::EntitiesSeen& seen) {
  TANDEM_TRY(check_source(seen.source()));
  const auto count = static_cast<size_t>(seen.ids_size());
  if (count == 0) return fail(ErrorCode::invalid_argument, "it is not said what is seen");
  if (count > inventory::kSeenAtOnceMax)
    return fail(ErrorCode::too_large,
                fmt::format("{} entities seen at once; say at most {}", count, inventory::kSeenAtOnceMax));
  std::string unknown;
  size_t unknown_count = 0;
  for (const std::string& id : seen.ids())
    if (!inventory.has(seen.kind(), id) && ++unknown_count <= kProblemsNamed)
      unknown += fmt::format("{}'{}'", unknown.empty() ? "" : ", ", id.substr(0, grid::kIdBytesMax));
  if (unknown_count == 0) return {};
  if (unknown_count > kProblemsNamed) unknown += fmt::format(" and {} more", unknown_count - kProblemsNamed);
  return fail(ErrorCode::not_found, fmt::format("no {} {}", seen.kind().substr(0, 64), unknown));
}

// Told without making anything of the facts, for nearly all that is recorded is new and plain: true only where all of
// them stand, and as they are.
bool plainly_stands(const inventory::Snapshot& inventory, const ontology::Kind& kind, const v1::FactsRecorded& facts) {
  const auto& attributes = facts.attributes();
  const auto not_ascending = [](const v1::Attribute& a, const v1::Attribute& b) { return a.name() >= b.name(); };
  if (!ontology::asks_only_what_is_required(kind) || facts.valid_from_ns() != 0 || facts.valid_to_ns() != 0 ||
      std::ranges::adjacent_find(attributes, not_ascending) != attributes.end())
    return false;
  size_t required = 0;
  for (const v1::Attribute& said : attributes) {
    const grid::Attribute* attribute = kind.find(said.name());
    if (attribute == nullptr || !inventory::is_plainly_canonical(*attribute, said.value())) return false;
    required += attribute->required;
    if (attribute->type != grid::Type::reference) continue;
    const grid::Target target = grid::target_of(*attribute, said.value().text());
    if (!inventory.has(target.kind, target.id)) return false;
  }
  return static_cast<ptrdiff_t>(required) == std::ranges::count_if(kind.attributes, &grid::Attribute::required) &&
         !inventory.has(facts.kind(), facts.id());
}

}  // namespace

Result<void> admit_facts(const inventory::Snapshot& inventory, v1::FactsRecorded& facts) {
  const auto wrong = [&](std::string message) {
    return fail(ErrorCode::invalid_argument, std::move(message), entity_of(facts));
  };
  const ontology::Kind* kind = ontology::Ontology::built_in().find(facts.kind());
  if (kind == nullptr)
    return fail(ErrorCode::invalid_argument, ontology::Ontology::built_in().unknown_kind(facts.kind()));
  if (const auto fault = grid::check_id(facts.id())) return wrong(*fault);
  if (facts.kind() == grid::kGrid && facts.id() != grid::kGrid)
    return wrong("the one entity of kind 'grid' has the id 'grid'");
  TANDEM_TRY(check_source(facts.source()));
  TANDEM_TRY(check_claim(facts));
  if (plainly_stands(inventory, *kind, facts)) return {};

  Json::Object said;
  for (const v1::Attribute& attribute : facts.attributes())
    if (!said.emplace(attribute.name(), inventory::to_json_value(attribute.value())).second)
      return wrong(fmt::format("attribute '{}' is named twice", attribute.name()));
  // What is sealed was admitted when it was first said, in a branch.
  for (const v1::Attribute& attribute : facts.attributes())
    if (const grid::Attribute* known = kind->find(attribute.name());
        attribute.value().has_sealed() && known && ontology::is_personal(*known))
      said.erase(attribute.name());
  std::vector<grid::Problem> problems;
  const Json::Object canonical = check_attributes(*kind, said, problems);
  if (any_error(problems)) return tl::unexpected(refusal(entity_of(facts), problems));

  for (v1::Attribute& attribute : *facts.mutable_attributes())
    if (const auto value = canonical.find(attribute.name());
        value != canonical.end() && value->second != said.at(attribute.name()))
      inventory::set_value(*attribute.mutable_value(), value->second);
  Json::Object whole = inventory.attributes_with(facts, inventory.time());
  ontology::check_entity(*kind, whole, problems);
  for (const ontology::Relation& relation : kind->relations)
    if (relation.weak && !canonical.contains(relation.attribute)) whole.erase(std::string(relation.attribute));
  grid::check_references(*kind, whole, Believed(inventory), problems);
  if (any_error(problems)) return tl::unexpected(refusal(entity_of(facts), problems));
  if (kind->name == "site" && too_many_jurisdictions(inventory, whole))
    return fail(ErrorCode::too_large, fmt::format("a grid spans at most {} jurisdictions", grid::kJurisdictionsMax),
                entity_of(facts));
  return {};
}

Result<void> admit_retraction(const inventory::Snapshot& inventory, const v1::EntityRetracted& retracted) {
  TANDEM_TRY(check_source(retracted.source()));
  if (!inventory.has(retracted.kind(), retracted.id()))
    return fail(ErrorCode::not_found,
                fmt::format("no {} '{}'", retracted.kind().substr(0, 64), retracted.id().substr(0, 128)));
  if (const auto held = inventory::strong_referrer(inventory, retracted.kind(), retracted.id()))
    return fail(ErrorCode::conflict,
                fmt::format("{} '{}' still refers to it; retract that first", held->kind, held->id),
                fmt::format("{} {}", retracted.kind(), retracted.id()));
  return {};
}

namespace {

Result<void> is_awaited(const State& state, const std::string& plan_id) {
  if (state.pending && state.pending->plan_id == plan_id) return {};
  return fail(ErrorCode::conflict,
              fmt::format("no plan '{}' is awaited: it came late, or twice", plan_id.substr(0, 64)));
}

log::Event refused(const std::string& plan_id, const std::vector<std::string>& violations) {
  log::Event verdict;
  verdict.set_actor("core");
  v1::PlanRejected& rejected = *verdict.mutable_plan_rejected();
  rejected.set_plan_id(plan_id);
  for (size_t i = 0; i < std::min(violations.size(), kViolationsNamed); ++i) rejected.add_violations(violations[i]);
  if (violations.size() > kViolationsNamed)
    rejected.add_violations(fmt::format("and {} more", violations.size() - kViolationsNamed));
  return verdict;
}

Result<std::vector<log::Event>> settle_plan(const State& state, log::Event event) {
  TANDEM_TRY(is_awaited(state, event.plan_proposed().plan().id()));
  if (state.pending->is_schedule()) return fail(ErrorCode::invalid_argument, "a schedule is awaited, and no plan");
  std::vector<log::Event> events;
  v1::PlanProposed& proposed = *events.emplace_back(std::move(event)).mutable_plan_proposed();
  proposed.mutable_plan()->clear_hours();
  if (state.pending->hours) *proposed.mutable_plan()->mutable_hours() = planner::to_message(*state.pending->hours);
  log::Event verdict;
  verdict.set_actor("core");
  const std::vector<std::string> violations =
      planner::violations(*planner::grid_of_plan(state.grid, &proposed.plan()), proposed.plan());
  if (violations.empty()) {
    *verdict.mutable_plan_accepted()->mutable_plan() = proposed.plan();
    verdict.mutable_plan_accepted()->mutable_plan()->set_reason(state.pending->reason);
    verdict.mutable_plan_accepted()->set_solve_ms(proposed.solve_ms());
    // The accepted event holds the plan whole; the proposal need not hold it twice.
    proposed.mutable_plan()->clear_demands();
    proposed.mutable_plan()->clear_deployments();
  } else {
    verdict = refused(proposed.plan().id(), violations);
  }
  events.push_back(std::move(verdict));
  return events;
}

// What is wrong with a schedule on this grid: its hours, or of a period's plan what it breaks there.
std::vector<std::string> faults_of(const State& state, const v1::Schedule& schedule) {
  std::vector<std::string> faults;
  uint32_t hours = 0, next = 0;
  for (const v1::ScheduledPeriod& period : schedule.periods()) {
    const v1::Plan& plan = period.plan();
    const uint32_t from = plan.hours().from_hour();
    const bool follows = hours == 0 || from == next;
    if (from >= planner::kPeriodsMax || plan.hours().hours() - 1 >= planner::kPeriodsMax || !follows)
      return {
          fmt::format("a period of {} hours from {}:00 does not follow the one before", plan.hours().hours(), from)};
    hours += plan.hours().hours();
    next = from + plan.hours().hours();
    for (const std::string& violation : planner::violations(*planner::grid_of_plan(state.grid, &plan), plan))
      faults.push_back(fmt::format("from {}:00: {}", from, violation));
  }
  if (hours != planner::kPeriodsMax) return {fmt::format("its periods have {} hours, and a day has 24", hours)};
  return faults;
}

Result<std::vector<log::Event>> settle_schedule(const State& state, log::Event event) {
  TANDEM_TRY(is_awaited(state, event.schedule_proposed().schedule().id()));
  if (!state.pending->is_schedule()) return fail(ErrorCode::invalid_argument, "a plan is awaited, and no schedule");
  std::vector<log::Event> events;
  v1::ScheduleProposed& proposed = *events.emplace_back(std::move(event)).mutable_schedule_proposed();
  log::Event verdict;
  verdict.set_actor("core");
  if (const auto faults = faults_of(state, proposed.schedule()); !faults.empty()) {
    verdict = refused(proposed.schedule().id(), faults);
  } else {
    *verdict.mutable_schedule_accepted()->mutable_schedule() = proposed.schedule();
    verdict.mutable_schedule_accepted()->mutable_schedule()->set_reason(state.pending->reason);
    verdict.mutable_schedule_accepted()->set_solve_ms(proposed.solve_ms());
  }
  proposed.mutable_schedule()->clear_periods();
  events.push_back(std::move(verdict));
  return events;
}

// Protobuf writes text that is not UTF-8 and then refuses to read it: such an event must not come to a batch, where the
// log would refuse all that is with it. Facts are checked in every part by the schema, what is seen is known, and other
// events are checked by a reading.
Result<void> check_readable(const log::Event& event) {
  if (event.actor().size() > kNameBytesMax || !is_utf8(event.actor()))
    return fail(ErrorCode::invalid_argument,
                fmt::format("an actor is named in at most {} bytes of UTF-8", kNameBytesMax));
  if (event.has_facts_recorded() || event.has_entity_retracted() || event.has_entities_seen()) return {};
  if (log::Event read; read.ParseFromString(event.SerializeAsString())) return {};
  return fail(ErrorCode::invalid_argument, "a text of the event is not UTF-8");
}

Result<void> check_report(const State& state, const log::Event& event) {
  const auto wrong = [](std::string message) { return fail(ErrorCode::invalid_argument, std::move(message)); };
  if (event.has_window_sealed()) {
    const v1::WindowSealed& window = event.window_sealed();
    if (window.from_ns() < 0 || window.from_ns() >= window.to_ns()) return wrong("a window ends after it begins");
    if (window.parts() > 0 ? window.part() >= window.parts() : window.part() > 0)
      return wrong("a window has as many parts as it says");
    if (static_cast<size_t>(window.usage_size()) > kReportedMax) return wrong("a window has too many totals");
  } else if (event.has_routing_table_published()) {
    if (event.routing_table_published().from_offset() > state.inventory.offset())
      return wrong("a routing table is made from an offset that is on the log");
  } else if (static_cast<size_t>(event.deployments_reported().deployments_size()) > kReportedMax) {
    return wrong("a report has too many deployments");
  }
  return {};
}

// What is intended must be possible. What is seen is so, whatever it violates.
Result<void> check_intention(const inventory::Snapshot& inventory, const log::Event& event, Instant now) {
  const v1::FactsRecorded& facts = event.facts_recorded();
  if (facts.standing() != v1::STANDING_INTENDED) return {};
  inventory::Snapshot intended = inventory;
  intended.fold(event, inventory.offset() + 1, now);
  const inventory::EntityKey entity{facts.kind(), facts.id()};
  const auto violations = inventory::new_violations(inventory, intended, {&entity, 1}, 1);
  if (violations.empty()) return {};
  return fail(ErrorCode::conflict, fmt::format("{}: {}", violations[0].message, violations[0].fix),
              facts.kind() + " " + facts.id());
}

std::vector<log::Event> alone(log::Event event) {
  std::vector<log::Event> events;
  events.push_back(std::move(event));
  return events;
}

}  // namespace

Result<std::vector<log::Event>> step(const State& state, log::Event event, Instant now) {
  TANDEM_TRY(check_readable(event));
  switch (event.body_case()) {
    case log::Event::kFactsRecorded:
      TANDEM_TRY(admit_facts(state.inventory, *event.mutable_facts_recorded()));
      TANDEM_TRY(check_intention(state.inventory, event, now));
      return alone(std::move(event));
    case log::Event::kEntityRetracted:
      TANDEM_TRY(admit_retraction(state.inventory, event.entity_retracted()));
      return alone(std::move(event));
    case log::Event::kEntityUnseen:
      TANDEM_TRY(admit_unseen(state.inventory, event.entity_unseen()));
      return alone(std::move(event));
    case log::Event::kPersonalDataErased:
      TANDEM_TRY(admit_erasure(event.personal_data_erased()));
      return alone(std::move(event));
    case log::Event::kHistoryExpired:
      TANDEM_TRY(admit_expiry(state.inventory, event.history_expired(), now));
      return alone(std::move(event));
    case log::Event::kEntitiesSeen:
      TANDEM_TRY(admit_seen(state.inventory, event.entities_seen()));
      return alone(std::move(event));
    case log::Event::kPlanProposed: return settle_plan(state, std::move(event));
    case log::Event::kScheduleProposed: return settle_schedule(state, std::move(event));
    case log::Event::kPlanFailed:
      TANDEM_TRY(is_awaited(state, event.plan_failed().plan_id()));
      return alone(std::move(event));
    case log::Event::kWindowSealed:
    case log::Event::kRoutingTablePublished:
    case log::Event::kDeploymentsReported: TANDEM_TRY(check_report(state, event)); return alone(std::move(event));
    case log::Event::kBranchCreated:
    case log::Event::kBranchEdited:
    case log::Event::kBranchRebased:
    case log::Event::kBranchMerged:
    case log::Event::kBranchDiscarded: {
      TANDEM_ASSIGN(log::Event admitted, step_branch(state, std::move(event)));
      return alone(std::move(admitted));
    }
    case log::Event::kPlanRequested:
    case log::Event::kPlanAccepted:
    case log::Event::kPlanRejected:
    case log::Event::kScheduleAccepted:
    case log::Event::kPeriodPrepared:
    case log::Event::kPeriodBegun:
      return fail(ErrorCode::invalid_argument, "plans are asked for, accepted and rejected by the core alone");
    case log::Event::BODY_NOT_SET: break;
  }
  return fail(ErrorCode::invalid_argument, "an event without a body says nothing");
}

}  // namespace tandem::control
