// What a grid may hold: every kind of entity with its attributes, relations and constraints, and what other models of
// the field call it. The nouns of module `grid` and the kinds of ontology/*.yaml, as one table.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/diagnostics.h"
#include "base/json.h"
#include "grid/schema.h"

namespace tandem::ontology {

// Whom a relation takes down.
enum class Impact : uint8_t {
  none,
  on_holder,  // what names the target fails with it: a device with its power feed
  on_target,  // the target fails with what names it: an interface with its cable
};

// A reference attribute, named from both ends: device.rack reads "mounted_in", and from the rack "holds".
struct Relation {
  std::string_view attribute;             // of the entity that names the other
  std::string_view field;                 // in the records of that attribute; empty: the attribute is the reference
  std::string_view name;                  // "mounted_in"
  std::string_view inverse;               // "holds"
  std::vector<std::string_view> targets;  // kinds, ascending; of more than one, a value is "<kind>/<id>"
  bool any_target = false;                // `targets` are all kinds there are
  bool many = false;                      // one entity may name several
  bool required = false;
  bool located_in = false;  // the target is where the entity stands; these never form a cycle
  bool weak = false;        // the target may go and leave its name behind: what an alarm was about
  Impact impact = Impact::none;
  std::string_view description;

  bool may_name(std::string_view kind) const;
};

// No two entities with the same values of all of `within` have the same values of all of `attributes`. Absence is a
// value of `within` (the global table where there is no VRF); an entity that lacks one of `attributes` clashes with
// nobody. Of a list each item counts by itself, of an address not the length of its network.
struct Unique {
  std::vector<std::string_view> attributes;
  std::vector<std::string_view> within;
};
// Entities that name the same target do not overlap in [first, first + size), and lie within [1, 1 + the target's
// limit).
struct NoOverlap {
  std::string_view relation;  // "rack"
  std::string_view first;     // "position_u": an entity without it takes no room
  std::string_view size;      // "height_u"; absent: its default
  std::string_view side;      // "face": values that differ do not meet, but "both" meets every one; empty: all meet
  std::string_view limit;     // "height_u" of the target
};
// A target is named at most once, over all these relations of all entities of the kind.
struct Exclusive {
  std::vector<std::string_view> relations;
  std::vector<std::string_view> targets;  // only targets of these kinds, ascending; empty: of all
};
// Summed over the entities that name the same target; the others and a target without a limit do not matter.
struct SumAtMost {
  std::string_view relation;   // "rack"
  std::string_view attribute;  // "power_max_w"; empty: each counts one
  std::string_view limit;      // "power_limit_w" of the target, in the same unit
};
// An address or prefix lies within the prefix of the target.
struct Inside {
  std::string_view attribute;  // "address"
  std::string_view relation;   // "prefix"
  std::string_view of;         // "prefix" of the target
};
// Where an entity has both, the one is not above the other.
struct Ordered {
  std::string_view lower;
  std::string_view upper;
};
// Following the relation never comes back.
struct Acyclic {
  std::string_view relation;
};
// Of every kind besides: what a relation names exists, unless it is weak, and relations that locate form no cycle.
using Constraint = std::variant<Unique, NoOverlap, Exclusive, SumAtMost, Inside, Ordered, Acyclic>;

// What others call the kind; empty where they have no such thing.
struct Mapping {
  std::string_view sid;                // business entity of the TM Forum Information Framework
  std::string_view tmf_api;            // "TMF639"
  std::string_view tmf_type;           // @type there: "PhysicalResource"
  std::string_view netbox;             // "dcim.device"
  std::vector<std::string_view> yang;  // paths: OpenConfig and IETF
};

struct Kind : grid::Kind {  // so that grid::check_attributes takes it
  std::string_view group;   // "hardware", "optical", …: for people
  bool noun = false;        // projects to the grid snapshot
  std::vector<Relation> relations;
  std::vector<Constraint> constraints;
  Mapping mapping;
  std::optional<uint32_t> retain_past_days;  // how long what is no longer believed is kept; nothing: for ever

  const Relation* relation(std::string_view attribute) const;  // null when that is none
  bool has_personal() const;                                   // an attribute that is_personal
};

// True when it, or a field of it, says something of a living person: it is kept sealed (docs/decisions/0005).
bool is_personal(const grid::Attribute& attribute);

// A relation as the target sees it.
struct Incoming {
  const Kind* kind = nullptr;
  const Relation* relation = nullptr;
};

struct File {
  std::string_view name;  // "rack.yaml"
  std::string_view text;
};

// Immutable; owns every text its kinds speak of.
class Ontology {
 public:
  // Of ontology/*.yaml as it stood when the program was built.
  static const Ontology& built_in();
  // The nouns and what the files say. Nothing when any of it is wrong; every error is added to `diagnostics`.
  static std::optional<Ontology> load(std::span<const File> files, std::span<const grid::Kind> nouns,
                                      std::vector<Diagnostic>& diagnostics);
  Ontology(Ontology&&) noexcept;
  Ontology& operator=(Ontology&&) noexcept;
  ~Ontology();

  std::span<const Kind> kinds() const;                              // ascending by name
  const Kind* find(std::string_view kind) const;                    // null when there is none
  std::span<const Incoming> incoming(std::string_view kind) const;  // ascending by kind, then attribute
  // "no kind 'rak'; did you mean 'rack'?"
  std::string unknown_kind(std::string_view kind) const;

  struct Data;  // of this module alone
  explicit Ontology(std::unique_ptr<Data> data);

 private:
  std::unique_ptr<Data> data_;
};

// As grid::check_entity, and what constraints ask of one entity alone.
void check_entity(const Kind& kind, const Json::Object& attributes, std::vector<grid::Problem>& problems);

// True where check_entity asks nothing of the kind but that what is required is there.
bool asks_only_what_is_required(const Kind& kind);

// The values an entity claims under a unique constraint, each an opaque text; two entities clash where they share one.
std::vector<std::string> unique_values(const Kind& kind, const Unique& unique, const Json::Object& attributes);

// "unique name in device", "no_overlap in rack": unique among the constraints of a kind.
std::string name_of(const Constraint& constraint);

// "no two of kind interface of the same device have the same name".
std::string describe(const Constraint& constraint, const Kind& kind);

// All of it as JSON: attributes with units and ranges, relations both ways, constraints, mappings.
Json to_json(const Ontology& ontology);
Json to_json(const Ontology& ontology, const Kind& kind);

}  // namespace tandem::ontology
