// What is believed, as a fold of the log.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "grid/snapshot.h"
#include "log/log.h"
#include "ontology/ontology.h"

namespace tandem::inventory {

// In what sense a source says something. What is observed or discovered counts before what is intended.
enum class Standing : uint8_t {
  observed,    // seen as it is: telemetry, a device's own word, an operator's
  discovered,  // found by a scan or an import
  intended,    // as it is meant to be: plans, designs
};
std::string_view to_text(Standing standing);  // "observed", "discovered", "intended"

// What one source says of one attribute. At any time, of the claims of one source and standing that cover it, the one
// recorded last holds; which of several that hold is believed is policy: what is seen before what is intended, then a
// source that masters the attribute, then the source of higher authority, then the fresher (valid_from, then offset).
struct Claim {
  std::string attribute;
  v1::Value value;  // null: the source says that it is empty
  std::string source;
  Standing standing = Standing::observed;
  double confidence = 0;            // (0, 1]; 0 when the source did not say
  Instant valid_from;               // since when it is so
  std::optional<Instant> valid_to;  // from when it no longer is; nothing where no end is known
  log::Offset offset = 0;           // of the event that said it first
  bool erased = false;              // personal, and what it was can be read no more; `value` is null
  bool holds = false;               // at the time of the snapshot
  bool believed = false;            // is the attribute's value, or that it has none
};

// What a source has had to do with an entity.
struct Presence {
  std::string source;
  Instant first_seen;
  Instant last_seen;
  std::optional<Instant> unseen_since;  // when it was the first time missing from all that the source sees
};

// One stay of an entity in the inventory.
struct Life {
  log::Offset created = 0;
  log::Offset retracted = 0;  // 0 while it lasts
  bool operator==(const Life&) const = default;
};

// One attribute as believed, and which event said so.
struct Attribute {
  std::string name;
  v1::Value value;         // never null
  log::Offset offset = 0;  // of the claim that is believed
};

// An entity as believed: its attributes in ascending order of name.
struct Entity {
  std::string kind;
  std::string id;
  std::vector<Attribute> attributes;
  log::Offset created = 0;  // of the event that brought it into being
  log::Offset changed = 0;  // of the last event that changed a value

  const v1::Value* find(std::string_view attribute) const;  // null when it has none
};

struct Change {
  enum class What : uint8_t { added, changed, removed };
  std::string kind;
  std::string id;
  What what = What::changed;
  // Whose values changed, ascending; of a removed entity all that it had; empty for an added one.
  std::vector<std::string> attributes;
  bool operator==(const Change&) const = default;
};

// What a run of events changed, in the order it first happened, each entity once: one that was added and then changed
// is added, one that was removed and came back is changed, one that came and went is removed.
class ChangeSet {
 public:
  bool empty() const { return changes_.empty(); }
  size_t size() const { return changes_.size(); }
  auto begin() const { return changes_.begin(); }
  auto end() const { return changes_.end(); }
  const Change& operator[](size_t position) const { return changes_[position]; }

  void add(Change change);
  void clear();

 private:
  std::vector<Change> changes_;
  std::unordered_map<std::string, size_t> positions_;  // by kind and id; looked up, never iterated
};

// Jurisdictions are no entities, but what names one refers to it under this kind.
inline constexpr std::string_view kJurisdiction = "jurisdiction";

// Which entity. In order of kind, then id.
struct EntityKey {
  std::string kind;
  std::string id;
  auto operator<=>(const EntityKey&) const = default;
};

// One entity that names another.
using Referrer = EntityKey;

// A value without a copy of its text; what is a list or a record is JSON.
using Scalar = std::variant<std::monostate, bool, int64_t, double, std::string_view, Json>;

// An entity with some of its attributes only. Everything it points to is valid during the visit.
struct EntityRow {
  const std::string& id;
  log::Offset created = 0;
  log::Offset changed = 0;
  std::span<const Scalar> values;  // as wanted; monostate for what is not said
};
using RowVisitor = std::function<bool(const EntityRow&)>;

inline constexpr size_t kSeenAtOnceMax = 1'000;  // entities that one event says are seen: ~20 kB

// At which offset an inventory is looked at (what we believed then), and which time is asked for (what was true then).
// Without an offset it is the last; without a time it is the time of that offset.
struct AsOf {
  std::optional<log::Offset> recorded;
  std::optional<Instant> valid;
};

// Opens values that are sealed, because they are personal. Any thread may call it.
class Opener {
 public:
  virtual ~Opener() = default;
  // What was sealed for this attribute of this entity: null where its key was destroyed; nothing where there is no such
  // key, or what it opens is not of that place.
  virtual std::optional<v1::Value> open(const EntityKey& entity, std::string_view attribute, uint64_t key,
                                        std::string_view sealed) const = 0;
};

// That personal data of an entity was erased.
struct Erasure {
  EntityKey entity;
  log::Offset offset = 0;
  auto operator<=>(const Erasure&) const = default;
};

struct Tables;
struct View;

// All entities at one offset. A value: a copy is O(1), shares everything, and may be read by another thread.
// Each reading is of what is believed. The policy that decides it is in the log too: entities of kind `source`, whose
// ids are the sources' names, with `authority` (0 to 100, 50 where it is left out) and `masters` (a list of
// "kind.attribute", "kind.*", "*.attribute"). Among themselves these are believed by freshness alone.
class Snapshot {
 public:
  Snapshot();
  Snapshot(const Snapshot& other);
  Snapshot(Snapshot&& other) noexcept;
  Snapshot& operator=(const Snapshot& other);
  Snapshot& operator=(Snapshot&& other) noexcept;
  ~Snapshot();

  // The inventory as it was: every reading below answers for it, and `fold`, `write` and `hash` are not for it. O(1),
  // and O(sources with a policy) before the last change of that. Readings of earlier offsets cost what changed since of
  // the entities read; `size`, `changed`, `disputed` and `with_key` then read every entity of the kind.
  Snapshot as_of(const AsOf& when) const;

  // The same, in which sealed values read as what was sealed, and as if they were not there once they were erased.
  // Without an opener (as in the core, whose decisions depend on no key) they are {"sealed": …} as JSON, and nothing in
  // a row.
  Snapshot opened_by(std::shared_ptr<const Opener> opener) const;
  const std::shared_ptr<const Opener>& opener() const { return opener_; }
  // A value that a fact gives an attribute, as readings of this snapshot show it.
  Json shown(const EntityKey& entity, std::string_view attribute, const v1::Value& value) const;

  log::Offset offset() const;                 // of the last event folded, or the one asked for
  Instant time() const;                       // of that event, or the one asked for
  log::Offset offset_at(Instant time) const;  // of the last event at that time or before; 0 before the first
  Instant time_at(log::Offset offset) const;  // of the last event at it or before that the inventory folds

  size_t size() const;  // entities
  size_t size(std::string_view kind) const;
  bool has(std::string_view kind, std::string_view id) const;
  std::optional<Entity> find(std::string_view kind, std::string_view id) const;
  // An entity's attributes as JSON, as the schema of module `grid` takes them; empty when there is no such entity.
  Json::Object attributes(std::string_view kind, std::string_view id) const;
  // The same as they would be, were these facts recorded next, at this time.
  Json::Object attributes_with(const v1::FactsRecorded& facts, Instant at) const;

  // Entities of one kind in ascending order of id, from the first not below `from`, until `visit` returns false.
  void for_each(std::string_view kind, const std::function<bool(const Entity&)>& visit,
                std::string_view from = {}) const;
  // The same without making an Entity of each: the id, or the id and the attributes as JSON.
  void for_each_id(std::string_view kind, const std::function<bool(const std::string& id)>& visit,
                   std::string_view from = {}) const;
  void for_each_json(std::string_view kind,
                     const std::function<bool(const std::string& id, Json::Object)>& visit) const;
  // The same with the wanted attributes, ascending by name, and nothing made of the others: for tables of a query.
  void for_each_row(std::string_view kind, std::span<const std::string_view> wanted, const RowVisitor& visit,
                    std::string_view from = {}) const;
  // The one entity; not visited where there is none.
  void visit_row(std::string_view kind, std::string_view id, std::span<const std::string_view> wanted,
                 const RowVisitor& visit) const;
  std::vector<std::string> kinds() const;  // that have an entity, ascending
  // Of the last event that changed a value of any entity of the kind, added or removed one; 0 when none has.
  log::Offset changed(std::string_view kind) const;
  // The same of any kind.
  log::Offset changed() const;
  // Entities whose attributes, by the schema, refer to this one; ascending, at most `limit`.
  std::vector<Referrer> referrers(std::string_view kind, std::string_view id, size_t limit) const;

  // The ids among them of one kind, from the first not below `from`, until `visit` returns false.
  void for_each_referrer(std::string_view kind, std::string_view id, std::string_view referrer_kind,
                         const std::function<bool(std::string_view id)>& visit, std::string_view from = {}) const;

  // Ids of the kind that any entity refers to, ascending, at most `limit`. O(limit · log references).
  std::vector<std::string> referred(std::string_view kind, size_t limit) const;

  // Entities of the kind that have this value under one of its unique constraints in Ontology::built_in(), as
  // ontology::unique_values gives it; ascending, at most `limit`. More than one are in conflict.
  std::vector<std::string> with_key(std::string_view kind, const ontology::Unique& unique, std::string_view value,
                                    size_t limit) const;

  // Each value under that constraint which more than one entity has, ascending, with their ids, ascending. O(entities
  // of the kind).
  void for_each_shared_key(
      std::string_view kind, const ontology::Unique& unique,
      const std::function<void(std::string_view value, std::vector<std::string> ids)>& visit) const;

  // All that was ever said of an entity by that offset, also in lives before; ascending by attribute, then offset.
  std::vector<Claim> claims(std::string_view kind, std::string_view id) const;
  // Who has seen an entity that is there, ascending by source's first word. Not kept as it was: of an earlier time,
  // those who had seen it by then, with what is known of them now.
  std::vector<Presence> presences(std::string_view kind, std::string_view id) const;
  std::vector<Life> lives(std::string_view kind, std::string_view id) const;  // ascending
  // Of the events that erased personal data of an entity, ascending; and of all entities, in order of entity.
  std::vector<log::Offset> erasures(std::string_view kind, std::string_view id) const;
  void for_each_erasure(const std::function<void(const Erasure&)>& visit) const;
  // Where the history of a kind begins: what was before is held no longer. 0 where it begins with the log.
  log::Offset history_begins(std::string_view kind) const;
  // Errors: not_found where this looks back to before that: what it shows of the kind is then not how it was.
  Result<void> reaches(std::string_view kind) const;
  // True where the kind has a past of which something ended by that offset.
  bool has_past(std::string_view kind, log::Offset until) const;
  // Entities with an attribute on which claims that hold differ; ascending by kind, then id, those past `after`.
  std::vector<Referrer> disputed(size_t limit, const Referrer* after = nullptr) const;

  // Takes in one event, recorded at that time. Total: of a kind that it does not know it takes only the offset. Copies
  // of this snapshot stay as they are; where there are none, the change is in place. O(bytes of the entity + log
  // entities); a change of policy reads every disputed entity. Time passes here only: claims that begin or end to hold
  // by the time of an event change what is believed with it, whatever it says.
  void fold(const log::Event& event, log::Offset offset, Instant at, ChangeSet* changes = nullptr);

  // Entities of which the two hold something different, be it only who said it and when: ascending by kind, then id,
  // from the first not below `from` until `visit` returns false. What both share is stepped over unseen, so between a
  // snapshot and one made from it the cost is that of the changes.
  static void for_each_difference(const Snapshot& before, const Snapshot& after,
                                  const std::function<bool(const EntityKey&)>& visit, const EntityKey& from = {});
  // True when both hold the same of this entity.
  bool holds_same(const Snapshot& other, std::string_view kind, std::string_view id) const;
  // Holds from now on what `other` does of one entity; its kind counts as changed by the event at `offset`.
  void take_over(const Snapshot& other, const EntityKey& entity, log::Offset offset);

  // SHA-256 of what `write` gives. The encoding is injective, so two snapshots that differ have different digests as
  // surely as SHA-256 resists collisions. O(bytes of all entities), ~1 s for 10⁶ entities: for checkpoints and tests.
  Digest hash() const;

  // Canonical bytes: one snapshot has one encoding. `sink` is called with successive pieces.
  void write(const std::function<void(std::string_view)>& sink) const;
  void write(std::string& out) const;
  // Errors: corrupt, for bytes that `write` does not give.
  static Result<Snapshot> read(std::string_view bytes);

  // Canonical bytes of what this snapshot holds other than `from`, appended to `out`, and the snapshot that they make
  // of `from`. Errors: corrupt, for bytes that `write_difference` from this `from` does not give.
  void write_difference(const Snapshot& from, std::string& out) const;
  static Result<Snapshot> read_difference(const Snapshot& from, std::string_view bytes);

  // Null for the last offset.
  const View* view() const { return view_.get(); }
  const Tables& tables() const { return *tables_; }  // tables.h, for this module alone

 private:
  std::unique_ptr<Tables> tables_;  // itself O(1) to copy
  std::shared_ptr<const View> view_;
  std::shared_ptr<const Opener> opener_;
};

// Entities of one kind, each looked up by its id, with the same attributes wanted of all: a look-up allocates nothing
// that the one before it had room for. The snapshot, the kind and the names, ascending, must outlive it.
class RowLookup {
 public:
  RowLookup(const Snapshot& snapshot, std::string_view kind, std::span<const std::string_view> wanted);
  ~RowLookup();
  // Null where there is none; valid until the next is looked for.
  const EntityRow* find(std::string_view id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The typed snapshot of the nouns, at the inventory's offset. With `previous` and all that changed since it, only what
// changed is made anew: a changed value patches its row, an entity that comes or goes, or a value that other rows are
// made from (an end of a link, a jurisdiction, a tenant's promise), rebuilds the tables.
// Total: an entity that does not decode (it was admitted by an older version, say) is left out, as is what
// refers to it. So is what is only planned, staged, stored or retired. Where the tables are rebuilt, each is named in
// `left_out` with the reason.
std::shared_ptr<const grid::Snapshot> project(const Snapshot& snapshot, const ChangeSet& changes,
                                              const std::shared_ptr<const grid::Snapshot>& previous,
                                              std::vector<std::string>* left_out = nullptr);

// True when the change may be seen in the rows of the grid: of a noun, what they are made from.
bool concerns_rows(const Change& change);

// Lists become arrays, records objects. Numbers keep their kind: an integer is not a number with a fraction of zero.
Json to_json_value(const v1::Value& value);
// As grid::is_plainly_canonical, of any value.
bool is_plainly_canonical(const grid::Attribute& attribute, const v1::Value& value);
Json to_json_value(const Claim& claim);              // of one that was erased: {"erased": true}
void set_value(v1::Value& value, const Json& json);  // the other way
void add_attribute(v1::FactsRecorded& facts, std::string_view name, const Json& value);

}  // namespace tandem::inventory
