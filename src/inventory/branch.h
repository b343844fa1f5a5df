// Branches: what the inventory would be with edits that nobody else sees yet.
//
// A branch is the state of its parent when it began (or was last rebased) and edits on top. Both are snapshots that
// share whatever they have in common, so a branch costs what its edits cost. The parent is what is believed (main), or
// another branch. Merging applies the edits to the parent as it is then; where the parent has changed meanwhile what
// the branch has changed too, the two conflict, and somebody says which stands.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/persistent_map.h"
#include "base/shared_bytes.h"
#include "base/time.h"
#include "inventory/constraints.h"
#include "inventory/diff.h"
#include "inventory/inventory.h"
#include "log/log.h"

namespace tandem::inventory {

inline constexpr size_t kBranchesMax = 1'000;            // more are not read by anybody; each is ~1 kB and its edits
inline constexpr size_t kBranchDepthMax = 8;             // a branch of a branch of a …: no plan has more stages
inline constexpr size_t kBranchNameBytesMax = 64;        // names stand in URLs and in every error
inline constexpr size_t kBranchPurposeBytesMax = 2'000;  // a paragraph
inline constexpr size_t kBranchEditsMax = 200'000;       // a metro's gear, ~0.2 GB; it merges in a few seconds
inline constexpr size_t kBranchBytesMax = 256u << 20;    // of all edits of one branch
inline constexpr size_t kBranchesBytesMax = 1u
                                            << 30;  // of all edits of all branches: what memory is set aside for them
inline constexpr size_t kEntityEditsMax = 256;      // of one entity in one branch, each read again by the next
inline constexpr size_t kEditsAtOnceMax = 4'096;    // of one event: as many as a batch has events

struct Branch {
  std::string name;
  std::string parent;       // empty: main
  std::string purpose;      // for a person; may be empty
  std::string author;       // who created it
  log::Offset created = 0;  // of the event that did
  Instant created_at;
  log::Offset base_offset = 0;                  // of the event from which `base` is: its creation, or its last rebase
  log::Offset changed = 0;                      // of the last event about it
  Snapshot base;                                // its parent at base_offset
  Snapshot head;                                // with the edits
  PersistentMap<EntityKey, SharedBytes> edits;  // v1::HeldEdits of each entity
  size_t edit_count = 0;                        // facts and retractions that a merge would apply
  size_t edit_bytes = 0;                        // of `edits`
};

// All branches there are. A copy is O(1).
class Branches {
 public:
  size_t size() const { return branches_.size(); }
  size_t edit_bytes() const { return edit_bytes_; }
  // Null when there is none of that name.
  std::shared_ptr<const Branch> find(std::string_view name) const;
  std::vector<std::shared_ptr<const Branch>> all() const;          // ascending by name
  std::vector<std::string> children(std::string_view name) const;  // names, ascending; of main: ""
  // What a branch of that parent begins with; null when there is no such branch. `main` is the parent "".
  const Snapshot* head(std::string_view name, const Snapshot& main) const;

  // Takes in one event; a merge into main changes `main`, which has taken in the event's offset already. Total: what
  // names a branch that is not there is left out. True when values in `main` changed. O(edits of the event), a merge
  // and a rebase O(edits of the branch).
  bool fold(const log::Event& event, log::Offset offset, Instant at, Snapshot& main, ChangeSet* changes = nullptr);

  // For checkpoints: canonical bytes, and back. Bases are written as what they differ in from each other and from
  // `main`.
  void write(const Snapshot& main, std::string& out) const;
  static Result<Branches> read(const Snapshot& main, std::string_view bytes);  // errors: corrupt
  Digest hash(const Snapshot& main) const;                                     // SHA-256 of what `write` gives

 private:
  void create(const v1::BranchCreated& created, const std::string& author, log::Offset offset, Instant at,
              const Snapshot& main);
  void edit(const v1::BranchEdited& edited, log::Offset offset, Instant at);
  void rebase(const std::string& name, log::Offset offset, Instant at, const Snapshot& main);
  bool merge(const std::string& name, log::Offset offset, Instant at, Snapshot& main, ChangeSet* changes);
  void discard(const std::string& name);
  void put(std::shared_ptr<Branch> branch);

  PersistentMap<std::string, std::shared_ptr<const Branch>> branches_;
  size_t edit_bytes_ = 0;
};

// One edit taken into a branch; what `Branches::fold` does with each. Total.
void fold_edit(Branch& branch, const v1::BranchEdit& edit, log::Offset offset, Instant at);
// Whom an edit is about; nothing for one that says nothing, and for what only the step takes.
std::optional<EntityKey> entity_of(const v1::BranchEdit& edit);
size_t edit_count(const Branch& branch, const EntityKey& entity);  // facts and retractions of one entity

// ---- What an edit would do, what a merge would
// -------------------------------------------------------------------------

// The parent has changed, since the branch began, what the branch has changed too.
struct Conflict {
  enum class What : uint8_t {
    both_changed,   // an attribute, to different values; an entity that both created differs in it
    removed_there,  // edited in the branch, removed from the parent
    removed_here    // removed in the branch, changed in the parent
  };
  What what = What::both_changed;
  std::string kind;
  std::string id;
  std::string attribute;          // empty: the entity as a whole
  Json base, ours, theirs;        // values, null for none; of a whole entity the attributes that matter
  log::Offset ours_offset = 0;    // of the event that says it
  log::Offset theirs_offset = 0;  // 0: it is not there any more
  std::string message;            // both sides, in a sentence
  std::string fix;                // what would settle it

  bool operator==(const Conflict&) const = default;
};
std::string_view to_string(Conflict::What what);

// Ascending by kind, id and attribute, at most `limit`. O(edits).
std::vector<Conflict> conflicts(const Branch& branch, const Snapshot& onto, size_t limit);
// Of one entity.
std::vector<Conflict> conflicts(const Branch& branch, const Snapshot& onto, const EntityKey& entity);

// What a merge of the branch onto its parent as it is now would give, and what stands in its way. O(edits).
struct MergeOutcome {
  std::vector<Conflict> conflicts;
  std::vector<Violation> violations;  // of the parent with the edits, by the entities they touch
  Snapshot merged;                    // with offset `onto.offset()`
  bool clean() const { return conflicts.empty() && violations.empty(); }
};
MergeOutcome try_merge(const Branch& branch, const Snapshot& onto, size_t limit);

// What the branch has changed, against its base. O(edits).
DiffPage diff(const Branch& branch, const DiffOptions& options = {});

// The edits in order of entity, then as made, from the first not below `from` until `visit` returns false.
void for_each_edit(const Branch& branch, const std::function<bool(const EntityKey&, const v1::HeldEdit&)>& visit,
                   const EntityKey& from = {});

// What the twin and the planner see of a branch: the projection of its head, patched from that of `main` where that is
// worth it.
std::shared_ptr<const grid::Snapshot> project(const Branch& branch, const Snapshot& main,
                                              const std::shared_ptr<const grid::Snapshot>& main_grid);

// Nothing when `name` may name a branch, else what is wrong with it: 1 to 64 of ASCII letters, digits and ". _ - :",
// starting with a letter or digit, and not "main".
std::optional<std::string> check_branch_name(std::string_view name);

}  // namespace tandem::inventory
