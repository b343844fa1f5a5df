// An ordered set of byte strings for keys that begin alike, by the million; a copy costs O(1) and shares everything
// with the original, as that of a PersistentMap does.
//
// Method: keys stand in small blocks, each key as how many bytes it repeats of the key before it and the bytes that
// follow (front coding: I. Witten, A. Moffat, T. Bell, "Managing Gigabytes", 1999, section 4.1). Blocks never change:
// one with a key more takes the place of the one before. They stand in a PersistentMap by a bound that is not below any
// of their keys, all but the last, which has none.
// Complexity: insert, erase, contains O(log n + kBlockBytes); a step of a cursor O(bytes of the key); copy O(1).
// Threads: one set is for one thread, copies of it may be used by others at once.
// Fails by: keys that have nothing in common cost a block's copy for each and save nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/persistent_map.h"
#include "base/shared_bytes.h"

namespace tandem {

class FrontCodedSet {
  using Blocks = PersistentMap<std::string, SharedBytes>;

 public:
  // At most, but for a block of one longer key. Measured: more is slower to load, less holds less densely.
  static constexpr size_t kBlockBytes = 256;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool contains(std::string_view key) const;
  bool insert(std::string_view key);  // true when it is new
  bool erase(std::string_view key);   // true when it was there

  // Stands at a key, or past the last. Valid until the set it came from is changed or destroyed.
  class Cursor {
   public:
    bool at_end() const { return at_end_; }
    const std::string& key() const { return key_; }
    void next();

   private:
    friend class FrontCodedSet;

    const FrontCodedSet* set_ = nullptr;
    Blocks::Iterator block_;  // the end: the last block
    std::string_view bytes_;
    size_t at_ = 0;  // of what follows the key
    std::string key_;
    bool at_end_ = false;
  };
  Cursor lower_bound(std::string_view from) const;  // the first key not below `from`

 private:
  std::string_view bytes_of(const Blocks::Iterator& block) const {
    return block == blocks_.end() ? last_.view() : (*block).second.view();
  }
  void put(const Blocks::Iterator& block, SharedBytes bytes);

  Blocks blocks_;
  SharedBytes last_;  // keys above every bound
  size_t size_ = 0;
};

}  // namespace tandem
