#include "inventory/past.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <tuple>

#include "base/check.h"

namespace tandem::inventory {
namespace {

// An append copies the newest block while it is below this; a scan skips through at most one.
constexpr size_t kBlockBytes = 1'024;

constexpr uint8_t kHasChanged = 1;
constexpr uint8_t kHasCreated = 2;

bool in_order(const ClaimView& a, const ClaimView& b) {
  return std::tie(a.attribute, a.stamp, a.value) < std::tie(b.attribute, b.stamp, b.value);
}

void put_group(std::string& out, const PastGroup& group) {
  std::string rest(1, static_cast<char>((group.changed ? kHasChanged : 0) | (group.created ? kHasCreated : 0)));
  if (group.changed) put_integer(rest, *group.changed);
  if (group.created) put_integer(rest, *group.created);
  for (const ClaimView& claim : group.claims) put_claim(rest, claim);
  put_integer(out, group.hidden);
  put_text(out, rest);
}

// The rest of a group whose heading is taken; false where it is not what put_group gives. Without `check` it is known
// to be that.
bool take_rest(std::string_view rest, PastGroup& group, bool check) {
  group.changed.reset();
  group.created.reset();
  group.claims.clear();
  if (rest.empty()) return false;
  const auto flags = static_cast<uint8_t>(rest[0]);
  if (flags > (kHasChanged | kHasCreated)) return false;
  rest.remove_prefix(1);
  if (flags & kHasChanged && !(group.changed = take_integer(rest))) return false;
  if (flags & kHasCreated && !(group.created = take_integer(rest))) return false;
  while (!rest.empty() && !check) group.claims.push_back(take_known_claim(rest));
  while (!rest.empty()) {
    const auto claim = take_claim(rest);
    if (!claim) return false;
    group.claims.push_back(*claim);
  }
  return !group.empty();
}

}  // namespace

Past::Block* Past::make_block(Block* previous, log::Offset last, std::string_view first, std::string_view second) {
  const size_t size = first.size() + second.size();
  CHECK(size <= UINT32_MAX);
  auto* block = new (::operator new(sizeof(Block) + size)) Block;
  block->size = static_cast<uint32_t>(size);
  block->previous = previous;
  block->last = last;
  char* bytes = reinterpret_cast<char*>(block + 1);
  if (!first.empty()) std::memcpy(bytes, first.data(), first.size());
  std::memcpy(bytes + first.size(), second.data(), second.size());
  return block;
}

// A loop and not a recursion: a chain may be long.
void Past::release(Block* block) {
  while (block && block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    Block* previous = block->previous;
    block->~Block();
    ::operator delete(block);
    block = previous;
  }
}

void Past::append(PastGroup group) {
  CHECK(!group.empty());
  if (!std::ranges::is_sorted(group.claims, in_order)) std::ranges::sort(group.claims, in_order);
  std::string bytes;
  put_group(bytes, group);
  append_bytes(group.hidden, bytes);
}

void Past::append_bytes(log::Offset hidden, std::string_view group) {
  if (!head_ || head_->size >= kBlockBytes) {
    head_ = make_block(head_, hidden, {}, group);  // takes over the reference to what was the head
    return;
  }
  if (head_->previous) head_->previous->references.fetch_add(1, std::memory_order_relaxed);
  Block* longer = make_block(head_->previous, hidden, head_->view(), group);
  release(std::exchange(head_, longer));
}

void Past::note_after(std::string_view& bytes, log::Offset horizon, std::vector<Place>& places) {
  const log::Offset hidden = take_integer(bytes).value();
  const std::string_view rest = take_text(bytes).value();
  if (hidden > horizon) places.push_back({hidden, rest});
}

void Past::read_group(const Place& place, PastGroup& group) {
  group.hidden = place.hidden;
  CHECK(take_rest(place.rest, group, false));
}

log::Offset Past::first() const {
  const Block* block = head_;
  while (block && block->previous) block = block->previous;
  if (!block) return 0;
  std::string_view bytes = block->view();
  return take_integer(bytes).value();
}

Past Past::since(log::Offset offset, const std::function<void(const PastGroup&)>& dropped) const {
  std::string all;
  write(all);
  Past kept;
  PastGroup group;
  for (std::string_view bytes = all; !bytes.empty();) {
    const std::string_view begin = bytes;
    const Place place{take_integer(bytes).value(), take_text(bytes).value()};
    if (place.hidden > offset) {
      kept.append_bytes(place.hidden, begin.substr(0, begin.size() - bytes.size()));
    } else {
      read_group(place, group);
      dropped(group);
    }
  }
  return kept;
}

void Past::write(std::string& out) const {
  std::vector<std::string_view> blocks;
  for (const Block* block = head_; block; block = block->previous) blocks.push_back(block->view());
  for (size_t i = blocks.size(); i-- > 0;) out += blocks[i];
}

bool Past::read(std::string_view bytes, size_t sources) {
  CHECK(empty());
  Past whole;
  while (!bytes.empty()) {
    const std::string_view begin = bytes;
    const auto hidden = take_integer(bytes);
    const auto rest = hidden ? take_text(bytes) : std::nullopt;
    PastGroup group;
    if (!rest || !take_rest(*rest, group, true) || *hidden < whole.last()) return false;
    if (!std::ranges::is_sorted(group.claims, in_order)) return false;
    if (std::ranges::any_of(group.claims, [&](const ClaimView& claim) { return claim.stamp.source >= sources; }))
      return false;
    whole.append_bytes(*hidden, begin.substr(0, begin.size() - bytes.size()));
  }
  *this = std::move(whole);
  return true;
}

}  // namespace tandem::inventory
