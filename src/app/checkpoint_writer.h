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
  static constexpr log::Offset kEveryEvents = 100'000;  // a second or two of replay

  // `last` is the offset of the state that was opened.
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
