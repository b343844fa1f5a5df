// All entities of a grid to rows, with every problem found on the way.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "grid/consistency.h"
#include "grid/decode.h"

namespace tandem::grid {
namespace {

constexpr size_t kNearestComparisonsMax = 2'000'000;  // over one grid: about a second of edit distances

class RowMaker final : public References {
 public:
  RowMaker(std::span<const Entity> entities, std::span<const size_t> faulty)
      : entities_(entities), faulty_(entities.size()) {
    for (const size_t position : faulty) faulty_[position] = true;
  }

  GridRows make() {
    sort_entities();
    collect_jurisdictions();
    for_each_table(result_.rows, [&](std::string_view kind, auto& rows) { decode_table(kind, rows); });
    check_entities();
    check_across();
    std::stable_sort(result_.problems.begin(), result_.problems.end(),
                     [](const EntityProblem& a, const EntityProblem& b) { return a.entity < b.entity; });
    return std::move(result_);
  }

  std::optional<size_t> position(std::string_view kind, std::string_view id) const override {
    const Sorted* sorted = find_sorted(kind);
    if (sorted == nullptr) return std::nullopt;
    const auto found = sorted->positions.find(id);
    return found == sorted->positions.end() ? std::nullopt : std::optional(found->second);
  }

  std::optional<uint8_t> jurisdiction(std::string_view code) const override {
    const auto& codes = result_.rows.jurisdictions;
    const auto found = std::lower_bound(codes.begin(), codes.end(), code);
    if (found == codes.end() || *found != code || found - codes.begin() >= static_cast<ptrdiff_t>(kJurisdictionsMax))
      return std::nullopt;
    return static_cast<uint8_t>(found - codes.begin());
  }

  const Tenant* tenant(TenantIndex index) const override {
    return index.valid() && index.value < result_.rows.tenants.size() ? &result_.rows.tenants[index.value] : nullptr;
  }

  std::optional<std::string> nearest(std::string_view kind, std::string_view id) const override {
    const Sorted* sorted = find_sorted(kind);
    if (sorted == nullptr || comparisons_ > kNearestComparisonsMax) return std::nullopt;
    comparisons_ += sorted->entities.size();
    std::vector<std::string> ids;
    for (const size_t entity : sorted->entities) ids.push_back(entities_[entity].id);
    return tandem::nearest(id, ids);
  }

 private:
  struct Sorted {
    std::vector<size_t> entities;                            // by id; the first of those with the same id
    std::unordered_map<std::string_view, size_t> positions;  // id → position in `entities`; never iterated
  };

  const Sorted* find_sorted(std::string_view kind) const {
    const auto found = by_kind_.find(kind);
    return found == by_kind_.end() ? nullptr : &found->second;
  }

  void report(size_t entity, Problem problem) { result_.problems.push_back({entity, std::move(problem)}); }

  void sort_entities() {
    for (const Kind& kind : kinds()) by_kind_[kind.name];
    for (size_t i = 0; i < entities_.size(); ++i) {
      const auto found = by_kind_.find(entities_[i].kind);
      if (found == by_kind_.end())
        report(i, {{},
                   fmt::format("there is no kind '{}'", entities_[i].kind),
                   "see the grid's schema for the kinds there are"});
      else
        found->second.entities.push_back(i);
    }
    const auto id_of = [&](size_t entity) -> const std::string& { return entities_[entity].id; };
    for (auto& [kind, sorted] : by_kind_) {
      std::stable_sort(sorted.entities.begin(), sorted.entities.end(),
                       [&](size_t a, size_t b) { return id_of(a) < id_of(b); });
      std::vector<size_t> unique;
      for (const size_t entity : sorted.entities) {
        if (unique.empty() || id_of(unique.back()) != id_of(entity)) {
          sorted.positions.emplace(id_of(entity), unique.size());
          unique.push_back(entity);
        } else if (!faulty_[entity]) {
          report(entity,
                 {{}, fmt::format("there are two {}s with the id '{}'", kind, id_of(entity)), "give each its own id"});
        }
      }
      sorted.entities = std::move(unique);
    }
  }

  void collect_jurisdictions() {
    std::set<std::string, std::less<>> codes;
    for (const size_t site : by_kind_.at("site").entities)
      if (const auto code = attribute(site, "jurisdiction").text(); !code.empty()) codes.emplace(code);
    for (const size_t tenant : by_kind_.at("tenant").entities)
      for (const Json& code : attribute(tenant, "residency").array()) codes.emplace(code.text());
    result_.rows.jurisdictions.assign(codes.begin(), codes.end());
  }

  const Json& attribute(size_t entity, std::string_view name) const {
    static const Json kNull;
    const auto found = entities_[entity].attributes.find(name);
    return found == entities_[entity].attributes.end() ? kNull : found->second;
  }

  template <class Row>
  void decode_table(std::string_view kind, std::vector<Row>& rows) {
    const auto& sorted = by_kind_.at(kind).entities;
    rows.reserve(sorted.size());
    for (const size_t entity : sorted)
      rows.push_back(decode<Row>(entities_[entity].id, entities_[entity].attributes, *this));
  }

  void check_entities() {
    for (size_t i = 0; i < entities_.size(); ++i) {
      const Kind* kind = find_kind(entities_[i].kind);
      if (kind == nullptr) continue;
      std::vector<Problem> problems;
      if (!faulty_[i]) check_entity(*kind, entities_[i].attributes, problems);
      check_references(*kind, entities_[i].attributes, *this, problems);
      if (!problems.empty()) faulty_[i] = true;
      for (Problem& problem : problems) report(i, std::move(problem));
    }
  }

  void check_across() {
    Rows& rows = result_.rows;
    const auto& grids = by_kind_.at(kGrid).entities;
    if (!grids.empty()) {
      GridAttributes grid = decode_grid(entities_[grids.front()].attributes);
      rows.name = std::move(grid.name);
      rows.simulated = grid.simulated;
      rows.policy = grid.policy;
    }
    Soundness soundness(rows);
    for (const auto& [kind, sorted] : by_kind_)
      for (size_t position = 0; position < sorted.entities.size(); ++position)
        if (faulty_[sorted.entities[position]]) soundness.mark_unsound(kind, kind == kGrid ? 0 : position);
    std::vector<RowProblem> problems;
    check_consistency(rows, soundness, problems);
    for (RowProblem& problem : problems)
      report(problem.kind == kGrid ? EntityProblem::kNoEntity : by_kind_.at(problem.kind).entities[problem.position],
             std::move(problem.problem));
  }

  std::span<const Entity> entities_;
  std::vector<bool> faulty_;
  std::map<std::string_view, Sorted> by_kind_;
  mutable size_t comparisons_ = 0;  // made for suggestions so far
  GridRows result_;
};

}  // namespace

GridRows make_rows(std::span<const Entity> entities, std::span<const size_t> faulty) {
  return RowMaker(entities, faulty).make();
}

}  // namespace tandem::grid
