// From entities, whose attributes are values by name, to typed rows: one at a time for a projection that is patched, or
// a whole grid at once.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "grid/nouns.h"
#include "grid/schema.h"
#include "grid/snapshot.h"

namespace tandem::grid {

// One thing of a grid, as files, facts and the inventory have it.
struct Entity {
  std::string kind;
  std::string id;
  Json::Object attributes;  // canonical, as check_attributes returns them
  bool operator==(const Entity&) const = default;
};

// Where the rows of a grid are that the attributes of one entity speak of.
class References {
 public:
  virtual ~References() = default;
  // The position of the row of that kind and id; nothing where there is none.
  virtual std::optional<size_t> position(std::string_view kind, std::string_view id) const = 0;
  // The position of a code in Rows::jurisdictions; nothing where it is not there.
  virtual std::optional<uint8_t> jurisdiction(std::string_view code) const = 0;
  // The tenant at that position, from whom demands inherit their promise; null where there is none.
  virtual const Tenant* tenant(TenantIndex index) const = 0;
  // The id of that kind that was probably meant; nothing where none is near.
  virtual std::optional<std::string> nearest(std::string_view kind, std::string_view id) const = 0;
};

// A problem for every reference to something that is not there.
void check_references(const Kind& kind, const Json::Object& attributes, const References& references,
                      std::vector<Problem>& problems);

// The row of an entity whose attributes are canonical. Total: what is absent takes the schema's default, and a
// reference to nothing becomes an index that is not valid(). A demand takes what it lacks of a promise from its tenant,
// so it must be decoded again when the tenant changes.
template <class Row>
Row decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Site decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Node decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
SharedRiskGroup decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Link decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
FlexAlgo decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Region decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Accelerator decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Pool decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Model decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Profile decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Deployment decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Tenant decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
DayProfile decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Demand decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Trial decode(std::string_view id, const Json::Object& attributes, const References& references);
template <>
Traffic decode(std::string_view id, const Json::Object& attributes, const References& references);

// The kind "grid".
struct GridAttributes {
  std::string name;
  bool simulated = false;
  Policy policy;
};
GridAttributes decode_grid(const Json::Object& attributes);

// Calls visit(kind name, rows) for each table of rows, in the order of kinds().
template <class RowsOrSnapshot, class Visit>
void for_each_table(RowsOrSnapshot&& rows, Visit visit) {
  visit(std::string_view("site"), rows.sites);
  visit(std::string_view("node"), rows.nodes);
  visit(std::string_view("shared_risk_group"), rows.shared_risk_groups);
  visit(std::string_view("link"), rows.links);
  visit(std::string_view("flex_algo"), rows.flex_algos);
  visit(std::string_view("region"), rows.regions);
  visit(std::string_view("accelerator"), rows.accelerators);
  visit(std::string_view("pool"), rows.pools);
  visit(std::string_view("model"), rows.models);
  visit(std::string_view("profile"), rows.profiles);
  visit(std::string_view("deployment"), rows.deployments);
  visit(std::string_view("tenant"), rows.tenants);
  visit(std::string_view("day_profile"), rows.day_profiles);
  visit(std::string_view("demand"), rows.demands);
  visit(std::string_view("trial"), rows.trials);
  visit(std::string_view("traffic"), rows.traffic);
}

// A problem of the entity at `entity` in the span that was given; kNoEntity when the grid as a whole is meant.
struct EntityProblem {
  static constexpr size_t kNoEntity = SIZE_MAX;
  size_t entity = kNoEntity;
  Problem problem;
};

struct GridRows {
  Rows rows;                            // of use only where there is no error
  std::vector<EntityProblem> problems;  // by entity, in the order given
};

// All entities of a grid, in any order, to rows ascending by id (bytewise), so that one grid has one form. Checks each
// entity (required, agreeing), references, duplicates, and the rules that span entities (see consistency.h). Positions
// in `faulty` are entities with problems already known: they count as being there and are not reported again.
GridRows make_rows(std::span<const Entity> entities, std::span<const size_t> faulty = {});

}  // namespace tandem::grid
