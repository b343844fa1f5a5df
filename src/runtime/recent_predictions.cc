#include "runtime/recent_predictions.h"

#include <algorithm>

namespace tandem::runtime {
namespace {

int64_t minute_of(Duration time) { return time.ns / minutes(1).ns; }

}  // namespace

PredictionMinutes::Minute& PredictionMinutes::open(Duration now) {
  const int64_t number = minute_of(now);
  if (number != number_) {
    if (number != number_ + 1) minutes_[static_cast<size_t>((number + 1) % 2)].reset();
    minutes_[static_cast<size_t>(number % 2)].reset();
    number_ = number;
  }
  auto& minute = minutes_[static_cast<size_t>(number % 2)];
  if (minute == nullptr) minute = std::make_unique<Minute>();
  return *minute;
}

void PredictionMinutes::note_answer(Duration now, Duration since_arrival) {
  Minute& minute = open(now);
  ++minute.requests;
  minute.answer_us.record(static_cast<uint64_t>(std::max<int64_t>(since_arrival.ns, 0) / 1'000));
}

void PredictionMinutes::note_run(Duration now, uint64_t rows) {
  Minute& minute = open(now);
  ++minute.runs;
  minute.rows += rows;
}

void PredictionMinutes::note_error(Duration now) { ++open(now).errors; }

RecentPredictions PredictionMinutes::view(Duration now) const {
  const int64_t number = minute_of(now);
  RecentPredictions recent;
  recent.span = std::min(now - minutes(number) + minutes(1), now - begun_);
  Histogram answer_us;
  for (const int64_t looked_at : {number - 1, number}) {
    const bool is_kept = looked_at == number_ || looked_at == number_ - 1;
    const Minute* minute = is_kept && looked_at >= 0 ? minutes_[static_cast<size_t>(looked_at % 2)].get() : nullptr;
    if (minute == nullptr) continue;
    recent.requests += minute->requests;
    recent.errors += minute->errors;
    recent.runs += minute->runs;
    recent.rows += minute->rows;
    answer_us.merge(minute->answer_us);
  }
  if (answer_us.count() > 0) {
    recent.answer_p50 = Microseconds(static_cast<double>(answer_us.percentile(0.5)));
    recent.answer_p99 = Microseconds(static_cast<double>(answer_us.percentile(0.99)));
  }
  return recent;
}

}  // namespace tandem::runtime
