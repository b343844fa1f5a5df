// Events about branches. For tests of modules that take events; needs the modules log and inventory.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "inventory/inventory.h"
#include "log/log.h"

namespace tandem::test_support {

inline log::Event about_branches(const std::function<void(log::Event&)>& fill) {
  log::Event event;
  event.set_actor("operator:test");
  fill(event);
  return event;
}

inline log::Event created(const std::string& name, const std::string& parent = {}) {
  return about_branches([&](log::Event& event) {
    event.mutable_branch_created()->set_name(name);
    event.mutable_branch_created()->set_parent(parent);
  });
}

inline log::Event rebased(const std::string& name) {
  return about_branches([&](log::Event& event) { event.mutable_branch_rebased()->set_name(name); });
}

inline log::Event merged(const std::string& name) {
  return about_branches([&](log::Event& event) { event.mutable_branch_merged()->set_name(name); });
}

inline log::Event discarded(const std::string& name) {
  return about_branches([&](log::Event& event) { event.mutable_branch_discarded()->set_name(name); });
}

// Facts and retractions as edits of a branch.
inline log::Event edited(const std::string& branch, const std::vector<log::Event>& edits) {
  return about_branches([&](log::Event& event) {
    event.mutable_branch_edited()->set_branch(branch);
    for (const log::Event& one : edits) {
      v1::BranchEdit& edit = *event.mutable_branch_edited()->add_edits();
      if (one.has_facts_recorded())
        *edit.mutable_facts() = one.facts_recorded();
      else
        *edit.mutable_retraction() = one.entity_retracted();
    }
  });
}

inline log::Event taken_back(const std::string& branch, const inventory::EntityKey& entity,
                             const std::vector<std::string>& attributes = {}) {
  return about_branches([&](log::Event& event) {
    event.mutable_branch_edited()->set_branch(branch);
    v1::EditsTakenBack& back = *event.mutable_branch_edited()->add_edits()->mutable_taken_back();
    back.set_kind(entity.kind);
    back.set_id(entity.id);
    for (const std::string& attribute : attributes) back.add_attributes(attribute);
  });
}

inline log::Event settled(const std::string& branch, const inventory::EntityKey& entity, v1::ConflictSettled::Take take,
                          const std::vector<std::string>& attributes = {}) {
  return about_branches([&](log::Event& event) {
    event.mutable_branch_edited()->set_branch(branch);
    v1::ConflictSettled& settled = *event.mutable_branch_edited()->add_edits()->mutable_settled();
    settled.set_kind(entity.kind);
    settled.set_id(entity.id);
    settled.set_take(take);
    for (const std::string& attribute : attributes) settled.add_attributes(attribute);
  });
}

}  // namespace tandem::test_support
