// One operator's world in one thread, by a seed: its log, its core, its planning job, those who tell it things and a
// clock that cannot be trusted. Faults come and go; then they heal, and the world must settle.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "control/control.h"
#include "log/simulated_log.h"
#include "simulation/invariants.h"
#include "simulation/network.h"
#include "simulation/vault.h"

namespace tandem::simulation {

// Checkpoints that are lost, damaged or not written.
class SimulatedCheckpoints final : public control::CheckpointStore {
 public:
  explicit SimulatedCheckpoints(uint64_t seed) : random_(seed, 2) {}
  Result<void> write(log::Offset offset, const std::function<void(const Sink&)>& produce) override;
  Result<std::optional<std::string>> read(log::Offset at_most) const override;
  void set_write_fails(double probability) { write_fails_ = probability; }
  void lose_all() { kept_.clear(); }
  void damage_one();
  bool hold(std::string_view text) const;
  // For tests of the invariants: what is kept is replaced.
  void replace(log::Offset offset, std::string bytes) { kept_[offset] = std::move(bytes); }

 private:
  Random random_;
  double write_fails_ = 0;
  std::map<log::Offset, std::string> kept_;
};

struct Options {
  Tick faulty_ticks = 150;    // with faults
  Tick settling_ticks = 250;  // after they healed: more than the longest wait, a plan that is overdue
  bool verbose = false;       // prints each happening as it comes
};

struct Report {
  Broken broken;  // nothing: every invariant held and the world settled
  Tick tick = 0;  // when it broke
  std::vector<std::string> last_happenings;
  uint64_t events = 0, crashes = 0, takeovers = 0, refused = 0;
  Witness::Plans plans;
  uint64_t merges = 0;
  uint64_t erasures = 0;  // people forgotten
};

class World {
 public:
  explicit World(uint64_t seed, Options options = {});
  ~World();

  Report run();

  // For tests of the invariants: called once, at that tick, and may break the world.
  void at(Tick tick, std::function<void(World&)> sabotage);
  log::SimulatedLog& log() { return log_; }
  SimulatedCheckpoints& checkpoints() { return checkpoints_; }
  SimulatedVault& vault() { return *vault_; }
  void crash();  // the core dies and its disk comes back
  log::Epoch epoch() const { return epoch_; }

 private:
  struct Job {
    std::string plan_id;
    std::vector<std::pair<Tick, log::Event>> results;  // to come back: late, twice or never
  };

  void tick();
  Broken settle();  // what keeps it from settling in its time
  void move_clock();
  void change_faults();
  void live();  // things happen in the grid, and senders tell of them
  void deliver();
  void run_job();
  void bring_back_results();
  void start_core();
  void take_over();        // a standby fences the core that is running
  void ask_the_deposed();  // what it still takes in must be refused
  void keep_checkpoints();
  void heal();
  void check();
  void check_past();
  void check_readers();
  log::Event result_of_job(const control::State& state);
  std::vector<log::Event> happening();
  bool has_days() const { return seed_ % 3 == 0; }  // demand changes over the day
  log::Event rhythm();
  log::Event change_of_days();
  std::vector<log::Event> personal();  // what is said of people, and that they are to be forgotten
  void check_personal();
  std::vector<log::Event> branching();  // what is done with branches

  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args);
  void expect(const Broken& broken);

  uint64_t seed_;
  Options options_;
  Random random_;
  log::SimulatedLog log_;
  SimulatedCheckpoints checkpoints_;
  std::shared_ptr<SimulatedVault> vault_;
  Network network_;
  Witness witness_;
  PersonalWitness people_;
  uint64_t values_ = 0;                     // personal ones that were made up
  std::unique_ptr<control::Core> core_;     // null while it is down
  std::unique_ptr<control::Core> deposed_;  // fenced, and does not know it yet
  log::Epoch epoch_ = 1;
  size_t sites_;
  log::SimulatedFaults log_faults_;
  bool faulty_ = true;
  Tick tick_ = 0;
  Instant clock_{1'700'000'000'000'000'000};
  std::deque<Job> jobs_;
  std::string last_job_;
  struct Reader {
    control::State state;
    Digest hash;
  };
  std::vector<Reader> readers_;  // hold on to earlier states
  std::multimap<Tick, std::function<void(World&)>> sabotage_;
  Report report_;
  std::deque<std::string> happenings_;
};

}  // namespace tandem::simulation
