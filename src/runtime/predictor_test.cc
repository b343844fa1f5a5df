#include "runtime/predictor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <future>
#include <latch>
#include <thread>

#include "base/text.h"
#include "runtime/onnx_session.h"
#include "support/onnx_models.h"
#include "support/temporary_directory.h"

namespace tandem::runtime {
namespace {

using test_support::put_file;
using test_support::put_model;
using test_support::scaling_model;

constexpr const char* kNoLibrary = "/nonexistent/libonnxruntime.so.1";

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::vector<float> floats_of(const Tensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

PredictionRequest request(std::string model, const std::vector<float>& x, int64_t columns = 2) {
  PredictionRequest made;
  made.model = std::move(model);
  made.inputs = {{"x", DataType::fp32, {static_cast<int64_t>(x.size()) / columns, columns}, bytes_of(x)}};
  return made;
}

PredictionRequest of_version(uint64_t version, PredictionRequest asked) {
  asked.version = version;
  return asked;
}

PredictionRequest within(Duration timeout, PredictionRequest asked) {
  asked.timeout = timeout;
  return asked;
}

// Needs the library; scripts/fetch-onnxruntime brings it.
class PredictorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto library = OnnxLibrary::load({}); !library) GTEST_SKIP() << "skipped: " << library.error().message;
  }

  const std::filesystem::path& repository() const { return directory_.path(); }

  void start(PredictorOptions options = {}) {
    options.repository = repository();
    predictor_ = Predictor::open(std::move(options), clock_, metrics_).value();
    predictor_->wait_until_settled();
  }

  std::future<Result<PredictionAnswer>> submit(PredictionRequest asked) {
    const auto promise = std::make_shared<std::promise<Result<PredictionAnswer>>>();
    predictor_->submit(std::move(asked),
                       [promise](Result<PredictionAnswer> answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  }
  Result<PredictionAnswer> ask(PredictionRequest asked) { return submit(std::move(asked)).get(); }

  std::string loaded() const {
    std::string names;
    for (const ModelStatus& status : predictor_->models())
      if (status.state == ModelState::ready) names += status.model;
    return names;
  }

  SystemClock clock_;
  Metrics metrics_;
  test_support::TemporaryDirectory directory_;
  std::unique_ptr<Predictor> predictor_;
};

TEST_F(PredictorTest, AnswersWithTheModelsOutputs) {
  put_model(repository(), "double", 1, scaling_model(2));
  start();
  const auto answer = ask(request("double", {1, 2, 3, 4}));
  ASSERT_TRUE(answer) << to_string(answer.error());
  ASSERT_EQ(answer->outputs.size(), 1u);
  EXPECT_EQ(answer->outputs[0].name, "y");
  EXPECT_EQ(answer->outputs[0].shape, (Shape{2, 2}));
  EXPECT_EQ(floats_of(answer->outputs[0]), (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(answer->rows, 2u);
  const ModelStatus status = predictor_->model("double", 0).value();
  EXPECT_EQ(status.inputs, (std::vector<TensorSpec>{{"x", DataType::fp32, {-1, 2}}}));
  EXPECT_GT(status.memory_bytes, 0u);
}

TEST_F(PredictorTest, VersionsStandSideBySide) {
  put_model(repository(), "m", 2, scaling_model(2));
  put_model(repository(), "m", 10, scaling_model(10));
  start();
  EXPECT_EQ(floats_of(ask(of_version(2, request("m", {1, 1})))->outputs[0])[0], 2);
  EXPECT_EQ(floats_of(ask(of_version(10, request("m", {1, 1})))->outputs[0])[0], 10);
  EXPECT_EQ(ask(request("m", {1, 1}))->version, 10u);  // the latest by number, not by name
  EXPECT_EQ(ask(of_version(3, request("m", {1, 1}))).error().message, "the model 'm' has no version 3");
}

TEST_F(PredictorTest, PutsRequestsTogetherAndGivesEachItsOwnRows) {
  put_model(repository(), "m", 1, scaling_model(2));
  put_file(repository() / "m" / "config.yaml", "max_batch: 5\nbatch_deadline_us: 1000000\n");
  start();
  auto first = submit(request("m", {1, 1, 2, 2}));
  auto second = submit(request("m", {3, 3}));
  auto third = submit(request("m", {4, 4, 5, 5}));  // fills it
  const auto last = third.get();
  EXPECT_EQ(last->batch_rows, 5u);
  EXPECT_EQ(floats_of(last->outputs[0]), (std::vector<float>{8, 8, 10, 10}));
  EXPECT_EQ(floats_of(first.get()->outputs[0]), (std::vector<float>{2, 2, 4, 4}));
  EXPECT_EQ(floats_of(second.get()->outputs[0]), (std::vector<float>{6, 6}));
}

TEST_F(PredictorTest, AModelWithoutRowsRunsItsRequestsAlone) {
  put_model(repository(), "sum", 1, test_support::summing_model());
  start();
  auto first = submit(request("sum", {1, 2, 3, 4}));
  auto second = submit(request("sum", {5, 6}));
  EXPECT_EQ(floats_of(first.get()->outputs[0]), (std::vector<float>{10}));
  EXPECT_EQ(floats_of(second.get()->outputs[0]), (std::vector<float>{11}));
}

TEST_F(PredictorTest, RefusesWhatTheModelDoesNotTakeAndWhoMayNotUseIt) {
  put_model(repository(), "m", 1, scaling_model(2));
  put_file(repository() / "m" / "config.yaml", "tenants: [bank]\n");
  start();
  EXPECT_EQ(ask(request("m", {1, 2, 3, 4}, 1)).error().message,
            "input 'x' must be FP32 [-1,2] (-1: any), not FP32 [4,1]");
  PredictionRequest asked = request("m", {1, 2});
  asked.tenant = "clinic";
  EXPECT_EQ(ask(asked).error().code, ErrorCode::not_found);
  asked.tenant = "bank";
  EXPECT_TRUE(ask(asked));
  EXPECT_EQ(ask(request("n", {1, 2})).error().code, ErrorCode::not_found);
}

TEST_F(PredictorTest, AModelThatCannotBeServedSaysWhyAndTheOthersAreServed) {
  put_model(repository(), "good", 1, scaling_model(2));
  put_model(repository(), "torn", 1, scaling_model(2).substr(0, 60));
  put_model(repository(), "words", 1, test_support::echo_model(test_support::kString));
  start();
  EXPECT_EQ(loaded(), "good");
  EXPECT_TRUE(ask(request("good", {1, 2})));
  const auto torn = ask(request("torn", {1, 2}));
  EXPECT_EQ(torn.error().code, ErrorCode::unavailable);
  EXPECT_EQ(torn.error().message.find("torn version 1 cannot be served: ONNX Runtime: "), 0u) << torn.error().message;
  EXPECT_EQ(torn.error().message.find(repository().string()), std::string::npos) << torn.error().message;
  EXPECT_NE(predictor_->model("words", 1)->reason.find("'x' is of texts"), std::string::npos);
}

TEST_F(PredictorTest, KeepsToItsMemoryAndLoadsAgainOnDemand) {
  constexpr int64_t kFloats = 100'000;
  for (const char* name : {"a", "b", "c"}) {
    put_model(repository(), name, 1, scaling_model(3, {-1, kFloats}, kFloats));
    put_file(repository() / name / "config.yaml", "max_batch: 1\n");
  }
  start();
  const uint64_t one = predictor_->model("a", 1)->memory_bytes;
  EXPECT_GE(one, 4u * kFloats);
  predictor_.reset();

  PredictorOptions options;
  options.memory_bytes_max = one * 5 / 2;  // two of the three
  start(options);
  EXPECT_EQ(loaded(), "ab");
  const auto run = [&](const char* name) {
    const auto answer = ask(request(name, std::vector<float>(kFloats, 2), kFloats));
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(floats_of(answer->outputs[0])[7], 6);
  };
  run("a");
  run("c");  // pushes out b, which nobody has used
  EXPECT_EQ(loaded(), "ac");
  run("b");
  EXPECT_EQ(loaded(), "bc");
  EXPECT_EQ(metrics_.counter("tandem_predictor_evictions_total", "").value(), 2u);
  EXPECT_EQ(predictor_->model("a", 1)->evictions, 1u);
  EXPECT_GT(predictor_->memory().used_bytes, one);
  EXPECT_LE(predictor_->memory().used_bytes, predictor_->memory().max_bytes);
  EXPECT_EQ(predictor_->memory().max_bytes, one * 5 / 2);
  EXPECT_EQ(predictor_->models().at(0).recent.requests, 1u);
}

TEST_F(PredictorTest, ModelsThatPushEachOtherOutServeAll) {
  constexpr int64_t kFloats = 50'000;
  for (const char* name : {"a", "b"}) {
    put_model(repository(), name, 1, scaling_model(3, {-1, kFloats}, kFloats));
    put_file(repository() / name / "config.yaml", "max_batch: 1\n");
  }
  start();
  PredictorOptions options;
  options.memory_bytes_max = predictor_->model("a", 1)->memory_bytes * 3 / 2;
  start(options);
  EXPECT_EQ(loaded(), "a");
  std::vector<std::future<Result<PredictionAnswer>>> answers;
  for (int i = 0; i < 20; ++i)
    answers.push_back(submit(request(i % 2 == 0 ? "a" : "b", std::vector<float>(kFloats, 1), kFloats)));
  for (auto& answer : answers) EXPECT_TRUE(answer.get());
}

TEST_F(PredictorTest, OneThatIsLargerThanTheBudgetSaysSo) {
  put_model(repository(), "m", 1, scaling_model(3, {-1, 50'000}, 50'000));
  put_file(repository() / "m" / "config.yaml", "max_batch: 1\n");
  PredictorOptions options;
  options.memory_bytes_max = 1'000;
  start(options);
  const auto answer = ask(request("m", {1, 2}));
  EXPECT_EQ(answer.error().code, ErrorCode::unavailable);
  EXPECT_NE(answer.error().message.find("all models together may have 1000"), std::string::npos);
}

// Keeps the predictor's one thread, so that what is submitted meanwhile waits.
class Busy {
 public:
  explicit Busy(Predictor& predictor) {
    predictor.submit(request("m", {1, 1}), [this](const auto&) {
      begun_.count_down();
      released_.wait();
      gone_.count_down();
    });
    begun_.wait();
  }
  ~Busy() {
    released_.count_down();
    gone_.wait();
  }

 private:
  std::latch begun_{1}, released_{1}, gone_{1};
};

TEST_F(PredictorTest, RefusesWhatItsQueuesHaveNoRoomFor) {
  put_model(repository(), "m", 1, scaling_model(2));
  put_file(repository() / "m" / "config.yaml", "max_batch: 2\nqueue_max: 3\n");
  PredictorOptions options;
  options.queued_bytes_max = 20;  // two rows and a half
  start(options);
  std::vector<std::future<Result<PredictionAnswer>>> answers;
  {
    const Busy busy(*predictor_);
    answers.push_back(submit(request("m", {1, 1})));
    answers.push_back(submit(request("m", {1, 1})));
    const auto heavy = ask(request("m", {1, 1}));
    EXPECT_EQ(heavy.error().code, ErrorCode::resource_exhausted);
    EXPECT_NE(heavy.error().message.find("memory"), std::string::npos) << heavy.error().message;
    const auto many = ask(request("m", {1, 1, 1, 1}));
    EXPECT_NE(many.error().message.find("2 rows wait for m version 1"), std::string::npos) << many.error().message;
  }
  for (auto& answer : answers) EXPECT_TRUE(answer.get());
}

TEST_F(PredictorTest, WhatIsLateIsToldAndCostsNoRun) {
  put_model(repository(), "m", 1, scaling_model(2));
  start();
  std::future<Result<PredictionAnswer>> late;
  {
    const Busy busy(*predictor_);
    late = submit(within(nanoseconds(1), request("m", {1, 1})));
  }
  EXPECT_EQ(late.get().error().code, ErrorCode::deadline_exceeded);
  EXPECT_TRUE(ask(request("m", {1, 1})));
  predictor_.reset();  // counts have come to rest
  EXPECT_EQ(metrics_.counter("tandem_predictions_total", "", {{"model", "m"}, {"version", "1"}}).value(), 2u);
}

TEST_F(PredictorTest, AnUrgentRequestDoesNotWaitForOthers) {
  put_model(repository(), "m", 1, scaling_model(2));
  put_file(repository() / "m" / "config.yaml", "batch_deadline_us: 1000000\n");
  start();
  const auto answer = ask(within(milliseconds(500), request("m", {1, 1})));
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_LT(answer->queued, milliseconds(500));
}

TEST_F(PredictorTest, WhatWaitsAtTheEndIsTold) {
  put_model(repository(), "m", 1, scaling_model(2));
  put_file(repository() / "m" / "config.yaml", "batch_deadline_us: 1000000\n");
  start();
  auto waiting = submit(request("m", {1, 1}));
  predictor_.reset();
  EXPECT_EQ(waiting.get().error().code, ErrorCode::unavailable);
}

TEST_F(PredictorTest, ManyThreadsAskAndEachGetsItsOwn) {
  put_model(repository(), "m", 1, scaling_model(2));
  put_file(repository() / "m" / "config.yaml", "instances: 2\n");
  PredictorOptions options;
  options.threads = 2;
  start(options);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const auto value = static_cast<float>(1'000 * t + i);
        const auto answer = ask(request("m", {value, value}));
        if (answer && floats_of(answer->outputs[0])[1] == 2 * value) ++right;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 200);
}

// The example's model, as its training script left it, says of the rows held out what the script wrote down beside
// them.
TEST_F(PredictorTest, TheExampleAnswersAsItWasTrained) {
  const std::filesystem::path example = std::string(TANDEM_SOURCE_DIR) + "/examples/predict";
  PredictorOptions options;
  options.repository = example / "models";
  predictor_ = Predictor::open(options, clock_, metrics_).value();
  std::ifstream rows(example / "held_out.csv");
  std::string line;
  std::getline(rows, line);
  size_t checked = 0;
  double error = 0;
  for (; std::getline(rows, line); ++checked) {
    std::vector<float> values;
    for (const std::string_view cell : split(line, ',')) values.push_back(static_cast<float>(*parse_number(cell)));
    ASSERT_EQ(values.size(), 52u);
    const float truth = values[50], expected = values[51];
    values.resize(50);
    PredictionRequest asked;
    asked.model = "site-ttft";
    asked.inputs = {{"features", DataType::fp32, {1, 50}, bytes_of(values)}};
    const auto answer = ask(std::move(asked));
    ASSERT_TRUE(answer) << to_string(answer.error());
    const float predicted = floats_of(answer->outputs[0])[0];
    EXPECT_NEAR(predicted, expected, expected * 1e-3);
    error += std::abs(std::log(predicted / truth));
  }
  EXPECT_EQ(checked, 64u);
  EXPECT_LT(error / static_cast<double>(checked), 0.5);  // metrics.json has it of all rows, and of simpler rules
}

// ---- without the library: a process of its own, for a library once loaded stays ----

void serve_without_library() {
  test_support::TemporaryDirectory directory;
  put_model(directory.path(), "m", 1, scaling_model(2));
  const SystemClock clock;
  Metrics metrics;
  PredictorOptions options;
  options.repository = directory.path();
  options.library = kNoLibrary;
  const auto predictor = Predictor::open(options, clock, metrics).value();
  predictor->wait_until_settled();
  std::promise<Error> refused;
  predictor->submit(request("m", {1, 1}), [&](const auto& answer) { refused.set_value(answer.error()); });
  const Error error = refused.get_future().get();
  std::fprintf(stderr, "%s\n", to_string(error).c_str());
  std::_Exit(error.code == ErrorCode::unavailable ? 0 : 1);
}

TEST(PredictorDeathTest, SaysWhatToDoWithoutTheLibrary) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(serve_without_library(), ::testing::ExitedWithCode(0), "run scripts/fetch-onnxruntime and start again");
}

// ---- the repository ----

TEST(ModelRepository, ListsVersionsByNumberAndSaysAllThatIsWrong) {
  test_support::TemporaryDirectory directory;
  const auto& root = directory.path();
  put_model(root, "m", 10, "x");
  put_model(root, "m", 9, "x");
  put_model(root, "a", 1, "x");
  put_file(root / "m" / "config.yaml", "max_batch: 32\ntenants: [bank]\n");
  put_file(root / "README.md", "passed over");
  put_file(root / ".git" / "1" / "model.onnx", "passed over");
  ModelRepository repository = scan_model_repository(root);
  EXPECT_TRUE(repository.diagnostics.empty());
  ASSERT_EQ(repository.files.size(), 3u);
  EXPECT_EQ(repository.files[1].version, 9u);
  EXPECT_EQ(repository.files[2].version, 10u);
  EXPECT_EQ(repository.files[2].config.max_batch, 32u);
  EXPECT_TRUE(repository.files[2].config.may_use("bank"));
  EXPECT_FALSE(repository.files[2].config.may_use("clinic"));

  std::filesystem::create_directories(root / "m" / "11");
  put_file(root / "m" / "new" / "model.onnx", "x");
  put_file(root / "a" / "config.yaml", "max_batches: 32\ninstances: 0\n");
  repository = scan_model_repository(root);
  std::string all;
  for (const Diagnostic& diagnostic : repository.diagnostics) all += to_string(diagnostic) + "\n";
  for (const char* expected : {"a/config.yaml:1: error: there is no key 'max_batches'; did you mean 'max_batch'?",
                               "config.yaml:2: error: 'instances' must be a whole number from 1 to 64",
                               "m/11: error: there is no model.onnx here", "m/new: error: a version is a whole number"})
    EXPECT_NE(all.find(expected), std::string::npos) << expected << " in\n" << all;
  EXPECT_EQ(repository.files.size(), 2u);
}

TEST(Predictor, RefusesAFolderThatIsNotThereOrHasErrors) {
  const SystemClock clock;
  Metrics metrics;
  PredictorOptions options;
  options.repository = "/nonexistent/models";
  EXPECT_EQ(Predictor::open(options, clock, metrics).error().code, ErrorCode::not_found);
  test_support::TemporaryDirectory directory;
  put_model(directory.path(), "m", 1, "x");
  put_file(directory.path() / "m" / "config.yaml", "max_batch: many\n");
  options.repository = directory.path();
  EXPECT_NE(Predictor::open(options, clock, metrics).error().message.find("config.yaml:1"), std::string::npos);
}

}  // namespace
}  // namespace tandem::runtime
