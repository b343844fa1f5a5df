// Whether a few replicas can keep what a model's demands were promised, however the demands are split among them.
//
// Demands of one kind are alike in size and promise and apart in where they come from. All that matters of a split is
// what part x of each kind goes to each deployment, and where those stand. Of all parts at once in a range, low ≤ x ≤
// high, the twin's form is taken at its least (mix_range.h), and so are promises: a kind that a deployment serves at
// all asks for its time per token, and for its first token what the network leaves of it for the part `low` that is
// nearest to the place in time. Where a deployment keeps that at no operating point in no place, no split in the range
// does.
//
// Method: branch and bound. First whether a deployment serves a kind at all is told apart, kind by kind, for promises
// ask nothing of whom they are not served by; then the range that is widest by work is halved. Places and operating
// points that fail of a range fail of its parts. The last deployment's parts are what is left, but for what may be
// rejected. Replicas of one profile may stand in one deployment or in several: each way is looked at. Exponential in
// the kinds at worst; mostly one part of the form says no early. Fails by saying `unknown` where the range of splits
// that all but keep their promises is wide, and by `some` where each deployment has a place that suits it by itself,
// but no places suit together.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "twin/twin.h"

namespace tandem::twin {

inline constexpr size_t kSplitParts = 64;  // of a kind, told apart by what the network leaves of their first tokens

struct SplitKind {
  double requests_per_s = 0;  // > 0, of all its demands
  double rejectable = 0;      // of them, ≥ 0, a second, where of other kinds none are
};

// Where replicas of a profile may stand.
struct SplitPlace {
  uint32_t replicas_max = 0;
  double dearer_eur = 0;  // a replica, than where one is cheapest
  // By kind, then part from 0 to kSplitParts: what a deployment that serves so much of the kind may take of the first
  // token at the most, in ms; negative where so much cannot be served.
  std::vector<double> ttft_left_ms;
};
// That of one kind in one place, of each demand's own and its rate.
std::vector<double> ttft_left_by_part(std::vector<std::pair<double, double>> of_demands);

struct SplitProfile {
  const grid::Profile* profile = nullptr;
  std::vector<Asked> asked;      // by kind; ttft_ms is not read
  std::vector<uint32_t> points;  // by kind: set of operating points that it may be served at
  Mix beside;                    // what might be served there too
  std::vector<SplitPlace> places;
};

struct Fleet {
  std::span<const SplitKind> kinds;
  std::span<const SplitProfile> profiles;
  std::span<const uint32_t> replicas;  // by profile: all of them run
  double spare_eur = 0;                // for dearer places
  double utilization_max = 1;
  std::stop_token stop = {};  // once it asks, what is not known yet stays so
};

struct Split {
  struct Deployment {
    size_t profile = 0;
    uint32_t replicas = 0;
    std::vector<double> parts;     // by kind
    std::vector<uint32_t> places;  // into the profile's: where it keeps its promises by itself
  };
  std::vector<Deployment> deployments;
};

enum class Splits : uint8_t { none, unknown, some };

// `none` only where no split keeps all promises, none at all or but for what may be rejected. Each split it meets that
// does is given to `take`, until that says that it is enough. Looks at `ranges_max` at the most, says at how many.
Splits find_split(const Fleet& fleet, uint32_t ranges_max, uint32_t& ranges,
                  const std::function<bool(const Split&)>& take);

}  // namespace tandem::twin
