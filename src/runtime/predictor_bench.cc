// Predictions a second and their delay, of the example's model of 50 features, on one core: that of the process, which
// is bound to it, so that who asks takes his share too. Beside them, in the same run, ONNX Runtime called plainly, and
// as a bound the arithmetic that it reaches on a large product of matrices.
//
// `eur_per_million`: the time on the core, at kCoreEurPerHour.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <semaphore>
#include <thread>

#include "runtime/onnx_session.h"
#include "runtime/predictor.h"
#include "support/onnx_models.h"
#include "support/temporary_directory.h"

namespace tandem::runtime {
namespace {

constexpr double kCoreEurPerHour = 0.04;  // near what the large clouds ask for a vCPU of theirs
constexpr int64_t kFeatures = 50;
constexpr double kFlopPerRow = 2.0 * (50 * 48 + 48 * 24 + 24 * 1);  // of the products; the rest is a few hundred

const std::string kModels = std::string(TANDEM_SOURCE_DIR) + "/examples/predict/models";

// Binds this thread, and those it makes, to one core; its timers are exact meanwhile.
class OneCore {
 public:
  OneCore() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int core = CPU_SETSIZE - 1; core >= 0 && CPU_COUNT(&one) == 0; --core)
      if (CPU_ISSET(core, &before_)) CPU_SET(core, &one);
    sched_setaffinity(0, sizeof one, &one);
    prctl(PR_SET_TIMERSLACK, 1);
  }
  ~OneCore() { sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_;
};

double core_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}

void report_cost(benchmark::State& state, double core_s, double rows) {
  state.counters["eur_per_million"] = core_s / rows * 1e6 * kCoreEurPerHour / 3'600;
  state.SetLabel("0.04 EUR per core-hour");
}

const OnnxLibrary* library_of(benchmark::State& state) {
  const auto library = OnnxLibrary::load({});
  if (library) return *library;
  state.SkipWithError(library.error().message.c_str());
  return nullptr;
}

// Features as a telemetry row has them: of many sizes.
std::string some_rows(int64_t rows) {
  std::vector<float> values(static_cast<size_t>(rows * kFeatures));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 7919 % 1'000) * (i % 7));
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// ---- ONNX Runtime, plainly ----

void run_onnx(benchmark::State& state, const std::string& file, int64_t columns, double flop_per_row) {
  const OneCore core;
  const OnnxLibrary* library = library_of(state);
  if (library == nullptr) return;
  const int64_t rows = state.range(0);
  const auto session = OnnxSession::load(*library, file, static_cast<uint32_t>(rows)).value();
  const std::string bytes = std::string(static_cast<size_t>(rows * columns) * sizeof(float), '\1');
  const Shape shape{rows, columns};
  const std::vector<TensorView> inputs{{DataType::fp32, shape, bytes}};
  const double before_s = core_seconds();
  for (auto _ : state) benchmark::DoNotOptimize(session->run(inputs).value().tensors().front().bytes.data());
  const double used_s = core_seconds() - before_s;
  const auto total = static_cast<double>(rows * static_cast<int64_t>(state.iterations()));
  state.counters["rows/s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["gflop/s"] = benchmark::Counter(total * flop_per_row * 1e-9, benchmark::Counter::kIsRate);
  report_cost(state, used_s, total);
}

void onnx_run(benchmark::State& state) { run_onnx(state, kModels + "/site-ttft/1/model.onnx", kFeatures, kFlopPerRow); }

// The bound: what the core's arithmetic gives. Its gflop/s over the flop of a row are the most rows a second.
void onnx_large_product(benchmark::State& state) {
  constexpr size_t kSize = 512;
  const test_support::TemporaryDirectory directory;
  const auto file = directory.path() / "product.onnx";
  test_support::put_file(file, test_support::product_model(kSize));
  run_onnx(state, file, kSize, 2.0 * kSize * kSize);
}

// ---- the predictor ----

class Load {
 public:
  explicit Load(benchmark::State& state) : state_(state) {
    if (library_of(state) == nullptr) return;
    PredictorOptions options;
    options.repository = kModels;
    predictor_ = Predictor::open(options, clock_, metrics_).value();
    predictor_->wait_until_settled();
  }
  bool is_ready() const { return predictor_ != nullptr; }
  Duration now() const { return clock_.monotonic(); }

  // One row, whose delay counts from `since`.
  template <class Then>
  void ask(Duration since, Then then) {
    PredictionRequest request;
    request.model = "site-ttft";
    request.inputs.push_back({"features", DataType::fp32, {1, kFeatures}, row_});
    predictor_->submit(std::move(request), [this, since, then](const Result<PredictionAnswer>& answer) {
      if (answer) {
        delays_us_.push_back(static_cast<float>((clock_.monotonic() - since).ns) * 1e-3f);
        batch_rows_ += answer->batch_rows;
      }
      then();
    });
  }

  void report(double wall_s, double core_s) {
    std::sort(delays_us_.begin(), delays_us_.end());
    const auto at = [&](double quantile) {
      return delays_us_.empty()
                 ? 0.0
                 : static_cast<double>(
                       delays_us_[static_cast<size_t>(quantile * static_cast<double>(delays_us_.size() - 1))]);
    };
    const auto rows = static_cast<double>(delays_us_.size());
    state_.counters["predictions/s"] = rows / wall_s;
    state_.counters["p50_us"] = at(0.5);
    state_.counters["p99_us"] = at(0.99);
    state_.counters["max_us"] = at(1);
    state_.counters["batch_rows"] = static_cast<double>(batch_rows_) / rows;
    state_.counters["cores"] = core_s / wall_s;
    report_cost(state_, core_s, rows);
  }

 private:
  benchmark::State& state_;
  SystemClock clock_;
  Metrics metrics_;
  const std::string row_ = some_rows(1);
  std::vector<float> delays_us_;  // of the predictor's one thread
  uint64_t batch_rows_ = 0;
  std::unique_ptr<Predictor> predictor_;
};

// So many requests of one row always under way: the most it can do.
void predictor_closed_loop(benchmark::State& state) {
  const OneCore core;
  const int requests = state.range(0) == 1 ? 4'000 : 400'000;
  for (auto _ : state) {
    Load load(state);
    if (!load.is_ready()) return;
    std::counting_semaphore<> room(state.range(0));
    const Duration begun = load.now();
    const double before_s = core_seconds();
    for (int i = 0; i < requests; ++i) {
      room.acquire();
      load.ask(load.now(), [&room] { room.release(); });
    }
    for (int64_t i = 0; i < state.range(0); ++i) room.acquire();
    load.report((load.now() - begun).seconds(), core_seconds() - before_s);
  }
}

// So many requests a second, whatever becomes of them: delay counts from when a request was due.
void predictor_open_loop(benchmark::State& state) {
  const OneCore core;
  const double rate_per_s = static_cast<double>(state.range(0));
  const auto requests = static_cast<int64_t>(rate_per_s * 2);
  for (auto _ : state) {
    Load load(state);
    if (!load.is_ready()) return;
    std::atomic<int64_t> answered{0};
    const Duration begun = load.now();
    const double before_s = core_seconds();
    const auto due = [&](int64_t i) {
      return begun + nanoseconds(static_cast<int64_t>(1e9 / rate_per_s * static_cast<double>(i)));
    };
    for (int64_t i = 0; i < requests;) {
      for (const Duration now = load.now(); i < requests && due(i) <= now; ++i)
        load.ask(due(i), [&answered] { ++answered; });
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    while (answered < requests) std::this_thread::sleep_for(std::chrono::microseconds(100));
    load.report((load.now() - begun).seconds(), core_seconds() - before_s);
  }
}

BENCHMARK(onnx_run)->Arg(1)->Arg(8)->Arg(32)->Arg(256)->Unit(benchmark::kMicrosecond);
BENCHMARK(onnx_large_product)->Arg(512)->Unit(benchmark::kMicrosecond);
BENCHMARK(predictor_closed_loop)->Arg(512)->Arg(1)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(predictor_open_loop)->Arg(20'000)->Arg(100'000)->Arg(200'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::runtime
