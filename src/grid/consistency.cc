#include "grid/consistency.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "base/check.h"
#include "base/text.h"
#include "grid/decode.h"
#include "grid/geography.h"
#include "grid/prefix.h"

namespace tandem::grid {
namespace {

constexpr double kLightMicrosecondsPerKm = 3.3356;  // in vacuum: nothing is faster
constexpr double kPlaceToleranceKm = 5;             // coordinates of a city stand for any place in it
constexpr int64_t kFlexAlgoMin = 128, kFlexAlgoMax = 255;

size_t kind_position(std::string_view kind) {
  const auto all = kinds();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Kind& k) { return k.name == kind; });
  CHECK(found != all.end());
  return static_cast<size_t>(found - all.begin());
}

// "ber, fra, ham"; of very many, the first few.
std::string first_few(const std::set<std::string_view>& ids) {
  constexpr size_t kNamed = 5;
  const auto end = std::next(ids.begin(), static_cast<ptrdiff_t>(std::min(ids.size(), kNamed)));
  return fmt::format("{}{}", fmt::join(ids.begin(), end, ", "), ids.size() > kNamed ? ", …" : "");
}

class Rules {
 public:
  Rules(const Rows& rows, const Soundness& soundness, std::vector<RowProblem>& problems)
      : rows_(rows), soundness_(soundness), problems_(problems) {}

  void check() {
    grid();
    links();
    flex_algos();
    regions();
    pools();
    models();
    fallbacks();
    profiles();
    deployments();
    tenants();
    demands();
    trials();
    traffic();
    connections();
  }

 private:
  void error(std::string_view kind, size_t position, Path path, std::string message, std::string fix) {
    problems_.push_back({kind, position, {std::move(path), std::move(message), std::move(fix)}});
  }
  void warning(std::string_view kind, size_t position, Path path, std::string message, std::string fix) {
    problems_.push_back(
        {kind, position, {std::move(path), std::move(message), std::move(fix), Diagnostic::Severity::warning}});
  }
  template <class Row>
  bool sound(std::string_view kind, Index<Row> index) const {
    return index.valid() && soundness_.sound(kind, index.value);
  }

  void grid() {
    if (rows_.jurisdictions.size() > kJurisdictionsMax)
      error(kGrid, 0, {}, fmt::format("the grid has {} jurisdictions", rows_.jurisdictions.size()),
            fmt::format("at most {} are allowed", kJurisdictionsMax));
    if (rows_.sites.empty()) error(kGrid, 0, {}, "the grid has no site", "list at least one under 'sites'");
    if (rows_.regions.empty())
      error(kGrid, 0, {}, "the grid has no region, so nobody can ask for anything",
            "list at least one under 'regions'");
    const auto& cases = rows_.policy.restoration.cases;
    if (std::count(cases.begin(), cases.end(), RestorationCase::shared_risk_groups) > 0 &&
        rows_.shared_risk_groups.empty())
      warning(kGrid, 0, {std::string("policy"), std::string("restoration")},
              "plans are to bear the loss of any shared-risk group, and the grid has none",
              "list them under 'shared_risk_groups', and what rides on them in its links");
  }

  // A tenant's wish is said once, not again for each of its demands.
  void shared_risks(std::string_view kind, size_t position, Diversity diversity) {
    if (!rows_.shared_risk_groups.empty()) return;
    if (diversity != Diversity::shared_risk && diversity != Diversity::node_and_shared_risk) return;
    warning(kind, position, {std::string("diversity")},
            "it asks for ways that share no shared-risk group, and the grid has none, so that any two links pass",
            "list them under 'shared_risk_groups', or ask for ways apart by link or node");
  }

  void links() {
    for (size_t i = 0; i < rows_.links.size(); ++i) {
      const Link& link = rows_.links[i];
      if (!soundness_.sound("link", i) || !sound("node", link.a) || !sound("node", link.b)) continue;
      const SiteIndex from = rows_.nodes[link.a.value].site;
      const SiteIndex to = rows_.nodes[link.b.value].site;
      if (!sound("site", from) || !sound("site", to)) continue;
      const Site& a = rows_.sites[from.value];
      const Site& b = rows_.sites[to.value];
      const double apart_km = great_circle({a.latitude, a.longitude}, {b.latitude, b.longitude}).value();
      const double least_us = (apart_km - 2 * kPlaceToleranceKm) * kLightMicrosecondsPerKm;
      if (link.delay.value() < least_us)
        error("link", i, {std::string("delay_us")},
              fmt::format("its delay of {:.4g} us over {:.0f} km is faster than light", link.delay.value(), apart_km),
              fmt::format("write microseconds: fibre of that length takes at least {:.0f}", apart_km * 4.9));
    }
  }

  // Its number, and that its rules speak of groups and metrics that some link has.
  void flex_algos() {
    if (rows_.flex_algos.empty()) return;
    std::set<std::string_view> groups;
    bool te_metric = false;
    for (const Link& link : rows_.links) {
      groups.insert(link.admin_groups.begin(), link.admin_groups.end());
      te_metric |= link.te_metric > 0;
    }
    for (size_t i = 0; i < rows_.flex_algos.size(); ++i) {
      const FlexAlgo& algo = rows_.flex_algos[i];
      const std::optional<int64_t> number = algo.id.size() == 3 ? parse_integer(algo.id) : std::nullopt;
      if (!number || *number < kFlexAlgoMin || *number > kFlexAlgoMax)
        error("flex_algo", i, {std::string("id")}, fmt::format("'{}' is not the number of a flex algorithm", algo.id),
              fmt::format("choose one from {} to {} (RFC 9350)", kFlexAlgoMin, kFlexAlgoMax));
      if (algo.metric == PathMetric::te && !te_metric)
        warning("flex_algo", i, {std::string("metric")}, "no link has a te_metric, so none is in its topology",
                "give te_metric to its links, or let it minimise igp or delay");
      const auto check = [&](std::string_view rule, const std::vector<std::string>& named, std::string_view so) {
        for (const std::string& group : named)
          if (!groups.contains(group))
            warning("flex_algo", i, {std::string(rule)}, fmt::format("no link has the admin group '{}'{}", group, so),
                    "give it to links under 'admin_groups', or leave it out");
      };
      check("exclude_any", algo.exclude_any, ", so it excludes nothing");
      check("include_any", algo.include_any, "");
      check("include_all", algo.include_all, ", so no link is in its topology");
    }
  }

  // Of whom its users' traffic must pass to surface at all: an anchor outside the topology reaches nothing in it.
  void anchors_take_part(size_t position, const Demand& demand) {
    if (!sound("flex_algo", demand.flex_algo) || !sound("region", demand.region)) return;
    const FlexAlgo& algo = rows_.flex_algos[demand.flex_algo.value];
    if (algo.participants.empty()) return;
    const auto& anchors = rows_.regions[demand.region.value].anchors;
    if (std::any_of(anchors.begin(), anchors.end(), [&](const Anchor& anchor) {
          return std::binary_search(algo.participants.begin(), algo.participants.end(), anchor.node);
        }))
      return;
    error("demand", position, {std::string("flex_algo")},
          fmt::format("no anchor of region '{}' takes part in flex algorithm {}", rows_.regions[demand.region.value].id,
                      algo.id),
          "add the anchor's node to its participants, or ask for another algorithm");
  }

  void regions() {
    std::map<std::pair<std::array<uint8_t, 16>, uint8_t>, size_t> first;
    for (size_t i = 0; i < rows_.regions.size(); ++i) {
      const auto& prefixes = rows_.regions[i].prefixes;
      for (size_t k = 0; k < prefixes.size(); ++k) {
        const auto [other, fresh] = first.try_emplace({prefixes[k].address, prefixes[k].length}, i);
        if (!fresh)
          error("region", i, {std::string("prefixes"), k},
                fmt::format("the prefix {} also belongs to region '{}'", to_string(prefixes[k]),
                            rows_.regions[other->second].id),
                "give each prefix to one region");
      }
    }
  }

  void pools() {
    for (size_t i = 0; i < rows_.pools.size(); ++i) {
      const Pool& pool = rows_.pools[i];
      if (!soundness_.sound("pool", i)) continue;
      if (sound("node", pool.node) && pool.site.valid() && rows_.nodes[pool.node.value].site.valid() &&
          rows_.nodes[pool.node.value].site != pool.site)
        error("pool", i, {std::string("node")},
              fmt::format("node '{}' stands at site '{}', not '{}'", rows_.nodes[pool.node.value].id,
                          rows_.sites[rows_.nodes[pool.node.value].site.value].id, rows_.sites[pool.site.value].id),
              "name a node at the pool's own site");
      reserves(i, pool);
      power(i, pool);
    }
  }

  // Reserves that overlap add up.
  void reserves(size_t position, const Pool& pool) {
    const auto covers = [](const RadioReserve& r, double hour) {
      return r.from_hour <= r.to_hour ? hour >= r.from_hour && hour < r.to_hour
                                      : hour >= r.from_hour || hour < r.to_hour;
    };
    for (const RadioReserve& start : pool.radio_reserve) {
      uint64_t kept = 0;
      for (const RadioReserve& reserve : pool.radio_reserve)
        if (covers(reserve, start.from_hour)) kept += reserve.accelerators;
      if (kept <= pool.count) continue;
      error("pool", position, {std::string("radio_reserve")},
            fmt::format("at {} h, {} accelerators are kept for radio, of {} there are", start.from_hour, kept,
                        pool.count),
            "reserve at most the count at any hour");
      return;
    }
  }

  void power(size_t position, const Pool& pool) {
    if (!sound("site", pool.site) || !sound("accelerator", pool.accelerator) || pool.count == 0) return;
    const Site& site = rows_.sites[pool.site.value];
    const Accelerator& accelerator = rows_.accelerators[pool.accelerator.value];
    if (site.power_limit.value() * 1e3 < accelerator.peak_power.value())
      warning(
          "pool", position, {},
          fmt::format("site '{}' has {} kW, too little for one {}", site.id, site.power_limit.value(), accelerator.id),
          "raise the site's power_limit_kw, or the pool can serve nothing");
  }

  void models() {
    std::map<std::string, size_t, std::less<>> first;
    for (size_t i = 0; i < rows_.models.size(); ++i) first.try_emplace(rows_.models[i].id, i);
    for (size_t i = 0; i < rows_.models.size(); ++i) {
      const auto& aliases = rows_.models[i].aliases;
      for (size_t k = 0; k < aliases.size(); ++k) {
        const auto [other, fresh] = first.try_emplace(aliases[k], i);
        if (!fresh)
          error("model", i, {std::string("aliases"), k},
                fmt::format("the name '{}' already means model '{}'", aliases[k], rows_.models[other->second].id),
                "give each name to one model");
      }
    }
  }

  // Each model's fallback is another model, and following them ends. A circle is told once, at its first model.
  void fallbacks() {
    std::map<std::string_view, size_t> positions;
    for (size_t i = 0; i < rows_.models.size(); ++i) positions.emplace(rows_.models[i].id, i);
    const auto next = [&](size_t model) -> std::optional<size_t> {
      const auto found = positions.find(rows_.models[model].fallback);
      return found == positions.end() ? std::nullopt : std::optional(found->second);
    };
    for (size_t i = 0; i < rows_.models.size(); ++i) {
      const std::string& fallback = rows_.models[i].fallback;
      if (fallback.empty()) continue;
      if (!next(i)) {
        std::vector<std::string> ids;
        for (const auto& [id, position] : positions) ids.emplace_back(id);
        const auto meant = nearest(fallback, ids);
        error("model", i, {std::string("fallback")}, fmt::format("fallback: there is no model '{}'", fallback),
              meant ? fmt::format("did you mean '{}'?", *meant) : "name it by its id, not an alias");
        continue;
      }
      std::string circle = rows_.models[i].id;
      size_t first = i;
      std::optional<size_t> at = next(i);
      for (size_t steps = 0; at && *at != i && steps < rows_.models.size(); ++steps, at = next(*at)) {
        circle += " -> " + rows_.models[*at].id;
        first = std::min(first, *at);
      }
      if (at != i || first != i) continue;
      error("model", i, {std::string("fallback")},
            fmt::format("the fallbacks go in a circle: {} -> {}", circle, rows_.models[i].id),
            "let the smallest of them have no fallback");
    }
  }

  void trials() {
    if (rows_.trials.size() > kTrialsMax)
      error(kGrid, 0, {}, fmt::format("the grid has {} trials", rows_.trials.size()),
            fmt::format("at most {} are allowed", kTrialsMax));
    std::map<ModelIndex, double> served;  // by the canaries of a model
    for (size_t i = 0; i < rows_.trials.size(); ++i) {
      const Trial& trial = rows_.trials[i];
      if (!soundness_.sound("trial", i) || !trial.model.valid()) continue;
      if (!trial.to_site.valid() && (!trial.to_model.valid() || trial.to_model == trial.model))
        error("trial", i, {}, "it tries the model with itself", "name another model in to_model, or a site in to_site");
      else
        tried_can_be_served(i, trial);
      if (trial.mode != TrialMode::canary) continue;
      served[trial.model] += trial.share_fraction;
      if (served[trial.model] > 1 + 1e-9)
        error("trial", i, {std::string("share_fraction")},
              fmt::format("the canaries of model '{}' take {:.4g} of its requests", rows_.models[trial.model.value].id,
                          served[trial.model]),
              "let them take 1 together at most");
    }
  }

  bool serves(const Pool& pool, ModelIndex model) const {
    const auto smallest = profile_of_.lower_bound({model, pool.accelerator, 0});
    if (smallest == profile_of_.end()) return false;
    const auto& [its_model, accelerator, tensor_parallel] = smallest->first;
    return its_model == model && accelerator == pool.accelerator && tensor_parallel <= pool.count;
  }

  // Some pool of the site, or of the grid where the trial names none, has accelerators and a profile for the model.
  void tried_can_be_served(size_t position, const Trial& trial) {
    if (!profiles_sound_) return;
    const ModelIndex model = trial.to_model.valid() ? trial.to_model : trial.model;
    bool any_there = false;
    std::set<std::string_view> able;  // sites
    for (size_t i = 0; i < rows_.pools.size(); ++i) {
      const Pool& pool = rows_.pools[i];
      if (!soundness_.sound("pool", i) || !pool.site.valid() || !pool.accelerator.valid()) return;
      any_there |= pool.site == trial.to_site;
      if (serves(pool, model)) able.insert(rows_.sites[pool.site.value].id);
    }
    const std::string& wanted = rows_.models[model.value].id;
    if (!trial.to_site.valid()) {
      if (able.empty())
        error("trial", position, {std::string(trial.to_model.valid() ? "to_model" : "model")},
              fmt::format("no pool can serve model '{}'", wanted),
              "add a profile of it on an accelerator of some pool");
      return;
    }
    const std::string& site = rows_.sites[trial.to_site.value].id;
    if (able.contains(site)) return;
    error("trial", position, {std::string("to_site")},
          any_there ? fmt::format("no pool of site '{}' can serve model '{}'", site, wanted)
                    : fmt::format("site '{}' has no pool", site),
          able.empty() ? fmt::format("add a pool there, and a profile of '{}' on its accelerator", wanted)
                       : fmt::format("name a site that can serve '{}': {}", wanted, first_few(able)));
  }

  void profiles() {
    for (size_t i = 0; i < rows_.profiles.size(); ++i) {
      const Profile& p = rows_.profiles[i];
      if (p.model.valid()) profiled_models_.insert(p.model);
      if (!soundness_.sound("profile", i) || !p.model.valid() || !p.accelerator.valid()) {
        profiles_sound_ = false;
        continue;
      }
      const auto [other, fresh] = profile_of_.try_emplace({p.model, p.accelerator, p.tensor_parallel}, i);
      if (!fresh)
        error("profile", i, {},
              fmt::format("profile '{}' is for the same model, accelerator and tensor_parallel",
                          rows_.profiles[other->second].id),
              "keep one of them");
      if (!sound("model", p.model) || !sound("accelerator", p.accelerator)) continue;
      const double there = rows_.accelerators[p.accelerator.value].memory.value() * p.tensor_parallel;
      const double needed = rows_.models[p.model.value].weights.value() + p.kv_memory.value();
      if (needed > there * (1 + 1e-9))
        error("profile", i, {std::string("kv_memory_gb")},
              fmt::format("weights and KV cache need {:.4g} GB, and {} accelerators have {:.4g} GB", needed,
                          p.tensor_parallel, there),
              "raise tensor_parallel or lower kv_memory_gb");
    }
  }

  void deployments() {
    std::map<PoolIndex, uint64_t> used;
    for (size_t i = 0; i < rows_.deployments.size(); ++i) {
      const Deployment& d = rows_.deployments[i];
      if (!soundness_.sound("deployment", i) || !sound("pool", d.pool) || !d.model.valid()) continue;
      const Pool& pool = rows_.pools[d.pool.value];
      if (profiles_sound_ && pool.accelerator.valid() &&
          !profile_of_.contains({d.model, pool.accelerator, d.tensor_parallel}))
        error("deployment", i, {},
              fmt::format("there is no profile of model '{}' on accelerator '{}' with tensor_parallel {}",
                          rows_.models[d.model.value].id, rows_.accelerators[pool.accelerator.value].id,
                          d.tensor_parallel),
              "add that profile, or deploy what has one");
      used[d.pool] += uint64_t{d.tensor_parallel} * d.replicas;
      if (used[d.pool] > pool.count)
        error("deployment", i, {std::string("replicas")},
              fmt::format("deployments at pool '{}' need {} accelerators, of {} there are", pool.id, used[d.pool],
                          pool.count),
              "deploy fewer replicas or add accelerators");
    }
  }

  void tenants() {
    std::map<Digest, size_t> first;
    for (size_t i = 0; i < rows_.tenants.size(); ++i) {
      shared_risks("tenant", i, rows_.tenants[i].diversity);
      const auto& keys = rows_.tenants[i].keys;
      for (size_t k = 0; k < keys.size(); ++k) {
        const auto [other, fresh] = first.try_emplace(keys[k].sha256, i);
        if (!fresh)
          error("tenant", i, {std::string("keys"), k},
                fmt::format("that key also belongs to tenant '{}'", rows_.tenants[other->second].id),
                "give each key to one tenant");
      }
    }
  }

  void demands() {
    std::map<std::tuple<TenantIndex, RegionIndex, ModelIndex>, size_t> first;
    for (size_t i = 0; i < rows_.demands.size(); ++i) {
      const Demand& d = rows_.demands[i];
      if (!soundness_.sound("demand", i) || !sound("tenant", d.tenant) || !sound("model", d.model)) continue;
      const Tenant& tenant = rows_.tenants[d.tenant.value];
      const Model& model = rows_.models[d.model.value];
      if (d.diversity != tenant.diversity) shared_risks("demand", i, d.diversity);
      if (!tenant.models.empty() &&
          std::find(tenant.models.begin(), tenant.models.end(), d.model) == tenant.models.end())
        error("demand", i, {std::string("model")},
              fmt::format("tenant '{}' may not use model '{}'", tenant.id, model.id), "add it to the tenant's models");
      if (d.prompt_tokens + d.output_tokens > model.context_tokens)
        error("demand", i, {std::string("prompt_tokens")},
              fmt::format("prompt and output are {} tokens, and the context of '{}' holds {}",
                          d.prompt_tokens + d.output_tokens, model.id, model.context_tokens),
              "ask for less, or of a model with a longer context");
      if (profiles_sound_ && !profiled_models_.contains(d.model))
        warning("demand", i, {std::string("model")},
                fmt::format("model '{}' has no profile, so nothing can serve it", model.id), "add a profile of it");
      if (!d.region.valid()) continue;
      anchors_take_part(i, d);
      const auto [other, fresh] = first.try_emplace({d.tenant, d.region, d.model}, i);
      if (!fresh)
        error("demand", i, {},
              fmt::format("demand '{}' has the same tenant, region and model", rows_.demands[other->second].id),
              "make one demand of them");
    }
  }

  void traffic() {
    for (size_t i = 0; i < rows_.traffic.size(); ++i) {
      const Traffic& t = rows_.traffic[i];
      if (t.from.valid() && t.from == t.to)
        error("traffic", i, {std::string("to")},
              fmt::format("it goes from '{}' to itself", rows_.nodes[t.from.value].id), "traffic joins two nodes");
    }
  }

  // A node that serves or is asked must have a link, unless it is the only one.
  void connections() {
    if (rows_.nodes.size() < 2) return;
    std::vector<bool> linked(rows_.nodes.size());
    for (size_t i = 0; i < rows_.links.size(); ++i) {
      const Link& link = rows_.links[i];
      if (!soundness_.sound("link", i)) return;
      if (link.a.valid()) linked[link.a.value] = true;
      if (link.b.valid()) linked[link.b.value] = true;
    }
    const auto check = [&](NodeIndex node, std::string_view kind, size_t position, Path path) {
      if (node.valid() && !linked[node.value])
        warning(kind, position, std::move(path), fmt::format("node '{}' has no link", rows_.nodes[node.value].id),
                "link it to the network");
    };
    for (size_t i = 0; i < rows_.pools.size(); ++i) check(rows_.pools[i].node, "pool", i, {std::string("node")});
    for (size_t i = 0; i < rows_.regions.size(); ++i)
      for (size_t k = 0; k < rows_.regions[i].anchors.size(); ++k)
        check(rows_.regions[i].anchors[k].node, "region", i, {std::string("anchors"), k, std::string("node")});
  }

  const Rows& rows_;
  const Soundness& soundness_;
  std::vector<RowProblem>& problems_;
  std::map<std::tuple<ModelIndex, AcceleratorIndex, uint32_t>, size_t> profile_of_;
  std::set<ModelIndex> profiled_models_;
  bool profiles_sound_ = true;  // every one: else a model may have a profile that could not be read
};

}  // namespace

Soundness::Soundness(const Rows& rows) : by_kind_(kinds().size()) {
  by_kind_[0].assign(1, true);
  for_each_table(rows, [&](std::string_view kind, const auto& table) {
    by_kind_[kind_position(kind)].assign(table.size(), true);
  });
}

void Soundness::mark_unsound(std::string_view kind, size_t position) {
  by_kind_[kind_position(kind)][position] = false;
}

bool Soundness::sound(std::string_view kind, size_t position) const { return by_kind_[kind_position(kind)][position]; }

void check_consistency(const Rows& rows, const Soundness& soundness, std::vector<RowProblem>& problems) {
  Rules(rows, soundness, problems).check();
}

}  // namespace tandem::grid
