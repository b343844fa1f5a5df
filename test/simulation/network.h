// Between those who know something and the core: messages are lost, repeated, delayed and overtake each other; senders
// send again until they have an answer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/log.h"

namespace tandem::simulation {

using Tick = uint64_t;

struct NetworkFaults {
  double lost = 0;
  double repeated = 0;
  double answer_lost = 0;
  Tick delay_max = 1;
};

struct Message {
  uint64_t number = 0;
  std::string actor;               // of its events, to know them again on the log
  std::vector<log::Event> events;  // admitted whole or not at all
  bool insists = false;            // sent again also when it was refused: what it refers to may be on its way
};

class Network {
 public:
  explicit Network(uint64_t seed) : random_(seed, 1) {}

  void set_faults(NetworkFaults faults) { faults_ = faults; }

  // A sender has something to say. Its events get its message's actor.
  void send(std::vector<log::Event> events, bool insists = false);

  // What arrives now, in no order that anyone chose.
  std::vector<Message> arriving(Tick now);

  // The answer to a message: it is on the log, or refused for good. The sender may not hear of it.
  void answer(uint64_t number);

  bool quiet() const { return waiting_.empty() && on_the_way_.empty(); }

 private:
  struct Waiting {
    Message message;
    Tick send_again = 0;
  };
  void put_on_the_way(const Message& message, Tick now);

  Random random_;
  NetworkFaults faults_;
  uint64_t sent_ = 0;
  std::map<uint64_t, Waiting> waiting_;      // for an answer, by number
  std::multimap<Tick, Message> on_the_way_;  // by when they arrive
};

}  // namespace tandem::simulation
