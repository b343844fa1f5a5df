// Where sources disagree about the same thing, and who would have to look at what to settle it.
//
// Problem: given claims of several sources, none of them whole or right, name each real disagreement once.
// Method: an entity whose claims differ is compared attribute by attribute; differences of place become one "moved",
// two lines whose ends are exchanged become one "swapped", and an entity that a source should list and does not becomes
// a "ghost" or, where it is the plan that does not know it, "unplanned". One serial number on a ghost and on something
// unplanned is one piece of gear that was moved; on two that are both there it is a duplicate. Numbers are
// compared with a tolerance, for measurements differ.
// Complexity: O(disputed entities + entities of the kinds that a source lists whole + serial numbers and external ids).
// Fails by: a source that does not say what it lists whole (`covers` of its entity of kind `source`) makes no ghosts,
// and two sources that err alike are not found out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "inventory/inventory.h"

namespace tandem::inventory {

enum class DiscrepancyKind : uint8_t {
  value_conflict,  // sources give an attribute different values
  moved,           // the same gear at another place
  swapped,         // two lines, each at the other's end
  ghost,           // known, but a source that lists all of its kind does not see it
  unplanned,       // seen, but not in the plan that lists all of its kind
  stale,           // seen once, but not of late by a source that speaks regularly
  silent,          // a source that has not spoken for three of its intervals
  duplicate,       // one serial number, asset tag or external id on several that are there
};
std::string_view name_of(DiscrepancyKind kind);  // as the choices of a `deviation` have it
std::span<const DiscrepancyKind> discrepancy_kinds();

// What one source says of it.
struct Evidence {
  std::string source;
  Standing standing = Standing::observed;
  std::string attribute;   // empty: that it is there, or not
  Json value;              // of the attribute; null: that it is empty; a boolean where there is no attribute
  Instant since;           // when it first said so
  log::Offset offset = 0;  // 0 where it is what the source does not say
  bool believed = false;
};

// What would settle it.
struct Verification {
  std::string who;                                    // "field technician", "network operations", …
  std::string action;                                 // what to look at and what each outcome means
  std::string site;                                   // id of the site to go to; empty where nobody has to travel
  std::optional<double> latitude_deg, longitude_deg;  // of that site
  std::string place;                                  // where there: "rack r-12, unit 7"
};

struct Discrepancy {
  std::string id;  // the same for the same disagreement: "moved:card:c-17", "duplicate:device:a+b"
  DiscrepancyKind kind = DiscrepancyKind::value_conflict;
  Referrer about;
  std::vector<Referrer> also;  // others that have part in it
  std::string attribute;       // of a value conflict; empty otherwise
  std::string summary;         // in a sentence
  Instant since;               // when the youngest word of it was said
  log::Offset offset = 0;      // of that word
  std::vector<Evidence> evidence;
  Verification verification;
  std::string accepted_as;  // id of the deviation by which it is accepted; empty where it is not
};

struct ReconcileOptions {
  size_t limit = 1'000;           // discrepancies given back, the youngest first
  bool accepted = false;          // give those too that a deviation accepts
  std::optional<Referrer> about;  // only what this entity has part in
  std::string entity_kind;        // only what is about one of this kind; empty: of any
  std::optional<DiscrepancyKind> kind;
};

struct Reconciliation {
  std::vector<Discrepancy> discrepancies;  // the youngest first
  size_t found = 0;                        // with those past the limit
  size_t accepted = 0;                     // of all, by a deviation that still holds
};

// Whether a look back is to where all that `reconcile` reads is kept: the kind that is asked about, or all kinds, and
// what was accepted. Errors: not_found, naming the kind and where its history begins.
Result<void> reconcilable(const Snapshot& snapshot, const ReconcileOptions& options);

// Of the snapshot at its time. A deviation holds until something newer is said of what it is about.
Reconciliation reconcile(const Snapshot& snapshot, Instant now, const ReconcileOptions& options = {});

}  // namespace tandem::inventory
