// What the gateways served over the last hour, minute by minute, by site and by tenant.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/api.h"
#include "base/json.h"
#include "base/time.h"
#include "gateway/record.h"

namespace tandem::app {

// Times to first token in classes a twelfth of a doubling wide, from 0.1 ms to 100 s: a quantile is within 3 %. 1 KB.
class TtftClasses {
 public:
  void record(Microseconds ttft);
  void merge(const TtftClasses& other);
  std::optional<double> quantile_ms(double quantile) const;  // nothing where there is none

 private:
  static constexpr int kPerDoubling = 12;
  static constexpr double kFirstUs = 100;
  std::array<uint32_t, 241> counts_{};
  uint64_t count_ = 0;
};

// Not thread-safe. What was before `begun` is not known, and left out. At most kMinutes × (2 kNamesMax + 1) cells of
// some 1.2 KB: 15 MB where 100 sites and 100 tenants are busy all the time.
class ServingHour {
 public:
  static constexpr int64_t kMinutes = 60;
  static constexpr size_t kNamesMax = 100;  // of sites, of tenants and of codes in a minute; others are "other"

  explicit ServingHour(Instant begun) : begun_(begun) {}

  // A request that ended at `now`, of whom it may be: one without a known tenant is of the tenant "unknown". Its
  // rejection is among the requests; a rejection for lack of room or failure of ours misses its promise, and an error
  // of the client's own counts neither way. `now` does not go back by more than an hour.
  void add(const gateway::RequestRecord& record, Instant now);
  // {"from","to","total","minutes","sites","tenants","rejections"}: the last `question.minutes`, the open one among
  // them, as far as they are known; rates are over the time between `from` and `to`.
  Json view(const api::ServingQuestion& question, Instant now) const;

 private:
  struct Cell {
    uint64_t requests = 0;
    uint64_t promised = 0;  // of them, all but those at fault themselves
    uint64_t kept = 0;
    uint64_t rejected = 0;
    uint64_t prompt_tokens = 0;
    uint64_t output_tokens = 0;
    double cost_eur = 0;
    TtftClasses ttft;
    std::map<std::string, uint64_t, std::less<>> refusals;  // by code

    void add(const gateway::RequestRecord& record);
    void merge(const Cell& other);
    Json json(Duration time) const;
  };
  using Cells = std::map<std::string, Cell, std::less<>>;
  struct Minute {
    int64_t number = 0;  // since 1970
    Cell total;
    Cells sites;
    Cells tenants;
  };

  static Cell& cell_of(Cells& cells, const std::string& name);
  static Json list(const Cells& cells, const char* key, Duration time);

  Instant begun_;
  std::deque<Minute> minutes_;  // ascending; those without a request are left out
};

}  // namespace tandem::app
