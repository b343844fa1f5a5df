#include "simulation/network.h"

#include <fmt/format.h>

namespace tandem::simulation {

namespace {
constexpr Tick kPatience = 6;  // ticks until a sender without an answer sends again
}

void Network::send(std::vector<log::Event> events, bool insists) {
  Message message{++sent_, {}, std::move(events), insists};
  message.actor = fmt::format("sender:{}", sent_);
  for (log::Event& event : message.events) event.set_actor(message.actor);
  waiting_[message.number] = {std::move(message), 0};
}

void Network::put_on_the_way(const Message& message, Tick now) {
  if (!random_.chance(faults_.lost)) on_the_way_.emplace(now + random_.below(faults_.delay_max + 1), message);
}

std::vector<Message> Network::arriving(Tick now) {
  for (auto& [number, waiting] : waiting_) {
    if (waiting.send_again > now) continue;
    put_on_the_way(waiting.message, now);
    if (random_.chance(faults_.repeated)) put_on_the_way(waiting.message, now);
    waiting.send_again = now + kPatience + random_.below(kPatience);
  }
  std::vector<Message> arrived;
  while (!on_the_way_.empty() && on_the_way_.begin()->first <= now) {
    const size_t place = random_.below(arrived.size() + 1);
    arrived.insert(arrived.begin() + static_cast<ptrdiff_t>(place), std::move(on_the_way_.begin()->second));
    on_the_way_.erase(on_the_way_.begin());
  }
  return arrived;
}

void Network::answer(uint64_t number) {
  if (!random_.chance(faults_.answer_lost)) waiting_.erase(number);
}

}  // namespace tandem::simulation
