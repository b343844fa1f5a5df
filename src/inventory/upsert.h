// Upsert: what a feed says of many entities at once, against what is believed, as facts to record and a report by row.
//
// An entity is found by its id, else by any of its external ids ("netbox:dcim.device/12"), else by the id that its name
// gives, where that entity has no external id of the same system and no other serial number; else it is new. Saying
// what the same source said before in the same standing records no fact: a feed that is taken in twice changes nothing
// the second time, but when its source last saw what is in it. What another source said is confirmed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "inventory/inventory.h"
#include "log/log.h"

namespace tandem::inventory {

// What a feed says of one entity.
struct Row {
  std::string kind;
  std::string id = {};    // empty: found by its external ids; of a new one made of its name
  std::string name = {};  // what a new id is made of; empty: the attribute `name`
  // By name; null takes one back. A reference is the target's id ("<kind>/<id>" where several kinds may be meant) or,
  // after an @, one of its external ids: "@netbox:dcim.site/12". `external_ids` adds to those already known.
  Json::Object attributes = {};
  std::vector<std::string> weak =
      {};  // references that are left out, and noted, where nothing has the external id they name
};

inline constexpr std::string_view kExternalIds = "external_ids";  // "<system>:<id>", unique over all kinds
inline constexpr char kByExternalId = '@';                        // before an external id that stands for an id

struct UpsertOptions {
  std::string source = {};  // who says so: "netbox", "csv:racks"
  std::string actor = {};   // who caused the import: "operator:import"
  Standing standing = Standing::observed;
  int64_t observed_at_ns = 0;                         // when the source saw it; 0: when it is recorded
  std::map<std::string, Json::Object> defaults = {};  // by kind: what a new entity has where its row does not say
  // The feed lists all that the source sees of the kinds in it: what it saw before and does not list is unseen. Only
  // where every row is good.
  bool full = false;
  bool partial = false;  // rows without a problem count though others have one
};

// `confirmed`: the source says for the first time, or again after it had missed it, what is believed already.
enum class Outcome : uint8_t { created, changed, confirmed, unchanged, refused };
std::string_view to_string(Outcome outcome);

struct RowProblem {
  size_t row = 0;                  // position in the order of `add`
  std::string kind = {}, id = {};  // as far as they are known
  std::string attribute = {};      // "site", "anchors[2].node"; empty: the row as a whole
  std::string column = {};         // where its feed says so; empty: where it says the attribute
  std::string message = {};        // what is wrong
  std::string fix = {};            // what would be right; may be empty
};

struct UpsertCounts {
  size_t created = 0, changed = 0, confirmed = 0, unchanged = 0, refused = 0;
  size_t unseen = 0;  // entities that a full feed does not list any more
  bool operator==(const UpsertCounts&) const = default;
};

inline constexpr size_t kUpsertProblemsMax = 10'000;  // kept; more would not be read, and `problem_count` says how many

// One feed. Rows come one by one, in any order: what refers to a row that is still to come waits for it. Memory: the
// events in their stored form (~200 bytes an entity that is new or changed) and ~40 bytes a row.
class Upsert {
 public:
  // `believed` must stay as it is meanwhile: a copy does.
  Upsert(Snapshot believed, UpsertOptions options);
  ~Upsert();

  void add(Row row);
  // The next row could not even be read, for this problem (its `row` is set here) and those given to `also_wrong`.
  void add_refused(RowProblem problem);
  void also_wrong(RowProblem problem);
  // No more rows: what waits is settled or refused. Once.
  void finish();

  // ---- After finish ----------------------------------------------------------------------------------------------
  const UpsertCounts& counts() const;
  Outcome outcome(size_t row) const;
  std::string id(size_t row) const;                 // empty when it has none
  const std::vector<RowProblem>& problems() const;  // ascending by row; the first kUpsertProblemsMax
  size_t problem_count() const;
  // What was left out of good rows, as sentences.
  std::vector<std::string> notes() const;
  // True when events may be recorded: there is no problem, or `partial` was asked for.
  bool accepted() const;

  // Hands over the events in an order in which each refers only to what is there by then, with the rows they are of
  // (kNoRow for what is seen as before or unseen), until `take` returns false. Nothing where not accepted.
  static constexpr size_t kNoRow = SIZE_MAX;
  using TakeEvent = std::function<bool(log::Event event, size_t row)>;
  void for_each_event(const TakeEvent& take) const;
  // The same, for once: what is held of an event is let go of with it.
  void take_events(const TakeEvent& take);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem::inventory
