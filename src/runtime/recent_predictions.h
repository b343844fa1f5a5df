// What came of a model's requests of late: over the minute that is open and the one before. Internal to the module.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/histogram.h"
#include "base/time.h"
#include "runtime/predictor.h"

namespace tandem::runtime {

// Not thread-safe. Times are monotonic and do not go back. 60 KB once it was used.
class PredictionMinutes {
 public:
  // Nothing is known of the time before `begun`.
  explicit PredictionMinutes(Duration begun) : begun_(begun) {}

  void note_answer(Duration now, Duration since_arrival);
  void note_run(Duration now, uint64_t rows);
  void note_error(Duration now);
  RecentPredictions view(Duration now) const;

 private:
  struct Minute {
    uint64_t requests = 0, errors = 0, runs = 0, rows = 0;
    Histogram answer_us;
  };
  Minute& open(Duration now);

  Duration begun_;
  int64_t number_ = -1;                             // of the open minute; -1: none yet
  std::array<std::unique_ptr<Minute>, 2> minutes_;  // by number, even and odd; null: empty
};

}  // namespace tandem::runtime
