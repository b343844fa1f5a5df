#include "runtime/recent_predictions.h"

#include <gtest/gtest.h>

namespace tandem::runtime {
namespace {

TEST(PredictionMinutes, AreTheOpenOneAndTheOneBefore) {
  const Duration noon = hours(12);
  PredictionMinutes minutes_kept(noon - hours(1));
  for (int i = 0; i < 99; ++i) minutes_kept.note_answer(noon, milliseconds(2));
  minutes_kept.note_run(noon, 99);
  minutes_kept.note_answer(noon + minutes(1), milliseconds(50));
  minutes_kept.note_run(noon + minutes(1), 5);
  minutes_kept.note_error(noon + minutes(1));
  const RecentPredictions both = minutes_kept.view(noon + seconds(90));
  EXPECT_EQ(both.span, seconds(90));
  EXPECT_EQ(both.requests, 100u);
  EXPECT_EQ(both.runs, 2u);
  EXPECT_EQ(both.rows, 104u);
  EXPECT_EQ(both.errors, 1u);
  EXPECT_NEAR(both.answer_p50->value(), 2'000, 32);
  EXPECT_NEAR(both.answer_p99->value(), 2'000, 32);
  const RecentPredictions last = minutes_kept.view(noon + seconds(125));
  EXPECT_EQ(last.requests, 1u);
  EXPECT_NEAR(last.answer_p99->value(), 50'000, 800);
  EXPECT_EQ(minutes_kept.view(noon + minutes(3)).requests, 0u);
  EXPECT_FALSE(minutes_kept.view(noon + minutes(3)).answer_p50);
}

TEST(PredictionMinutes, OldOnesDoNotComeBack) {
  PredictionMinutes minutes_kept(minutes(9));
  EXPECT_EQ(minutes_kept.view(minutes(9) + seconds(20)).span, seconds(20)) << "no longer than it is there";
  minutes_kept.note_answer(minutes(10), milliseconds(1));
  minutes_kept.note_answer(minutes(11), milliseconds(1));
  minutes_kept.note_answer(minutes(13), milliseconds(1));
  EXPECT_EQ(minutes_kept.view(minutes(13)).requests, 1u);
  minutes_kept.note_error(minutes(14));
  EXPECT_EQ(minutes_kept.view(minutes(14)).requests, 1u);
  EXPECT_EQ(minutes_kept.view(minutes(14)).errors, 1u);
}

}  // namespace
}  // namespace tandem::runtime
