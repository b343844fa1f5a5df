#include "gateway/trial_board.h"

#include <cstring>
#include <optional>

#include "base/digest.h"

namespace tandem::gateway {

double place_of_client(std::string_view what, std::string_view tenant, std::string_view client) {
  Hasher hasher;
  for (const std::string_view part : {what, tenant, client}) {
    hasher.update(uint64_t{part.size()});
    hasher.update(part);
  }
  const Digest digest = hasher.finish();
  uint64_t word = 0;
  std::memcpy(&word, digest.bytes.data(), sizeof word);
  return static_cast<double>(word >> 11) * 0x1p-53;
}

TrialParts trials_for(const routing::RoutingTable& table, const routing::RequestFacts& facts, std::string_view client) {
  TrialParts parts;
  const std::string& tenant = table.rows().tenants[facts.tenant].id;
  std::optional<double> place;  // among the canaries, which share the clients out between them
  double taken = 0;
  for (const routing::Trial& trial : table.rows().trials) {
    if (trial.model != facts.model || !table.may_use(facts.tenant, trial.to_model)) continue;
    const uint32_t context = table.traits(trial.to_model).context_tokens;
    if (context > 0 && facts.prompt_tokens + facts.output_tokens > context) continue;
    if (trial.mode == grid::TrialMode::shadow) {
      if (place_of_client(trial.id, tenant, client) < trial.share_fraction) parts.shadows.push_back(&trial);
      continue;
    }
    if (!place) place = place_of_client(table.rows().models[facts.model], tenant, client);
    const bool mine = *place >= taken && *place < taken + trial.share_fraction;
    taken += trial.share_fraction;
    if (mine)
      parts.canary = &trial;
    else
      parts.compared.push_back(&trial);
  }
  if (parts.canary != nullptr) parts.compared.clear();
  return parts;
}

routing::RequestFacts facts_for(const routing::RoutingTable& table, const routing::Trial& trial,
                                const routing::RequestFacts& facts) {
  routing::RequestFacts tried = facts;
  tried.model = trial.to_model;
  tried.paths = table.paths_of(tried.tenant, tried.region, tried.model);
  tried.only_site = trial.to_site;
  tried.fallbacks = false;
  return tried;
}

std::string TrialBoard::key_of(const routing::RoutingTable& table, const routing::Trial& trial) {
  const routing::TableRows& rows = table.rows();
  std::string key = trial.id + '\n' + rows.models[trial.model] + '\n' + rows.models[trial.to_model] + '\n';
  if (trial.to_site) key += rows.sites[*trial.to_site];
  return key + (trial.mode == grid::TrialMode::canary ? "\nc" : "\ns");
}

void TrialBoard::note(const routing::RoutingTable& table, const routing::Trial& trial, TrialSide side,
                      const TrialSample& sample) {
  const std::lock_guard lock(mutex_);
  std::string key = key_of(table, trial);
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() >= grid::kTrialsMax) {
      std::unordered_map<std::string, Entry> kept;
      for (const routing::Trial& one : table.rows().trials)
        if (auto node = entries_.extract(key_of(table, one))) kept.insert(std::move(node));
      entries_ = std::move(kept);
    }
    found = entries_.try_emplace(std::move(key)).first;
  }
  (side == TrialSide::base ? found->second.base : found->second.candidate).add(sample);
  const std::string_view how = sample.dropped ? "dropped" : sample.ok ? "ok" : "failed";
  metrics_
      .counter("tandem_gateway_trial_requests_total", "Requests of trials, by side and how they ended",
               {{"trial", trial.id}, {"side", std::string(to_string(side))}, {"outcome", std::string(how)}})
      .add();
}

std::vector<TrialReport> TrialBoard::reports(const routing::RoutingTable& table) const {
  std::vector<TrialReport> reports;
  const std::lock_guard lock(mutex_);
  const routing::TableRows& rows = table.rows();
  for (const routing::Trial& trial : rows.trials) {
    TrialReport report{trial.id,
                       trial.mode,
                       rows.models[trial.model],
                       rows.models[trial.to_model],
                       trial.to_site ? rows.sites[*trial.to_site] : "",
                       trial.share_fraction,
                       {},
                       {}};
    if (const auto found = entries_.find(key_of(table, trial)); found != entries_.end()) {
      report.base = found->second.base;
      report.candidate = found->second.candidate;
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace tandem::gateway
