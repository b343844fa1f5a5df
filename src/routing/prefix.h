// Which engines most likely hold the beginning of a prompt in their prefix caches.
//
// Problem: engines keep the KV cache of prompts they have seen and need not compute again what a new one shares with
// them from its beginning on (vLLM's automatic prefix caching, SGLang's radix tree). Which engine has what, nobody
// tells; but who routed the earlier prompts can tell what went where.
// Method: a prompt is known by hashes of its beginnings, at points that lie an eighth of what is before them apart, so
// that a few dozen stand for a prompt of any length and tell how much is shared to within an eighth. A set-associative
// table remembers which engine was sent each; what an engine was not sent again while it took in as many tokens as its
// KV memory holds, it has dropped (least recently used, as engines do), and so is what is too old.
// Complexity: hashing some 20 bytes a nanosecond; finding and noting one cache line a point, 64 points at most.
// Memory: fixed, 4 MiB at the usual size.
// Fails by: an engine that restarts, or shares its memory with others, has less than is thought here; then a first
// token is later than predicted, nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace tandem::routing {

// The beginning of a prompt, up to some token.
struct PrefixPoint {
  uint64_t hash = 0;    // of all up to there
  uint32_t tokens = 0;  // up to there; ascending in one prompt
};

// Hashes a text that comes in parts; only their concatenation matters. Made for speed, not against who looks for
// collisions: all that one brings about is a wrong guess at a cache.
class PrefixHasher {
 public:
  static constexpr size_t kStepBytes = 1'024;  // between the first points: 256 tokens
  static constexpr size_t kPointsMax = 64;     // at six megabytes of text

  void add(std::string_view text);
  std::span<const PrefixPoint> points() const { return std::span(points_).first(count_); }

 private:
  static constexpr size_t kLanes = 8;
  static constexpr size_t kStripeBytes = 16 * kLanes;
  void take_stripes(const char* bytes, size_t stripes);
  void end_stripes();

  std::array<uint64_t, kLanes> lanes_{1, 2, 3, 4, 5, 6, 7, 8};
  std::array<char, kStripeBytes> rest_;
  size_t rest_bytes_ = 0;
  size_t bytes_ = 0;  // taken in
  size_t next_point_ = kStepBytes;
  std::array<PrefixPoint, kPointsMax> points_;
  size_t count_ = 0;
};

// Keeps of points that lie closer together those which a prompt of this module would have: for hashes that others made.
std::vector<PrefixPoint> thinned(std::span<const PrefixPoint> points);

// For one thread at a time.
class PrefixIndex {
 public:
  static constexpr size_t kEntries = size_t{1} << 18;      // some five thousand long prompts
  static constexpr uint32_t kEnginesMax = (1u << 24) - 1;  // numbers of engines are below it
  static constexpr Duration kAgeMax = minutes(10);         // an engine restarts, and is not known to have

  explicit PrefixIndex(size_t entries = kEntries);  // a power of two, at least 4

  struct Engine {
    uint32_t number = 0;
    uint32_t replicas = 1;  // each with a cache of its own, and nobody knows which of them gets a request
    double kv_tokens = 0;   // of all of them; 0: not known, and only age counts
  };
  // The prompt was sent to the engine, which takes in about `tokens` it did not have, and output.
  void note(std::span<const PrefixPoint> prompt, const Engine& engine, double tokens, Duration now);

  // Calls found(number of an engine, tokens of the prompt that it most likely has) for each point that is known there:
  // the most of an engine is what counts. Where it has replicas the tokens are the mean over them.
  template <class Found>
  void find(std::span<const PrefixPoint> prompt, Duration now, Found found) const;

  // The engine has lost its cache, or its number is about to be another's.
  void forget(uint32_t number);

 private:
  static constexpr uint32_t kNone = kEnginesMax;
  static constexpr uint32_t kClockTokens = 16;  // of the clock's unit: 2³² of them are weeks of the largest engines
  struct Entry {
    uint32_t tag = 0;
    uint32_t engine : 24 = kNone;
    uint32_t times : 8 = 0;  // sent there
    uint32_t clock = 0;      // of the engine, when it was last sent
    uint32_t second = 0;     // when that was
  };
  struct alignas(64) Bucket {
    std::array<Entry, 4> entries;
  };
  struct EngineClock {
    uint32_t now = 0;            // tokens taken in, in units of kClockTokens
    uint32_t kept = UINT32_MAX;  // of them
    double log_miss = 0;         // of the chance that a request goes to another than one of its replicas; 0: it has one
  };
  static uint32_t second_of(Duration now) { return static_cast<uint32_t>(now.ns / 1'000'000'000); }
  size_t bucket_of(uint64_t hash) const { return hash & (buckets_.size() - 1); }
  bool is_kept(const Entry& entry, uint32_t second) const {
    const EngineClock& clock = clocks_[entry.engine];
    return clock.now - entry.clock <= clock.kept && second - entry.second <= kAgeMax.ns / 1'000'000'000;
  }
  double chance(const Entry& entry) const;

  std::vector<Bucket> buckets_;
  std::vector<EngineClock> clocks_;  // by number
};

template <class Found>
void PrefixIndex::find(std::span<const PrefixPoint> prompt, Duration now, Found found) const {
  for (const PrefixPoint& point : prompt) __builtin_prefetch(&buckets_[bucket_of(point.hash)]);
  const uint32_t second = second_of(now);
  for (const PrefixPoint& point : prompt)
    for (const Entry& entry : buckets_[bucket_of(point.hash)].entries)
      if (entry.tag == static_cast<uint32_t>(point.hash >> 32) && entry.engine != kNone && is_kept(entry, second))
        found(uint32_t{entry.engine}, static_cast<uint32_t>(point.tokens * chance(entry)));
}

}  // namespace tandem::routing
