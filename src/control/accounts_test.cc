#include "control/accounts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "control/control.h"
#include "control/replay.h"
#include "log/simulated_log.h"

namespace tandem::control {
namespace {

constexpr Instant kNoon{1'763'726'400'000'000'000};  // 2025-11-21T12:00:00Z

v1::WindowSealed window_at(Instant from, const std::string& sha256 = "a") {
  v1::WindowSealed window;
  window.set_table("requests");
  window.set_from_ns(from.ns);
  window.set_to_ns((from + minutes(1)).ns);
  window.set_sha256(sha256);
  return window;
}

void add_total(v1::WindowSealed& window, const std::string& tenant, const std::string& site, uint64_t tokens,
               double cost_eur) {
  v1::UsageTotal& total = *window.add_usage();
  total.set_tenant(tenant);
  total.set_model("m");
  total.set_site(site);
  total.set_requests(1);
  total.set_prompt_tokens(tokens);
  total.set_cost_eur(cost_eur);
  total.set_energy_j(cost_eur * 2);
}

UsageSums all_of(const Accounts& accounts, AccountStep step, Instant from = {0}, Instant to = {INT64_MAX}) {
  UsageSums all;
  accounts.for_each(step, from, to, [&](const AccountKey&, const UsageSums& sums) { all += sums; });
  return all;
}

TEST(Accounts, WindowsAddUpByHourByDayAndByMonth) {
  Accounts accounts;
  for (int minute = 0; minute < 90; ++minute) {
    v1::WindowSealed window = window_at(kNoon + minutes(minute));
    add_total(window, "bank", "ber", 10, 0.001);
    add_total(window, "clinic", "muc", 1, 0.1);
    accounts.fold(window);
  }
  EXPECT_EQ(accounts.size(AccountStep::hour), 4u);
  EXPECT_EQ(accounts.size(AccountStep::day), 2u);
  EXPECT_EQ(accounts.size(AccountStep::month), 2u);
  for (const AccountStep step : {AccountStep::hour, AccountStep::day, AccountStep::month}) {
    const UsageSums all = all_of(accounts, step);
    EXPECT_EQ(all.requests, 180u);
    EXPECT_EQ(all.prompt_tokens, 990u);
    EXPECT_EQ(all.cost_nano_eur, uint64_t{90} * (1'000'000 + 100'000'000));
    EXPECT_EQ(all.energy_mj, uint64_t{90} * (2 + 200));
  }
  EXPECT_EQ(all_of(accounts, AccountStep::hour, kNoon + hours(1)).requests, 60u);
  EXPECT_EQ(all_of(accounts, AccountStep::hour, kNoon, kNoon + hours(1)).requests, 120u);
  EXPECT_EQ(accounts.month_of("bank", kNoon).cost_nano_eur, 90'000'000u);
  EXPECT_EQ(accounts.month_of("bank", kNoon + hours(24 * 30)).requests, 0u);
  EXPECT_EQ(accounts.closed_to(), kNoon + minutes(90));
}

TEST(Accounts, AWindowCountsOnceAndEachOfItsParts) {
  Accounts accounts;
  v1::WindowSealed window = window_at(kNoon);
  add_total(window, "bank", "ber", 10, 0.001);
  accounts.fold(window);
  accounts.fold(window);  // written again after a crash
  EXPECT_EQ(all_of(accounts, AccountStep::day).requests, 1u);
  window.set_part(1);
  window.set_parts(2);
  accounts.fold(window);
  EXPECT_EQ(all_of(accounts, AccountStep::day).requests, 2u);
  v1::WindowSealed other = window_at(kNoon, "b");  // of another gateway's store
  add_total(other, "bank", "ber", 10, 0.001);
  accounts.fold(other);
  EXPECT_EQ(all_of(accounts, AccountStep::day).requests, 3u);
  v1::WindowSealed samples = window_at(kNoon, "c");
  samples.set_table("samples");
  add_total(samples, "bank", "ber", 10, 0.001);
  accounts.fold(samples);
  EXPECT_EQ(all_of(accounts, AccountStep::day).requests, 3u);
  EXPECT_TRUE(accounts.counted(kNoon));
  EXPECT_FALSE(accounts.counted(kNoon + minutes(1)));
}

TEST(Accounts, AmountsOfNoMeaningCountAsZeroAndTimesOfNoMeaningNotAtAll) {
  Accounts accounts;
  v1::WindowSealed window = window_at(kNoon);
  for (const double cost : {std::nan(""), -1.0, -std::numeric_limits<double>::infinity()})
    add_total(window, "bank", "ber", 1, cost);
  accounts.fold(window);
  EXPECT_EQ(all_of(accounts, AccountStep::day).cost_nano_eur, 0u);
  v1::WindowSealed vast = window_at(kNoon + minutes(1));
  add_total(vast, "bank", "ber", 1, std::numeric_limits<double>::infinity());
  accounts.fold(vast);
  EXPECT_EQ(all_of(accounts, AccountStep::day).cost_nano_eur, 1'000'000'000'000'000'000u);
  for (const int64_t from : {INT64_MIN, int64_t{-1}, INT64_MAX - 1}) {
    v1::WindowSealed odd = window_at({kNoon.ns});
    odd.set_from_ns(from);
    add_total(odd, "bank", "ber", 1, 1);
    accounts.fold(odd);
  }
  EXPECT_EQ(all_of(accounts, AccountStep::month).requests, 4u);
}

TEST(AccountsSoak, TheOldestHoursGoAndDaysStay) {
  Accounts accounts;
  const size_t a_window = 5'000;
  int windows = 0;
  for (; accounts.kept_from(AccountStep::hour).ns == INT64_MIN; ++windows) {
    ASSERT_LT(windows, 100);
    v1::WindowSealed window = window_at(kNoon + hours(windows));
    for (size_t i = 0; i < a_window; ++i) add_total(window, "t" + std::to_string(i), "ber", 1, 0.5);
    accounts.fold(window);
  }
  EXPECT_EQ(static_cast<size_t>(windows), Accounts::kLimits[0].rows_max / a_window + 1);
  EXPECT_EQ(accounts.kept_from(AccountStep::hour), kNoon + hours(1));
  EXPECT_EQ(accounts.size(AccountStep::hour), Accounts::kLimits[0].rows_max);
  const UsageSums before = all_of(accounts, AccountStep::day);
  EXPECT_EQ(before.requests, static_cast<uint64_t>(windows) * a_window);
  v1::WindowSealed late = window_at(kNoon, "late");
  add_total(late, "t0", "ber", 1, 0.5);
  accounts.fold(late);
  EXPECT_EQ(all_of(accounts, AccountStep::hour, {0}, kNoon + hours(1)).requests, 0u) << "a part would look whole";
  EXPECT_EQ(all_of(accounts, AccountStep::day).requests, before.requests + 1);
  v1::WindowSealed year_later = window_at(kNoon + hours(24 * 500));
  add_total(year_later, "t0", "ber", 1, 0.5);
  accounts.fold(year_later);
  EXPECT_EQ(accounts.size(AccountStep::hour), 1u);
  EXPECT_EQ(accounts.size(AccountStep::day), 1u);
  EXPECT_EQ(accounts.month_of("t0", kNoon).requests, static_cast<uint64_t>(windows) + 1);
}

TEST(Accounts, MonthsAreThoseOfTheCalendar) {
  constexpr Instant leap_day{1'709'164'800'000'000'000};  // 2024-02-29T00:00:00Z
  EXPECT_EQ(format_rfc3339(begin_of(AccountStep::month, leap_day + hours(23))), "2024-02-01T00:00:00.000000000Z");
  EXPECT_EQ(format_rfc3339(end_of(AccountStep::month, leap_day)), "2024-03-01T00:00:00.000000000Z");
  EXPECT_EQ(format_rfc3339(begin_of(AccountStep::day, kNoon)), "2025-11-21T00:00:00.000000000Z");
  EXPECT_EQ(format_rfc3339(end_of(AccountStep::hour, kNoon)), "2025-11-21T13:00:00.000000000Z");
}

TEST(Accounts, AreTheSameFromTheLogAndFromACheckpoint) {
  log::SimulatedLog log(1);
  auto core = std::move(*Core::open(log, nullptr, {}));
  for (int minute = 0; minute < 5; ++minute) {
    log::Event event;
    event.set_actor("core");
    *event.mutable_window_sealed() = window_at(kNoon + minutes(minute % 4));  // the last is a repetition
    add_total(*event.mutable_window_sealed(), "bank", "ber", 10, 0.1 / 3);
    const auto outcomes = core->submit({{event}}, kNoon + minutes(minute + 1));
    ASSERT_TRUE(outcomes && (*outcomes)[0]);
  }
  const State& state = core->state();
  EXPECT_EQ(state.accounts.month_of("bank", kNoon).requests, 4u);
  const State replayed = *replay(log);
  EXPECT_EQ(replayed.accounts.bytes(), state.accounts.bytes());
  EXPECT_EQ(whole_hash(replayed), whole_hash(state));
  const auto restored = decode_checkpoint(encode_checkpoint(state));
  ASSERT_TRUE(restored) << to_string(restored.error());
  EXPECT_EQ(restored->accounts.bytes(), state.accounts.bytes());
  EXPECT_FALSE(state.accounts.shares_all(replayed.accounts));
  EXPECT_TRUE(State(state).accounts.shares_all(state.accounts));
  std::string bytes = state.accounts.bytes();
  bytes.resize(bytes.size() / 2);
  EXPECT_FALSE(Accounts::read(bytes));
}

}  // namespace
}  // namespace tandem::control
