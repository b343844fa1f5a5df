// Writes checkpoints on a thread of its own, so that the core never waits for one.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "control/control.h"

namespace tandem::app {

class CheckpointWriter {
 public:
  // A second or so of replay; of a large inventory a tenth of its entities, for a checkpoint holds them all.
  static log::Offset events_between(const control::State& state);

  // `last` is the offset of the newest checkpoint, 0 where there is none.
  CheckpointWriter(control::CheckpointStore& store, log::Offset last);
  ~CheckpointWriter();  // finishes what it is writing

  // Takes the state when enough has happened since the last checkpoint and none is being written. Never waits.
  void offer(const control::State& state);

 private:
  void run();

  control::CheckpointStore& store_;
  log::Offset last_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::optional<control::State> next_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tandem::app
