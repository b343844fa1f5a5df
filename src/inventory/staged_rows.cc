#include "inventory/staged_rows.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace tandem::inventory {
namespace {

constexpr size_t kBlockBytes = 1u << 20;

// Eight bytes at a time, each mixed in as SplitMix64 does. Feeds that collide on purpose cost themselves time, and
// nothing more.
uint64_t hash_of(std::string_view a, std::string_view b = {}) {
  uint64_t hash = 0;
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
    hash ^= hash >> 31;
  };
  for (const std::string_view text : {a, b}) {
    uint64_t word = 0;
    size_t at = 0;
    for (; at + sizeof word <= text.size(); at += sizeof word) {
      std::memcpy(&word, text.data() + at, sizeof word);
      mix(word);
    }
    word = 0;
    std::memcpy(&word, text.data() + at, text.size() - at);
    mix(word);
    mix(text.size() + 1);  // where a text ends counts
  }
  return hash;
}

}  // namespace

void HashedPositions::put(uint64_t hash_low, uint32_t tag, uint32_t position) {
  size_t i = hash_low & (slots_.size() - 1);
  while (slots_[i].position != kFree) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = {position, tag};
}

void HashedPositions::add(uint64_t hash, uint32_t position) {
  const auto low = static_cast<uint32_t>(hash);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  lows_.push_back(low);
  added_.push_back({position, tag});
  if (added_.size() * 2 > slots_.size()) {
    slots_.assign(std::max<size_t>(64, slots_.size() * 4), {});
    for (size_t i = 0; i < added_.size(); ++i) put(lows_[i], added_[i].tag, added_[i].position);
    return;
  }
  put(low, tag, position);
}

size_t StagedRows::add() {
  CHECK(rows_.size() < UINT32_MAX);
  rows_.emplace_back();
  return rows_.size() - 1;
}

StagedRows::Text StagedRows::Texts::put(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (blocks_.empty() || blocks_.back().size() + bytes.size() > blocks_.back().capacity()) {
    blocks_.emplace_back();
    blocks_.back().reserve(std::max(kBlockBytes, bytes.size()));
  }
  const Text text{(uint64_t{blocks_.size() - 1} << 32) | blocks_.back().size(), static_cast<uint32_t>(bytes.size())};
  blocks_.back() += bytes;
  return text;
}

std::string_view StagedRows::Texts::operator[](const Text& text) const {
  if (text.bytes == 0) return {};
  return std::string_view(blocks_[text.at >> 32]).substr(text.at & UINT32_MAX, text.bytes);
}

void StagedRows::Texts::free_before(const Text& text) {
  for (; freed_ < text.at >> 32; ++freed_) blocks_[freed_] = std::string();
}

void StagedRows::set_id(size_t row, std::string_view kind, std::string_view id) {
  StagedRow& staged = rows_[row];
  staged.id = ids_.put(id);
  if (kind.empty()) return;
  const auto found = std::find(kinds_.begin(), kinds_.end(), kind);
  staged.kind = static_cast<uint16_t>(found - kinds_.begin());
  if (found == kinds_.end()) kinds_.emplace_back(kind);
}

void StagedRows::settle(size_t row, std::string_view kind, std::string_view id,
                        const std::vector<std::string>& external_ids) {
  set_id(row, kind, id);
  by_id_.add(hash_of(kind, id), static_cast<uint32_t>(row));
  for (const std::string& external_id : external_ids) {
    external_ids_.push_back({ids_.put(external_id), static_cast<uint32_t>(row)});
    by_external_id_.add(hash_of(external_id), static_cast<uint32_t>(external_ids_.size() - 1));
  }
}

void StagedRows::say(size_t row, std::string_view attributes) {
  sayings_.push_back({attributes_.put(attributes), static_cast<uint32_t>(row)});
  rows_[row].seen = false;  // saying something is seeing it
}

void StagedRows::withdraw(size_t row) { rows_[row].withdrawn = true; }

UpsertCounts StagedRows::counts() const {
  UpsertCounts counts;
  for (const StagedRow& row : rows_) {
    counts.created += row.outcome == Outcome::created;
    counts.changed += row.outcome == Outcome::changed;
    counts.confirmed += row.outcome == Outcome::confirmed;
    counts.unchanged += row.outcome == Outcome::unchanged;
    counts.refused += row.outcome == Outcome::refused;
  }
  return counts;
}

std::optional<size_t> StagedRows::find(std::string_view kind, std::string_view id) const {
  const auto found =
      by_id_.find(hash_of(kind, id), [&](uint32_t row) { return this->id(row) == id && this->kind(row) == kind; });
  return found ? std::optional<size_t>(*found) : std::nullopt;
}

std::optional<size_t> StagedRows::find_external(std::string_view external_id) const {
  const auto found = by_external_id_.find(hash_of(external_id),
                                          [&](uint32_t i) { return ids_[external_ids_[i].text] == external_id; });
  return found ? std::optional<size_t>(external_ids_[*found].row) : std::nullopt;
}

void StagedRows::for_each_saying(const TakeSaying& take) const {
  for (const StagedSaying& saying : sayings_)
    if (!rows_[saying.row].withdrawn && !take(saying.row, attributes_[saying.attributes])) return;
}

void StagedRows::take_sayings(const TakeSaying& take) {
  by_id_ = by_external_id_ = {};
  external_ids_.clear();
  for (; !sayings_.empty(); sayings_.pop_front()) {
    const StagedSaying& saying = sayings_.front();
    attributes_.free_before(saying.attributes);
    if (!rows_[saying.row].withdrawn && !take(saying.row, attributes_[saying.attributes])) return;
  }
}

}  // namespace tandem::inventory
