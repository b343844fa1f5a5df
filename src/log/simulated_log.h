// The simulated driver: a log in memory that fails as real ones do, by a seed. For tests and the simulation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/log.h"

namespace tandem::log {

// How often an operation goes wrong, each a probability in [0, 1].
struct SimulatedFaults {
  double append_full = 0;     // resource_exhausted; nothing is stored and the next append may pass
  double append_lost = 0;     // io, and nothing is stored
  double append_unknown = 0;  // io, and the batch may be stored: only `crash` settles it
  double read_failed = 0;     // io
};

// Keeps the contract of `Log`: after io no append is taken until the log is opened again, which here is `crash`. One
// thread at a time.
class SimulatedLog final : public Log {
 public:
  explicit SimulatedLog(uint64_t seed, SimulatedFaults faults = {}) : random_(seed), faults_(faults) {}

  Result<void> append(const EncodedBatch& batch) override;
  Result<std::vector<Batch>> read(Offset from, size_t bytes_limit) const override;
  Result<Head> head() const override;

  void set_faults(SimulatedFaults faults) { faults_ = faults; }
  void set_capacity(size_t bytes) { capacity_bytes_ = bytes; }  // of bodies; beyond it appends are refused as full

  // The writer died and is back. What was acknowledged is there; a batch whose outcome was unknown is there whole or
  // not at all: a torn tail does not outlive opening.
  void crash();

  // Another writer took over with this epoch: appends of smaller ones are fenced.
  void fence(Epoch epoch) { fence_ = epoch; }

  // Flips a bit of the stored batch that holds this offset; reading it is corrupt from then on. False when none does.
  bool damage(Offset offset);
  // Cuts the log before the batch that holds this offset, as a lost disk would. False when none does.
  bool lose_from(Offset offset);

 private:
  struct Stored {
    BatchHeader header;
    std::string body;
  };
  size_t position_of(Offset offset) const;  // of the batch that holds it; stored_.size() when none does

  mutable Random random_;
  SimulatedFaults faults_;
  size_t capacity_bytes_ = SIZE_MAX;
  size_t bytes_ = 0;
  Epoch fence_ = 0;
  std::vector<Stored> stored_;
  std::optional<Stored> unknown_;  // neither acknowledged nor surely lost
  bool failed_ = false;
};

}  // namespace tandem::log
