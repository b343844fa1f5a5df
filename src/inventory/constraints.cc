#include "inventory/constraints.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "grid/schema.h"
#include "inventory/schema_index.h"

namespace tandem::inventory {
namespace {

constexpr size_t kReferrersNamed = 5;  // of an entity that is gone: enough to find the rest

class Checker {
 public:
  Checker(const Snapshot& snapshot, size_t limit) : snapshot_(snapshot), limit_(limit) {}

  void check(const EntityKey& entity) {
    if (full()) return;
    if (snapshot_.has(entity.kind, entity.id))
      check_present(entity);
    else
      check_absent(entity);
  }
  bool full() const { return found_.size() >= limit_; }
  std::vector<Violation> take() { return std::move(found_); }

 private:
  void add(Violation violation) {
    if (!full()) found_.push_back(std::move(violation));
  }

  void check_present(const EntityKey& entity) {
    const grid::Kind* kind = grid::find_kind(entity.kind);
    if (!kind) return;
    const Json::Object attributes = snapshot_.attributes(entity.kind, entity.id);
    std::vector<grid::Problem> problems;
    grid::check_entity(*kind, attributes, problems);
    for (const grid::Problem& problem : problems) {
      if (problem.severity != Diagnostic::Severity::error) continue;
      const std::string place = problem.path.empty() ? std::string() : grid::to_string(problem.path) + ": ";
      add({entity.kind, entity.id, "required", fmt::format("{} '{}': {}{}", entity.kind, entity.id, place, problem.message), problem.fix, {}});
    }
    check_references(entity, attributes);
  }

  void check_references(const EntityKey& entity, const Json::Object& attributes) {
    std::vector<EntityKey> missing;
    for (const Reference& target : references_of(entity.kind, attributes))
      if (target.kind != kJurisdiction && !snapshot_.has(target.kind, target.id)) missing.push_back({target.kind, target.id});
    missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
    for (EntityKey& target : missing) {
      std::string message = fmt::format("{} '{}' refers to {} '{}', which is not there", entity.kind, entity.id, target.kind, target.id);
      std::string fix = fmt::format("bring back {} '{}', or let {} '{}' refer to another", target.kind, target.id, entity.kind, entity.id);
      add({entity.kind, entity.id, "reference", std::move(message), std::move(fix), {std::move(target)}});
    }
  }

  void check_absent(const EntityKey& entity) {
    for (EntityKey& referrer : snapshot_.referrers(entity.kind, entity.id, kReferrersNamed)) {
      std::string message = fmt::format("{} '{}' refers to {} '{}', which is not there", referrer.kind, referrer.id, entity.kind, entity.id);
      std::string fix = fmt::format("keep {} '{}', or let {} '{}' refer to another", entity.kind, entity.id, referrer.kind, referrer.id);
      add({referrer.kind, referrer.id, "reference", std::move(message), std::move(fix), {entity}});
    }
  }

  const Snapshot& snapshot_;
  size_t limit_;
  std::vector<Violation> found_;
};

// What tells one violation from another.
auto identity(const Violation& violation) { return std::tie(violation.kind, violation.id, violation.constraint, violation.message); }

}  // namespace

std::vector<Violation> violations(const Snapshot& snapshot, std::span<const EntityKey> touched, size_t limit) {
  Checker checker(snapshot, limit);
  for (const EntityKey& entity : touched) checker.check(entity);
  std::vector<Violation> found = checker.take();
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
  for (const Violation& violation : found) violating.push_back({violation.kind, violation.id});
  const std::vector<Violation> known = violations(before, violating, SIZE_MAX);
  std::erase_if(found, [&](const Violation& violation) {
    return std::ranges::binary_search(known, identity(violation), {}, identity);
  });
  if (found.size() > limit) found.resize(limit);
  return found;
}

}  // namespace tandem::inventory
