#include <bit>

#include "base/digest.h"
#include "routing/routing.h"

namespace tandem::routing {
namespace {

// Fields in the order of their declaration, each with a length or at a fixed width, so that no two tables give the same
// bytes.
class Canonical {
 public:
  void add(std::string_view text) {
    hasher_.update(uint64_t{text.size()});
    hasher_.update(text);
  }
  void add(const std::string& text) { add(std::string_view(text)); }
  void add(uint64_t value) { hasher_.update(value); }
  void add(double value) { hasher_.update(std::bit_cast<uint64_t>(value)); }
  template <class Unit>
  void add(Quantity<Unit> quantity) {
    add(quantity.value());
  }
  void add(const grid::Promise& promise) {
    add(promise.ttft);
    add(promise.tpot);
    add(promise.quantile);
  }
  void add(const Target& target) {
    add(target.deployment);
    add(target.site);
    add(target.pool);
    add(uint64_t{target.site_position});
    add(uint64_t{target.model});
    add(target.jurisdiction.bits);
    add(uint64_t{target.up});
    add(target.host);
    add(uint64_t{target.port});
    add(target.base_path);
    add(uint64_t{target.emulated});
    add(uint64_t{target.replicas});
    add(uint64_t{target.concurrency_max});
    add(target.prefill_tokens_per_s);
    add(target.prefill_overhead);
    add(target.tpot);
    add(target.euros_per_prompt_token);
    add(target.euros_per_output_token);
    add(target.joules_per_output_token);
    add(target.joules_per_prompt_token);
    add(target.carbon_g_per_joule);
    add(target.kv_tokens);
  }
  void add(const Leg& leg) {
    add(uint64_t{leg.reachable});
    add(leg.round_trip);
    add(leg.jurisdictions.bits);
    add(leg.euros_per_byte);
  }
  void add(const Tenant& tenant) {
    add(tenant.id);
    add(tenant.residency.bits);
    add(tenant.promise);
    add_all(tenant.models);
    add(uint64_t{tenant.priority});
    add(tenant.weight);
    add(uint64_t{tenant.limits.requests_per_minute});
    add(uint64_t{tenant.limits.tokens_per_minute});
    add(tenant.limits.budget_per_month.value());
    add(uint64_t{tenant.fallbacks});
    add(tenant.hedge_quantile);
    add(tenant.paths);
  }
  void add(const ModelTraits& traits) {
    add(traits.fallback);
    add(uint64_t{traits.context_tokens});
  }
  void add(const Trial& trial) {
    add(trial.id);
    add(static_cast<uint64_t>(trial.mode));
    add(uint64_t{trial.model});
    add(uint64_t{trial.to_model});
    add(trial.to_site);
    add(trial.share_fraction);
  }
  void add(std::optional<uint32_t> position) { add(position ? uint64_t{*position} : UINT64_MAX); }
  void add(const Key& key) {
    add(key.sha256.view());
    add(uint64_t{key.tenant});
    add(uint64_t{key.loopback_only});
  }
  void add(const PrefixEntry& entry) {
    add(std::string_view(reinterpret_cast<const char*>(entry.prefix.address.data()), entry.prefix.address.size()));
    add(uint64_t{entry.prefix.length});
    add(uint64_t{entry.region});
  }
  void add(const std::pair<std::string, uint32_t>& name) {
    add(name.first);
    add(uint64_t{name.second});
  }
  void add(const Split& split) {
    add(uint64_t{split.target});
    add(split.fraction);
  }
  void add(const TableRows::DemandSplit& demand) {
    add(uint64_t{demand.tenant});
    add(uint64_t{demand.region});
    add(uint64_t{demand.model});
    add_all(demand.splits);
    add(demand.promise);
    add(demand.turned_away);
    add(demand.paths);
  }
  void add(uint32_t value) { add(uint64_t{value}); }

  template <class Row>
  void add_all(const std::vector<Row>& rows) {
    add(uint64_t{rows.size()});
    for (const Row& row : rows) add(row);
  }

  Digest finish() { return hasher_.finish(); }

 private:
  Hasher hasher_;
};

}  // namespace

Digest digest(const RoutingTable& table) {
  const TableRows& rows = table.rows();
  Canonical canonical;
  canonical.add(rows.plan_id);
  canonical.add_all(rows.jurisdictions);
  canonical.add_all(rows.sites);
  canonical.add_all(rows.regions);
  canonical.add_all(rows.model_names);
  canonical.add_all(rows.models);
  canonical.add_all(rows.tenants);
  canonical.add_all(rows.keys);
  canonical.add_all(rows.prefixes);
  canonical.add_all(rows.targets);
  canonical.add(rows.paths);
  canonical.add_all(rows.legs);
  canonical.add_all(rows.demand_splits);
  canonical.add(uint64_t{rows.admission_by_plan});
  canonical.add_all(rows.model_traits);
  canonical.add_all(rows.trials);
  return canonical.finish();
}

}  // namespace tandem::routing
