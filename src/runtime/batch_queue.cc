#include "runtime/batch_queue.h"

#include <algorithm>
#include <utility>

namespace tandem::runtime {
namespace {

// Between a thread's timer and its run: what the kernel takes to wake it, and what else of the time a request has it
// may lose there on a busy machine.
constexpr Duration kWakeUp = microseconds(300);
constexpr int64_t kSpareParts = 10;

}  // namespace

void BatchQueue::describe(ModelSignature signature, const std::function<void(WaitingRequest&, Error)>& refuse) {
  signature_ = std::move(signature);
  described_ = true;
  std::deque<WaitingRequest> unchecked = std::exchange(waiting_, {});
  rows_ = bytes_ = 0;
  look_anew();
  for (WaitingRequest& waiting : unchecked) {
    const auto rows = fit(signature_, waiting.inputs);
    if (rows) {
      waiting.rows = *rows;
      push(std::move(waiting));
    } else {
      refuse(waiting, rows.error());
    }
  }
}

void BatchQueue::push(WaitingRequest waiting) {
  if (waiting_.empty()) due_ = waiting.arrived + batch_deadline_;
  rows_ += waiting.rows;
  bytes_ += waiting.bytes;
  expiry_ = std::min(expiry_, waiting.deadline);
  if (rows_ <= signature_.rows_max) due_ = std::min(due_, urgent(waiting));
  waiting_.push_back(std::move(waiting));
}

Duration BatchQueue::due() const {
  if (waiting_.empty()) return kNever;
  return rows_ >= signature_.rows_max ? std::min(due_, waiting_.front().arrived) : due_;
}

Duration BatchQueue::expiry() const { return expiry_; }

void BatchQueue::note_run(Duration took) {
  constexpr int64_t kSmoothing = 8;
  run_time_.ns += (took.ns - run_time_.ns) / kSmoothing;
}

Duration BatchQueue::urgent(const WaitingRequest& waiting) const {
  const Duration spare{(waiting.deadline - waiting.arrived).ns / kSpareParts};
  return waiting.deadline - std::max(spare, run_time_ * 2 + kWakeUp);
}

void BatchQueue::forget(const WaitingRequest& waiting) {
  rows_ -= waiting.rows;
  bytes_ -= waiting.bytes;
}

// After some have gone. Of what is urgent only the next batch counts, so that it takes no longer than that batch did.
void BatchQueue::look_anew() {
  due_ = expiry_ = kNever;
  if (waiting_.empty()) return;
  due_ = waiting_.front().arrived + batch_deadline_;
  uint64_t rows = 0;
  for (const WaitingRequest& waiting : waiting_) {
    expiry_ = std::min(expiry_, waiting.deadline);
    due_ = std::min(due_, urgent(waiting));
    if ((rows += waiting.rows) >= signature_.rows_max) break;
  }
}

std::vector<WaitingRequest> BatchQueue::take(Duration now, std::vector<WaitingRequest>& late) {
  std::vector<WaitingRequest> batch;
  uint64_t rows = 0;
  while (!waiting_.empty()) {
    WaitingRequest& front = waiting_.front();
    const bool is_late = front.deadline < now + run_time_;
    if (!is_late && !batch.empty() &&
        (rows + front.rows > signature_.rows_max || !can_join(signature_, batch.front().inputs, front.inputs)))
      break;
    forget(front);
    if (!is_late) rows += front.rows;
    (is_late ? late : batch).push_back(std::move(front));
    waiting_.pop_front();
  }
  look_anew();
  return batch;
}

void BatchQueue::drop_late(Duration now, std::vector<WaitingRequest>& late) {
  const auto is_kept = [&](const WaitingRequest& waiting) { return waiting.deadline > now; };
  const auto kept_end = std::stable_partition(waiting_.begin(), waiting_.end(), is_kept);
  for (auto each = kept_end; each != waiting_.end(); ++each) {
    forget(*each);
    late.push_back(std::move(*each));
  }
  waiting_.erase(kept_end, waiting_.end());
  look_anew();
  for (const WaitingRequest& waiting : waiting_) expiry_ = std::min(expiry_, waiting.deadline);
}

std::vector<WaitingRequest> BatchQueue::take_all() {
  std::vector<WaitingRequest> all(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  rows_ = bytes_ = 0;
  look_anew();
  return all;
}

}  // namespace tandem::runtime
