#include "simulation/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "planner/planner.h"
#include "support/branch_events.h"
#include "support/small_world.h"

namespace tandem::simulation {

using test_support::fact;
using test_support::retraction;

namespace {

constexpr size_t kHappeningsKept = 60;  // shown when an invariant breaks
constexpr size_t kReaders = 4;
constexpr int kDaysSettled = 6;

}  // namespace

// ---- Checkpoints ---------------------------------------------------------------------------------------------------

Result<void> SimulatedCheckpoints::write(log::Offset offset, const std::function<void(const Sink&)>& produce) {
  if (random_.chance(write_fails_)) return fail(ErrorCode::io, "the simulated disk takes no checkpoint");
  std::string& bytes = kept_[offset];
  bytes.clear();
  produce([&](std::string_view piece) { bytes += piece; });
  while (kept_.size() > 3) kept_.erase(kept_.begin());
  return {};
}

Result<std::optional<std::string>> SimulatedCheckpoints::read(log::Offset at_most) const {
  const auto after = kept_.upper_bound(at_most);
  if (after == kept_.begin()) return std::optional<std::string>();
  return std::optional(std::prev(after)->second);
}

void SimulatedCheckpoints::damage_one() {
  if (kept_.empty()) return;
  std::string& bytes = std::next(kept_.begin(), static_cast<ptrdiff_t>(random_.below(kept_.size())))->second;
  if (bytes.empty()) return;
  if (random_.chance(0.3))
    bytes.resize(random_.below(bytes.size()));
  else
    bytes[random_.below(bytes.size())] ^= static_cast<char>(1u << random_.below(8));
}

bool SimulatedCheckpoints::hold(std::string_view text) const {
  return std::ranges::any_of(kept_, [&](const auto& entry) { return entry.second.find(text) != std::string::npos; });
}

// ---- The run -------------------------------------------------------------------------------------------------------

World::World(uint64_t seed, Options options)
    : seed_(seed),
      options_(options),
      random_(seed),
      log_(seed),
      checkpoints_(seed),
      vault_(std::make_shared<SimulatedVault>(seed)),
      network_(seed),
      sites_(4 + static_cast<size_t>(seed % 4)) {
  std::vector<log::Event> grid = test_support::small_world(sites_);
  if (has_days()) {
    grid.push_back(rhythm());
    for (const char* demand : {"public-0", "bank-0", "public-2"})
      grid.push_back(fact("demand", demand, {{"day_profile", "rhythm"}}));
  }
  while (!grid.empty()) {  // in groups, so that some of it may come before what it refers to and be told again
    const size_t size = std::min<size_t>(grid.size(), seed % 2 == 0 ? grid.size() : 16);
    network_.send({grid.begin(), grid.begin() + static_cast<ptrdiff_t>(size)}, true);
    grid.erase(grid.begin(), grid.begin() + static_cast<ptrdiff_t>(size));
  }
}

World::~World() = default;

void World::at(Tick tick, std::function<void(World&)> sabotage) { sabotage_.emplace(tick, std::move(sabotage)); }

template <class... Args>
void World::say(fmt::format_string<Args...> format, Args&&... args) {
  happenings_.push_back(fmt::format("[{:4}] ", tick_) + fmt::format(format, std::forward<Args>(args)...));
  if (happenings_.size() > kHappeningsKept) happenings_.pop_front();
  if (options_.verbose) std::puts(happenings_.back().c_str());
}

void World::expect(const Broken& broken) {
  if (!broken || report_.broken) return;
  report_.broken = broken;
  report_.tick = tick_;
  say("BROKEN: {}", *broken);
}

Report World::run() {
  for (; tick_ < options_.faulty_ticks && !report_.broken; ++tick_) {
    change_faults();
    tick();
  }
  if (!report_.broken) heal();
  Broken unsettled = settle();
  // Days go by, and the clock is set again and again: what is in force is always for the hour that it shows.
  for (int day = 0; day < kDaysSettled && has_days() && !unsettled && !report_.broken; ++day) {
    clock_ = clock_ + minutes(static_cast<int64_t>(random_.below(3'000)) - 600);
    unsettled = settle();
  }
  if (unsettled) expect(fmt::format("the world does not settle: {}", *unsettled));
  if (!report_.broken) expect(witness_.check_whole(log_));
  report_.events = witness_.last();
  report_.plans = witness_.plans();
  report_.merges = witness_.merges();
  report_.erasures = people_.erasures();
  report_.last_happenings = {happenings_.begin(), happenings_.end()};
  return report_;
}

Broken World::settle() {
  Broken unsettled = "it was not given a moment";
  for (const Tick end = tick_ + options_.settling_ticks; tick_ < end && unsettled && !report_.broken; ++tick_) {
    tick();
    unsettled = network_.quiet() ? witness_.check_settled(clock_) : Broken("senders still wait for an answer");
  }
  return unsettled;
}

void World::tick() {
  move_clock();
  for (auto [due, end] = sabotage_.equal_range(tick_); due != end; ++due) due->second(*this);
  if (!core_) start_core();
  if (faulty_) live();
  deliver();
  ask_the_deposed();
  if (core_)
    if (const auto ticked = core_->tick(clock_); !ticked) {
      say("the core's tick fails: {}", to_string(ticked.error()));
      if (ticked.error().code == ErrorCode::io) crash();
    }
  run_job();
  bring_back_results();
  keep_checkpoints();
  check();
}

void World::move_clock() {
  // Where days matter time runs faster: schedules are made when a grid was quiet for a while.
  clock_ = clock_ + milliseconds(200 + static_cast<int64_t>(random_.below(1'800))) * (has_days() ? 10 : 1);
  if (!faulty_ || !random_.chance(0.03)) return;
  // Where days matter, over several periods, a day or two.
  const int64_t most_s = has_days() && random_.chance(0.3) ? 100'000 : 10'000;
  const Duration jump = seconds(static_cast<int64_t>(random_.below(2 * static_cast<uint64_t>(most_s))) - most_s);
  clock_ = clock_ + jump;
  say("the clock jumps by {} s", jump.ns / 1'000'000'000);
}

// ---- Faults --------------------------------------------------------------------------------------------------------

void World::change_faults() {
  if (random_.chance(0.1)) {  // a new kind of weather
    const auto sometimes = [&](double share, double probability) { return random_.chance(share) ? probability : 0.0; };
    log_faults_ = {.append_full = sometimes(0.3, 0.3),
                   .append_lost = sometimes(0.3, 0.1),
                   .append_unknown = sometimes(0.3, 0.15),
                   .read_failed = sometimes(0.2, 0.1)};
    log_.set_faults(log_faults_);
    log_.set_capacity(random_.chance(0.05) ? 0 : SIZE_MAX);
    network_.set_faults({.lost = sometimes(0.5, 0.3),
                         .repeated = sometimes(0.5, 0.3),
                         .answer_lost = sometimes(0.5, 0.3),
                         .delay_max = 1 + random_.below(15)});
    checkpoints_.set_write_fails(sometimes(0.3, 0.5));
    vault_->set_faults(sometimes(0.2, 0.3), sometimes(0.2, 0.3));
    say("weather: full {} lost {} unknown {} read {}", log_faults_.append_full, log_faults_.append_lost,
        log_faults_.append_unknown, log_faults_.read_failed);
  }
  if (random_.chance(0.02)) checkpoints_.lose_all();
  if (random_.chance(0.05)) checkpoints_.damage_one();
  if (core_ && random_.chance(0.03)) crash();
  if (core_ && random_.chance(0.015)) take_over();
}

void World::heal() {
  say("everything heals");
  faulty_ = false;
  log_faults_ = {};
  log_.set_faults({});
  log_.set_capacity(SIZE_MAX);
  network_.set_faults({});
  checkpoints_.set_write_fails(0);
  vault_->set_faults(0, 0);
  crash();  // a disk that failed is only good again once it is opened anew
  jobs_.clear();
  last_job_.clear();
}

void World::crash() {
  ++report_.crashes;
  core_.reset();
  log_.crash();
  vault_->crash();
  say("the core dies");
}

void World::take_over() {
  ++report_.takeovers;
  deposed_ = std::move(core_);
  log_.fence(++epoch_);
  log_.crash();
  vault_->crash();
  say("a standby takes over as epoch {}", epoch_);
}

void World::start_core() {
  auto opened = control::Core::open(
      log_, &checkpoints_, {.epoch = epoch_, .sealer = vault_.get(), .planning = {.work_limit = 50, .periods_max = 3}});
  if (!opened) {
    say("the core does not open: {}", to_string(opened.error()));
    // What cannot be read now is read later; anything else is a log that is broken.
    if (opened.error().code != ErrorCode::io)
      expect(fmt::format("the core does not open: {}", to_string(opened.error())));
    return;
  }
  core_ = std::move(*opened);
  last_job_.clear();  // jobs died with the process; what is pending is begun again
  say("the core opens at {}", core_->state().inventory.offset());
}

void World::ask_the_deposed() {
  if (!deposed_ || !random_.chance(0.5)) return;
  const auto outcomes = deposed_->submit({{fact("shared_risk_group", "by-the-deposed", {})}}, clock_);
  if (outcomes && outcomes->front()) expect("a fenced core took something in");
  say("the deposed core refuses");
  if (random_.chance(0.5)) deposed_.reset();
}

void World::keep_checkpoints() {
  if (core_ && random_.chance(0.05))
    if (const auto written = control::write_checkpoint(core_->state(), checkpoints_); !written) say("no checkpoint");
}

// ---- The grid and those who tell of it
// -------------------------------------------------------------------------------

log::Event World::rhythm() {
  Json::Array fractions;
  const uint64_t from = random_.below(24), hours = random_.below(24);  // of the busy ones; none: every hour is alike
  for (uint64_t hour = 0; hour < 24; ++hour) fractions.push_back((hour + 24 - from) % 24 < hours ? 1.0 : 0.1);
  return fact("day_profile", "rhythm", {{"rate_fraction", fractions}});
}

// What changes the days themselves.
log::Event World::change_of_days() {
  switch (random_.below(4)) {
    case 0: return rhythm();
    case 1: return fact("demand", "bank-0", {{"day_profile", random_.chance(0.5) ? Json("rhythm") : Json()}});
    case 2: return fact("region", "region-0", {{"utc_offset_hour", static_cast<double>(random_.below(27)) - 12}});
    default: {
      const double from = static_cast<double>(random_.below(24));
      const Json reserve = Json::Array{
          Json::Object{{"from_hour", from}, {"to_hour", from > 18 ? from - 12 : from + 6}, {"accelerators", 1}}};
      return fact("pool", test_support::pool_id(0), {{"radio_reserve", random_.chance(0.7) ? reserve : Json()}});
    }
  }
}

std::vector<log::Event> World::happening() {
  if (has_days() && random_.chance(0.1)) return {change_of_days()};
  const size_t i = random_.below(sites_);
  const char* state = random_.chance(0.6) ? "up" : "down";
  const auto figure = [&] { return static_cast<double>(1 + random_.below(9)); };
  switch (random_.below(16)) {
    case 0: return {fact("site", test_support::site_id(i), {{"state", state}})};
    case 1: return {fact("node", test_support::node_id(i), {{"state", state}})};
    case 2: return {fact("demand", random_.chance(0.5) ? "bank-0" : "public-2", {{"rate_per_s", figure()}})};
    case 3: return {fact("pool", test_support::pool_id(i), {{"count", static_cast<int64_t>(random_.below(6))}})};
    case 4:
      return {fact("tenant", "bank",
                   {{"residency", random_.chance(0.5) ? Json(Json::Array{"AT", "DE"}) : Json(Json::Array{"DE"})}})};
    case 5: return {fact("site", test_support::site_id(i), {{"jurisdiction", random_.chance(0.5) ? "DE" : "AT"}})};
    case 6: return {retraction("demand", "public-0")};
    case 7:
      return {fact("demand", "public-0",
                   {{"tenant", "public"},
                    {"region", "region-0"},
                    {"model", "chat"},
                    {"rate_per_s", figure()},
                    {"prompt_tokens", 300.0},
                    {"output_tokens", 100.0}})};
    case 8: return {retraction("link", test_support::link_id(i))};
    case 9: return {test_support::link_fact(i, sites_)};
    case 10: {  // something new, whole or not at all
      const std::string id = fmt::format("edge-{}", random_.below(4));
      return {fact("site", id,
                   {{"tier", "far_edge"},
                    {"latitude_deg", 48.5},
                    {"longitude_deg", 8.5},
                    {"jurisdiction", "DE"},
                    {"power_limit_kw", 20.0}}),
              fact("node", id, {{"site", id}}),
              fact("link", "to-" + id,
                   {{"a", id}, {"b", test_support::node_id(i)}, {"capacity_gbps", 10.0}, {"delay_us", 200.0}})};
    }
    case 11: {
      const std::string id = fmt::format("edge-{}", random_.below(4));
      return {retraction("link", "to-" + id), retraction("node", id), retraction("site", id)};
    }
    case 12: return {fact("node", test_support::node_id(i), {{"site", "nowhere"}})};  // refused
    case 13:
      return {fact("link", test_support::link_id(i), {{"delay_us", 400 + figure()}}),
              fact("castle", "x", {})};  // refused whole
    default: return {fact("link", test_support::link_id(i), {{"state", state}})};
  }
}

// Few people, so that what is said of one meets his erasure, in branches too.
std::vector<log::Event> World::personal() {
  const inventory::EntityKey who{random_.chance(0.7) ? "contact" : "customer", fmt::format("p-{}", random_.below(4))};
  const auto value = [&](const char* attribute) { return Json(personal_value(who, attribute, ++values_)); };
  switch (random_.below(6)) {
    case 0:
    case 1: return {fact(who.kind, who.id, {{"name", value("name")}, {"email", value("email")}})};
    case 2: return {fact(who.kind, who.id, {{"phone", value("phone")}})};
    case 3: return {retraction(who.kind, who.id)};
    case 4: return {fact(who.kind, who.id, {{"email", Json()}, {"phone", value("phone")}})};
    default: {
      std::vector<log::Event> forgotten(1);
      forgotten.front().mutable_personal_data_erased()->set_kind(who.kind);
      forgotten.front().mutable_personal_data_erased()->set_id(who.id);
      return forgotten;
    }
  }
}

std::vector<log::Event> World::branching() {
  const auto name = [&] { return fmt::format("branch-{}", random_.below(3)); };
  const std::string branch = name(), link = test_support::link_id(random_.below(sites_));
  const auto take = random_.chance(0.5) ? v1::ConflictSettled::TAKE_OURS : v1::ConflictSettled::TAKE_THEIRS;
  switch (random_.below(15)) {
    case 12: return {test_support::settled(branch, {"contact", fmt::format("p-{}", random_.below(4))}, take)};
    case 13:
    case 14: {
      std::vector<log::Event> said = personal();
      if (said.front().has_personal_data_erased()) return said;
      return {test_support::edited(branch, said)};
    }
    case 0:
    case 1: return {test_support::created(branch, random_.chance(0.3) ? name() : std::string())};
    case 2: return {test_support::rebased(branch)};
    case 3:
    case 4: return {test_support::merged(branch)};
    case 5: return {test_support::discarded(branch)};
    case 6:
      return {test_support::taken_back(
          branch, {"link", link},
          random_.chance(0.5) ? std::vector<std::string>{"state"} : std::vector<std::string>())};
    case 7: return {test_support::settled(branch, {"link", link}, take)};
    case 8: {  // settled and merged at once, or neither
      return {test_support::settled(branch, {"link", link}, take), test_support::merged(branch)};
    }
    default: return {test_support::edited(branch, happening())};
  }
}

void World::live() {
  if (tick_ > options_.faulty_ticks * 9 / 10 || (has_days() && random_.chance(0.8))) return;
  for (uint64_t n = random_.below(3); n > 0; --n)
    network_.send(random_.chance(0.3) ? branching() : random_.chance(0.2) ? personal() : happening());
}

void World::deliver() {
  if (!core_) return;
  const std::vector<Message> messages = network_.arriving(tick_);
  if (messages.empty()) return;
  std::vector<std::vector<log::Event>> groups;
  for (const Message& message : messages) groups.push_back(message.events);
  const auto outcomes = core_->submit(std::move(groups), clock_);
  if (!outcomes) {
    say("the log fails: {}", to_string(outcomes.error()));
    if (outcomes.error().code == ErrorCode::io) crash();
    return;
  }
  log_.set_faults({});
  expect(witness_.follow(log_));
  log_.set_faults(log_faults_);
  bool disk_failed = false;
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto& outcome = (*outcomes)[i];
    if (outcome) {
      say("{} is on the log at {}: {}", messages[i].actor, *outcome,
          messages[i].events[0].ShortDebugString().substr(0, 160));
      expect(witness_.acknowledged(*outcome, messages[i].actor));
      network_.answer(messages[i].number);
      continue;
    }
    say("{} is refused: {}", messages[i].actor, to_string(outcome.error()));
    switch (outcome.error().code) {
      case ErrorCode::io: disk_failed = true; break;
      case ErrorCode::resource_exhausted: break;
      default:
        ++report_.refused;
        if (!messages[i].insists) network_.answer(messages[i].number);
    }
  }
  if (disk_failed) crash();
}

// ---- Jobs ----------------------------------------------------------------------------------------------------------

log::Event World::result_of_job(const control::State& state) {
  log::Event event;
  event.set_actor("job:planner");
  if (faulty_ && random_.chance(0.1)) {
    event.mutable_plan_failed()->set_plan_id(state.pending->plan_id);
    event.mutable_plan_failed()->set_error("the job ran out of memory");
    return event;
  }
  const control::PendingPlan& pending = *state.pending;
  const control::JobInput input = control::input_of(pending, state);
  if (pending.is_schedule()) {
    v1::Schedule& schedule = *event.mutable_schedule_proposed()->mutable_schedule();
    schedule = planner::to_message(
        planner::schedule(
            *input.grid,
            {pending.periods_max, pending.seed, {pending.work_limit}, input.incumbent.get(), input.schedule.get()}, {}),
        pending.plan_id, pending.base);
    if (faulty_ && random_.chance(0.1)) schedule.mutable_periods()->RemoveLast();
    return event;
  }
  v1::Plan plan = planner::plan(*input.grid, input.incumbent.get(), pending.plan_id, pending.seed,
                                {.iterations = pending.work_limit, .anew = pending.anew}, {});
  if (faulty_ && random_.chance(0.15)) {  // a planner that errs
    for (v1::PlannedDeployment& deployment : *plan.mutable_deployments())
      deployment.set_replicas(deployment.replicas() * 1'000);
    for (v1::DemandPlan& demand : *plan.mutable_demands())
      for (v1::PlannedSplit& split : *demand.mutable_splits())
        if (random_.chance(0.5)) split.set_deployment(plan.deployments(0).id());
  }
  *event.mutable_plan_proposed()->mutable_plan() = std::move(plan);
  return event;
}

void World::run_job() {
  if (!core_ || !core_->state().pending || core_->state().pending->plan_id == last_job_) return;
  const control::State& state = core_->state();
  last_job_ = state.pending->plan_id;
  Job job{last_job_, {}};
  const log::Event result = result_of_job(state);
  if (!faulty_ || !random_.chance(0.15)) job.results.emplace_back(tick_ + 1 + random_.below(5), result);
  if (faulty_ && random_.chance(0.2))
    job.results.emplace_back(tick_ + random_.below(100), result);  // late, or once more
  jobs_.push_back(std::move(job));
  if (jobs_.size() > 20) jobs_.pop_front();
}

void World::bring_back_results() {
  for (Job& job : jobs_) {
    for (auto& [due, result] : job.results) {
      if (!core_) return;
      if (due > tick_ || result.body_case() == log::Event::BODY_NOT_SET) continue;
      const auto outcomes = core_->submit({{std::exchange(result, {})}}, clock_);
      const auto& error = !outcomes           ? std::optional(outcomes.error())
                          : outcomes->front() ? std::nullopt
                                              : std::optional(outcomes->front().error());
      say("the result of {}: {}", job.plan_id, error ? to_string(*error) : "taken in");
      if (error && error->code == ErrorCode::io) crash();
    }
  }
}

// ---- Checks
// ----------------------------------------------------------------------------------------------------------

void World::check() {
  log_.set_faults({});  // the witness reads what is there
  const log::Offset before = witness_.last();
  expect(witness_.follow(log_));
  if (!report_.broken && core_) expect(witness_.check_live(core_->state()));
  if (!report_.broken && random_.chance(0.2)) check_past();
  if (!report_.broken && (random_.chance(0.02) || witness_.last() < before)) expect(witness_.check_whole(log_));
  check_readers();
  if (!report_.broken) check_personal();
  log_.set_faults(log_faults_);
}

// What was erased may be readable only while nobody can read: until the core has opened again.
void World::check_personal() {
  expect(people_.follow(log_));
  if (checkpoints_.hold(kInClear)) expect("something personal stands in clear in a checkpoint");
  if (!core_ || report_.broken) return;
  expect(people_.check(*vault_));
  if (random_.chance(0.1)) expect(people_.check_read(core_->state(), vault_));
}

void World::check_past() {
  if (!core_) return;
  const log::Offset offset = random_.below(witness_.last() + 1);
  const auto state = core_->state_at(offset);
  expect(state ? witness_.check_past(offset, *state)
               : Broken(fmt::format("no state is given for {}: {}", offset, to_string(state.error()))));
}

// Whoever reads a state sees it as it was, whatever the core does meanwhile.
void World::check_readers() {
  if (core_ && random_.chance(0.1)) {
    if (readers_.size() == kReaders) readers_.erase(readers_.begin());
    readers_.push_back({core_->state(), control::whole_hash(core_->state())});
  }
  for (const Reader& reader : readers_)
    if (control::whole_hash(reader.state) != reader.hash) expect("a state changed under its reader");
}

}  // namespace tandem::simulation
