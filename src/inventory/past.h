// What was believed of one entity and is no longer: claims that later ones hide, and lives that ended.
//
// Method: a chain of small shared blocks, the newest first; each event that hides something appends one group to it. A
// copy is one pointer. Reading back to an offset costs what was hidden since, not what came before.
//
//   group = hidden, size of what follows, flags, [changed], [created], claim*     claims by attribute, then stamp
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inventory/record.h"

namespace tandem::inventory {

// What one event took out of an entity's record.
struct PastGroup {
  log::Offset hidden = 0;              // of the event
  std::optional<log::Offset> changed;  // the record's `changed` before it, where the event moved that
  std::optional<log::Offset> created;  // where the event ended a life: where that began
  std::vector<ClaimView> claims;       // into the bytes; in order when appended
  bool empty() const { return !changed && !created && claims.empty(); }
};

class Past {
 public:
  Past() = default;
  Past(const Past& other) : head_(other.head_) {
    if (head_) head_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Past(Past&& other) noexcept : head_(std::exchange(other.head_, nullptr)) {}
  Past& operator=(Past other) noexcept { return std::swap(head_, other.head_), *this; }
  ~Past() { release(head_); }

  bool empty() const { return head_ == nullptr; }
  bool shares(const Past& other) const { return head_ == other.head_; }  // the same without looking
  log::Offset last() const { return head_ ? head_->last : 0; }           // offset of the newest group
  log::Offset first() const;                                             // of the oldest; O(blocks)

  // `group` is not empty, and its offset not below any before it. O(block).
  void append(PastGroup group);

  // Groups hidden after `horizon`, the newest first, until `visit` returns false.
  template <class Visit>
  void for_each_after(log::Offset horizon, Visit visit) const {
    std::vector<Place> places;
    PastGroup group;
    for (const Block* block = head_; block && block->last > horizon; block = block->previous) {
      places.clear();
      for (std::string_view bytes = block->view(); !bytes.empty();) note_after(bytes, horizon, places);
      for (size_t i = places.size(); i-- > 0;) {
        read_group(places[i], group);
        if (!visit(group)) return;
      }
    }
  }

  // The groups hidden after `offset` alone; `dropped` is called with each of the others. O(all).
  Past since(log::Offset offset, const std::function<void(const PastGroup&)>& dropped) const;

  // All groups' bytes in ascending order.
  void write(std::string& out) const;
  // Appends to an empty past what `write` gave. False for other bytes, which leave it as it was.
  bool read(std::string_view bytes, size_t sources);

 private:
  struct Block {
    std::atomic<uint32_t> references{1};
    uint32_t size = 0;
    Block* previous = nullptr;
    log::Offset last = 0;
    std::string_view view() const { return {reinterpret_cast<const char*>(this + 1), size}; }
  };
  static Block* make_block(Block* previous, log::Offset last, std::string_view first, std::string_view second);
  static void release(Block* block);
  struct Place {  // of a group within a block
    log::Offset hidden = 0;
    std::string_view rest;
  };
  static void note_after(std::string_view& bytes, log::Offset horizon, std::vector<Place>& places);
  static void read_group(const Place& place, PastGroup& group);
  void append_bytes(log::Offset hidden, std::string_view group);

  Block* head_ = nullptr;
};

}  // namespace tandem::inventory
