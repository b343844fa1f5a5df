// What is believed, as a fold of the log.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "base/json.h"
#include "base/persistent_map.h"
#include "base/result.h"
#include "base/shared_bytes.h"
#include "grid/schema.h"
#include "grid/snapshot.h"
#include "log/log.h"

namespace tandem::inventory {

// One attribute as believed, and which event last said so.
struct Attribute {
  std::string name;
  v1::Value value;             // never null
  log::Offset offset = 0;      // of the event that said it last, also where it said what was believed already
};

// An entity as believed: its attributes in ascending order of name.
struct Entity {
  std::string kind;
  std::string id;
  std::vector<Attribute> attributes;
  log::Offset created = 0;     // of the event that brought it into being
  log::Offset changed = 0;     // of the last event that changed a value

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

// All entities at one offset. A value: a copy is O(1), shares everything, and may be read by another thread.
class Snapshot {
 public:
  log::Offset offset() const { return offset_; }  // of the last event folded
  size_t size() const { return size_; }           // entities
  size_t size(std::string_view kind) const;
  bool has(std::string_view kind, std::string_view id) const;
  std::optional<Entity> find(std::string_view kind, std::string_view id) const;
  // An entity's attributes as JSON, as the schema of module `grid` takes them; empty when there is no such entity.
  Json::Object attributes(std::string_view kind, std::string_view id) const;

  // Entities of one kind in ascending order of id, from the first not below `from`, until `visit` returns false.
  void for_each(std::string_view kind, const std::function<bool(const Entity&)>& visit, std::string_view from = {}) const;
  // The same without making an Entity of each: the id, or the id and the attributes as JSON.
  void for_each_id(std::string_view kind, const std::function<bool(const std::string& id)>& visit,
                   std::string_view from = {}) const;
  void for_each_json(std::string_view kind, const std::function<bool(const std::string& id, Json::Object)>& visit) const;
  std::vector<std::string> kinds() const;         // that have an entity, ascending
  // Of the last event that changed a value of any entity of the kind, added or removed one; 0 when none has.
  log::Offset changed(std::string_view kind) const;
  // Entities whose attributes, by the schema, refer to this one; ascending, at most `limit`.
  std::vector<Referrer> referrers(std::string_view kind, std::string_view id, size_t limit) const;

  // Ids of the kind that any entity refers to, ascending, at most `limit`. O(limit · log references).
  std::vector<std::string> referred(std::string_view kind, size_t limit) const;

  // Takes in one event. Total: of a kind that it does not know it takes only the offset. Copies of this snapshot stay
  // as they are; where there are none, the change is in place. O(bytes of the entity + log entities).
  void fold(const log::Event& event, log::Offset offset, ChangeSet* changes = nullptr);

  // Entities of which the two hold something different, be it only who said it and when: ascending by kind, then id, from
  // the first not below `from` until `visit` returns false. What both share is stepped over unseen, so between a snapshot
  // and one made from it the cost is that of the changes.
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

  // Canonical bytes of what this snapshot holds other than `from`, appended to `out`, and the snapshot that they make of
  // `from`. Errors: corrupt, for bytes that `write_difference` from this `from` does not give.
  void write_difference(const Snapshot& from, std::string& out) const;
  static Result<Snapshot> read_difference(const Snapshot& from, std::string_view bytes);

 private:
  struct KindTable {
    PersistentMap<std::string, SharedBytes> entities;  // records (record.h) by id
    log::Offset changed = 0;
  };
  void record(const v1::FactsRecorded& facts, log::Offset offset, ChangeSet* changes);
  void retract(const v1::EntityRetracted& retracted, log::Offset offset, ChangeSet* changes);
  void index_references(std::string_view kind, std::string_view id, std::string_view before, std::string_view after);
  Result<void> read_kind(std::string_view& bytes, std::string& previous_kind);
  Result<void> read_changed_kind(std::string_view& bytes, std::string& previous_kind);
  bool hold(const EntityKey& entity, const SharedBytes& record);  // false: it is held already

  PersistentMap<std::string, KindTable> kinds_;
  // "kind \0 id \0 kind of the referrer \0 its id", and how often it refers. Follows from kinds_, so it is not written.
  PersistentMap<std::string, uint32_t> referrers_;
  size_t size_ = 0;
  log::Offset offset_ = 0;
};

// The typed snapshot of the nouns, at the inventory's offset. With `previous` and all that changed since it, only what
// changed is made anew: a changed value patches its row, an entity that comes or goes, or a value that other rows are
// made from (an end of a link, a jurisdiction, a tenant's promise), rebuilds the tables.
// Total: an entity that does not decode (it was admitted by an older version, say) is left out, as is what
// refers to it. So is what is only planned, staged, stored or retired. Where the tables are rebuilt, each is named in `left_out` with the reason.
std::shared_ptr<const grid::Snapshot> project(const Snapshot& snapshot, const ChangeSet& changes,
                                              const std::shared_ptr<const grid::Snapshot>& previous,
                                              std::vector<std::string>* left_out = nullptr);

// True when the rows of the noun are made from that attribute.
bool is_projected(const grid::Kind& noun, std::string_view attribute);

// Lists become arrays, records objects. Numbers keep their kind: an integer is not a number with a fraction of zero.
Json to_json_value(const v1::Value& value);
v1::Value from_json_value(const Json& value);

}  // namespace tandem::inventory
