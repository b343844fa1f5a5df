// When each request is to be sent and how large it is: a pure function of the options and their seed. Internal to the
// module.
#pragma once

#include <optional>

#include "base/random.h"
#include "load/load.h"

namespace tandem::load {

struct PlannedRequest {
  uint64_t number = 0;  // from 0
  Duration at;          // since the start
  uint32_t model = 0;   // position in LoadOptions::models
  uint32_t region = 0;  // position in LoadOptions::regions; 0 when there are none
  uint32_t prompt_tokens = 1;
  uint32_t output_tokens = 1;
  bool operator==(const PlannedRequest&) const = default;
};

// Errors: invalid_argument, naming the option.
Result<void> check_options(const LoadOptions& options);

class Schedule {
 public:
  explicit Schedule(const LoadOptions& options);  // checked, and outlives it

  // The next request, in order of time; nothing after the duration, the trace's end or the most there may be.
  std::optional<PlannedRequest> next();
  // Whether as many were given as there may be.
  bool gave_all() const { return options_.requests_max > 0 && count_ >= options_.requests_max; }

 private:
  std::optional<Duration> next_arrival();
  double relative_rate(double fraction) const;

  const LoadOptions& options_;
  Random arrivals_, sizes_, choices_;  // apart, so that a change of the process leaves the sizes as they are
  double at_s_ = 0;
  uint64_t count_ = 0;
};

}  // namespace tandem::load
