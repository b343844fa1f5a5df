#include "replay/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "planner/planner.h"
#include "twin/twin.h"

namespace tandem::replay {
namespace {

constexpr int64_t kDrainNs = 3'600'000'000'000;  // after the last arrival; what is not done by then is a miss
constexpr uint64_t kStopEvery = 4'096;           // arrivals, a few milliseconds
constexpr uint32_t kWaitingMax = 1'000'000;      // at an engine: the policies bound it, or nothing does
constexpr double kRefuted = 0.01;                // the chance of so few in time, were the promise just kept

uint64_t microseconds_between(int64_t from_ns, int64_t to_ns) {
  return static_cast<uint64_t>(std::max<int64_t>(0, to_ns - from_ns) / 1'000);
}

std::shared_ptr<const routing::RoutingTable> table_for(const grid::Snapshot& snapshot, const v1::Plan& plan) {
  planner::TableOptions options;
  options.offset = snapshot.offset;
  options.emulator = {.host = "simulated", .port = 1, .base_path = {}, .emulated = true};
  return planner::make_routing_table(snapshot, plan, options);
}

}  // namespace

Simulation::Simulation(const grid::Snapshot& snapshot, const v1::Plan& plan, const Options& options)
    : snapshot_(snapshot),
      plan_(plan),
      options_(options),
      table_(table_for(snapshot, plan)),
      router_(snapshot, *table_, plan, options.policy, options.seed),
      engines_(table_->targets().size()),
      live_(table_->targets().size()),
      sites_(snapshot.sites.size()),
      demands_(snapshot.demands.size()),
      tenants_(snapshot.tenants.size()),
      sites_tally_(snapshot.sites.size()) {
  for (const routing::Leg& leg : table_->rows().legs) one_way_ns_.push_back(std::llround(leg.round_trip.value() * 500));
  for (const grid::Demand& demand : snapshot.demands)
    leg_row_.push_back(snapshot.regions.size() *
                           table_->paths_of(demand.tenant.value, demand.region.value, demand.model.value) +
                       demand.region.value);
}

Result<std::unique_ptr<Simulation>> Simulation::create(const grid::Snapshot& snapshot, const v1::Plan& plan,
                                                       const Options& options) {
  std::unique_ptr<Simulation> simulation(new Simulation(snapshot, plan, options));
  TANDEM_TRY(simulation->start_engines());
  return simulation;
}

Result<void> Simulation::start_engines() {
  for (const v1::PlannedDeployment& row : plan_.deployments()) {
    const auto target = table_->find_target(row.id());
    if (!target || row.replicas() == 0) continue;
    const grid::PoolIndex pool = snapshot_.pools.find(row.pool());
    const grid::Model& model = snapshot_.models[snapshot_.models.find(row.model())];
    const grid::Profile& profile = snapshot_.profiles[snapshot_.profiles.find(row.profile())];
    // An engine is started with the batch of the plan's operating point as its limit.
    TANDEM_ASSIGN(runtime::EngineProfile engine_profile, runtime::EngineProfile::from(model, profile, row.batch()));
    runtime::EngineOptions engine_options;
    engine_options.replicas = std::min(row.replicas(), runtime::EngineOptions::kReplicasMax);
    engine_options.waiting_max = kWaitingMax;
    TANDEM_ASSIGN(runtime::EngineModel engine, runtime::EngineModel::create(std::move(engine_profile), engine_options));
    Engine& entry = engines_[*target];
    entry.model = std::make_unique<runtime::EngineModel>(std::move(engine));
    entry.pool = pool.value;
    entry.site = snapshot_.pools[pool].site.value;
    entry.accelerators = row.replicas() * row.tensor_parallel();
    entry.idle = snapshot_.accelerators[snapshot_.pools[pool].accelerator].idle_power * row.tensor_parallel();
    report_.replicas += row.replicas();
  }
  return {};
}

Report Simulation::run() {
  Arrivals arrivals(snapshot_, options_.workload, options_.seed);
  Arrival arrival;
  bool more = arrivals.next(arrival);
  int64_t last_ns = 0;
  const int64_t warm_ns = std::llround(options_.warm_up_s * 1e9);
  bool metering = false;
  for (;;) {
    if (more && !metering && arrival.at_ns >= warm_ns && (heap_.empty() || heap_.top().at_ns >= warm_ns)) {
      metering = true;
      read_meters(warm_ns, -1);
    }
    if (more && (heap_.empty() || arrival.at_ns <= heap_.top().at_ns)) {
      last_ns = arrival.at_ns;
      if (report_.simulated % kStopEvery == 0) {
        if (options_.stop.stop_requested()) break;
        tell(last_ns);
      }
      arrive(arrival);
      more = arrivals.next(arrival);
      if (!more && metering) read_meters(last_ns, 1);
      continue;
    }
    if (heap_.empty() || heap_.top().at_ns > last_ns + kDrainNs) break;
    const SimulatedEvent event = heap_.top();
    heap_.pop();
    if (event.slot != SimulatedEvent::kWake) {
      deliver(event);
    } else if (event.at_ns == engines_[event.target].wake_ns) {
      engines_[event.target].wake_ns = INT64_MAX;
      drain(event.target, event.at_ns);
    }
  }
  report_.policy = options_.policy;
  report_.seed = options_.seed;
  report_.rate_factor = options_.workload.rate_factor;
  report_.measured_s = std::max(0.0, static_cast<double>(last_ns) * 1e-9 - options_.warm_up_s);
  report_.unfinished = report_.all.requests - report_.all.served;
  for (const auto& [why, count] : rejected_) {
    report_.rejected[why] = count;
    report_.unfinished -= count;
  }
  count_costs();
  count_links();
  count_demands();
  return std::move(report_);
}

void Simulation::tell(int64_t now_ns) const {
  if (!options_.progress) return;
  const Workload& workload = options_.workload;
  const double of_time = static_cast<double>(now_ns) * 1e-9 / workload.duration_s;
  const double of_requests = static_cast<double>(report_.simulated) / static_cast<double>(workload.requests_max);
  options_.progress({options_.policy, std::clamp(std::max(of_time, of_requests), 0.0, 1.0)});
}

void Simulation::arrive(const Arrival& arrival) {
  ++report_.simulated;
  InFlight request{.sent_ns = arrival.at_ns,
                   .demand = arrival.demand,
                   .prompt_tokens = arrival.prompt_tokens,
                   .output_tokens = arrival.output_tokens,
                   .prefix_blocks = arrival.prefix_blocks,
                   .counted = static_cast<double>(arrival.at_ns) * 1e-9 >= options_.warm_up_s};
  const uint32_t tenant = snapshot_.demands[size_t{arrival.demand}].tenant.value;
  if (request.counted) {
    ++report_.all.requests;
    ++tenants_[tenant].requests;
    ++demands_[arrival.demand].requests;
  }
  const Router::Choice choice = router_.choose(arrival, live_);
  if (!choice.target) return turn_away(request, routing::to_string(choice.blocking));
  request.target = *choice.target;
  request.prefill_tokens = arrival.prompt_tokens - choice.cached_tokens;
  routing::TargetLive& live = live_[request.target];
  live.in_flight = live.in_flight + 1;
  live.prefills = live.prefills + 1;
  live.prefill_tokens = live.prefill_tokens + request.prefill_tokens;
  if (request.counted) {
    ++sites_tally_[engines_[request.target].site].requests;
    report_.residency_violations += !router_.resident(arrival.demand, request.target);
  }
  uint32_t slot = static_cast<uint32_t>(in_flight_.size());
  if (free_slots_.empty()) {
    in_flight_.push_back(request);
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    in_flight_[slot] = request;
  }
  heap_.push({arrival.at_ns + one_way_ns(request.demand, request.target), request.target, slot});
}

void Simulation::turn_away(const InFlight& request, std::string_view why) {
  if (!request.counted) return;
  const auto found = rejected_.find(why);
  if (found == rejected_.end())
    rejected_.emplace(why, 1);
  else
    ++found->second;
}

void Simulation::deliver(const SimulatedEvent& event) {
  const InFlight& request = in_flight_[event.slot];
  runtime::EngineModel& engine = *engines_[event.target].model;
  engine.set_prefix_hit(snapshot_.demands[size_t{request.demand}].prefix_hit);
  const runtime::Submission submission =
      engine.submit({event.slot, request.prompt_tokens, request.output_tokens, request.prefix_blocks}, {event.at_ns});
  if (submission.admission != runtime::Admission::accepted) {
    turn_away(request, submission.admission == runtime::Admission::too_large ? "kv_memory" : "queue_full");
    end_prefill(request);
    release(event.slot);
  }
  drain(event.target, event.at_ns);
}

// Takes what the engine has to tell and wakes again when it has more.
void Simulation::drain(uint32_t target, int64_t now_ns) {
  Engine& engine = engines_[target];
  for (const runtime::EngineEvent& event : engine.model->advance({now_ns})) {
    if (event.kind == runtime::EngineEvent::Kind::first_token) {
      in_flight_[event.tag].first_token_ns = event.at.ns;
      end_prefill(in_flight_[event.tag]);
    } else if (event.kind == runtime::EngineEvent::Kind::finish)
      finish(static_cast<uint32_t>(event.tag), event.at.ns);
  }
  const auto next = engine.model->next_event_at();
  if (!next || next->ns >= engine.wake_ns) return;
  engine.wake_ns = next->ns;
  heap_.push({next->ns, target, SimulatedEvent::kWake});
}

void Simulation::finish(uint32_t slot, int64_t at_ns) {
  const InFlight& request = in_flight_[slot];
  if (request.counted) {
    const grid::Demand& demand = snapshot_.demands[size_t{request.demand}];
    const int64_t seen_ns = request.first_token_ns + one_way_ns(request.demand, request.target);
    const uint64_t ttft_us = microseconds_between(request.sent_ns, seen_ns);
    const double gaps = std::max(1.0, static_cast<double>(request.output_tokens) - 1);
    const double tpot_ms = static_cast<double>(at_ns - request.first_token_ns) * 1e-6 / gaps;
    const bool late = static_cast<double>(seen_ns - request.sent_ns) * 1e-6 > demand.promise.ttft.value();
    const bool slow = tpot_ms > demand.promise.tpot.value();
    const bool good = !late && !slow;
    for (Tally* tally : {&report_.all, &tenants_[demand.tenant.value], &sites_tally_[engines_[request.target].site]}) {
      ++tally->served;
      tally->good += good;
      tally->late += late;
      tally->slow += slow;
      tally->ttft_us.record(ttft_us);
      tally->tpot_us.record(static_cast<uint64_t>(tpot_ms * 1e3));
      tally->ttft_sum_us += static_cast<double>(seen_ns - request.sent_ns) * 1e-3;
    }
    report_.prompt_tokens += request.prompt_tokens;
    report_.output_tokens += request.output_tokens;
    if (good) report_.good_output_tokens += request.output_tokens;
    const routing::Leg& leg = table_->rows().legs[leg_row_[request.demand] * sites_ + engines_[request.target].site];
    transport_eur_ += (demand.upload_bytes + demand.download_bytes) * leg.euros_per_byte;
    DemandCount& count = demands_[request.demand];
    count.in_time += !late;
    count.fast += !slow;
    const auto found = std::find_if(count.served.begin(), count.served.end(),
                                    [&](const auto& entry) { return entry.first == request.target; });
    if (found == count.served.end())
      count.served.emplace_back(request.target, 1);
    else
      ++found->second;
  }
  release(slot);
}

void Simulation::release(uint32_t slot) {
  auto& in_flight = live_[in_flight_[slot].target].in_flight;
  in_flight = in_flight.load() - 1;
  free_slots_.push_back(slot);
}

void Simulation::end_prefill(const InFlight& request) {
  routing::TargetLive& live = live_[request.target];
  live.prefills = live.prefills - 1;
  live.prefill_tokens = live.prefill_tokens - request.prefill_tokens;
}

// Adds what engines have drawn so far, or takes it off.
void Simulation::read_meters(int64_t now_ns, int sign) {
  metered_s_ += sign * static_cast<double>(now_ns) * 1e-9;
  for (uint32_t target = 0; target < engines_.size(); ++target) {
    Engine& engine = engines_[target];
    if (engine.model == nullptr) continue;
    drain(target, now_ns);
    engine.joules += sign * engine.model->energy_joules();
    engine.busy_s += sign * engine.model->busy_seconds();
  }
}

// Energy from the end of the warm-up to the last request's arrival: not of engines that run empty after. (Steps under
// way at either end count with the time in which they end.)
void Simulation::count_costs() {
  double energy_eur = 0;
  for (const Engine& engine : engines_) {
    if (engine.model == nullptr) continue;
    const grid::Pool& pool = snapshot_.pools[size_t{engine.pool}];
    const grid::Site& site = snapshot_.sites[pool.site];
    const double idle_s = std::max(0.0, engine.model->replicas() * metered_s_ - engine.busy_s);
    const double joules = engine.joules + idle_s * engine.idle.value();
    const double kwh = joules / 3.6e6 * site.pue;
    energy_eur += kwh * site.power_price.value();
    report_.energy_kwh += kwh;
    report_.carbon_kg += kwh * site.carbon.value() * 1e-3;
    report_.accelerators += engine.accelerators;
    report_.cached_tokens += engine.model->cached_tokens();
    if (site.tier == grid::Tier::core || site.tier == grid::Tier::cloud)
      report_.central_accelerators += engine.accelerators;
    report_.accelerators_eur_per_hour += engine.accelerators * snapshot_.accelerators[pool.accelerator].price.value();
  }
  report_.energy_eur_per_hour = metered_s_ > 0 ? energy_eur / metered_s_ * 3600 : 0;
  report_.transport_eur_per_hour = report_.measured_s > 0 ? transport_eur_ / report_.measured_s * 3600 : 0;
}

void Simulation::count_links() {
  twin::Assignment assignment;
  for (uint32_t d = 0; d < demands_.size(); ++d) {
    const double expected = snapshot_.demands[size_t{d}].rate_per_s * report_.measured_s;
    if (expected <= 0) continue;
    for (const auto& [target, served] : demands_[d].served)
      assignment.shares.push_back(
          {grid::DemandIndex(d), grid::PoolIndex(engines_[target].pool), static_cast<double>(served) / expected});
  }
  const twin::Forecast forecast = twin::forecast(snapshot_, assignment);
  for (size_t i = 0; i < snapshot_.links.size(); ++i) {
    const double busier = std::max(forecast.utilization_ab[i], forecast.utilization_ba[i]);
    if (!report_.worst_link.empty() && busier <= report_.worst_link_utilization) continue;
    report_.worst_link = snapshot_.links[i].id;
    report_.worst_link_utilization = busier;
  }
}

void Simulation::count_demands() {
  std::vector<uint8_t> promised(demands_.size());
  for (const v1::DemandPlan& planned : plan_.demands())
    if (const auto d = snapshot_.demands.find(planned.demand()); d.valid())
      promised[d.value] = planned.splits_size() > 0 && planned.rejected() <= 0;
  for (size_t d = 0; d < demands_.size(); ++d) {
    if (demands_[d].requests == 0) continue;
    const double quantile = snapshot_.demands[d].promise.quantile;
    const uint64_t requests = demands_[d].requests, good = std::min(demands_[d].in_time, demands_[d].fast);
    const bool kept = static_cast<double>(good) >= quantile * static_cast<double>(requests);
    ++(kept ? report_.demands_kept : report_.demands_broken);
    if (!promised[d]) continue;
    ++report_.planned_kept;
    report_.planned_and_kept += kept;
    if (chance_of_at_most(good, requests, quantile) < kRefuted)
      report_.refuted.push_back({snapshot_.demands[d].id, requests, good, quantile});
  }
  for (size_t t = 0; t < tenants_.size(); ++t)
    if (tenants_[t].promise = snapshot_.tenants[t].promise; tenants_[t].requests > 0)
      report_.tenants.emplace(snapshot_.tenants[t].id, std::move(tenants_[t]));
  for (size_t s = 0; s < sites_tally_.size(); ++s)
    if (sites_tally_[s].requests > 0) report_.sites.emplace(snapshot_.sites[s].id, std::move(sites_tally_[s]));
}

// Summed from the largest term down.
double chance_of_at_most(uint64_t good, uint64_t tries, double chance) {
  if (good >= tries || chance <= 0) return 1;
  if (chance >= 1) return 0;
  const double n = static_cast<double>(tries), odds = chance / (1 - chance);
  double k = static_cast<double>(good);
  double term = std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log(chance) +
                         (n - k) * std::log1p(-chance));
  double sum = 0;
  for (; k >= 0 && term > 1e-12 * sum; --k) {
    sum += term;
    term *= k / ((n - k + 1) * odds);
  }
  return std::min(1.0, sum);
}

}  // namespace tandem::replay
