#include "gateway/silence.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tandem::gateway {

struct SilenceWatch::Wheel {
  explicit Wheel(boost::asio::io_context& context) : timer(context) {}
  bool is_empty() const {
    return std::all_of(slots.begin(), slots.end(), [](const List& slot) { return slot.empty(); });
  }
  void put(Entry& entry) { slots[std::min(entry.due_, now + kSlots - 1) % kSlots].push_back(entry); }

  boost::asio::steady_timer timer;
  bool ticks = false;
  uint64_t now = 0;  // in ticks
  std::array<List, kSlots> slots;
};

SilenceWatch::SilenceWatch(boost::asio::io_context& context) : wheel_(std::make_shared<Wheel>(context)) {}

void SilenceWatch::watch(Entry& entry, Duration time) {
  entry.stop();
  entry.due_ = wheel_->now + 1 + static_cast<uint64_t>(std::max<int64_t>(time.ns, 0) / kTick.ns);
  wheel_->put(entry);
  if (!std::exchange(wheel_->ticks, true)) tick(wheel_);
}

void SilenceWatch::tick(const std::shared_ptr<Wheel>& wheel) {
  wheel->timer.expires_after(std::chrono::nanoseconds(kTick.ns));
  wheel->timer.async_wait([weak = std::weak_ptr(wheel)](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self == nullptr || error) return;
    ++self->now;
    List looked_at;  // whom one of them ends leaves it too
    looked_at.swap(self->slots[self->now % kSlots]);
    while (!looked_at.empty()) {
      Entry& entry = looked_at.front();
      looked_at.pop_front();
      if (entry.due_ > self->now)
        self->put(entry);
      else
        entry.on_silent_();
    }
    self->ticks = !self->is_empty();
    if (self->ticks) tick(self);
  });
}

}  // namespace tandem::gateway
