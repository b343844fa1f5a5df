// What may be done with branches.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "control/admit.h"
#include "grid/schema.h"
#include "inventory/branch.h"

namespace tandem::control {
namespace {

using inventory::Branch;
using inventory::Branches;
using inventory::Conflict;
using inventory::EntityKey;

constexpr size_t kObstaclesNamed = 5;  // of a merge that is refused; the rest is asked for by itself

using BranchPointer = std::shared_ptr<const Branch>;

Result<BranchPointer> find_branch(const State& state, std::string_view name) {
  if (auto branch = state.branches.find(name)) return branch;
  std::vector<std::string> names;
  for (const BranchPointer& branch : state.branches.all()) names.push_back(branch->name);
  const auto meant = nearest(name.substr(0, inventory::kBranchNameBytesMax), names);
  return fail(ErrorCode::not_found, fmt::format("no branch '{}'{}", name.substr(0, inventory::kBranchNameBytesMax),
                                                meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
}

// How many branches stand under one, it included.
size_t depth_of(const State& state, const Branch& branch) {
  size_t depth = 1;
  for (auto parent = state.branches.find(branch.parent); parent; parent = state.branches.find(parent->parent)) ++depth;
  return depth;
}

Result<log::Event> create(const State& state, log::Event event) {
  const v1::BranchCreated& created = event.branch_created();
  if (const auto wrong = inventory::check_branch_name(created.name())) return fail(ErrorCode::invalid_argument, *wrong);
  if (created.purpose().size() > inventory::kBranchPurposeBytesMax)
    return fail(ErrorCode::too_large, fmt::format("a purpose has at most {} bytes", inventory::kBranchPurposeBytesMax));
  if (const auto taken = state.branches.find(created.name()))
    return fail(
        ErrorCode::conflict,
        fmt::format("there is a branch '{}' already, since offset {}; merge or discard it, or take another name",
                    taken->name, taken->created));
  if (!created.parent().empty()) {
    TANDEM_ASSIGN(const BranchPointer parent, find_branch(state, created.parent()));
    if (depth_of(state, *parent) >= inventory::kBranchDepthMax)
      return fail(ErrorCode::too_large,
                  fmt::format("branches stand at most {} upon each other", inventory::kBranchDepthMax));
  }
  if (state.branches.size() >= inventory::kBranchesMax)
    return fail(ErrorCode::too_large,
                fmt::format("there are {} branches, which is the most; merge or discard one", inventory::kBranchesMax));
  return event;
}

// ---- Edits
// -------------------------------------------------------------------------------------------------------------

// Edits as they are admitted, each on the branch as the ones before leave it.
class Editing {
 public:
  Editing(const State& state, const Branch& branch, const log::Event& event)
      : parent_(*state.branches.head(branch.parent, state.inventory)),
        offset_(state.inventory.offset() + 1),
        others_bytes_(state.branches.edit_bytes() - branch.edit_bytes),
        actor_(event.actor()),
        trial_(branch) {}

  Result<void> take(const v1::BranchEdit& edit) {
    switch (edit.edit_case()) {
      case v1::BranchEdit::kFacts: return say(edit.facts());
      case v1::BranchEdit::kRetraction: TANDEM_TRY(admit_retraction(trial_.head, edit.retraction())); return put(edit);
      case v1::BranchEdit::kTakenBack: {
        const EntityKey entity{edit.taken_back().kind(), edit.taken_back().id()};
        if (trial_.edits.find(entity)) return put(edit);
        return fail(ErrorCode::not_found, fmt::format("branch '{}' has no edit of it", trial_.name), name_of(entity));
      }
      case v1::BranchEdit::kSettled: return settle(edit.settled());
      case v1::BranchEdit::kSeen:
        return fail(ErrorCode::invalid_argument,
                    "what the parent has is noted by the core; ask for a conflict to be settled");
      case v1::BranchEdit::EDIT_NOT_SET: break;
    }
    return fail(ErrorCode::invalid_argument, "an edit without a body says nothing");
  }

  std::vector<v1::BranchEdit> admitted() { return std::move(admitted_); }

 private:
  static std::string name_of(const EntityKey& entity) {
    return fmt::format("{} {}", entity.kind.substr(0, grid::kIdBytesMax), entity.id.substr(0, grid::kIdBytesMax));
  }

  Result<void> say(v1::FactsRecorded facts) {
    TANDEM_TRY(admit_facts(trial_.head, facts));
    v1::BranchEdit edit;
    *edit.mutable_facts() = std::move(facts);
    return put(std::move(edit));
  }

  Result<void> put(v1::BranchEdit edit) {
    inventory::fold_edit(trial_, edit, offset_, {});
    const EntityKey entity = *inventory::entity_of(edit);
    if (inventory::edit_count(trial_, entity) > inventory::kEntityEditsMax)
      return fail(ErrorCode::too_large,
                  fmt::format("a branch holds at most {} edits of one entity; merge, or take some back",
                              inventory::kEntityEditsMax),
                  name_of(entity));
    if (trial_.edit_count > inventory::kBranchEditsMax)
      return fail(ErrorCode::too_large,
                  fmt::format("a branch holds at most {} edits; merge what is ready", inventory::kBranchEditsMax));
    if (trial_.edit_bytes > inventory::kBranchBytesMax)
      return fail(ErrorCode::too_large, fmt::format("a branch's edits take at most {} bytes; merge what is ready",
                                                    inventory::kBranchBytesMax));
    if (others_bytes_ + trial_.edit_bytes > inventory::kBranchesBytesMax)
      return fail(ErrorCode::resource_exhausted,
                  fmt::format("the edits of all branches take at most {} bytes; merge or discard some",
                              inventory::kBranchesBytesMax));
    admitted_.push_back(std::move(edit));
    return {};
  }

  Result<void> settle(const v1::ConflictSettled& settled) {
    const EntityKey entity{settled.kind(), settled.id()};
    std::vector<Conflict> conflicts = inventory::conflicts(trial_, parent_, entity);
    if (!settled.attributes().empty())
      std::erase_if(conflicts, [&](const Conflict& conflict) {
        return !conflict.attribute.empty() &&
               std::ranges::find(settled.attributes(), conflict.attribute) == settled.attributes().end();
      });
    if (conflicts.empty())
      return fail(ErrorCode::not_found,
                  fmt::format("nothing of it is in conflict between branch '{}' and its parent", trial_.name),
                  name_of(entity));
    switch (settled.take()) {
      case v1::ConflictSettled::TAKE_OURS: return take_ours(entity, conflicts);
      case v1::ConflictSettled::TAKE_THEIRS: return take_theirs(entity, conflicts);
      default:
        return fail(ErrorCode::invalid_argument, "a conflict is settled by taking ours or theirs", name_of(entity));
    }
  }

  Result<void> take_theirs(const EntityKey& entity, const std::vector<Conflict>& conflicts) {
    v1::BranchEdit edit;
    v1::EditsTakenBack& back = *edit.mutable_taken_back();
    back.set_kind(entity.kind);
    back.set_id(entity.id);
    for (const Conflict& conflict : conflicts)
      if (!conflict.attribute.empty()) back.add_attributes(conflict.attribute);
    return put(std::move(edit));
  }

  // What the parent has now is noted, so that it is no longer news; what the parent removed is said again in full.
  Result<void> take_ours(const EntityKey& entity, const std::vector<Conflict>& conflicts) {
    v1::BranchEdit edit;
    v1::ParentSeen& seen = *edit.mutable_seen();
    seen.set_kind(entity.kind);
    seen.set_id(entity.id);
    std::optional<v1::FactsRecorded> whole;
    for (const Conflict& conflict : conflicts) {
      if (conflict.what == Conflict::What::removed_there) {
        seen.set_removed(true);
        whole = facts_of(entity);
      } else if (conflict.what == Conflict::What::removed_here) {
        for (const auto& [name, value] : conflict.theirs.object()) add(seen, name);
      } else {
        add(seen, conflict.attribute);
      }
    }
    TANDEM_TRY(put(std::move(edit)));
    return whole ? say(std::move(*whole)) : Result<void>();
  }

  // An attribute as the parent has it: the value itself, which may be sealed; null where it has none.
  void add(v1::ParentSeen& seen, const std::string& name) const {
    v1::Attribute& attribute = *seen.add_attributes();
    attribute.set_name(name);
    const auto theirs = parent_.find(seen.kind(), seen.id());
    const v1::Value* value = theirs ? theirs->find(name) : nullptr;
    attribute.mutable_value();
    if (value) *attribute.mutable_value() = *value;
  }

  v1::FactsRecorded facts_of(const EntityKey& entity) const {
    v1::FactsRecorded facts;
    facts.set_source(actor_);
    facts.set_kind(entity.kind);
    facts.set_id(entity.id);
    const auto ours = trial_.head.find(entity.kind, entity.id);
    if (!ours) return facts;
    for (const inventory::Attribute& said : ours->attributes) {
      v1::Attribute& attribute = *facts.add_attributes();
      attribute.set_name(said.name);
      *attribute.mutable_value() = said.value;
    }
    return facts;
  }

  const inventory::Snapshot& parent_;
  log::Offset offset_;
  size_t others_bytes_;
  std::string actor_;
  Branch trial_;
  std::vector<v1::BranchEdit> admitted_;
};

Result<log::Event> edit(const State& state, const log::Event& event) {
  const v1::BranchEdited& edited = event.branch_edited();
  TANDEM_ASSIGN(const BranchPointer branch, find_branch(state, edited.branch()));
  if (edited.edits().empty()) return fail(ErrorCode::invalid_argument, "there is no edit in it");
  if (static_cast<size_t>(edited.edits_size()) > inventory::kEditsAtOnceMax)
    return fail(ErrorCode::too_large,
                fmt::format("{} edits at once; send at most {}", edited.edits_size(), inventory::kEditsAtOnceMax));
  Editing editing(state, *branch, event);
  for (int i = 0; i < edited.edits_size(); ++i) {
    if (auto taken = editing.take(edited.edits(i)); !taken) {
      if (edited.edits_size() > 1) taken.error().message = fmt::format("edit {}: {}", i + 1, taken.error().message);
      return tl::unexpected(std::move(taken.error()));
    }
  }
  log::Event admitted;
  admitted.set_actor(event.actor());
  admitted.mutable_branch_edited()->set_branch(branch->name);
  for (v1::BranchEdit& one : editing.admitted()) *admitted.mutable_branch_edited()->add_edits() = std::move(one);
  if (admitted.ByteSizeLong() > log::kEventBytesMax)
    return fail(ErrorCode::too_large, fmt::format("the edits come to {} bytes; at most {} are taken at once",
                                                  admitted.ByteSizeLong(), log::kEventBytesMax));
  return admitted;
}

// ---- Merging
// -----------------------------------------------------------------------------------------------------------

// What stands in the way, with what would fix it: the first few.
Error obstacles(const Branch& branch, std::string_view what, const std::vector<Conflict>& conflicts,
                const std::vector<inventory::Violation>& violations) {
  std::vector<std::string> sentences;
  for (const Conflict& conflict : conflicts) sentences.push_back(fmt::format("{}: {}", conflict.message, conflict.fix));
  for (const auto& violation : violations)
    sentences.push_back(violation.fix.empty() ? violation.message
                                              : fmt::format("{}: {}", violation.message, violation.fix));
  const size_t named = std::min(sentences.size(), kObstaclesNamed);
  std::string message =
      fmt::format("branch '{}' cannot be {}: {}", branch.name, what,
                  fmt::join(sentences.begin(), sentences.begin() + static_cast<ptrdiff_t>(named), "; "));
  if (named < sentences.size()) message += fmt::format("; and more, of which the branch's conflicts tell");
  return {ErrorCode::conflict, std::move(message), "branch " + branch.name};
}

Result<log::Event> rebase(const State& state, log::Event event) {
  TANDEM_ASSIGN(const BranchPointer branch, find_branch(state, event.branch_rebased().name()));
  const auto conflicts =
      inventory::conflicts(*branch, *state.branches.head(branch->parent, state.inventory), kObstaclesNamed + 1);
  if (!conflicts.empty()) return tl::unexpected(obstacles(*branch, "rebased", conflicts, {}));
  return event;
}

// A branch that others stand on is neither merged nor discarded: they would stand on nothing.
Result<void> has_no_children(const State& state, const Branch& branch) {
  const auto children = state.branches.children(branch.name);
  if (children.empty()) return {};
  return fail(ErrorCode::conflict,
              fmt::format("branch '{}' stands on it; merge or discard that first", children.front()),
              "branch " + branch.name);
}

Result<log::Event> merge(const State& state, log::Event event) {
  TANDEM_ASSIGN(const BranchPointer branch, find_branch(state, event.branch_merged().name()));
  TANDEM_TRY(has_no_children(state, *branch));
  const auto outcome =
      inventory::try_merge(*branch, *state.branches.head(branch->parent, state.inventory), kObstaclesNamed + 1);
  if (!outcome.clean()) return tl::unexpected(obstacles(*branch, "merged", outcome.conflicts, outcome.violations));
  if (outcome.merged.referred(inventory::kJurisdiction, grid::kJurisdictionsMax + 1).size() > grid::kJurisdictionsMax)
    return fail(ErrorCode::too_large, fmt::format("a grid spans at most {} jurisdictions", grid::kJurisdictionsMax),
                "branch " + branch->name);
  if (const auto parent = state.branches.find(branch->parent)) {
    if (parent->edit_count + branch->edit_count > inventory::kBranchEditsMax)
      return fail(ErrorCode::too_large,
                  fmt::format("branch '{}' would hold more than {} edits", parent->name, inventory::kBranchEditsMax));
    if (parent->edit_bytes + branch->edit_bytes > inventory::kBranchBytesMax)
      return fail(ErrorCode::too_large, fmt::format("branch '{}' would hold more than {} bytes of edits", parent->name,
                                                    inventory::kBranchBytesMax));
    for (const auto& [entity, held] : branch->edits)
      if (inventory::edit_count(*parent, entity) + inventory::edit_count(*branch, entity) > inventory::kEntityEditsMax)
        return fail(ErrorCode::too_large,
                    fmt::format("branch '{}' would hold more than {} edits of {} '{}'", parent->name,
                                inventory::kEntityEditsMax, entity.kind, entity.id));
  }
  event.mutable_branch_merged()->set_parent(branch->parent);
  event.mutable_branch_merged()->set_edits(branch->edit_count);
  return event;
}

Result<log::Event> discard(const State& state, log::Event event) {
  TANDEM_ASSIGN(const BranchPointer branch, find_branch(state, event.branch_discarded().name()));
  TANDEM_TRY(has_no_children(state, *branch));
  return event;
}

}  // namespace

Result<log::Event> step_branch(const State& state, log::Event event) {
  switch (event.body_case()) {
    case log::Event::kBranchCreated: return create(state, std::move(event));
    case log::Event::kBranchEdited: return edit(state, event);
    case log::Event::kBranchRebased: return rebase(state, std::move(event));
    case log::Event::kBranchMerged: return merge(state, std::move(event));
    case log::Event::kBranchDiscarded: return discard(state, std::move(event));
    default: return fail(ErrorCode::invalid_argument, "that is not about a branch");
  }
}

}  // namespace tandem::control
