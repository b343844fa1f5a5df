// What a search reads of a table before it weighs anything, in columns that lie side by side.
//
// Where a request may go is a matter of the way and of the engine. Each is one word, that of a way by region and site,
// that of an engine by model in the order of cost: a thousand candidates take 64 cache lines, and those of all models
// stay near the processor. Sites are also kept from the nearest on, by region, and candidates by their site.
// Memory: 8 bytes a leg; 32 to 40 a target, and blocks are filled up. Internal.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "routing/routing.h"

namespace tandem::routing {

class SieveIndex {
 public:
  static constexpr size_t kRows = RoutingTable::kBlockRows;
  template <class T>
  using Column = std::array<T, kRows>;

  // How engines of one model read and write; most sites have the same few.
  struct Speed {
    float prefill_overhead_us = 0;  // infinite: not at all
    float prefill_us_per_token = 0;
    float tpot_ms = 0;  // up to a sixteenth less: at the point a plan loads them to, no two write quite alike
    bool operator==(const Speed&) const = default;
  };
  static constexpr uint32_t kSpeedsMax = 256;
  static constexpr uint32_t kNoSpeed = 0;  // of what is not up, or is no candidate
  // Of an engine's word the lower byte is its speed, the rest its site.
  static constexpr uint32_t kSitesMax = uint32_t{1} << 24;
  static uint32_t site_of(uint32_t engine) { return engine >> 8; }
  static uint32_t speed_of(uint32_t engine) { return engine & 0xFF; }
  struct Block {
    Column<uint32_t> engines{};
    Column<float> euros_per_prompt_token{}, euros_per_output_token{};
  };
  struct Model {
    std::span<const Block> blocks;  // of its candidates, the last filled up
    std::span<const Speed> speeds;  // the last of kSpeedsMax is as good as any of those that found no place
    std::span<const grid::JurisdictionSet> jurisdictions;  // of its candidates' sites, each once
    std::span<const uint32_t> slots;                       // rows by site, hashed: a power of two, at most half full

    uint32_t engine(size_t row) const { return blocks[row / kRows].engines[row % kRows]; }
    // Visits the rows of its candidates at a site.
    template <class Visit>
    void for_each_at(uint32_t site, Visit visit) const {
      if (slots.empty()) return;
      for (size_t slot = slot_of(site, slots.size());; ++slot) {
        const uint32_t row = slots[slot & (slots.size() - 1)];
        if (row == kFree) return;
        if (site_of(engine(row)) == site) visit(row);
      }
    }
  };

  // The upper 24 bits of a way's word are those of its round trip in microseconds as a float, its lower byte says which
  // of `zones` it touches. Sites are kept in the order of ways' upper halves.
  static constexpr uint32_t kNoWay = UINT32_MAX;
  static constexpr uint32_t kZonesMax = UINT8_MAX;  // that zone is none of those known
  static uint32_t zone_of(uint32_t way) { return way & 0xFF; }
  static float round_trip_us(uint32_t way) { return std::bit_cast<float>(way & ~uint32_t{0xFF}); }  // or a little more
  static uint32_t order_of(uint32_t way) { return way >> 16; }
  static float least_round_trip_us(uint32_t order) { return std::bit_cast<float>(order << 16); }
  struct Region {
    std::span<const uint32_t> ways;     // by site
    std::span<const uint32_t> nearest;  // the sites there is a way to
  };

  explicit SieveIndex(const RoutingTable& table);

  Model model(uint32_t model) const;
  Region region(uint32_t region, uint32_t paths) const;
  std::span<const grid::JurisdictionSet> zones() const { return zones_; }  // at most kZonesMax

 private:
  struct Extent {
    size_t blocks = 0, speeds = 0, jurisdictions = 0, slots = 0;
  };
  static constexpr uint32_t kFree = UINT32_MAX;
  // Fibonacci hashing (D. Knuth, The Art of Computer Programming 3, 6.4): sites numbered in a row fall apart.
  static size_t slot_of(uint32_t site, size_t slots) {
    return (uint64_t{site} * 0x9E3779B97F4A7C15u) >> 1 >> (63 - std::countr_zero(slots));
  }
  uint32_t speed_for(const RoutingTable::Candidate& candidate);
  Extent end() const { return {blocks_.size(), speeds_.size(), jurisdictions_.size(), slots_.size()}; }
  void add_model(std::span<const RoutingTable::Candidate> rows);
  void add_ways(const TableRows& rows);

  size_t sites_ = 0, regions_ = 0;
  std::vector<Extent> extents_;  // where each model's begin, and where the last's end
  std::vector<Block> blocks_;
  std::vector<Speed> speeds_;
  std::vector<grid::JurisdictionSet> jurisdictions_;
  std::vector<uint32_t> slots_;
  std::vector<uint32_t> ways_;           // by paths, region and site
  std::vector<uint32_t> nearest_;        // likewise
  std::vector<uint32_t> nearest_count_;  // by paths and region
  std::vector<grid::JurisdictionSet> zones_;
};

}  // namespace tandem::routing
