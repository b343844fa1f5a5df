#include "app/history_keeper.h"

#include "ontology/ontology.h"

namespace tandem::app {

std::vector<log::Event> history_due(const inventory::Snapshot& inventory, Instant now) {
  std::vector<log::Event> events;
  for (const ontology::Kind& kind : ontology::Ontology::built_in().kinds()) {
    if (!kind.retain_past_days) continue;
    const Instant until = now - hours(24 * int64_t{*kind.retain_past_days});
    const log::Offset before = inventory.offset_at(until), begins = inventory.history_begins(kind.name);
    if (before <= begins) continue;
    if (begins > 0 && inventory.time_at(before) - inventory.time_at(begins) < hours(24)) continue;
    if (!inventory.has_past(kind.name, before)) continue;
    log::Event& event = events.emplace_back();
    event.set_actor("core");
    event.mutable_history_expired()->set_kind(std::string(kind.name));
    event.mutable_history_expired()->set_before(before);
  }
  return events;
}

HistoryKeeper::HistoryKeeper(const Clock& clock, std::function<std::shared_ptr<const api::Published>()> published,
                             std::function<void(std::vector<log::Event>)> submit)
    : clock_(clock), published_(std::move(published)), submit_(std::move(submit)) {
  thread_ = std::thread([this] { run(); });
}

HistoryKeeper::~HistoryKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void HistoryKeeper::run() {
  for (;;) {
    if (const auto now = published_()) {
      if (auto events = history_due(now->state.inventory, clock_.now()); !events.empty()) submit_(std::move(events));
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::nanoseconds(kEvery.ns), [this] { return stopping_; });
    if (stopping_) return;
  }
}

}  // namespace tandem::app
