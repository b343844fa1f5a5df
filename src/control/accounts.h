// What was used, by whom, of what and where: the sums of the sealed windows that stand on the log.
//
// Sums are whole numbers (tokens, nano-euros, millijoules, micrograms), so that their order does not matter and a
// replay gives the same ones bit for bit: each total of a window is rounded once, by half of the last place at most.
// What is kept is bounded; older detail goes, whole steps at a time, and `kept_from` says from when on there is any.
// The log itself keeps every window for as long as its bodies are kept.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/persistent_map.h"
#include "base/result.h"
#include "base/time.h"
#include "tandem/v1/event.pb.h"

namespace tandem::control {

struct UsageSums {
  uint64_t requests = 0;
  uint64_t kept = 0;           // answered within their promise
  uint64_t prompt_tokens = 0;  // those estimated included, as below
  uint64_t output_tokens = 0;
  uint64_t cached_tokens = 0;       // of prompt_tokens
  uint64_t estimated_requests = 0;  // whose engine gave no count
  uint64_t estimated_prompt_tokens = 0;
  uint64_t estimated_output_tokens = 0;
  uint64_t cost_nano_eur = 0;
  uint64_t energy_mj = 0;
  uint64_t carbon_ug = 0;  // of CO2

  UsageSums& operator+=(const UsageSums& more);
  bool operator==(const UsageSums&) const = default;
};

// The sums of one total of a window. Amounts that are no finite number above zero count as zero.
UsageSums sums_of(const v1::UsageTotal& total);

struct AccountKey {
  int64_t from_ns = 0;  // where its hour, day or month begins, UTC
  std::string tenant;
  std::string model;
  std::string site;
  auto operator<=>(const AccountKey&) const = default;
};

enum class AccountStep : uint8_t { hour, day, month };  // a month is by tenant alone: model and site are empty

// A copy is O(1).
class Accounts {
 public:
  using Rows = PersistentMap<AccountKey, UsageSums>;
  struct Limit {
    Duration kept;    // back from the newest
    size_t rows_max;  // ~250 bytes each; when there are more the oldest step goes
  };
  // Hours for the detail of a month, days for a bill and the same month a year before, months for budgets and a year of
  // 50,000 tenants. All full they are 300 MB.
  static constexpr std::array<Limit, 3> kLimits{
      {{hours(24 * 32), 250'000}, {hours(24 * 400), 400'000}, {hours(24 * 31 * 60), 600'000}}};
  static constexpr size_t kWindowsRemembered = 20'000;  // two weeks of minutes: none is written again later than that

  // Counts a window, or a part of one, once. Total.
  void fold(const v1::WindowSealed& window);

  // In order of key, from ≤ begin of the step < to. O(log n) and the rows there.
  void for_each(AccountStep step, Instant from, Instant to,
                const std::function<void(const AccountKey&, const UsageSums&)>& visit) const;
  // The tenant's month that `at` is in.
  UsageSums month_of(std::string_view tenant, Instant at) const;
  bool counted(Instant window_from) const;
  Instant kept_from(AccountStep step) const;        // INT64_MIN while nothing has gone
  Instant closed_to() const { return closed_to_; }  // the end of the last window counted
  size_t size(AccountStep step) const { return ledger(step).rows.size(); }
  bool shares_all(const Accounts& other) const { return windows_.shares_all(other.windows_); }

  std::string bytes() const;  // the same for the same accounts
  static Result<Accounts> read(std::string_view bytes);
  Digest hash() const { return sha256(bytes()); }

 private:
  struct Ledger {
    Rows rows;
    int64_t kept_from_ns = INT64_MIN;
  };
  struct Window {
    int64_t from_ns = 0;
    std::string sha256;
    uint32_t part = 0;
    auto operator<=>(const Window&) const = default;
  };
  const Ledger& ledger(AccountStep step) const { return ledgers_[static_cast<size_t>(step)]; }
  void trim(AccountStep step);

  std::array<Ledger, 3> ledgers_;
  PersistentMap<Window, bool> windows_;
  Instant closed_to_{0};
};

// Where the hour, day or month begins that `at` ≥ 1970 is in, and the one after it, UTC.
Instant begin_of(AccountStep step, Instant at);
Instant end_of(AccountStep step, Instant at);

}  // namespace tandem::control
