#include "app/checkpoint_writer.h"

#include <algorithm>

#include "base/logging.h"

namespace tandem::app {

CheckpointWriter::CheckpointWriter(control::CheckpointStore& store, log::Offset last) : store_(store), last_(last) {
  thread_ = std::thread([this] { run(); });
}

CheckpointWriter::~CheckpointWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

log::Offset CheckpointWriter::events_between(const control::State& state) {
  constexpr log::Offset kEventsMin = 10'000;
  return std::max<log::Offset>(kEventsMin, state.inventory.size() / 10);
}

void CheckpointWriter::offer(const control::State& state) {
  const log::Offset offset = state.inventory.offset();
  if (offset < last_ + events_between(state)) return;
  {
    const std::lock_guard lock(mutex_);
    if (busy_) return;
    busy_ = true;
    next_ = state;
  }
  last_ = offset;
  wake_.notify_one();
}

void CheckpointWriter::run() {
  for (;;) {
    std::optional<control::State> state;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || next_.has_value(); });
      if (!next_) return;
      state = std::exchange(next_, std::nullopt);
    }
    if (auto written = control::write_checkpoint(*state, store_); !written)
      log_warning("no checkpoint at offset {}, so a restart replays more: {}", state->inventory.offset(),
                  to_string(written.error()));
    const std::lock_guard lock(mutex_);
    busy_ = false;
  }
}

}  // namespace tandem::app
