#include "inventory/branch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "grid/schema.h"
#include "inventory/held_edits.h"

namespace tandem::inventory {
namespace {

// Edits of one entity said again at an event: in a branch that is rebased, or partly taken back.
void say_again(v1::HeldEdits& held, log::Offset offset, Instant at) {
  for (v1::HeldEdit& edit : *held.mutable_edits()) {
    edit.set_offset(offset);
    edit.set_at_ns(at.ns);
  }
}

// Facts without the attributes that are taken back; false where nothing remains to be said.
bool without(v1::FactsRecorded& facts, const google::protobuf::RepeatedPtrField<std::string>& names) {
  auto& attributes = *facts.mutable_attributes();
  const auto taken_back = [&](const v1::Attribute& attribute) {
    return std::ranges::find(names, attribute.name()) != names.end();
  };
  attributes.erase(std::remove_if(attributes.begin(), attributes.end(), taken_back), attributes.end());
  return !attributes.empty();
}

void put_edits(Branch& branch, const EntityKey& entity, const v1::HeldEdits& held) {
  const SharedBytes* before = branch.edits.find(entity);
  if (before) {
    branch.edit_bytes -= before->view().size();
    branch.edit_count -= count_of(parse_held(*before));
  }
  if (held.edits().empty() && !held.has_seen()) {
    if (before) branch.edits.erase(entity);
    return;
  }
  const SharedBytes bytes = encode_held(held);
  branch.edit_bytes += bytes.view().size();
  branch.edit_count += count_of(held);
  branch.edits.set(entity, bytes);
}

v1::HeldEdits edits_of(const Branch& branch, const EntityKey& entity) {
  const SharedBytes* held = branch.edits.find(entity);
  return held ? parse_held(*held) : v1::HeldEdits();
}

void say(Branch& branch, const EntityKey& entity, const v1::BranchEdit& edit, log::Offset offset, Instant at) {
  apply_edit(edit, offset, at, branch.head);
  v1::HeldEdits held = edits_of(branch, entity);
  v1::HeldEdit& said = *held.add_edits();
  said.set_offset(offset);
  said.set_at_ns(at.ns);
  *said.mutable_edit() = edit;
  put_edits(branch, entity, held);
}

// The entity is as in the base again, and what remains of its edits is said anew.
void take_back(Branch& branch, const EntityKey& entity, const v1::BranchEdit& edit, log::Offset offset, Instant at) {
  const v1::HeldEdits before = edits_of(branch, entity);
  v1::HeldEdits held;
  *held.add_edits()->mutable_edit() = edit;
  if (!edit.taken_back().attributes().empty()) {
    for (const v1::HeldEdit& said : before.edits()) {
      v1::BranchEdit kept = said.edit();
      const bool remains =
          kept.has_facts() ? without(*kept.mutable_facts(), edit.taken_back().attributes()) : kept.has_retraction();
      if (remains) *held.add_edits()->mutable_edit() = std::move(kept);
    }
    if (before.has_seen()) *held.mutable_seen() = before.seen();
  }
  say_again(held, offset, at);
  branch.head.take_over(branch.base, entity, offset);
  for (const v1::HeldEdit& said : held.edits()) apply_edit(said.edit(), offset, at, branch.head);
  put_edits(branch, entity, held);
}

void see(Branch& branch, const EntityKey& entity, const v1::ParentSeen& seen) {
  v1::HeldEdits held = edits_of(branch, entity);
  v1::ParentSeen& known = *held.mutable_seen();
  known.set_kind(entity.kind);
  known.set_id(entity.id);
  known.set_removed(seen.removed());
  for (const v1::Attribute& attribute : seen.attributes()) {
    auto& attributes = *known.mutable_attributes();
    const auto same = std::ranges::find(attributes, attribute.name(), &v1::Attribute::name);
    *(same != attributes.end() ? &*same : attributes.Add()) = attribute;
  }
  put_edits(branch, entity, held);
}

}  // namespace

std::shared_ptr<const Branch> Branches::find(std::string_view name) const {
  const auto* found = branches_.find(name);
  return found ? *found : nullptr;
}

std::vector<std::shared_ptr<const Branch>> Branches::all() const {
  std::vector<std::shared_ptr<const Branch>> all;
  for (const auto& [name, branch] : branches_) all.push_back(branch);
  return all;
}

std::vector<std::string> Branches::children(std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& [child, branch] : branches_)
    if (branch->parent == name) names.push_back(child);
  return names;
}

const Snapshot* Branches::head(std::string_view name, const Snapshot& main) const {
  if (name.empty()) return &main;
  const auto* found = branches_.find(name);
  return found ? &(*found)->head : nullptr;
}

bool Branches::fold(const log::Event& event, log::Offset offset, Instant at, Snapshot& main, ChangeSet* changes) {
  switch (event.body_case()) {
    case log::Event::kBranchCreated: return create(event.branch_created(), event.actor(), offset, at, main), false;
    case log::Event::kBranchEdited: return edit(event.branch_edited(), offset, at), false;
    case log::Event::kBranchRebased: return rebase(event.branch_rebased().name(), offset, at, main), false;
    case log::Event::kBranchMerged: return merge(event.branch_merged().name(), offset, at, main, changes);
    case log::Event::kBranchDiscarded: return discard(event.branch_discarded().name()), false;
    default: return false;
  }
}

void Branches::put(std::shared_ptr<Branch> branch) {
  if (const auto before = find(branch->name)) edit_bytes_ -= before->edit_bytes;
  edit_bytes_ += branch->edit_bytes;
  const std::string& name = branch->name;
  branches_.edit(name) = std::move(branch);
}

void Branches::create(const v1::BranchCreated& created, const std::string& author, log::Offset offset, Instant at,
                      const Snapshot& main) {
  const Snapshot* parent = head(created.parent(), main);
  if (!parent || branches_.find(created.name())) return;
  auto branch = std::make_shared<Branch>();
  branch->name = created.name();
  branch->parent = created.parent();
  branch->purpose = created.purpose();
  branch->author = author;
  branch->created = branch->base_offset = branch->changed = offset;
  branch->created_at = at;
  branch->base = branch->head = *parent;
  put(std::move(branch));
}

void Branches::edit(const v1::BranchEdited& edited, log::Offset offset, Instant at) {
  const auto before = find(edited.branch());
  if (!before) return;
  auto branch = std::make_shared<Branch>(*before);
  branch->changed = offset;
  for (const v1::BranchEdit& edit : edited.edits()) fold_edit(*branch, edit, offset, at);
  put(std::move(branch));
}

void Branches::rebase(const std::string& name, log::Offset offset, Instant at, const Snapshot& main) {
  const auto before = find(name);
  if (!before) return;
  auto branch = std::make_shared<Branch>(*before);
  branch->changed = branch->base_offset = offset;
  branch->base = branch->head = *head(branch->parent, main);
  for (const auto& [entity, bytes] : before->edits) {
    v1::HeldEdits held = parse_held(bytes), kept;
    for (v1::HeldEdit& said : *held.mutable_edits())
      if (!said.edit().has_taken_back()) *kept.add_edits() = std::move(said);
    say_again(kept, offset, at);
    for (const v1::HeldEdit& said : kept.edits()) apply_edit(said.edit(), offset, at, branch->head);
    put_edits(*branch, entity, kept);
  }
  put(std::move(branch));
}

bool Branches::merge(const std::string& name, log::Offset offset, Instant at, Snapshot& main, ChangeSet* changes) {
  const auto merged = find(name);
  if (!merged) return false;
  discard(name);
  const auto parent = find(merged->parent);
  if (!merged->parent.empty() && !parent) return false;
  const auto onto = parent ? std::make_shared<Branch>(*parent) : nullptr;
  ChangeSet own;
  for_each_edit(*merged, [&](const EntityKey& entity, const v1::HeldEdit& said) {
    if (said.edit().has_taken_back()) return true;
    if (onto)
      say(*onto, entity, said.edit(), offset, at);
    else
      apply_edit(said.edit(), offset, at, main, &own);
    return true;
  });
  if (onto) {
    onto->changed = offset;
    put(onto);
  }
  if (changes)
    for (const Change& change : own) changes->add(change);
  return !own.empty();
}

void Branches::discard(const std::string& name) {
  const auto branch = find(name);
  if (!branch) return;
  edit_bytes_ -= branch->edit_bytes;
  branches_.erase(name);
}

std::optional<EntityKey> entity_of(const v1::BranchEdit& edit) {
  switch (edit.edit_case()) {
    case v1::BranchEdit::kFacts: return EntityKey{edit.facts().kind(), edit.facts().id()};
    case v1::BranchEdit::kRetraction: return EntityKey{edit.retraction().kind(), edit.retraction().id()};
    case v1::BranchEdit::kTakenBack: return EntityKey{edit.taken_back().kind(), edit.taken_back().id()};
    case v1::BranchEdit::kSeen: return EntityKey{edit.seen().kind(), edit.seen().id()};
    case v1::BranchEdit::kSettled:
    case v1::BranchEdit::EDIT_NOT_SET: return std::nullopt;
  }
  return std::nullopt;
}

size_t edit_count(const Branch& branch, const EntityKey& entity) { return count_of(edits_of(branch, entity)); }

void fold_edit(Branch& branch, const v1::BranchEdit& edit, log::Offset offset, Instant at) {
  const auto entity = entity_of(edit);
  if (!entity) return;
  if (edit.has_seen())
    see(branch, *entity, edit.seen());
  else if (edit.has_taken_back())
    take_back(branch, *entity, edit, offset, at);
  else
    say(branch, *entity, edit, offset, at);
}

void for_each_edit(const Branch& branch, const std::function<bool(const EntityKey&, const v1::HeldEdit&)>& visit,
                   const EntityKey& from) {
  for (auto i = branch.edits.lower_bound(from); i != branch.edits.end(); ++i) {
    const auto [entity, bytes] = *i;
    const v1::HeldEdits held = parse_held(bytes);
    for (const v1::HeldEdit& edit : held.edits())
      if (!visit(entity, edit)) return;
  }
}

DiffPage diff(const Branch& branch, const DiffOptions& options) { return diff(branch.base, branch.head, options); }

std::shared_ptr<const grid::Snapshot> project(const Branch& branch, const Snapshot& main,
                                              const std::shared_ptr<const grid::Snapshot>& main_grid) {
  return project(branch.head, changes_between(main, branch.head), main_grid);
}

std::optional<std::string> check_branch_name(std::string_view name) {
  if (name.size() > kBranchNameBytesMax)
    return fmt::format("a branch's name has at most {} bytes", kBranchNameBytesMax);
  if (name == "main") return "'main' is what is believed; a branch is named otherwise";
  if (auto wrong = grid::check_id(name)) return "a branch's name is made like an id: " + *wrong;
  return std::nullopt;
}

}  // namespace tandem::inventory
