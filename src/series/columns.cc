#include "series/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "base/check.h"
#include "base/text.h"
#include "series/bytes.h"

namespace tandem::series {

namespace {

constexpr int64_t kAtMaxNs = INT64_MAX - hours(24).ns;  // a window's end must still be an instant

Result<void> check_text(std::string_view text, size_t bytes_max, std::string_view what) {
  if (text.size() > bytes_max) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is {} bytes long; at most {}", what, text.size(), bytes_max));
  }
  if (!is_utf8(text)) return fail(ErrorCode::invalid_argument, fmt::format("{} is not UTF-8", what));
  return {};
}

Result<void> check_time(Instant at) {
  if (at.ns >= 0 && at.ns <= kAtMaxNs) return {};
  return fail(ErrorCode::invalid_argument, fmt::format("no time for a row: {} ns", at.ns));
}

std::tuple<std::string_view, std::string_view, std::string_view> key_of(const v1::UsageTotal& total) {
  return {total.tenant(), total.model(), total.site()};
}

bool before(const v1::UsageTotal& a, const v1::UsageTotal& b) { return key_of(a) < key_of(b); }

void add(v1::UsageTotal& sum, const v1::UsageTotal& more) {
  sum.set_requests(sum.requests() + more.requests());
  sum.set_kept(sum.kept() + more.kept());
  sum.set_prompt_tokens(sum.prompt_tokens() + more.prompt_tokens());
  sum.set_output_tokens(sum.output_tokens() + more.output_tokens());
  sum.set_cost_eur(sum.cost_eur() + more.cost_eur());
  sum.set_cached_tokens(sum.cached_tokens() + more.cached_tokens());
  sum.set_estimated_requests(sum.estimated_requests() + more.estimated_requests());
  sum.set_estimated_prompt_tokens(sum.estimated_prompt_tokens() + more.estimated_prompt_tokens());
  sum.set_estimated_output_tokens(sum.estimated_output_tokens() + more.estimated_output_tokens());
  sum.set_energy_j(sum.energy_j() + more.energy_j());
  sum.set_carbon_g(sum.carbon_g() + more.carbon_g());
}

// One row more.
void add_row(v1::UsageTotal& sum, const UsageRows& rows, size_t i) {
  sum.set_requests(sum.requests() + 1);
  sum.set_kept(sum.kept() + (rows.kept(i) ? 1 : 0));
  sum.set_prompt_tokens(sum.prompt_tokens() + rows.prompt_tokens[i]);
  sum.set_output_tokens(sum.output_tokens() + rows.output_tokens[i]);
  sum.set_cost_eur(sum.cost_eur() + rows.cost_eur[i]);
  sum.set_cached_tokens(sum.cached_tokens() + rows.cached_tokens[i]);
  sum.set_energy_j(sum.energy_j() + rows.energy_j[i]);
  sum.set_carbon_g(sum.carbon_g() + rows.carbon_g[i]);
  if (!rows.estimated(i)) return;
  sum.set_estimated_requests(sum.estimated_requests() + 1);
  sum.set_estimated_prompt_tokens(sum.estimated_prompt_tokens() + rows.prompt_tokens[i]);
  sum.set_estimated_output_tokens(sum.estimated_output_tokens() + rows.output_tokens[i]);
}

bool is_amount(double value) { return std::isfinite(value) && value >= 0; }

// Which names of a column a query takes: all for an empty one.
std::vector<bool> wanted(const NameColumn& column, std::string_view name) {
  std::vector<bool> takes(column.names().size());
  for (size_t i = 0; i < takes.size(); ++i) takes[i] = name.empty() || column.names()[i] == name;
  return takes;
}

std::vector<uint32_t> order_of(size_t first, size_t size) {
  std::vector<uint32_t> order(size - first);
  std::iota(order.begin(), order.end(), static_cast<uint32_t>(first));
  return order;
}

}  // namespace

void NameColumn::push(std::string_view name) {
  auto place = places_.find(name);
  if (place == places_.end()) {
    place = places_.emplace(std::string(name), static_cast<uint32_t>(names_.size())).first;
    names_.emplace_back(name);
  }
  ids_.push_back(place->second);
}

bool UsageRows::push(const Usage& row) {
  if (!tenant.has_room_for(row.tenant) || !model.has_room_for(row.model) || !region.has_room_for(row.region) ||
      !site.has_room_for(row.site) || !deployment.has_room_for(row.deployment)) {
    return false;
  }
  at_ns.push_back(row.at.ns);
  tenant.push(row.tenant);
  model.push(row.model);
  region.push(row.region);
  site.push(row.site);
  deployment.push(row.deployment);
  prompt_tokens.push_back(row.prompt_tokens);
  output_tokens.push_back(row.output_tokens);
  ttft_us.push_back(row.ttft_us);
  tpot_us.push_back(row.tpot_us);
  duration_us.push_back(row.duration_us);
  cost_eur.push_back(row.cost_eur);
  flags.push_back(
      static_cast<uint8_t>(static_cast<uint8_t>(row.outcome) | (row.kept ? 0x80 : 0) | (row.estimated ? 0x40 : 0)));
  cached_tokens.push_back(row.cached_tokens);
  energy_j.push_back(row.energy_j);
  carbon_g.push_back(row.carbon_g);
  return true;
}

Usage UsageRows::row(size_t i) const {
  return {.at = Instant{at_ns[i]},
          .tenant = std::string(tenant[i]),
          .model = std::string(model[i]),
          .region = std::string(region[i]),
          .site = std::string(site[i]),
          .deployment = std::string(deployment[i]),
          .prompt_tokens = prompt_tokens[i],
          .output_tokens = output_tokens[i],
          .cached_tokens = cached_tokens[i],
          .ttft_us = ttft_us[i],
          .tpot_us = tpot_us[i],
          .duration_us = duration_us[i],
          .cost_eur = cost_eur[i],
          .energy_j = energy_j[i],
          .carbon_g = carbon_g[i],
          .outcome = static_cast<Outcome>(flags[i] & 0x3f),
          .kept = kept(i),
          .estimated = estimated(i)};
}

bool SampleRows::push(const Sample& row) {
  if (!series.has_room_for(row.series)) return false;
  at_ns.push_back(row.at.ns);
  series.push(row.series);
  value.push_back(row.value);
  return true;
}

Sample SampleRows::row(size_t i) const {
  return {.at = Instant{at_ns[i]}, .series = std::string(series[i]), .value = value[i]};
}

class UsageCodec {
 public:
  static std::string encode(const UsageRows& rows, size_t first) {
    std::vector<uint32_t> order = order_of(first, rows.size());
    std::ranges::stable_sort(order, {}, [&](uint32_t i) { return rows.at_ns[i]; });
    Encoder out;
    out.varint(order.size());
    put_times(out, rows.at_ns, order);
    for (const auto column :
         {&UsageRows::tenant, &UsageRows::model, &UsageRows::region, &UsageRows::site, &UsageRows::deployment}) {
      put_names(out, rows.*column, order);
    }
    for (const auto column : {&UsageRows::prompt_tokens, &UsageRows::output_tokens}) {
      for (const uint32_t i : order) out.varint((rows.*column)[i]);
    }
    for (const auto column : {&UsageRows::ttft_us, &UsageRows::tpot_us, &UsageRows::duration_us}) {
      for (const uint32_t i : order) out.varint((rows.*column)[i]);
    }
    for (const uint32_t i : order) out.number(rows.cost_eur[i]);
    for (const uint32_t i : order) out.byte(rows.flags[i]);
    for (const uint32_t i : order) out.varint(rows.cached_tokens[i]);
    for (const auto column : {&UsageRows::energy_j, &UsageRows::carbon_g}) {
      for (const uint32_t i : order) out.number((rows.*column)[i]);
    }
    return out.take();
  }

  static Result<UsageRows> decode(std::string_view bytes) {
    Decoder in(bytes);
    const size_t size = in.count(kRowsMax);
    UsageRows rows;
    in.times(rows.at_ns, size);
    for (const auto column :
         {&UsageRows::tenant, &UsageRows::model, &UsageRows::region, &UsageRows::site, &UsageRows::deployment}) {
      take_names(in, rows.*column, size);
    }
    for (const auto column : {&UsageRows::prompt_tokens, &UsageRows::output_tokens}) {
      in.column(rows.*column, size, [&] { return static_cast<uint32_t>(in.varint(UINT32_MAX)); });
    }
    for (const auto column : {&UsageRows::ttft_us, &UsageRows::tpot_us, &UsageRows::duration_us}) {
      in.column(rows.*column, size, [&] { return in.varint(); });
    }
    const auto amount = [&] {
      const double value = in.number();
      if (!is_amount(value)) in.refuse();
      return value;
    };
    in.column(rows.cost_eur, size, amount);
    in.column(rows.flags, size, [&] {
      const uint8_t flags = in.byte();
      if ((flags & 0x3f) > static_cast<uint8_t>(Outcome::cancelled)) in.refuse();
      return flags;
    });
    if (in.done()) {  // of an earlier version
      rows.cached_tokens.resize(size);
      rows.energy_j.resize(size);
      rows.carbon_g.resize(size);
      return rows;
    }
    in.column(rows.cached_tokens, size, [&] { return static_cast<uint32_t>(in.varint(UINT32_MAX)); });
    in.column(rows.energy_j, size, amount);
    in.column(rows.carbon_g, size, amount);
    if (!in.done()) return fail(ErrorCode::corrupt, "the bytes are no usage rows");
    return rows;
  }

 private:
  static void put_times(Encoder& out, const std::vector<int64_t>& at_ns, const std::vector<uint32_t>& order) {
    int64_t previous = 0;
    for (const uint32_t i : order) {
      out.difference(previous, at_ns[i]);
      previous = at_ns[i];
    }
  }

  // Only the names these rows use, in the order of their first use.
  static void put_names(Encoder& out, const NameColumn& column, const std::vector<uint32_t>& order) {
    constexpr uint32_t kUnused = UINT32_MAX;
    std::vector<uint32_t> place(column.names_.size(), kUnused);
    std::vector<uint32_t> used;
    for (const uint32_t i : order) {
      uint32_t& slot = place[column.ids_[i]];
      if (slot != kUnused) continue;
      slot = static_cast<uint32_t>(used.size());
      used.push_back(column.ids_[i]);
    }
    out.varint(used.size());
    for (const uint32_t name : used) out.text(column.names_[name]);
    for (const uint32_t i : order) out.varint(place[column.ids_[i]]);
  }

  static void take_names(Decoder& in, NameColumn& column, size_t size) {
    const size_t names = in.count(kNamesMax);
    for (size_t i = 0; i < names && in.good(); ++i) column.names_.emplace_back(in.text(kTextBytesMax));
    in.column(column.ids_, size, [&] {
      const uint64_t id = in.varint();
      if (id >= names) in.refuse();
      return static_cast<uint32_t>(id);
    });
  }
};

class SampleCodec {
 public:
  static std::string encode(const SampleRows& rows) {
    const std::vector<std::string>& names = rows.series.names_;
    std::vector<uint32_t> by_name = order_of(0, names.size());
    std::ranges::sort(by_name, {}, [&](uint32_t i) -> const std::string& { return names[i]; });
    std::vector<uint32_t> rank(names.size());
    for (size_t i = 0; i < by_name.size(); ++i) rank[by_name[i]] = static_cast<uint32_t>(i);
    std::vector<uint32_t> order = order_of(0, rows.size());
    std::ranges::stable_sort(order, {},
                             [&](uint32_t i) { return std::pair(rank[rows.series.ids_[i]], rows.at_ns[i]); });

    Encoder out;
    out.varint(names.size());
    for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
      const uint32_t name = rows.series.ids_[order[begin]];
      while (end < order.size() && rows.series.ids_[order[end]] == name) ++end;
      out.text(names[name]);
      out.varint(end - begin);
      int64_t previous = 0;
      for (size_t i = begin; i < end; ++i) {
        out.difference(previous, rows.at_ns[order[i]]);
        previous = rows.at_ns[order[i]];
      }
      for (size_t i = begin; i < end; ++i) out.number(rows.value[order[i]]);
    }
    return out.take();
  }

  static Result<SampleRows> decode(std::string_view bytes) {
    Decoder in(bytes);
    SampleRows rows;
    const size_t names = in.count(kNamesMax);
    for (size_t name = 0; name < names && in.good(); ++name) {
      rows.series.names_.emplace_back(in.text(kSeriesBytesMax));
      const size_t size = in.count(kRowsMax - rows.size());
      if (size == 0) in.refuse();  // a series without samples is not written
      in.times(rows.at_ns, size);
      in.column(rows.value, size, [&] { return in.number(); });
      if (in.good()) rows.series.ids_.insert(rows.series.ids_.end(), size, static_cast<uint32_t>(name));
    }
    if (!in.done()) return fail(ErrorCode::corrupt, "the bytes are no samples");
    return rows;
  }
};

std::string encode(const UsageRows& rows, size_t first) { return UsageCodec::encode(rows, first); }
std::string encode(const SampleRows& rows) { return SampleCodec::encode(rows); }
Result<UsageRows> decode_usage(std::string_view bytes) { return UsageCodec::decode(bytes); }
Result<SampleRows> decode_samples(std::string_view bytes) { return SampleCodec::decode(bytes); }

std::vector<v1::UsageTotal> merged(std::vector<v1::UsageTotal> totals) {
  std::stable_sort(totals.begin(), totals.end(), before);
  std::vector<v1::UsageTotal> sums;
  for (v1::UsageTotal& total : totals) {
    if (!sums.empty() && key_of(sums.back()) == key_of(total)) {
      add(sums.back(), total);
    } else {
      sums.push_back(std::move(total));
    }
  }
  return sums;
}

std::vector<v1::UsageTotal> totals_of(const UsageRows& rows, const UsageQuery& query) {
  const std::vector<bool> tenants = wanted(rows.tenant, query.tenant);
  const std::vector<bool> models = wanted(rows.model, query.model);
  const std::vector<bool> sites = wanted(rows.site, query.site);
  static_assert(kNamesMax < (1u << 21));        // three places pack into one word
  std::unordered_map<uint64_t, size_t> places;  // only looked up
  std::vector<v1::UsageTotal> totals;
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint32_t tenant = rows.tenant.id(i), model = rows.model.id(i), site = rows.site.id(i);
    if (rows.at_ns[i] < query.range.from.ns || rows.at_ns[i] >= query.range.to.ns) continue;
    if (!tenants[tenant] || !models[model] || !sites[site]) continue;
    const auto [place, fresh] =
        places.try_emplace(uint64_t{tenant} << 42 | uint64_t{model} << 21 | site, totals.size());
    if (fresh) {
      v1::UsageTotal& total = totals.emplace_back();
      total.set_tenant(std::string(rows.tenant[i]));
      total.set_model(std::string(rows.model[i]));
      total.set_site(std::string(rows.site[i]));
    }
    add_row(totals[place->second], rows, i);
  }
  return merged(std::move(totals));
}

std::vector<v1::UsageTotal> at_most(std::vector<v1::UsageTotal> totals, size_t totals_max) {
  for (const auto clear : {&v1::UsageTotal::clear_site, &v1::UsageTotal::clear_model, &v1::UsageTotal::clear_tenant}) {
    if (totals.size() <= totals_max) break;
    for (v1::UsageTotal& total : totals) (total.*clear)();
    totals = merged(std::move(totals));
  }
  return totals;
}

Result<void> check(const Usage& row) {
  TANDEM_TRY(check_time(row.at));
  TANDEM_TRY(check_text(row.tenant, kTextBytesMax, "tenant"));
  TANDEM_TRY(check_text(row.model, kTextBytesMax, "model"));
  TANDEM_TRY(check_text(row.region, kTextBytesMax, "region"));
  TANDEM_TRY(check_text(row.site, kTextBytesMax, "site"));
  TANDEM_TRY(check_text(row.deployment, kTextBytesMax, "deployment"));
  if (!is_amount(row.energy_j) || !is_amount(row.carbon_g)) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} J and {} g of CO2", row.energy_j, row.carbon_g));
  }
  if (!is_amount(row.cost_eur)) {
    return fail(ErrorCode::invalid_argument, fmt::format("a cost of {} EUR", row.cost_eur));
  }
  if (row.outcome > Outcome::cancelled) return fail(ErrorCode::invalid_argument, "no such outcome");
  return {};
}

Result<void> check(const Sample& row) {
  TANDEM_TRY(check_time(row.at));
  if (row.series.empty()) return fail(ErrorCode::invalid_argument, "a sample needs a series");
  return check_text(row.series, kSeriesBytesMax, "series");
}

}  // namespace tandem::series
