// How the two sides of a trial compare.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"
#include "base/json.h"
#include "base/time.h"
#include "base/units.h"
#include "grid/nouns.h"

namespace tandem::gateway {

// Base: requests of the model as they are served without the trial. Candidate: those that the trial served, or copies
// of those of base that it was sent.
enum class TrialSide : uint8_t { base, candidate };
std::string_view to_string(TrialSide side);

// One request of a side.
struct TrialSample {
  Duration began;                          // monotonic
  bool ok = false;                         // answered whole
  bool dropped = false;                    // a copy that was not sent: no place was free for it
  std::optional<Microseconds> ttft, tpot;  // of streams
  uint64_t prompt_tokens = 0, output_tokens = 0, cached_tokens = 0;
  Euros cost;  // at the table's prices
};

struct TrialTally {
  uint64_t requests = 0;  // ok + failed + dropped
  uint64_t ok = 0, failed = 0, dropped = 0;
  uint64_t prompt_tokens = 0, output_tokens = 0;           // of those that were ok
  Euros cost;                                              // likewise
  double output_tokens_squared = 0, cost_eur_squared = 0;  // sums of the squares of each answer's
  Histogram ttft_us, tpot_us;                              // likewise, of streams

  void add(const TrialSample& sample);
  void add(const TrialTally& other);
};

struct TrialReport {
  std::string id;
  grid::TrialMode mode = grid::TrialMode::shadow;
  std::string model, to_model;
  std::string to_site;  // empty: any
  double share_fraction = 0;
  TrialTally base, candidate;
};

// Reports of several gateways, all of one trial added up; in the order in which trials come first.
std::vector<TrialReport> added_up(const std::vector<TrialReport>& reports);

Json to_json(const TrialReport& report);

}  // namespace tandem::gateway
