// What is believed, as a fold of the log.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/json.h"
#include "base/result.h"
#include "grid/snapshot.h"
#include "log/log.h"

namespace tandem::inventory {

// An entity as believed: its attributes in ascending order of name, and which event last said so of each.
struct Attribute {
  std::string name;
  v1::Value value;
  log::Offset offset = 0;      // of the event that said it
  bool operator==(const Attribute& other) const;
};

struct Entity {
  std::string kind;
  std::string id;
  std::vector<Attribute> attributes;
  log::Offset created = 0;
  log::Offset changed = 0;

  const v1::Value* find(std::string_view attribute) const;
};

// What a fold changed, in the order it first happened; each entity once.
struct Change {
  enum class What : uint8_t { added, changed, removed };
  std::string kind;
  std::string id;
  What what = What::changed;
  std::vector<std::string> attributes;  // whose values changed; empty for added and removed
};
using ChangeSet = std::vector<Change>;

// All entities at one offset. Immutable; a copy is O(1) and shares everything.
class Snapshot {
 public:
  Snapshot();
  Snapshot(const Snapshot&);
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(const Snapshot&);
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  log::Offset offset() const;            // of the last event folded
  size_t size() const;                   // entities
  std::shared_ptr<const Entity> find(std::string_view kind, std::string_view id) const;  // null when there is none
  // Entities of one kind in ascending order of id, until `visit` returns false.
  void for_each(std::string_view kind, const std::function<bool(const Entity&)>& visit) const;
  std::vector<std::string> kinds() const;  // ascending

  // SHA-256 over the canonical bytes of every entity, in order of kind and id. O(entities).
  Digest hash() const;

  // This snapshot with one event folded in. Total: an event of a kind it does not know changes only the offset.
  // O(attributes of the event × log entities).
  Snapshot fold(const log::Event& event, log::Offset offset, ChangeSet* changes) const;

  // Canonical bytes for a checkpoint, and back. Errors: corrupt.
  void write(std::string& out) const;
  static Result<Snapshot> read(std::string_view bytes);

 private:
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

// The typed snapshot of the nouns. With `previous` and the changes since it, only what changed is made anew: a changed
// state or figure patches its row, an added or removed entity rebuilds the tables.
// Total: an entity that does not decode (it was admitted by an older version, say) is left out and named in `left_out`.
std::shared_ptr<const grid::Snapshot> project(const Snapshot& snapshot, const ChangeSet& changes,
                                              const std::shared_ptr<const grid::Snapshot>& previous,
                                              std::vector<std::string>* left_out = nullptr);

Json to_json_value(const v1::Value& value);
v1::Value from_json_value(const Json& value);

}  // namespace tandem::inventory
