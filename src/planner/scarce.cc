#include "planner/scarce.h"

#include <algorithm>
#include <cmath>
#include <coin/ClpEventHandler.hpp>
#include <limits>
#include <map>
#include <optional>

#include "planner/clp_columns.h"

namespace tandem::planner {
namespace {

constexpr size_t kColumnsMax = 40'000;  // more take the solver longer than the rest of the plan
constexpr double kUnbounded = std::numeric_limits<double>::max();  // what Clp takes for infinite
constexpr double kNearWhole = 1e-6;                                // nearer than this to a whole number is one

// Ends a solver between two of its steps.
class StopsWhenAsked : public ClpEventHandler {
 public:
  explicit StopsWhenAsked(std::stop_token stop) : stop_(std::move(stop)) {}
  int event(Event) override { return stop_.stop_requested() ? 0 : -1; }
  ClpEventHandler* clone() const override { return new StopsWhenAsked(*this); }

 private:
  std::stop_token stop_;
};

}  // namespace

class ScarcePools::Program {
 public:
  Program(const Problem& problem, const std::vector<uint32_t>& pools, const std::vector<Demand>& demands)
      : problem_(problem), pools_(pools) {
    add_groups(demands);
    size_t columns = 0;
    for (const Group& group : groups_) columns += 1 + group.at.size();
    if (columns > kColumnsMax) {
      groups_.clear();
      return;
    }
    add_replicas();
    for (Group& group : groups_) add_group(group);
  }

  bool solve(const std::stop_token& stop) {
    if (groups_.empty() || cost_.size() > kColumnsMax || stop.stop_requested()) return false;
    load_columns(entries_, low_, high_, cost_, row_low_, row_high_, lp_);
    const StopsWhenAsked stops(stop);
    lp_.passInEventHandler(&stops);  // a copy
    lp_.initialDualSolve();
    return lp_.status() == 0;
  }

  std::vector<double> pool_prices() const {
    std::vector<double> prices;
    for (const int row : pool_rows_) prices.push_back(row < 0 ? 0 : std::max(0.0, -lp_.dualRowSolution()[row]));
    return prices;
  }

  // Each pays the same part of what it would elsewhere.
  std::vector<Demand> demand_prices() const {
    std::vector<Demand> prices;
    for (const Group& group : groups_) {
      const double all = group.elsewhere_eur_per_hour;
      const double part = all > 0 ? std::clamp(lp_.dualRowSolution()[group.row] / all, 0.0, 1.0) : 0;
      for (const Demand& one : group.demands) prices.push_back({one.demand, part * one.elsewhere_eur_per_hour});
    }
    return prices;
  }

  std::vector<Served> decide(uint32_t nodes_max, const std::stop_token& stop) {
    struct Limit {
      int column = 0;
      double low = 0, high = 0;
    };
    std::vector<std::vector<Limit>> open{{}};
    std::optional<std::vector<double>> best;
    double best_eur = kUnbounded;
    for (uint32_t nodes = 0; nodes < nodes_max && !open.empty() && !stop.stop_requested(); ++nodes) {
      std::vector<Limit> limits = std::move(open.back());
      open.pop_back();
      std::copy(low_.begin(), low_.end(), lp_.columnLower());
      std::copy(high_.begin(), high_.end(), lp_.columnUpper());
      for (const Limit& limit : limits) {
        lp_.columnLower()[limit.column] = limit.low;
        lp_.columnUpper()[limit.column] = limit.high;
      }
      lp_.dual();
      if (lp_.status() != 0 || lp_.objectiveValue() >= best_eur - 1e-9 * std::abs(best_eur)) continue;
      const double* x = lp_.primalColumnSolution();
      int chosen = -1;
      double most = kNearWhole;
      for (const Replicas& replicas : replicas_) {
        const double off = std::abs(x[replicas.column] - std::round(x[replicas.column]));
        if (off > most) most = off, chosen = replicas.column;
      }
      if (chosen < 0) {
        best_eur = lp_.objectiveValue();
        best.emplace(x, x + cost_.size());
        continue;
      }
      const double below = std::floor(x[chosen]);
      std::vector<Limit> fewer = limits, more = std::move(limits);
      fewer.push_back({chosen, lp_.columnLower()[chosen], below});
      more.push_back({chosen, below + 1, lp_.columnUpper()[chosen]});
      if (x[chosen] - below < 0.5) std::swap(fewer, more);
      open.push_back(std::move(fewer));
      open.push_back(std::move(more));
    }
    return best ? served(*best) : std::vector<Served>{};
  }

 private:
  struct Replicas {  // of a deployment
    uint32_t candidate = 0;
    int column = 0, work = -1;  // column, row
  };
  struct Group {
    std::vector<size_t> at;  // positions in replicas_
    std::vector<Demand> demands;
    double elsewhere_eur_per_hour = 0;
    int row = 0, first = 0;  // that they are served; the first of their columns, in the order of `at`
  };

  void add_groups(const std::vector<Demand>& demands) {
    std::vector<uint8_t> in(problem_.pool_spare.size(), 0);
    for (const uint32_t pool : pools_) in[pool] = 1;
    std::vector<std::vector<uint32_t>> there(problem_.candidates_of_model.size());
    for (size_t m = 0; m < there.size(); ++m)
      for (const uint32_t c : problem_.candidates_of_model[m])
        if (in[problem_.candidates[c].pool] != 0 && problem_.candidates[c].servable) there[m].push_back(c);
    std::map<std::vector<uint32_t>, std::vector<Demand>> alike;  // by what they may use
    for (const Demand& one : demands) {
      std::vector<uint32_t> may;
      for (const uint32_t c : there[problem_.demands[one.demand].row->model.value])
        if (problem_.passes(one.demand, c)) may.push_back(c);
      if (!may.empty()) alike[may].push_back(one);
    }
    std::map<uint32_t, size_t> position;
    for (auto& [may, all] : alike) {
      Group& group = groups_.emplace_back();
      for (const uint32_t c : may) {
        const auto [entry, fresh] = position.try_emplace(c, replicas_.size());
        if (fresh) replicas_.push_back({c});
        group.at.push_back(entry->second);
      }
      group.demands = std::move(all);
      for (const Demand& one : group.demands) group.elsewhere_eur_per_hour += one.elsewhere_eur_per_hour;
    }
  }

  int add_row(double high) {
    row_high_.push_back(high);
    return static_cast<int>(row_high_.size()) - 1;
  }
  int add_column(double eur, double low, double high) {
    cost_.push_back(eur);
    low_.push_back(low);
    high_.push_back(high);
    entries_.emplace_back();
    return static_cast<int>(cost_.size()) - 1;
  }
  void add_entry(int row, int column, double value) { entries_[static_cast<size_t>(column)].emplace_back(row, value); }

  void add_replicas() {
    pool_rows_.assign(pools_.size(), -1);
    std::map<uint32_t, size_t> position;
    for (size_t i = 0; i < pools_.size(); ++i) position[pools_[i]] = i;
    for (Replicas& replicas : replicas_) {
      const Candidate& at = problem_.candidates[replicas.candidate];
      replicas.column = add_column(at.replica_eur_per_hour, at.pinned, at.replicas_max);
      replicas.work = add_row(0);
      add_entry(replicas.work, replicas.column, -1);
      int& row = pool_rows_[position[at.pool]];
      if (row < 0) row = add_row(problem_.pool_spare[at.pool]);
      add_entry(row, replicas.column, at.accelerators);
    }
  }

  void add_group(Group& group) {
    group.row = add_row(1);
    row_low_.resize(row_high_.size(), -kUnbounded);
    row_low_.back() = 1;
    add_entry(group.row, add_column(group.elsewhere_eur_per_hour, 0, 1), 1);
    group.first = static_cast<int>(cost_.size());
    Option option;
    for (const size_t i : group.at) {
      const Replicas& replicas = replicas_[i];
      double eur = 0, work = 0;
      for (const Demand& one : group.demands) {
        if (problem_.judge(one.demand, replicas.candidate, &option).gate != Gate::none) continue;
        const double replica_eur = problem_.candidates[replicas.candidate].replica_eur_per_hour;
        eur += option.fractional_eur_per_hour - option.replicas_in_fractions * replica_eur;
        work += option.replicas_in_fractions;
      }
      const int column = add_column(eur, 0, 1);
      add_entry(group.row, column, 1);
      add_entry(replicas.work, column, work);
      if (work >= 1) continue;
      const int within = add_row(0);
      add_entry(within, column, 1);
      add_entry(within, replicas.column, -1);
    }
    row_low_.resize(row_high_.size(), -kUnbounded);
  }

  // Each deployment takes its part of a group's tokens, one demand after the other, whose greater part decides.
  std::vector<Served> served(const std::vector<double>& x) const {
    std::vector<Served> all;
    for (const Group& group : groups_) {
      const auto tokens = [&](const Demand& one) {  // prompts count as one
        const DemandRow& row = problem_.demands[one.demand];
        return row.tokens_per_s + row.row->rate_per_s;
      };
      double whole = 0, part = 0, given = 0;
      for (const Demand& one : group.demands) whole += tokens(one);
      auto next = group.demands.begin();
      for (size_t k = 0; k < group.at.size(); ++k) {
        part += x[static_cast<size_t>(group.first) + k];
        for (; next != group.demands.end() && given + tokens(*next) / 2 <= part * whole; ++next) {
          all.push_back({next->demand, replicas_[group.at[k]].candidate});
          given += tokens(*next);
        }
      }
    }
    return all;
  }

  const Problem& problem_;
  std::vector<uint32_t> pools_;
  std::vector<Replicas> replicas_;
  std::vector<Group> groups_;
  std::vector<int> pool_rows_;
  std::vector<double> cost_, low_, high_;  // by column
  std::vector<double> row_low_, row_high_;
  ClpEntries entries_;  // by column
  ClpSimplex lp_;
};

ScarcePools::ScarcePools(const Problem& problem, const std::vector<uint32_t>& pools, const std::vector<Demand>& demands)
    : program_(std::make_unique<Program>(problem, pools, demands)) {}
ScarcePools::~ScarcePools() = default;

bool ScarcePools::solve(const std::stop_token& stop) { return program_->solve(stop); }
std::vector<double> ScarcePools::pool_prices() const { return program_->pool_prices(); }
std::vector<ScarcePools::Demand> ScarcePools::demand_prices() const { return program_->demand_prices(); }
std::vector<ScarcePools::Served> ScarcePools::decide(uint32_t nodes_max, const std::stop_token& stop) {
  return program_->decide(nodes_max, stop);
}

}  // namespace tandem::planner
