#include "control/accounts.h"

#include <algorithm>
#include <cmath>

#include "base/calendar.h"
#include "tandem/v1/checkpoint.pb.h"

namespace tandem::control {
namespace {

constexpr std::string_view kUsageTable = "requests";
constexpr std::array kSteps{AccountStep::hour, AccountStep::day, AccountStep::month};
constexpr int64_t kTimeMaxNs = INT64_MAX - hours(24 * 62).ns;  // the end of its month is still an instant

constexpr std::array kSums{&UsageSums::requests,
                           &UsageSums::kept,
                           &UsageSums::prompt_tokens,
                           &UsageSums::output_tokens,
                           &UsageSums::cached_tokens,
                           &UsageSums::estimated_requests,
                           &UsageSums::estimated_prompt_tokens,
                           &UsageSums::estimated_output_tokens,
                           &UsageSums::cost_nano_eur,
                           &UsageSums::energy_mj,
                           &UsageSums::carbon_ug};

uint64_t whole(double amount, double parts) {
  constexpr double kMost = 1e18;  // a billion euros in one window
  if (!(amount > 0)) return 0;
  return static_cast<uint64_t>(std::llround(std::min(amount * parts, kMost)));
}

}  // namespace

UsageSums& UsageSums::operator+=(const UsageSums& more) {
  for (const auto sum : kSums) this->*sum += more.*sum;
  return *this;
}

UsageSums sums_of(const v1::UsageTotal& total) {
  return {.requests = total.requests(),
          .kept = total.kept(),
          .prompt_tokens = total.prompt_tokens(),
          .output_tokens = total.output_tokens(),
          .cached_tokens = total.cached_tokens(),
          .estimated_requests = total.estimated_requests(),
          .estimated_prompt_tokens = total.estimated_prompt_tokens(),
          .estimated_output_tokens = total.estimated_output_tokens(),
          .cost_nano_eur = whole(total.cost_eur(), 1e9),
          .energy_mj = whole(total.energy_j(), 1e3),
          .carbon_ug = whole(total.carbon_g(), 1e6)};
}

Instant begin_of(AccountStep step, Instant at) {
  if (step == AccountStep::month) return begin_of_month(at);
  const int64_t length = step == AccountStep::hour ? hours(1).ns : hours(24).ns;
  return Instant{at.ns - at.ns % length};
}

Instant end_of(AccountStep step, Instant at) {
  if (step == AccountStep::month) return begin_of_next_month(at);
  return begin_of(step, at) + (step == AccountStep::hour ? hours(1) : hours(24));
}

void Accounts::fold(const v1::WindowSealed& window) {
  if (window.table() != kUsageTable || window.from_ns() < 0 || window.from_ns() > kTimeMaxNs) return;
  if (!windows_.set({window.from_ns(), window.sha256(), window.part()}, true)) return;
  if (windows_.size() > kWindowsRemembered) {
    const Window oldest = (*windows_.begin()).first;
    windows_.erase(oldest);
  }
  const Instant from{window.from_ns()};
  closed_to_ = std::max(closed_to_, Instant{std::min(window.to_ns(), kTimeMaxNs)});
  for (const AccountStep step : kSteps) {
    Ledger& into = ledgers_[static_cast<size_t>(step)];
    const Instant begin = begin_of(step, from);
    if (begin.ns < into.kept_from_ns) continue;  // its step has gone: a part of it would look like all of it
    for (const v1::UsageTotal& total : window.usage()) {
      const bool by_all = step != AccountStep::month;
      into.rows.edit({begin.ns, total.tenant(), by_all ? total.model() : "", by_all ? total.site() : ""}) +=
          sums_of(total);
    }
    trim(step);
  }
}

void Accounts::trim(AccountStep step) {
  const Limit& limit = kLimits[static_cast<size_t>(step)];
  Ledger& trimmed = ledgers_[static_cast<size_t>(step)];
  const int64_t oldest_ns = begin_of(step, closed_to_).ns - limit.kept.ns;
  while (!trimmed.rows.empty()) {
    const int64_t first_ns = (*trimmed.rows.begin()).first.from_ns;
    if (first_ns >= oldest_ns && trimmed.rows.size() <= limit.rows_max) return;
    trimmed.kept_from_ns = end_of(step, Instant{first_ns}).ns;
    while (!trimmed.rows.empty() && (*trimmed.rows.begin()).first.from_ns == first_ns) {
      const AccountKey key = (*trimmed.rows.begin()).first;
      trimmed.rows.erase(key);
    }
  }
}

void Accounts::for_each(AccountStep step, Instant from, Instant to,
                        const std::function<void(const AccountKey&, const UsageSums&)>& visit) const {
  const Rows& rows = ledger(step).rows;
  for (auto row = rows.lower_bound(AccountKey{from.ns, {}, {}, {}}); row != rows.end(); ++row) {
    const auto [key, sums] = *row;
    if (key.from_ns >= to.ns) return;
    visit(key, sums);
  }
}

UsageSums Accounts::month_of(std::string_view tenant, Instant at) const {
  const AccountKey key{begin_of(AccountStep::month, at).ns, std::string(tenant), {}, {}};
  const UsageSums* found = ledger(AccountStep::month).rows.find(key);
  return found == nullptr ? UsageSums{} : *found;
}

bool Accounts::counted(Instant window_from) const {
  const auto first = windows_.lower_bound(Window{window_from.ns, {}, 0});
  return first != windows_.end() && (*first).first.from_ns == window_from.ns;
}

Instant Accounts::kept_from(AccountStep step) const { return Instant{ledger(step).kept_from_ns}; }

std::string Accounts::bytes() const {
  v1::Accounts all;
  all.set_closed_to_ns(closed_to_.ns);
  for (const Ledger& each : ledgers_) {
    v1::Ledger& ledger = *all.add_ledgers();
    ledger.set_kept_from_ns(each.kept_from_ns);
    for (const auto [key, sums] : each.rows) {
      v1::Account& row = *ledger.add_rows();
      row.set_from_ns(key.from_ns);
      row.set_tenant(key.tenant);
      row.set_model(key.model);
      row.set_site(key.site);
      for (const auto sum : kSums) row.add_sums(sums.*sum);
    }
  }
  for (const auto [key, counted] : windows_) {
    v1::CountedWindow& window = *all.add_windows();
    window.set_from_ns(key.from_ns);
    window.set_sha256(key.sha256);
    window.set_part(key.part);
  }
  return all.SerializeAsString();
}

Result<Accounts> Accounts::read(std::string_view bytes) {
  v1::Accounts all;
  if (bytes.size() > INT32_MAX || !all.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      all.ledgers_size() != static_cast<int>(kSteps.size()))
    return fail(ErrorCode::corrupt, "a checkpoint's accounts do not decode");
  Accounts accounts;
  accounts.closed_to_ = Instant{all.closed_to_ns()};
  for (int i = 0; i < all.ledgers_size(); ++i) {
    Ledger& into = accounts.ledgers_[static_cast<size_t>(i)];
    into.kept_from_ns = all.ledgers(i).kept_from_ns();
    for (const v1::Account& row : all.ledgers(i).rows()) {
      if (row.sums_size() != static_cast<int>(kSums.size()))
        return fail(ErrorCode::corrupt, "an account has other sums than this version knows");
      UsageSums& sums = into.rows.edit({row.from_ns(), row.tenant(), row.model(), row.site()});
      for (size_t s = 0; s < kSums.size(); ++s) sums.*kSums[s] = row.sums(static_cast<int>(s));
    }
  }
  for (const v1::CountedWindow& window : all.windows())
    accounts.windows_.set({window.from_ns(), window.sha256(), window.part()}, true);
  return accounts;
}

}  // namespace tandem::control
