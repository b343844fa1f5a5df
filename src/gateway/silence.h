// Engines that are waited for: who is told when one has been silent for too long. Internal.
//
// A timing wheel (Varghese, Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987): to watch, to watch anew and to
// stop cost a few pointers, and one timer ticks while anything is watched. Time is counted in ticks that this thread
// has seen, so that a pause of its own, in which answers came and were not read, is not taken for an engine's silence.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/time.h"

namespace tandem::gateway {

class SilenceWatch {
 public:
  static constexpr Duration kTick = milliseconds(10);

  // What is watched; it is watched no more when it goes. `on_silent` may watch it again.
  class Entry : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    explicit Entry(std::function<void()> on_silent) : on_silent_(std::move(on_silent)) {}
    void stop() {
      if (is_linked()) unlink();
    }

   private:
    friend class SilenceWatch;
    std::function<void()> on_silent_;
    uint64_t due_ = 0;  // a tick
  };

  explicit SilenceWatch(boost::asio::io_context& context);

  // `on_silent` is called after `time`, to a tick, unless it is stopped or watched anew before.
  void watch(Entry& entry, Duration time);

 private:
  using List = boost::intrusive::list<Entry, boost::intrusive::constant_time_size<false>>;
  static constexpr size_t kSlots = 256;  // what is due later is looked at once a turn of the wheel, 2.6 s
  struct Wheel;
  static void tick(const std::shared_ptr<Wheel>& wheel);

  std::shared_ptr<Wheel> wheel_;  // a tick under way may outlive the watch
};

}  // namespace tandem::gateway
