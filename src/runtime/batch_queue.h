// The requests that wait for one model, and when which of them make up its next run. Knows no clock and no thread.
// Internal.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "base/time.h"
#include "runtime/predictor.h"
#include "runtime/tensor_fit.h"

namespace tandem::runtime {

struct WaitingRequest {
  std::vector<Tensor> inputs;  // in the model's order, once they have been fitted
  uint64_t rows = 1;
  uint64_t bytes = 0;
  Duration arrived;
  Duration deadline;  // to be answered by then
  Predictor::Answered answered;
};

// A batch begins when it is full, when its first request has waited for the batch deadline, or when the most urgent of
// its requests could otherwise be late. Requests go in the order in which they came.
class BatchQueue {
 public:
  static constexpr Duration kNever{INT64_MAX};

  explicit BatchQueue(Duration batch_deadline) : batch_deadline_(batch_deadline) {}

  // What waits belongs to this model from now on; what does not fit it is handed to `refuse`, with why.
  void describe(ModelSignature signature, const std::function<void(WaitingRequest&, Error)>& refuse);
  const ModelSignature& signature() const { return signature_; }
  bool is_described() const { return described_; }

  void push(WaitingRequest waiting);
  bool empty() const { return waiting_.empty(); }
  uint64_t rows() const { return rows_; }
  uint64_t bytes() const { return bytes_; }

  Duration due() const;     // when the next batch begins: the past where it is full, kNever where nothing waits
  Duration expiry() const;  // before it nothing of what comes next is late
  void note_run(Duration took);

  // The next batch, all of which can share a run; empty where all that waited was late. What is late, or would be after
  // a run, is put at the end of `late`.
  std::vector<WaitingRequest> take(Duration now, std::vector<WaitingRequest>& late);
  void drop_late(Duration now, std::vector<WaitingRequest>& late);
  std::vector<WaitingRequest> take_all();

 private:
  Duration urgent(const WaitingRequest& waiting) const;
  void forget(const WaitingRequest& waiting);
  void look_anew();

  const Duration batch_deadline_;
  bool described_ = false;
  ModelSignature signature_;
  std::deque<WaitingRequest> waiting_;
  uint64_t rows_ = 0;
  uint64_t bytes_ = 0;
  Duration due_ = kNever;
  Duration expiry_ = kNever;
  Duration run_time_;  // smoothed: by it is told what would be late
};

}  // namespace tandem::runtime
