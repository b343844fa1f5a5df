// The surfaces for tests with a sequencer and a log in memory behind them.
#pragma once

#include "api/testing.h"
#include "planner/planner.h"
#include "support/small_world.h"

namespace tandem::api {

// A core that orders what it is given at once.
class SequencedCore final : public CorePort {
 public:
  SequencedCore(log::Log& log, LogSignal& signal)
      : signal_(signal), core_(std::move(*control::Core::open(log, nullptr, {}))) {
    publish();
  }

  std::shared_ptr<const Published> published() const override { return published_; }
  void submit(std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) override {
    now_ = now_ + seconds(1);
    auto outcomes = core_->submit({std::move(events)}, now_);
    publish();
    done(outcomes ? std::move(outcomes->front()) : Result<log::Offset>(tl::unexpected(outcomes.error())));
    signal_.grew(core_->state().head.last());
  }
  void submit_if(Guard guard, std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) override {
    if (auto holds = guard(core_->state()); !holds) return done(tl::unexpected(holds.error()));
    submit(std::move(events), std::move(done));
  }
  void record(std::vector<log::Event> events) {
    submit(std::move(events),
           [](const Result<log::Offset>& offset) { ASSERT_TRUE(offset) << to_string(offset.error()); });
  }
  const control::State& state() const { return core_->state(); }
  Instant now() const { return now_; }
  // Time passes until then, and what it brings about happens.
  void tick(Instant now) {
    now_ = now;
    ASSERT_TRUE(core_->tick(now_));
    publish();
  }

 private:
  void publish() {
    auto next = std::make_shared<Published>();
    next->state = core_->state();
    next->forecast = twin::forecast(*next->state.grid, {});
    published_ = std::move(next);
  }

  LogSignal& signal_;
  std::unique_ptr<control::Core> core_;
  Instant now_{1'700'000'000'000'000'000};
  std::shared_ptr<const Published> published_;
};

// The surface asks for its core only once requests come, so the core may be made after it.
struct LateCore : CorePort {
  std::unique_ptr<SequencedCore> core;
  std::shared_ptr<const Published> published() const override { return core->published(); }
  void submit(std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) override {
    core->submit(std::move(events), std::move(done));
  }
  void submit_if(Guard guard, std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) override {
    core->submit_if(std::move(guard), std::move(events), std::move(done));
  }
};

struct Inventory : LateCore, TestSurface {
  explicit Inventory(size_t sites = 0) : TestSurface(static_cast<CorePort&>(static_cast<LateCore&>(*this))) {
    core = std::make_unique<SequencedCore>(log, signal);
    if (sites > 0) core->record(test_support::small_world(sites));
    search.rebuild(core->state().inventory);
  }

  // Which parameter a question is refused for.
  std::string refused_for(const char* path, std::string body) {
    const Answer answer = ask("POST", path, std::move(body));
    EXPECT_EQ(answer.status, 400) << answer.text;
    return std::string(answer.json["error"]["param"].text());
  }
};

// What the planner's job would answer to the plan that is asked for.
inline void accept_a_plan(Inventory& inventory) {
  ASSERT_TRUE(inventory.core->state().pending);
  const control::PendingPlan pending = *inventory.core->state().pending;
  log::Event event;
  event.set_actor("job:planner");
  *event.mutable_plan_proposed()->mutable_plan() =
      planner::plan(*inventory.core->state().grid, nullptr, pending.plan_id, pending.seed, {1'000}, {});
  inventory.core->record({event});
  ASSERT_TRUE(inventory.core->state().plan);
}

}  // namespace tandem::api
