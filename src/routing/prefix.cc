#include "routing/prefix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace tandem::routing {
namespace {

constexpr size_t kBytesPerToken = 4;  // as estimate_tokens has it

// The two halves of a 128-bit product, one upon the other: each bit of either factor moves most of the result.
uint64_t folded_product(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t word_at(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// From one point to the next: an eighth of what lies before it.
size_t step_after(size_t place, size_t least) { return std::max(least, place / 8); }

}  // namespace

void PrefixHasher::add(std::string_view text) {
  const char* at = text.data();
  size_t left = text.size();
  if (rest_bytes_ > 0 || left < kStripeBytes) {
    const size_t taken = std::min(left, kStripeBytes - rest_bytes_);
    if (taken > 0) std::memcpy(rest_.data() + rest_bytes_, at, taken);
    rest_bytes_ += taken;
    at += taken;
    left -= taken;
    if (rest_bytes_ < kStripeBytes) return;
    rest_bytes_ = 0;
    take_stripes(rest_.data(), 1);
  }
  while (left >= kStripeBytes && count_ < kPointsMax) {
    const size_t stripes = std::min(left, next_point_ - bytes_) / kStripeBytes;
    take_stripes(at, stripes);
    at += stripes * kStripeBytes;
    left -= stripes * kStripeBytes;
  }
  rest_bytes_ = std::min(left, kStripeBytes - 1);  // more is left only where no point follows
  if (rest_bytes_ > 0) std::memcpy(rest_.data(), at, rest_bytes_);
}

// Sums that do not wait for each other.
void PrefixHasher::take_stripes(const char* bytes, size_t stripes) {
  constexpr uint64_t kOdd = 0xA0761D6478BD642Fu;
  std::array<uint64_t, kLanes> lanes = lanes_;
  for (size_t i = 0; i < stripes; ++i, bytes += kStripeBytes) {
#pragma GCC unroll 8
    for (size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = folded_product(word_at(bytes + 16 * lane) ^ lanes[lane], word_at(bytes + 16 * lane + 8) ^ kOdd);
  }
  lanes_ = lanes;
  bytes_ += stripes * kStripeBytes;
  if (bytes_ >= next_point_ && count_ < kPointsMax) end_stripes();
}

void PrefixHasher::end_stripes() {
  uint64_t hash = bytes_;
  for (const uint64_t lane : lanes_) hash = folded_product(hash ^ lane, 0xE7037ED1A0B428DBu);
  points_[count_++] = {hash, static_cast<uint32_t>(bytes_ / kBytesPerToken)};
  next_point_ = bytes_ + step_after(bytes_, kStepBytes) / kStripeBytes * kStripeBytes;
}

std::vector<PrefixPoint> thinned(std::span<const PrefixPoint> points) {
  constexpr size_t kStepTokens = PrefixHasher::kStepBytes / kBytesPerToken;
  std::vector<PrefixPoint> kept;
  size_t next = kStepTokens;
  for (const PrefixPoint& point : points) {
    if (point.tokens < next || kept.size() == PrefixHasher::kPointsMax) continue;
    kept.push_back(point);
    next = point.tokens + step_after(point.tokens, kStepTokens);
  }
  return kept;
}

PrefixIndex::PrefixIndex(size_t entries) : buckets_(entries / 4) {
  CHECK(std::has_single_bit(buckets_.size()) && buckets_.size() * 4 == entries);
}

void PrefixIndex::note(std::span<const PrefixPoint> prompt, const Engine& engine, double tokens, Duration now) {
  CHECK(engine.number < kEnginesMax);
  if (engine.number >= clocks_.size()) clocks_.resize(engine.number + 1);
  EngineClock& clock = clocks_[engine.number];
  clock.now += static_cast<uint32_t>(std::clamp(tokens, 0.0, 1e9) / kClockTokens);
  clock.log_miss = engine.replicas > 1 ? std::log1p(-1.0 / engine.replicas) : 0;
  const double kept = engine.kv_tokens / kClockTokens;
  clock.kept = kept > 0 && kept < INT32_MAX ? static_cast<uint32_t>(kept) : INT32_MAX;
  const uint32_t second = second_of(now);
  for (const PrefixPoint& point : prompt) {
    const auto tag = static_cast<uint32_t>(point.hash >> 32);
    auto& entries = buckets_[bucket_of(point.hash)].entries;
    Entry* place = nullptr;
    for (Entry& entry : entries) {
      if (entry.tag == tag && entry.engine == engine.number) {
        place = &entry;
        break;
      }
      const auto age = [&](const Entry& of) { return of.engine == kNone ? UINT32_MAX : second - of.second; };
      if (place == nullptr || age(entry) > age(*place)) place = &entry;
    }
    const bool again = place->tag == tag && place->engine == engine.number && is_kept(*place, second);
    const uint32_t times = again ? std::min(255u, place->times + 1u) : 1u;
    place->tag = tag;
    place->engine = engine.number & kEnginesMax;
    place->times = times & 0xFF;
    place->clock = clock.now;
    place->second = second;
  }
}

// That the replica which gets the request has it, when each time any of them may have got it.
double PrefixIndex::chance(const Entry& entry) const {
  const double log_miss = clocks_[entry.engine].log_miss;
  return log_miss == 0 ? 1 : -std::expm1(log_miss * entry.times);
}

void PrefixIndex::forget(uint32_t number) {
  if (number >= clocks_.size()) return;
  // Its clock goes on by more than it keeps: no entry is of its cache any more.
  clocks_[number].now += clocks_[number].kept + 1;
}

}  // namespace tandem::routing
