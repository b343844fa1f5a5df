#include "runtime/batch_queue.h"

#include <gtest/gtest.h>

namespace tandem::runtime {
namespace {

const ModelSignature kRows = signature_of({{"x", DataType::fp32, {-1, 2}}}, {{"y", DataType::fp32, {-1, 1}}}, 4);

Tensor tensor(std::string name, DataType type, Shape shape) {
  const size_t bytes = element_count(shape).value_or(0) * element_bytes(type);
  return {std::move(name), type, std::move(shape), std::string(bytes, '\0')};
}

WaitingRequest waiting(Duration arrived, int64_t rows = 1, Duration deadline = seconds(100), int64_t columns = 2) {
  WaitingRequest request;
  request.inputs = {tensor("x", DataType::fp32, {rows, columns})};
  request.rows = static_cast<uint64_t>(rows);
  request.bytes = request.inputs[0].bytes.size();
  request.arrived = arrived;
  request.deadline = deadline;
  return request;
}

BatchQueue queue(Duration batch_deadline, const ModelSignature& signature = kRows) {
  BatchQueue made(batch_deadline);
  made.describe(signature, [](WaitingRequest&, const Error&) { FAIL(); });
  return made;
}

TEST(BatchQueue, WaitsForOthersForTheBatchDeadlineAndNoLonger) {
  BatchQueue q = queue(milliseconds(5));
  EXPECT_EQ(q.due(), BatchQueue::kNever);
  q.push(waiting(seconds(1)));
  q.push(waiting(seconds(1) + milliseconds(3)));
  EXPECT_EQ(q.due(), seconds(1) + milliseconds(5));
  std::vector<WaitingRequest> late;
  EXPECT_EQ(q.take(seconds(1) + milliseconds(5), late).size(), 2u);
  EXPECT_TRUE(late.empty());
  EXPECT_EQ(q.due(), BatchQueue::kNever);
  EXPECT_EQ(q.bytes(), 0u);
}

TEST(BatchQueue, AFullBatchIsDueAtOnceAndTakesNoMoreThanFits) {
  BatchQueue q = queue(seconds(50));
  q.push(waiting(seconds(1), 3));
  EXPECT_GT(q.due(), seconds(2));
  q.push(waiting(seconds(2), 2));
  EXPECT_LE(q.due(), seconds(2));
  std::vector<WaitingRequest> late;
  EXPECT_EQ(q.take(seconds(2), late).size(), 1u);
  EXPECT_EQ(q.rows(), 2u);
  EXPECT_EQ(q.due(), seconds(2) + seconds(50));
}

TEST(BatchQueue, BeginsSoonerForTheMostUrgent) {
  BatchQueue q = queue(seconds(50));
  q.note_run(milliseconds(8));  // smoothed: one millisecond
  q.push(waiting(seconds(1)));
  q.push(waiting(seconds(1), 1, seconds(1) + milliseconds(20)));
  EXPECT_LT(q.due(), seconds(1) + milliseconds(18));
  EXPECT_GT(q.due(), seconds(1) + milliseconds(10));
}

TEST(BatchQueue, WhatCannotBeAnsweredInTimeCostsNoRun) {
  BatchQueue q = queue(milliseconds(5));
  q.note_run(milliseconds(80));  // ten
  q.push(waiting(seconds(1), 1, seconds(1) + milliseconds(5)));
  q.push(waiting(seconds(1), 1, seconds(3)));
  std::vector<WaitingRequest> late;
  EXPECT_EQ(q.take(seconds(1), late).size(), 1u);
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].deadline, seconds(1) + milliseconds(5));
}

TEST(BatchQueue, DropsTheLateAndKeepsTheOrderOfTheRest) {
  BatchQueue q = queue(milliseconds(5));
  for (const int64_t s : {9, 2, 8, 1, 7}) q.push(waiting(seconds(1), 1, seconds(s)));
  std::vector<WaitingRequest> late;
  EXPECT_EQ(q.expiry(), seconds(1));
  q.drop_late(seconds(2), late);
  EXPECT_EQ(late.size(), 2u);
  EXPECT_EQ(q.expiry(), seconds(7));
  EXPECT_EQ(q.rows(), 3u);
  std::vector<int64_t> kept;
  for (const WaitingRequest& each : q.take_all()) kept.push_back(each.deadline.ns / seconds(1).ns);
  EXPECT_EQ(kept, (std::vector<int64_t>{9, 8, 7}));
}

TEST(BatchQueue, WhatCameBeforeTheModelWasKnownIsCheckedThen) {
  BatchQueue q(milliseconds(5));
  q.push(waiting(seconds(1), 1, seconds(100), 3));
  q.push(waiting(seconds(1), 2));
  std::vector<std::string> refused;
  q.describe(kRows, [&](WaitingRequest&, const Error& error) { refused.push_back(error.message); });
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_NE(refused[0].find("FP32 [-1,2]"), std::string::npos) << refused[0];
  EXPECT_EQ(q.rows(), 2u);
}

TEST(BatchQueue, OnlyWhatAgreesInItsOtherDimensionsSharesARun) {
  BatchQueue q = queue(milliseconds(5), signature_of({{"x", DataType::fp32, {-1, -1}}}, {}, 16));
  for (const int64_t columns : {2, 2, 3, 2}) q.push(waiting(seconds(1), 1, seconds(100), columns));
  std::vector<WaitingRequest> late;
  EXPECT_EQ(q.take(seconds(2), late).size(), 2u);
  EXPECT_EQ(q.take(seconds(2), late).size(), 1u);
  EXPECT_EQ(q.take(seconds(2), late).size(), 1u);
}

// ---- what fits a model ----

const ModelSignature kTwoInputs =
    signature_of({{"a", DataType::fp32, {-1, 2}}, {"b", DataType::int64, {-1}}}, {{"y", DataType::fp32, {-1, 1}}}, 8);

std::string refusal(std::vector<Tensor> inputs) {
  const auto fitted = fit(kTwoInputs, inputs);
  return fitted ? "" : fitted.error().message;
}

TEST(TensorFit, PutsInputsIntoTheModelsOrderAndCountsRows) {
  std::vector<Tensor> inputs{tensor("b", DataType::int64, {3}), tensor("a", DataType::fp32, {3, 2})};
  EXPECT_EQ(fit(kTwoInputs, inputs).value(), 3u);
  EXPECT_EQ(inputs[0].name, "a");
}

TEST(TensorFit, SaysWhatWasExpectedAndWhatCame) {
  const Tensor a = tensor("a", DataType::fp32, {3, 2});
  const Tensor b = tensor("b", DataType::int64, {3});
  EXPECT_EQ(refusal({a, b}), "");
  EXPECT_EQ(refusal({a}), "input 'b' is missing; the model takes 'a' FP32 [-1,2], 'b' INT64 [-1]");
  EXPECT_EQ(refusal({a, b, b}), "input 'b' is given twice");
  EXPECT_EQ(refusal({a, tensor("c", DataType::int64, {3})}).find("there is no input 'c'"), 0u);
  EXPECT_EQ(refusal({a, tensor("b", DataType::int32, {3})}), "input 'b' must be INT64 [-1] (-1: any), not INT32 [3]");
  EXPECT_EQ(refusal({tensor("a", DataType::fp32, {3, 4}), b}),
            "input 'a' must be FP32 [-1,2] (-1: any), not FP32 [3,4]");
  EXPECT_EQ(refusal({a, tensor("b", DataType::int64, {2})}), "input 'a' has 3 rows and input 'b' has 2");
  EXPECT_EQ(refusal({tensor("a", DataType::fp32, {0, 2}), tensor("b", DataType::int64, {0})}),
            "input 'a' must have a row at least");
  EXPECT_EQ(refusal({tensor("a", DataType::fp32, {9, 2}), tensor("b", DataType::int64, {9})}),
            "a request may have 8 rows, not 9: send several");
  Tensor torn = a;
  torn.bytes.pop_back();
  EXPECT_EQ(refusal({torn, b}), "input 'a' of FP32 [3,2] has 24 bytes, not 23");
}

TEST(TensorFit, CountsElementsAndRefusesShapesThatOverflow) {
  EXPECT_FALSE(element_count({INT64_MAX, INT64_MAX}));
  EXPECT_FALSE(element_count({int64_t{1} << 33, int64_t{1} << 33}));
  EXPECT_FALSE(element_count({-1}));
  EXPECT_FALSE(element_count(Shape(kRankMax + 1, 1)));
  EXPECT_EQ(element_count({}), 1u);
  EXPECT_EQ(element_count({4, 0, 7}), 0u);
}

}  // namespace
}  // namespace tandem::runtime
