// What the rows of a feed have come to so far, compactly: ~40 bytes a row and its id, external ids and what it says.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/upsert.h"

namespace tandem::inventory {

// Positions by a hash of what stands there, open addressing with linear probing. What stands there is told from what
// only hashes alike by who asks.
class HashedPositions {
 public:
  void add(uint64_t hash, uint32_t position);
  // The first position of that hash for which `is_it` says so.
  template <class IsIt>
  std::optional<uint32_t> find(uint64_t hash, const IsIt& is_it) const {
    if (slots_.empty()) return std::nullopt;
    const auto tag = static_cast<uint32_t>(hash >> 32);
    for (size_t i = hash & (slots_.size() - 1); slots_[i].position != kFree; i = (i + 1) & (slots_.size() - 1))
      if (slots_[i].tag == tag && is_it(slots_[i].position)) return slots_[i].position;
    return std::nullopt;
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Slot {
    uint32_t position = kFree;
    uint32_t tag = 0;  // the upper half of the hash
  };
  void put(uint64_t hash_low, uint32_t tag, uint32_t position);

  std::vector<Slot> slots_;    // a power of two, at most half full
  std::deque<uint32_t> lows_;  // lower halves of the hashes, by order of adding, to grow by
  std::deque<Slot> added_;
};

class StagedRows {
 public:
  size_t add();  // a row, refused until it is settled; its number
  size_t size() const { return rows_.size(); }
  void set_outcome(size_t row, Outcome outcome) { rows_[row].outcome = outcome; }
  void set_id(size_t row, std::string_view kind, std::string_view id);
  // The row stands: it is found under its id and external ids from now on.
  void settle(size_t row, std::string_view kind, std::string_view id, const std::vector<std::string>& external_ids);
  // The row, which is settled, says something in an event of its own: names and values of attributes as bytes
  // (record.h).
  void say(size_t row, std::string_view attributes);
  void set_seen(size_t row) { rows_[row].seen = true; }
  bool is_seen(size_t row) const { return rows_[row].seen && !rows_[row].withdrawn; }  // and nothing is said of it
  void withdraw(size_t row);                                                           // nothing that it says counts

  std::string_view kind(size_t row) const {
    return rows_[row].kind == kNoKind ? std::string_view() : kinds_[rows_[row].kind];
  }
  std::string_view id(size_t row) const { return ids_[rows_[row].id]; }
  const std::vector<std::string>& kinds() const { return kinds_; }  // of all rows
  Outcome outcome(size_t row) const { return rows_[row].outcome; }
  UpsertCounts counts() const;

  std::optional<size_t> find(std::string_view kind, std::string_view id) const;
  std::optional<size_t> find_external(std::string_view external_id) const;
  // Whatever rows say, in the order in which it was said, while `take` wants more.
  using TakeSaying = std::function<bool(size_t row, std::string_view attributes)>;
  void for_each_saying(const TakeSaying& take) const;
  // The same, and lets go of what it has handed over, and of what rows are found by.
  void take_sayings(const TakeSaying& take);

 private:
  static constexpr uint16_t kNoKind = UINT16_MAX;
  struct Text {
    uint64_t at = 0;
    uint32_t bytes = 0;
  };
  struct StagedRow {
    Text id;
    uint16_t kind = kNoKind;
    Outcome outcome = Outcome::refused;
    bool withdrawn = false;
    bool seen = false;
  };
  struct StagedSaying {
    Text attributes;
    uint32_t row = 0;
  };
  struct StagedExternalId {
    Text text;
    uint32_t row = 0;
  };
  // Texts one after another, in blocks of one size, so that growing copies nothing.
  class Texts {
   public:
    Text put(std::string_view bytes);
    std::string_view operator[](const Text& text) const;
    void free_before(const Text& text);  // whatever was put before, but for what shares its block

   private:
    std::vector<std::string> blocks_;
    size_t freed_ = 0;  // blocks
  };

  std::deque<StagedRow> rows_;
  std::vector<std::string> kinds_;
  std::deque<StagedSaying> sayings_;
  std::deque<StagedExternalId> external_ids_;
  HashedPositions by_id_, by_external_id_;
  Texts ids_, attributes_;
};

}  // namespace tandem::inventory
