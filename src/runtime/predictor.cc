#include "runtime/predictor.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/logging.h"
#include "base/text.h"
#include "runtime/batch_queue.h"
#include "runtime/onnx_session.h"
#include "runtime/recent_predictions.h"

namespace tandem::runtime {
namespace {

const std::vector<double> kBatchRows{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024, 4'096};
const std::vector<double> kQueueSeconds{50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.2, 1, 10};

// The rows of several requests, one after the other, as one input; a single request's as they are.
class Batch {
 public:
  Batch(std::span<const WaitingRequest> requests, uint64_t rows) {
    const size_t inputs = requests.front().inputs.size();
    for (size_t i = 0; i < inputs; ++i) {
      const Tensor& first = requests.front().inputs[i];
      shapes_.push_back(first.shape);
      if (requests.size() == 1) {
        views_.push_back({first.datatype, first.shape, first.bytes});
        continue;
      }
      shapes_.back().front() = static_cast<int64_t>(rows);
      std::string bytes;
      bytes.reserve(first.bytes.size() / requests.front().rows * rows);
      for (const WaitingRequest& request : requests) bytes += request.inputs[i].bytes;
      joined_.push_back(std::move(bytes));
    }
    for (size_t i = 0; i < joined_.size(); ++i)
      views_.push_back({requests.front().inputs[i].datatype, shapes_[i], joined_[i]});
  }
  std::span<const TensorView> views() const { return views_; }

 private:
  std::vector<Shape> shapes_;
  std::vector<std::string> joined_;
  std::vector<TensorView> views_;
};

}  // namespace

std::string_view to_string(ModelState state) {
  switch (state) {
    case ModelState::waiting: return "waiting";
    case ModelState::loading: return "loading";
    case ModelState::ready: return "ready";
    case ModelState::evicted: return "evicted";
    case ModelState::failed: break;
  }
  return "failed";
}

class Predictor::State {
 public:
  State(PredictorOptions options, const Clock& clock, Metrics& metrics, std::vector<ModelFile> files);
  ~State();

  void submit(PredictionRequest request, Answered answered);
  std::vector<ModelStatus> models() const;
  Result<ModelStatus> model(std::string_view name, uint64_t version) const;
  PredictorMemory memory() const;
  bool settled() const;
  void wait_until_settled() const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Refusals = std::vector<std::pair<Answered, Error>>;  // told when the lock is free

  // One version of a model, for as long as the predictor.
  struct Entry {
    Entry(ModelFile its_file, Duration now)
        : file(std::move(its_file)), queue(file.config.batch_deadline), recent(now) {}

    const ModelFile file;
    BatchQueue queue;
    ModelState state = ModelState::waiting;
    std::string reason;                          // of `failed`
    std::shared_ptr<const OnnxSession> session;  // while `ready`; a run keeps it beyond
    uint64_t memory_bytes = 0;                   // as last measured; 0: never
    Duration last_used;
    bool served_since_load = false;
    uint32_t running = 0;
    uint64_t predictions = 0, errors = 0, evictions = 0;  // since the start
    PredictionMinutes recent;
    Counter* answered = nullptr;
    BucketHistogram* batch_rows = nullptr;
    BucketHistogram* queue_seconds = nullptr;

    std::string name() const { return fmt::format("{} version {}", file.model, file.version); }
    bool may_run() const { return state == ModelState::ready && running < file.config.instances; }
    Error failure() const { return {ErrorCode::unavailable, fmt::format("{} cannot be served: {}", name(), reason)}; }
  };

  const Entry* find(std::string_view name, uint64_t version) const;
  Result<Entry*> find_for(const PredictionRequest& request);
  Result<void> enqueue(PredictionRequest& request, Answered& answered);
  Result<void> check_room(const Entry& entry, const WaitingRequest& waiting) const;
  void want(Entry& entry);
  void refuse(Entry& entry, WaitingRequest& waiting, Error error, Refusals& refusals);
  void refuse_late(Entry& entry, std::vector<WaitingRequest>& late, Refusals& refusals);
  void count_error(Entry& entry, ErrorCode code);
  static void tell(Refusals refusals);

  void work();
  Entry* choose(Duration now, Duration& next, Refusals& refusals);
  void run_batch(Lock& lock, Entry& entry, std::vector<WaitingRequest> requests, Refusals refusals);
  static void answer(const Entry& entry, std::vector<WaitingRequest>& requests, uint64_t rows,
                     const Result<OnnxSession::Outputs>& outputs, Duration begun, Duration ended);

  void load_wanted();
  void load(Lock& lock, Entry& entry);
  uint64_t memory_of(const Entry& entry, const OnnxSession& session) const;
  Result<std::shared_ptr<const OnnxSession>> read(const Entry& entry) const;
  bool make_room(Lock& lock, uint64_t bytes, bool evict_others);
  void evict(Entry& entry);
  void publish(Entry& entry, std::shared_ptr<const OnnxSession> session, Refusals& refusals);
  void fail_all(Entry& entry, const Error& error, Refusals& refusals);
  static ModelStatus status_of(const Entry& entry);

  const PredictorOptions options_;
  const Clock& clock_;
  Metrics& metrics_;
  Gauge& memory_gauge_;
  Gauge& loaded_gauge_;
  Counter& evictions_;

  mutable std::mutex mutex_;  // guards what is below, for less than a microsecond a request
  std::condition_variable work_;
  std::condition_variable wanted_changed_;
  std::condition_variable room_changed_;
  mutable std::condition_variable settled_changed_;
  std::vector<std::unique_ptr<Entry>> entries_;  // by model, then version
  std::vector<Entry*> active_;                   // those with requests that wait
  std::deque<Entry*> wanted_;                    // to be loaded
  size_t unsettled_ = 0;                         // not tried yet
  uint64_t memory_bytes_ = 0;
  uint64_t queued_bytes_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

Predictor::State::State(PredictorOptions options, const Clock& clock, Metrics& metrics, std::vector<ModelFile> files)
    : options_(std::move(options)),
      clock_(clock),
      metrics_(metrics),
      memory_gauge_(metrics.gauge("tandem_predictor_memory_bytes", "Memory of the predictive models that are loaded")),
      loaded_gauge_(metrics.gauge("tandem_predictor_models_loaded", "Versions of predictive models that are loaded")),
      evictions_(metrics.counter("tandem_predictor_evictions_total", "Models that gave way to others")) {
  for (ModelFile& file : files) {
    auto entry = std::make_unique<Entry>(std::move(file), clock.monotonic());
    const Labels labels{{"model", entry->file.model}, {"version", std::to_string(entry->file.version)}};
    entry->answered = &metrics.counter("tandem_predictions_total", "Rows answered by predictive models", labels);
    entry->batch_rows =
        &metrics.histogram("tandem_prediction_batch_rows", "Rows of the runs of predictive models", labels, kBatchRows);
    entry->queue_seconds = &metrics.histogram(
        "tandem_prediction_queue_seconds", "Time that requests waited for their run to begin", labels, kQueueSeconds);
    entries_.push_back(std::move(entry));
  }
  // The latest versions first: they are asked for most.
  for (const bool latest : {true, false})
    for (const auto& entry : entries_)
      if ((find(entry->file.model, 0) == entry.get()) == latest) wanted_.push_back(entry.get());
  unsettled_ = wanted_.size();
  threads_.emplace_back([this] { load_wanted(); });
  for (uint32_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { work(); });
}

Predictor::State::~State() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (std::condition_variable* changed : {&work_, &wanted_changed_, &room_changed_}) changed->notify_all();
  for (std::thread& thread : threads_) thread.join();
  Refusals refusals;
  for (const auto& entry : entries_) fail_all(*entry, {ErrorCode::unavailable, "the predictor is stopping"}, refusals);
  tell(std::move(refusals));
}

// ---- requests ----

const Predictor::State::Entry* Predictor::State::find(std::string_view name, uint64_t version) const {
  const Entry* found = nullptr;
  for (const auto& entry : entries_)
    if (entry->file.model == name && (version == 0 || entry->file.version == version)) found = entry.get();
  return found;
}

Result<Predictor::State::Entry*> Predictor::State::find_for(const PredictionRequest& request) {
  const Entry* entry = find(request.model, request.version);
  if (entry != nullptr && entry->file.config.may_use(request.tenant)) return const_cast<Entry*>(entry);
  std::vector<std::string> usable;
  for (const auto& each : entries_)
    if (each->file.config.may_use(request.tenant)) usable.push_back(each->file.model);
  if (std::find(usable.begin(), usable.end(), request.model) != usable.end())
    return fail(ErrorCode::not_found, fmt::format("the model '{}' has no version {}", request.model, request.version));
  const auto meant = nearest(request.model, usable);
  return fail(ErrorCode::not_found, fmt::format("there is no model '{}', or your key may not use it{}", request.model,
                                                meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
}

void Predictor::State::submit(PredictionRequest request, Answered answered) {
  const Result<void> queued = enqueue(request, answered);
  if (!queued) answered(tl::unexpected(queued.error()));
}

Result<void> Predictor::State::enqueue(PredictionRequest& request, Answered& answered) {
  const std::lock_guard lock(mutex_);
  TANDEM_ASSIGN(Entry * entry, find_for(request));
  const auto refused = [&](Error error) {
    count_error(*entry, error.code);
    return tl::unexpected(std::move(error));
  };
  if (stopping_) return refused({ErrorCode::unavailable, "the predictor is stopping"});
  if (entry->state == ModelState::failed) return refused(entry->failure());
  WaitingRequest waiting;
  waiting.inputs = std::move(request.inputs);
  if (entry->queue.is_described()) {
    const auto rows = fit(entry->queue.signature(), waiting.inputs);
    if (!rows) return refused(rows.error());
    waiting.rows = *rows;
  }
  for (const Tensor& tensor : waiting.inputs) waiting.bytes += tensor.bytes.size();
  waiting.arrived = clock_.monotonic();
  waiting.deadline = waiting.arrived + (request.timeout.ns > 0 ? request.timeout : options_.wait_max);
  if (auto room = check_room(*entry, waiting); !room) return refused(room.error());
  waiting.answered = std::move(answered);

  if (entry->state == ModelState::evicted) want(*entry);
  if (entry->queue.empty()) active_.push_back(entry);
  const Duration due_before = entry->queue.due();
  queued_bytes_ += waiting.bytes;
  entry->queue.push(std::move(waiting));
  if (entry->queue.due() < due_before) work_.notify_one();  // somebody has to look at the clock anew, or can begin
  return {};
}

Result<void> Predictor::State::check_room(const Entry& entry, const WaitingRequest& waiting) const {
  const uint64_t rows_max = std::max<uint64_t>(entry.file.config.queue_max, entry.queue.signature().rows_max);
  if (entry.queue.rows() + waiting.rows > rows_max)
    return fail(ErrorCode::resource_exhausted,
                fmt::format("{} rows wait for {} already; try again shortly", entry.queue.rows(), entry.name()));
  if (queued_bytes_ + waiting.bytes > options_.queued_bytes_max)
    return fail(ErrorCode::resource_exhausted,
                "the predictions that wait hold as much memory as they may; try again shortly");
  return {};
}

void Predictor::State::want(Entry& entry) {
  entry.state = ModelState::waiting;
  wanted_.push_back(&entry);
  wanted_changed_.notify_one();
}

void Predictor::State::refuse(Entry& entry, WaitingRequest& waiting, Error error, Refusals& refusals) {
  queued_bytes_ -= waiting.bytes;
  count_error(entry, error.code);
  refusals.emplace_back(std::move(waiting.answered), std::move(error));
}

void Predictor::State::refuse_late(Entry& entry, std::vector<WaitingRequest>& late, Refusals& refusals) {
  for (WaitingRequest& waiting : late)
    refuse(entry, waiting,
           {ErrorCode::deadline_exceeded, fmt::format("{} could not answer in the time allowed", entry.name())},
           refusals);
}

void Predictor::State::count_error(Entry& entry, ErrorCode code) {
  ++entry.errors;
  entry.recent.note_error(clock_.monotonic());
  metrics_
      .counter("tandem_prediction_errors_total", "Requests to predictive models answered with an error",
               {{"model", entry.file.model},
                {"version", std::to_string(entry.file.version)},
                {"code", std::string(describe(code).name)}})
      .add();
}

void Predictor::State::tell(Refusals refusals) {
  for (auto& [answered, error] : refusals) answered(tl::unexpected(std::move(error)));
}

// ---- batches ----

void Predictor::State::work() {
  Lock lock(mutex_);
  while (!stopping_) {
    const Duration now = clock_.monotonic();
    Duration next = BatchQueue::kNever;
    Refusals refusals;
    Entry* entry = choose(now, next, refusals);
    if (entry != nullptr) {
      std::vector<WaitingRequest> late;
      std::vector<WaitingRequest> batch = entry->queue.take(now, late);
      refuse_late(*entry, late, refusals);
      for (const WaitingRequest& request : batch) queued_bytes_ -= request.bytes;
      if (entry->queue.empty()) active_.erase(std::find(active_.begin(), active_.end(), entry));
      run_batch(lock, *entry, std::move(batch), std::move(refusals));
    } else if (!refusals.empty()) {
      lock.unlock();
      tell(std::move(refusals));
      lock.lock();
    } else if (next == BatchQueue::kNever) {
      work_.wait(lock);
    } else {
      work_.wait_for(lock, std::chrono::nanoseconds((next - now).ns));
    }
  }
}

// The model whose batch is due longest; else nothing, and when to look again.
Predictor::State::Entry* Predictor::State::choose(Duration now, Duration& next, Refusals& refusals) {
  Entry* chosen = nullptr;
  for (size_t i = 0; i < active_.size();) {
    Entry& entry = *active_[i];
    if (entry.state != ModelState::ready && entry.queue.expiry() <= now) {  // it loads too long for some
      std::vector<WaitingRequest> late;
      entry.queue.drop_late(now, late);
      refuse_late(entry, late, refusals);
      if (entry.queue.empty()) {
        active_.erase(active_.begin() + static_cast<ptrdiff_t>(i));
        continue;
      }
    }
    if (entry.may_run()) {
      const Duration due = entry.queue.due();
      if (due <= now && (chosen == nullptr || due < chosen->queue.due())) chosen = &entry;
      next = std::min(next, due);
    } else if (entry.state != ModelState::ready) {
      next = std::min(next, entry.queue.expiry());
    }
    ++i;
  }
  return chosen;
}

void Predictor::State::run_batch(Lock& lock, Entry& entry, std::vector<WaitingRequest> requests, Refusals refusals) {
  ++entry.running;
  const std::shared_ptr<const OnnxSession> session = entry.session;
  if (!active_.empty()) work_.notify_one();  // another thread may take what is left
  lock.unlock();

  tell(std::move(refusals));
  uint64_t rows = 0;
  for (const WaitingRequest& request : requests) rows += request.rows;
  const Duration begun = clock_.monotonic();
  if (rows > 0) {
    for (const WaitingRequest& request : requests) entry.queue_seconds->record((begun - request.arrived).seconds());
    entry.batch_rows->record(static_cast<double>(rows));
    const Batch batch(requests, rows);
    const Result<OnnxSession::Outputs> outputs = session->run(batch.views());
    const Duration ended = clock_.monotonic();
    lock.lock();  // whoever has the answer finds it counted
    if (outputs) {
      entry.recent.note_run(ended, rows);
      for (const WaitingRequest& request : requests) entry.recent.note_answer(ended, ended - request.arrived);
      entry.last_used = ended;
      entry.queue.note_run(ended - begun);
      entry.predictions += rows;
      entry.answered->add(rows);
    } else {
      for (size_t i = 0; i < requests.size(); ++i) count_error(entry, outputs.error().code);
    }
    lock.unlock();
    answer(entry, requests, rows, outputs, begun, ended);
  }

  lock.lock();
  --entry.running;
  entry.served_since_load = true;
  room_changed_.notify_one();
}

void Predictor::State::answer(const Entry& entry, std::vector<WaitingRequest>& requests, uint64_t rows,
                              const Result<OnnxSession::Outputs>& outputs, Duration begun, Duration ended) {
  uint64_t first_row = 0;
  for (WaitingRequest& request : requests) {
    if (!outputs) {
      request.answered(tl::unexpected(outputs.error()));
      continue;
    }
    PredictionAnswer answer;
    answer.version = entry.file.version;
    answer.rows = static_cast<uint32_t>(request.rows);
    answer.batch_rows = static_cast<uint32_t>(rows);
    answer.queued = begun - request.arrived;
    answer.run = ended - begun;
    auto own = rows_of(entry.queue.signature(), outputs->tensors(), {first_row, request.rows, rows});
    first_row += request.rows;
    if (own) answer.outputs = std::move(*own);
    request.answered(own ? Result<PredictionAnswer>(std::move(answer)) : tl::unexpected(own.error()));
  }
}

// ---- models ----

void Predictor::State::load_wanted() {
  Lock lock(mutex_);
  for (;;) {
    wanted_changed_.wait(lock, [this] { return stopping_ || !wanted_.empty(); });
    if (stopping_) return;
    Entry& entry = *wanted_.front();
    wanted_.pop_front();
    load(lock, entry);
  }
}

void Predictor::State::load(Lock& lock, Entry& entry) {
  // At the start, models fill what room there is and push nobody out.
  const auto may_evict = [&, at_start = unsettled_ > 0] { return !at_start || !entry.queue.empty(); };
  std::error_code ignored;
  const auto file_bytes = std::filesystem::file_size(entry.file.path, ignored);
  const uint64_t expected = entry.memory_bytes > 0 ? entry.memory_bytes : (ignored ? 0 : file_bytes);
  bool has_room = make_room(lock, expected, may_evict());
  Result<std::shared_ptr<const OnnxSession>> session = tl::unexpected(Error{});
  if (has_room) {
    entry.state = ModelState::loading;
    lock.unlock();
    session = read(entry);
    lock.lock();
    if (session) {
      entry.memory_bytes = memory_of(entry, **session);
      has_room = make_room(lock, entry.memory_bytes, may_evict());
    }
  }
  if (stopping_) return;
  Refusals refusals;
  if (!has_room) {
    entry.state = ModelState::evicted;
  } else if (session) {
    publish(entry, *std::move(session), refusals);
  } else {
    entry.state = ModelState::failed;
    entry.reason = session.error().message;
    log_warning("the model {} cannot be served: {}", entry.name(), entry.reason);
    fail_all(entry, entry.failure(), refusals);
  }
  if (unsettled_ > 0 && --unsettled_ == 0) settled_changed_.notify_all();
  work_.notify_all();
  if (refusals.empty()) return;
  lock.unlock();
  tell(std::move(refusals));
  lock.lock();
}

uint64_t Predictor::State::memory_of(const Entry& entry, const OnnxSession& session) const {
  return session.model_bytes() + session.run_bytes() * std::min(entry.file.config.instances, options_.threads);
}

Result<std::shared_ptr<const OnnxSession>> Predictor::State::read(const Entry& entry) const {
  TANDEM_ASSIGN(const OnnxLibrary* library, OnnxLibrary::load(options_.library));
  TANDEM_ASSIGN(std::shared_ptr<const OnnxSession> session,
                OnnxSession::load(*library, entry.file.path, entry.file.config.max_batch));
  const ModelSignature& known = entry.queue.signature();  // of this thread, once it is described
  if (entry.queue.is_described() && (session->inputs() != known.inputs || session->outputs() != known.outputs))
    return fail(ErrorCode::conflict, "its file has other inputs or outputs than at first; start again to take it in");
  const uint64_t bytes = memory_of(entry, *session);
  if (bytes > options_.memory_bytes_max)
    return fail(ErrorCode::resource_exhausted,
                fmt::format("it takes {} bytes of memory and all models together may have {}; allow more, or fewer "
                            "rows or instances",
                            bytes, options_.memory_bytes_max));
  return session;
}

// True once `bytes` more fit. False: they would not without pushing somebody out, or it stops.
bool Predictor::State::make_room(Lock& lock, uint64_t bytes, bool evict_others) {
  bytes = std::min(bytes, options_.memory_bytes_max);
  while (memory_bytes_ + bytes > options_.memory_bytes_max) {
    if (stopping_ || !evict_others) return false;
    Entry* oldest = nullptr;
    for (const auto& entry : entries_) {
      // Who was loaded for somebody serves him first: else two models could push each other out for ever.
      const bool is_free = entry->state == ModelState::ready && entry->running == 0 &&
                           (entry->queue.empty() || entry->served_since_load);
      if (is_free && (oldest == nullptr || entry->last_used < oldest->last_used)) oldest = entry.get();
    }
    if (oldest != nullptr)
      evict(*oldest);
    else
      room_changed_.wait(lock);
  }
  return true;
}

void Predictor::State::evict(Entry& entry) {
  entry.session.reset();
  entry.state = ModelState::evicted;
  memory_bytes_ -= entry.memory_bytes;
  memory_gauge_.set(static_cast<double>(memory_bytes_));
  loaded_gauge_.add(-1);
  evictions_.add();
  ++entry.evictions;
  if (!entry.queue.empty()) want(entry);
}

void Predictor::State::publish(Entry& entry, std::shared_ptr<const OnnxSession> session, Refusals& refusals) {
  entry.session = std::move(session);
  entry.state = ModelState::ready;
  entry.served_since_load = false;
  entry.last_used = clock_.monotonic();
  memory_bytes_ += entry.memory_bytes;
  memory_gauge_.set(static_cast<double>(memory_bytes_));
  loaded_gauge_.add(1);
  if (entry.queue.is_described()) return;
  const bool was_active = !entry.queue.empty();
  entry.queue.describe(
      signature_of(entry.session->inputs(), entry.session->outputs(), entry.file.config.max_batch),
      [&](WaitingRequest& waiting, Error error) { refuse(entry, waiting, std::move(error), refusals); });
  if (was_active && entry.queue.empty()) active_.erase(std::find(active_.begin(), active_.end(), &entry));
}

void Predictor::State::fail_all(Entry& entry, const Error& error, Refusals& refusals) {
  if (entry.queue.empty()) return;
  for (WaitingRequest& waiting : entry.queue.take_all()) refuse(entry, waiting, error, refusals);
  active_.erase(std::find(active_.begin(), active_.end(), &entry));
}

// ---- what is said of them ----

ModelStatus Predictor::State::status_of(const Entry& entry) {
  ModelStatus status;
  status.model = entry.file.model;
  status.version = entry.file.version;
  status.state = entry.state;
  status.reason = entry.reason;
  status.config = entry.file.config;
  status.memory_bytes = entry.state == ModelState::ready ? entry.memory_bytes : 0;
  status.predictions = entry.predictions;
  status.errors = entry.errors;
  status.evictions = entry.evictions;
  status.inputs = entry.queue.signature().inputs;
  status.outputs = entry.queue.signature().outputs;
  return status;
}

std::vector<ModelStatus> Predictor::State::models() const {
  const std::lock_guard lock(mutex_);
  std::vector<ModelStatus> all;
  for (const auto& entry : entries_) {
    all.push_back(status_of(*entry));
    all.back().recent = entry->recent.view(clock_.monotonic());
  }
  return all;
}

Result<ModelStatus> Predictor::State::model(std::string_view name, uint64_t version) const {
  const std::lock_guard lock(mutex_);
  if (const Entry* entry = find(name, version)) return status_of(*entry);
  return fail(ErrorCode::not_found, find(name, 0) == nullptr
                                        ? fmt::format("there is no model '{}'", name)
                                        : fmt::format("the model '{}' has no version {}", name, version));
}

PredictorMemory Predictor::State::memory() const {
  const std::lock_guard lock(mutex_);
  return {memory_bytes_, options_.memory_bytes_max};
}

bool Predictor::State::settled() const {
  const std::lock_guard lock(mutex_);
  return unsettled_ == 0;
}

void Predictor::State::wait_until_settled() const {
  Lock lock(mutex_);
  settled_changed_.wait(lock, [this] { return unsettled_ == 0; });
}

// ---- the façade ----

Predictor::Predictor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Predictor::~Predictor() = default;

Result<std::unique_ptr<Predictor>> Predictor::open(PredictorOptions options, const Clock& clock, Metrics& metrics) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(options.repository, ignored))
    return fail(ErrorCode::not_found,
                fmt::format("there is no folder of models '{}': it holds <model>/<version>/model.onnx",
                            options.repository.string()));
  if (options.threads < 1 || options.threads > 256)
    return fail(ErrorCode::invalid_argument, "predictions take 1 to 256 threads");
  ModelRepository repository = scan_model_repository(options.repository);
  if (has_errors(repository.diagnostics)) {
    std::string all = "the model repository has errors:";
    for (const Diagnostic& diagnostic : repository.diagnostics) all += "\n  " + to_string(diagnostic);
    return fail(ErrorCode::invalid_argument, std::move(all));
  }
  auto state = std::make_unique<State>(std::move(options), clock, metrics, std::move(repository.files));
  return std::unique_ptr<Predictor>(new Predictor(std::move(state)));
}

void Predictor::submit(PredictionRequest request, Answered answered) {
  state_->submit(std::move(request), std::move(answered));
}
std::vector<ModelStatus> Predictor::models() const { return state_->models(); }
Result<ModelStatus> Predictor::model(std::string_view name, uint64_t version) const {
  return state_->model(name, version);
}
PredictorMemory Predictor::memory() const { return state_->memory(); }
bool Predictor::settled() const { return state_->settled(); }
void Predictor::wait_until_settled() const { state_->wait_until_settled(); }

}  // namespace tandem::runtime
