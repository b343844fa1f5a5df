// The engines behind an EngineHost and the one timer that drives them: requests go in, and the coroutines that answer
// them are woken when tokens are due. No HTTP here. Everything on one thread. Internal to the module.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "http/signal.h"
#include "runtime/completion_request.h"
#include "runtime/emulator.h"
#include "runtime/engine.h"
#include "runtime/engine_metrics.h"

namespace tandem::runtime {

struct HostedEngine;

// One request on its way through an engine, shared by the engine and the coroutine that answers it. The coroutine looks
// at the members below, then waits for `wakeup`.
struct Answer {
  uint64_t tag = 0;
  std::shared_ptr<HostedEngine> engine;
  uint32_t prompt_tokens = 0;
  OutputLength length;
  bool stream = false;          // woken for every token; else only at the end
  std::function<void()> abort;  // closes the connection; called when the site is cut
  http::Signal wakeup;

  uint64_t ready = 0;     // output tokens produced
  bool finished = false;  // all of them
  bool cut = false;       // the engine lost power
  bool gone = false;      // given up by its client
  Admission admission = Admission::accepted;

  // For HostedEngines.
  Ticket ticket;
  bool submitted = false;
  bool to_wake = false;
  Duration submitted_at, last_at;
};

struct HostedEngine {
  EngineSpec spec;
  EngineModel model;
  EngineMetrics metrics;
  int64_t created_s = 0;  // since 1970
  bool draining = false;
  Duration next_event;                                            // when the model must next be advanced
  std::unordered_map<uint64_t, std::shared_ptr<Answer>> answers;  // by tag; looked up only

  bool serves(std::string_view name) const;
};

struct HostedPool {
  std::string site;
  Metrics metrics;
  std::vector<std::shared_ptr<HostedEngine>> engines;
  std::set<std::string, std::less<>> former_names;  // of models that ran here: a router may be a moment behind
};

class HostedEngines : public std::enable_shared_from_this<HostedEngines> {
 public:
  HostedEngines(boost::asio::io_context& context, const Clock& clock, uint64_t seed, uint32_t waiting_max);

  using Checked = std::vector<std::pair<EngineSpec, EngineProfile>>;
  // What EngineHost::set_engines promises to check.
  static Result<Checked> check(std::vector<EngineSpec> specs);

  void set_engines(Checked specs);
  void cut_site(const std::string& site);
  void restore_site(const std::string& site) { cut_sites_.erase(site); }
  void stop();  // breaks every answer

  HostedPool* find_pool(std::string_view name);
  bool is_cut(const HostedPool& pool) const { return cut_sites_.contains(pool.site); }
  // The least loaded engine of that model. Errors: not_found, unavailable (it is no longer here).
  Result<std::shared_ptr<HostedEngine>> find_engine(HostedPool& pool, std::string_view model) const;
  std::string metrics_text(HostedPool& pool);

  // The request reaches its engine after `delay`.
  std::shared_ptr<Answer> begin(std::shared_ptr<HostedEngine> engine, const CompletionRequest& request,
                                OutputLength length, Duration delay, std::function<void()> abort);
  void leave(const std::shared_ptr<Answer>& answer);  // nobody waits for it any more; frees its place

  uint32_t draw_output_tokens();
  uint64_t next_answer_number() { return ++answers_begun_; }
  const Clock& clock() const { return clock_; }

 private:
  struct Delayed {
    Duration at;
    std::shared_ptr<Answer> answer;
    bool operator>(const Delayed& other) const {
      return at != other.at ? at > other.at : answer->tag > other.answer->tag;
    }
  };

  void submit(const std::shared_ptr<Answer>& answer, Duration now);
  void refresh(HostedEngine& engine, Duration now);
  void schedule(Duration at);
  void tick();
  void advance(HostedEngine& engine, Duration now);
  void take_event(HostedEngine& engine, const EngineEvent& event);
  void wake_later(const std::shared_ptr<Answer>& answer);
  void wake_all();
  void break_answers(HostedEngine& engine);
  void drop_drained();

  const Clock& clock_;
  boost::asio::steady_timer timer_;
  uint32_t waiting_max_;
  Random random_;
  std::map<std::string, HostedPool, std::less<>> pools_;  // stay once made: as many as the grid ever had
  std::vector<std::shared_ptr<HostedEngine>> engines_;    // of all pools
  std::set<std::string, std::less<>> cut_sites_;
  std::priority_queue<Delayed, std::vector<Delayed>, std::greater<>> delayed_;
  std::vector<std::shared_ptr<Answer>> to_wake_;
  Duration armed_at_;       // what the timer waits for
  Duration earliest_tick_;  // the thread's other work has its turn until then
  uint64_t tags_ = 0;
  uint64_t answers_begun_ = 0;
};

}  // namespace tandem::runtime
