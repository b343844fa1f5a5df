#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "routing/routing.h"
#include "routing/sieve_index.h"

namespace tandem::routing {
namespace {

// The mix whose cost orders the candidates: near the means of the Azure 2023 conversation trace (Patel et al.,
// Splitwise, ISCA 2024). Any order is right, this one lets a search end early.
constexpr double kUsualPromptTokens = 1'000;
constexpr double kUsualOutputTokens = 250;

constexpr unsigned kPositionBits = 21;  // tenants, regions and models of one table: 2 million each fit one 64-bit key

uint64_t split_key(uint32_t tenant, uint32_t region, uint32_t model) {
  return (uint64_t{tenant} << (2 * kPositionBits)) | (uint64_t{region} << kPositionBits) | model;
}

// The finalizer of MurmurHash3 (A. Appleby): every bit of the key moves every bit of the result.
uint64_t mixed(uint64_t key) {
  key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCDu;
  key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53u;
  return key ^ (key >> 33);
}

bool is_amount(double value) { return std::isfinite(value) && value >= 0; }

using Address = std::array<uint8_t, 16>;

Address masked(Address address, uint8_t length) {
  for (size_t byte = 0; byte < address.size(); ++byte) {
    const size_t first_bit = byte * 8;
    if (first_bit >= length)
      address[byte] = 0;
    else if (first_bit + 8 > length)
      address[byte] &= static_cast<uint8_t>(0xFF << (first_bit + 8 - length));
  }
  return address;
}

void check_target(const TableRows& rows, const Target& target) {
  CHECK(target.site_position < rows.sites.size());
  CHECK(target.model < rows.models.size());
  CHECK(is_amount(target.prefill_tokens_per_s) && is_amount(target.prefill_overhead.value()));
  CHECK(is_amount(target.tpot.value()) && is_amount(target.joules_per_output_token));
  CHECK(is_amount(target.euros_per_prompt_token) && is_amount(target.euros_per_output_token));
  CHECK(is_amount(target.joules_per_prompt_token) && is_amount(target.carbon_g_per_joule));
  CHECK(is_amount(target.kv_tokens));
}

void check_split(const TableRows& rows, const TableRows::DemandSplit& demand) {
  CHECK(demand.tenant < rows.tenants.size() && demand.region < rows.regions.size() &&
        demand.model < rows.models.size());
  CHECK(demand.turned_away >= 0 && demand.turned_away <= 1);
  CHECK(demand.paths < rows.paths);
  double sum = 0;
  for (const Split& split : demand.splits) {
    CHECK(split.target < rows.targets.size() && rows.targets[split.target].model == demand.model);
    CHECK(split.fraction > 0 && split.fraction <= 1);
    sum += split.fraction;
  }
  CHECK(sum <= 1 + 1e-6);  // fractions come out of floating-point solvers
}

}  // namespace

RoutingTable::RoutingTable(TableRows rows) : rows_(std::move(rows)) {
  check_rows();
  index_names();
  index_prefixes();
  index_targets();
  index_legs();
  index_splits();
  sieve_index_ = std::make_shared<const SieveIndex>(*this);
}

void RoutingTable::check_rows() const {
  constexpr size_t kRowsMax = size_t{1} << kPositionBits;
  CHECK(rows_.tenants.size() < kRowsMax && rows_.regions.size() < kRowsMax && rows_.models.size() < kRowsMax);
  CHECK(rows_.jurisdictions.size() <= grid::kJurisdictionsMax);
  CHECK(rows_.legs.size() == rows_.paths * rows_.regions.size() * rows_.sites.size());
  for (const auto& [name, model] : rows_.model_names) CHECK(model < rows_.models.size());
  for (const Tenant& tenant : rows_.tenants) {
    CHECK(is_amount(tenant.weight) && tenant.weight > 0 && tenant.paths < rows_.paths);
    CHECK(std::is_sorted(tenant.models.begin(), tenant.models.end()));
    for (const uint32_t model : tenant.models) CHECK(model < rows_.models.size());
  }
  CHECK(rows_.models_known_at.empty() || rows_.models_known_at.size() == rows_.models.size());
  CHECK(rows_.model_traits.empty() || rows_.model_traits.size() == rows_.models.size());
  for (const ModelTraits& traits : rows_.model_traits) {
    size_t steps = 0;
    for (auto next = traits.fallback; next; next = rows_.model_traits[*next].fallback)
      CHECK(*next < rows_.models.size() && ++steps <= rows_.models.size());
  }
  for (const Trial& trial : rows_.trials) {
    CHECK(trial.model < rows_.models.size() && trial.to_model < rows_.models.size());
    CHECK(!trial.to_site || *trial.to_site < rows_.sites.size());
  }
  for (const Key& key : rows_.keys) CHECK(key.tenant < rows_.tenants.size());
  for (const PrefixEntry& entry : rows_.prefixes)
    CHECK(entry.region < rows_.regions.size() && entry.prefix.length <= 128);
  for (const Target& target : rows_.targets) check_target(rows_, target);
  for (const Leg& leg : rows_.legs)
    CHECK(!leg.reachable || (is_amount(leg.round_trip.value()) && is_amount(leg.euros_per_byte)));
  for (const TableRows::DemandSplit& demand : rows_.demand_splits) check_split(rows_, demand);
}

void RoutingTable::index_names() {
  for (const Key& key : rows_.keys) key_positions_.emplace(key.sha256, &key - rows_.keys.data());
  for (uint32_t i = 0; i < rows_.models.size(); ++i)
    model_positions_.emplace(rows_.models[i], i);  // an id beats an alias
  for (const auto& [name, model] : rows_.model_names) model_positions_.emplace(name, model);
  for (uint32_t i = 0; i < rows_.regions.size(); ++i) CHECK(region_positions_.emplace(rows_.regions[i], i).second);
  for (uint32_t i = 0; i < rows_.targets.size(); ++i)
    CHECK(target_positions_.emplace(rows_.targets[i].deployment, i).second);
}

void RoutingTable::index_prefixes() {
  prefixes_ = rows_.prefixes;
  for (PrefixEntry& entry : prefixes_) entry.prefix.address = masked(entry.prefix.address, entry.prefix.length);
  std::stable_sort(prefixes_.begin(), prefixes_.end(), [](const PrefixEntry& a, const PrefixEntry& b) {
    if (a.prefix.length != b.prefix.length) return a.prefix.length > b.prefix.length;
    return a.prefix.address < b.prefix.address;
  });
  for (uint32_t i = 0; i < prefixes_.size(); ++i) {
    if (prefix_groups_.empty() || prefix_groups_.back().length != prefixes_[i].prefix.length)
      prefix_groups_.push_back({prefixes_[i].prefix.length, i, 0});
    ++prefix_groups_.back().count;
  }
}

void RoutingTable::index_targets() {
  const auto count = static_cast<uint32_t>(rows_.targets.size());
  model_first_.assign(rows_.models.size() + 1, 0);
  for (const Target& target : rows_.targets) ++model_first_[target.model + 1];
  std::partial_sum(model_first_.begin(), model_first_.end(), model_first_.begin());
  model_targets_.resize(count);
  std::vector<uint32_t> next(model_first_.begin(), model_first_.end() - 1);
  for (uint32_t i = 0; i < count; ++i) model_targets_[next[rows_.targets[i].model]++] = i;

  const auto usual_euros = [this](uint32_t i) {
    const Target& target = rows_.targets[i];
    return kUsualPromptTokens * target.euros_per_prompt_token + kUsualOutputTokens * target.euros_per_output_token;
  };
  std::vector<uint32_t> order = model_targets_;
  for (size_t model = 0; model < rows_.models.size(); ++model)
    std::stable_sort(order.begin() + model_first_[model], order.begin() + model_first_[model + 1],
                     [&](uint32_t a, uint32_t b) { return usual_euros(a) < usual_euros(b); });

  model_first_block_.assign(1, 0);
  for (size_t model = 0; model < rows_.models.size(); ++model) {
    const size_t rows = model_first_[model + 1] - model_first_[model];
    model_first_block_.push_back(model_first_block_.back() +
                                 static_cast<uint32_t>((rows + kBlockRows - 1) / kBlockRows));
  }
  candidates_.resize(count);
  least_prices_.resize(count);
  candidate_positions_.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    const Target& target = rows_.targets[order[i]];
    candidate_positions_[order[i]] = i;
    candidates_[i] = {target.jurisdiction,
                      order[i],
                      target.site_position,
                      target.euros_per_prompt_token,
                      target.euros_per_output_token,
                      target.prefill_tokens_per_s > 0 ? 1e6 / target.prefill_tokens_per_s : 0,
                      target.tpot.value(),
                      static_cast<float>(to_microseconds(target.prefill_overhead).value()),
                      target.concurrency_max,
                      target.in_flight_kept,
                      static_cast<uint16_t>(std::clamp<uint32_t>(target.replicas, 1, UINT16_MAX)),
                      target.up};
  }
  for (size_t model = 0; model < rows_.models.size(); ++model) {
    LeastPrices least{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    for (uint32_t i = model_first_[model + 1]; i-- > model_first_[model];) {
      least.euros_per_prompt_token = std::min(least.euros_per_prompt_token, candidates_[i].euros_per_prompt_token);
      least.euros_per_output_token = std::min(least.euros_per_output_token, candidates_[i].euros_per_output_token);
      least_prices_[i] = least;
    }
  }
}

void RoutingTable::index_legs() {
  least_euros_per_byte_.assign(rows_.paths * rows_.regions.size(), std::numeric_limits<double>::infinity());
  for (size_t i = 0; i < rows_.legs.size(); ++i) {
    double& least = least_euros_per_byte_[i / rows_.sites.size()];
    if (rows_.legs[i].reachable) least = std::min(least, rows_.legs[i].euros_per_byte);
  }
}

void RoutingTable::index_splits() {
  split_slots_.resize(std::bit_ceil(rows_.demand_splits.size() * 2 + 1));
  for (uint32_t i = 0; i < rows_.demand_splits.size(); ++i) {
    const TableRows::DemandSplit& demand = rows_.demand_splits[i];
    const uint64_t key = split_key(demand.tenant, demand.region, demand.model);
    size_t slot = mixed(key) & (split_slots_.size() - 1);
    while (split_slots_[slot].key != UINT64_MAX) {
      CHECK(split_slots_[slot].key != key);  // one row a demand
      slot = (slot + 1) & (split_slots_.size() - 1);
    }
    split_slots_[slot] = {key, i, static_cast<uint32_t>(shares_.size()), static_cast<uint32_t>(demand.splits.size())};
    for (const Split& split : demand.splits) shares_.push_back({candidate_positions_[split.target], split.fraction});
  }
}

const RoutingTable::SplitSlot* RoutingTable::find_split(uint64_t key) const {
  for (size_t slot = mixed(key);; ++slot) {
    const SplitSlot& found = split_slots_[slot & (split_slots_.size() - 1)];
    if (found.key == key) return &found;
    if (found.key == UINT64_MAX) return nullptr;
  }
}

size_t RoutingTable::DigestHash::operator()(const Digest& digest) const noexcept {
  size_t word;
  std::memcpy(&word, digest.bytes.data(), sizeof word);  // any part of a SHA-256 is a good hash of it
  return word;
}

std::optional<uint32_t> RoutingTable::find_tenant(const Digest& key_sha256, bool from_loopback) const {
  const auto found = key_positions_.find(key_sha256);
  if (found == key_positions_.end()) return std::nullopt;
  const Key& key = rows_.keys[found->second];
  if (key.loopback_only && !from_loopback) return std::nullopt;
  return key.tenant;
}

std::optional<uint32_t> RoutingTable::find_model(std::string_view name) const {
  const auto found = model_positions_.find(name);
  return found == model_positions_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uint32_t> RoutingTable::find_region(std::string_view id) const {
  const auto found = region_positions_.find(id);
  return found == region_positions_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uint32_t> RoutingTable::find_target(std::string_view deployment) const {
  const auto found = target_positions_.find(deployment);
  return found == target_positions_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uint32_t> RoutingTable::find_region_by_address(const Address& address) const {
  for (const PrefixGroup& group : prefix_groups_) {
    const Address wanted = masked(address, group.length);
    const auto first = prefixes_.begin() + group.first;
    const auto last = first + group.count;
    const auto found = std::lower_bound(first, last, wanted, [](const PrefixEntry& entry, const Address& value) {
      return entry.prefix.address < value;
    });
    if (found != last && found->prefix.address == wanted) return found->region;
  }
  return std::nullopt;
}

std::optional<grid::JurisdictionSet> RoutingTable::find_jurisdictions(std::span<const std::string_view> codes) const {
  grid::JurisdictionSet set;
  for (const std::string_view code : codes) {
    const auto found = std::find(rows_.jurisdictions.begin(), rows_.jurisdictions.end(), code);
    if (found == rows_.jurisdictions.end()) return std::nullopt;
    set.bits |= uint64_t{1} << (found - rows_.jurisdictions.begin());
  }
  return set;
}

bool RoutingTable::may_use(uint32_t tenant, uint32_t model) const {
  const std::vector<uint32_t>& models = rows_.tenants[tenant].models;
  return models.empty() || std::binary_search(models.begin(), models.end(), model);
}

const ModelTraits& RoutingTable::traits(uint32_t model) const {
  static const ModelTraits kUnknown;
  return rows_.model_traits.empty() ? kUnknown : rows_.model_traits[model];
}

std::span<const uint32_t> RoutingTable::targets_of_model(uint32_t model) const {
  CHECK(model < rows_.models.size());
  return std::span(model_targets_).subspan(model_first_[model], model_first_[model + 1] - model_first_[model]);
}

RoutingTable::Candidates RoutingTable::candidates(uint32_t model) const {
  CHECK(model < rows_.models.size());
  const size_t first = model_first_[model];
  const size_t count = model_first_[model + 1] - first;
  return {std::span(candidates_).subspan(first, count), std::span(least_prices_).subspan(first, count),
          static_cast<uint32_t>(first), model_first_block_[model]};
}

uint32_t RoutingTable::lane_of(uint32_t position) const {
  const uint32_t model = rows_.targets[candidates_[position].target].model;
  return static_cast<uint32_t>(model_first_block_[model] * kBlockRows) + position - model_first_[model];
}

uint32_t RoutingTable::paths_of(uint32_t tenant, uint32_t region, uint32_t model) const {
  const TableRows::DemandSplit* planned = split(tenant, region, model);
  return planned != nullptr ? planned->paths : rows_.tenants[tenant].paths;
}

const TableRows::DemandSplit* RoutingTable::split(uint32_t tenant, uint32_t region, uint32_t model) const {
  const SplitSlot* found = find_split(split_key(tenant, region, model));
  return found == nullptr ? nullptr : &rows_.demand_splits[found->row];
}

std::span<const RoutingTable::Share> RoutingTable::shares(uint32_t tenant, uint32_t region, uint32_t model) const {
  const SplitSlot* found = find_split(split_key(tenant, region, model));
  if (found == nullptr) return {};
  return std::span(shares_).subspan(found->first, found->count);
}

}  // namespace tandem::routing
