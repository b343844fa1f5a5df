// The canonical bytes of all branches, for checkpoints and the state's digest.
//
//   branches = format, number, branch*         those on main first, the newest base first; then those on them, and so
//   on branch   = name, parent, purpose, author, created, created_at, base_offset, changed,
//              base, head, number of entities, (kind, id, v1::HeldEdits)*
// A base is the difference from the base before it, where that is main's too, else from its parent as it is now: what
// many branches share is written once. A head is the difference from its base: it has a past that edits taken back
// left.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "inventory/branch.h"
#include "inventory/held_edits.h"
#include "inventory/record.h"

namespace tandem::inventory {
namespace {

constexpr uint64_t kBranchesFormat = 2;

using BranchPointer = std::shared_ptr<const Branch>;

tl::unexpected<Error> corrupt_branches(std::string what) {
  return fail(ErrorCode::corrupt, "these bytes are no branches: " + std::move(what));
}

// Parents before their children; those of main by their bases, the newest first.
std::vector<BranchPointer> in_order(std::vector<BranchPointer> branches) {
  std::map<std::string_view, size_t> depths{{"", 0}};
  while (depths.size() <= branches.size()) {
    const size_t before = depths.size();
    for (const BranchPointer& branch : branches)
      if (const auto parent = depths.find(branch->parent); parent != depths.end())
        depths.emplace(branch->name, parent->second + 1);
    if (depths.size() == before) break;  // the rest hangs on nothing: an older version's step let a parent go
  }
  std::erase_if(branches, [&](const BranchPointer& branch) { return !depths.contains(branch->name); });
  std::ranges::stable_sort(branches, {}, [&](const BranchPointer& branch) {
    return std::tuple(depths.at(branch->name), ~branch->base_offset);
  });
  return branches;
}

// What the next base is written as a difference from.
const Snapshot& reference_of(const Branch& branch, const BranchPointer& before, const Snapshot& parent_head) {
  return branch.parent.empty() && before ? before->base : parent_head;
}

void write_heading(const Branch& branch, std::string& out) {
  for (const std::string* text : {&branch.name, &branch.parent, &branch.purpose, &branch.author}) put_text(out, *text);
  for (const uint64_t number :
       {branch.created, static_cast<uint64_t>(branch.created_at.ns), branch.base_offset, branch.changed})
    put_integer(out, number);
}

bool read_heading(std::string_view& bytes, Branch& branch) {
  for (std::string* text : {&branch.name, &branch.parent, &branch.purpose, &branch.author}) {
    const auto read = take_text(bytes);
    if (!read) return false;
    *text = *read;
  }
  uint64_t created_at = 0;
  for (uint64_t* number : {&branch.created, &created_at, &branch.base_offset, &branch.changed}) {
    const auto read = take_integer(bytes);
    if (!read) return false;
    *number = *read;
  }
  branch.created_at = {static_cast<int64_t>(created_at)};
  return true;
}

// The edits of one entity, where they are such as a branch holds.
std::optional<v1::HeldEdits> checked_edits(const EntityKey& entity, std::string_view bytes) {
  v1::HeldEdits held;
  if (bytes.size() > kBranchBytesMax || !held.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return std::nullopt;
  uint64_t offset = 0;
  for (const v1::HeldEdit& said : held.edits()) {
    if (entity_of(said.edit()) != entity || said.edit().has_seen() || said.offset() < offset) return std::nullopt;
    offset = said.offset();
  }
  return held;
}

Result<void> read_edits(std::string_view& bytes, Branch& branch) {
  const auto count = take_integer(bytes);
  if (!count) return corrupt_branches("a branch is cut short");
  EntityKey previous;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto kind = take_text(bytes);
    const auto id = kind ? take_text(bytes) : std::nullopt;
    const auto encoded = id ? take_text(bytes) : std::nullopt;
    if (!encoded) return corrupt_branches("the edits of an entity are cut short");
    EntityKey entity{std::string(*kind), std::string(*id)};
    if (i > 0 && entity <= previous) return corrupt_branches("edits are out of order");
    const auto held = checked_edits(entity, *encoded);
    if (!held) return corrupt_branches(fmt::format("the edits of {} '{}' are malformed", entity.kind, entity.id));
    branch.edits.set(entity, SharedBytes(*encoded));
    branch.edit_count += count_of(*held);
    branch.edit_bytes += encoded->size();
    previous = std::move(entity);
  }
  return {};
}

}  // namespace

void Branches::write(const Snapshot& main, std::string& out) const {
  const std::vector<BranchPointer> branches = in_order(all());
  put_integer(out, kBranchesFormat);
  put_integer(out, branches.size());
  BranchPointer before;
  for (const BranchPointer& branch : branches) {
    write_heading(*branch, out);
    std::string base;
    branch->base.write_difference(reference_of(*branch, before, *head(branch->parent, main)), base);
    put_text(out, base);
    std::string head_bytes;
    branch->head.write_difference(branch->base, head_bytes);
    put_text(out, head_bytes);
    put_integer(out, branch->edits.size());
    for (const auto& [entity, held] : branch->edits) {
      put_text(out, entity.kind);
      put_text(out, entity.id);
      put_text(out, held.view());
    }
    before = branch;
  }
}

Digest Branches::hash(const Snapshot& main) const {
  std::string bytes;
  write(main, bytes);
  return sha256(bytes);
}

Result<Branches> Branches::read(const Snapshot& main, std::string_view bytes) {
  if (take_integer(bytes) != kBranchesFormat) return corrupt_branches("the format is not 2");
  const auto count = take_integer(bytes);
  if (!count || *count > kBranchesMax) return corrupt_branches("there are too many");
  Branches branches;
  BranchPointer before;
  for (uint64_t i = 0; i < *count; ++i) {
    auto branch = std::make_shared<Branch>();
    if (!read_heading(bytes, *branch)) return corrupt_branches("a branch is cut short");
    const Snapshot* parent_head = branches.head(branch->parent, main);
    if (!parent_head || branches.find(branch->name)) return corrupt_branches("a branch is out of order");
    const auto base = take_text(bytes);
    const auto head_bytes = base ? take_text(bytes) : std::nullopt;
    if (!head_bytes) return corrupt_branches("a base or a head is cut short");
    TANDEM_ASSIGN(branch->base, Snapshot::read_difference(reference_of(*branch, before, *parent_head), *base));
    TANDEM_ASSIGN(branch->head, Snapshot::read_difference(branch->base, *head_bytes));
    TANDEM_TRY(read_edits(bytes, *branch));
    branches.put(branch);
    before = branch;
  }
  if (!bytes.empty()) return corrupt_branches("something follows the last branch");
  return branches;
}

}  // namespace tandem::inventory
