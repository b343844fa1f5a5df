#include "planner/few.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <set>

#include "planner/clp_columns.h"

namespace tandem::planner {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::max();  // what Clp takes for infinite
// Of what a replica holds: shares are rounded to whole counts of kWhole, and must not need another replica for it.
constexpr double kFilled = 1 - 2e-4;
constexpr double kWholeNumber = 1e-6;  // nearer than this to a whole number is one

}  // namespace

class FewProgram::Tree {
 public:
  Tree(Problem& problem, const FewDeployments& few) : problem_(problem), few_(few) {
    add_places();
    add_demands();
    add_promises();
    add_resources();
    load_columns(entries_, std::vector<double>(cost_.size(), 0), column_high_, cost_, row_low_, row_high_, lp_);
  }

  uint32_t search(double below, uint32_t nodes_max, const Judge& judge, const std::stop_token& stop) {
    below_ = below;
    open_.clear();
    open_.push_back({-std::numeric_limits<double>::infinity(), {}});
    uint32_t nodes = 0;
    while (!open_.empty()) {
      const auto best =
          std::min_element(open_.begin(), open_.end(), [](const Node& a, const Node& b) { return a.bound < b.bound; });
      Node node = std::move(*best);
      open_.erase(best);
      if (node.bound >= limit()) break;
      // Down along the better child until nothing is left to decide.
      for (bool deeper = true; deeper; ++nodes) {
        if (nodes == nodes_max || stop.stop_requested()) return nodes;
        deeper = solve(node) && descend(node, judge);
      }
    }
    return nodes;
  }

 private:
  struct Change {
    bool row = false;
    int index = 0;
    double low = 0, high = 0;
  };
  struct Node {
    double bound = 0;
    std::vector<Change> changes;
  };
  struct Run {  // of a place at one operating point
    uint32_t place = 0, point = 0;
    int replicas = 0, work_cap = 0;  // column, row
    struct Use {
      uint32_t demand = 0, option = 0;  // position in few_.demands; of the problem
      int column = 0;
      double busy = 0, prefill = 0, prefill_share_max = 0;
    };
    std::vector<Use> uses;
    struct Level {  // the strictest in use allows this share of prefills
      double share = 0;
      int row = 0;
    };
    std::vector<Level> levels;  // strictest first
  };

  double limit() const { return below_ - 1e-7 * std::max(1.0, std::abs(below_)); }

  int add_row(double low, double high) {
    row_low_.push_back(low);
    row_high_.push_back(high);
    return static_cast<int>(row_low_.size()) - 1;
  }
  int add_column(double eur, double high) {
    cost_.push_back(eur);
    column_high_.push_back(high);
    entries_.emplace_back();
    return static_cast<int>(cost_.size()) - 1;
  }
  void add_entry(int row, int column, double value) {
    if (value != 0) entries_[static_cast<size_t>(column)].emplace_back(row, value);
  }

  // A place has a row that counts its replicas, and one column of them at each operating point of use.
  void add_places() {
    std::map<uint32_t, int> pools, sites;
    for (uint32_t i = 0; i < few_.candidates.size(); ++i) {
      const Candidate& at = problem_.candidates[few_.candidates[i]];
      if (!pools.contains(at.pool)) pools[at.pool] = add_row(-kNoLimit, few_.accelerators(at.pool));
      if (!sites.contains(at.site)) sites[at.site] = add_row(-kNoLimit, few_.kilowatts(at.site) + 1e-9);
      counts_.push_back(add_row(at.pinned, at.replicas_max));
      const double move = problem_.has_incumbent ? problem_.snapshot.policy.move_penalty.value() : 0;
      if (move > 0) {  // |replicas − before| by two columns
        const int row = add_row(at.incumbent, at.incumbent);
        moved_.push_back(row);
        for (const double sign : {1.0, -1.0}) add_entry(row, add_column(move, kNoLimit), sign);
      }
      uint32_t points = 0;
      for (const FewDeployments::Demand& d : few_.demands)
        if (const auto o = problem_.find_option(d.demand, few_.candidates[i])) points |= problem_.options[*o].points;
      if (points == 0 && at.pinned > 0) points = 1;
      for (uint32_t p = 0; p < kPointsMax; ++p) {
        if ((points >> p & 1) == 0) continue;
        Run run;
        run.place = i;
        run.point = p;
        run.replicas = add_column(at.replica_eur_per_hour, at.replicas_max);
        add_entry(pools[at.pool], run.replicas, at.accelerators);
        add_entry(sites[at.site], run.replicas, at.worst_kw);
        add_entry(counts_[i], run.replicas, 1);
        if (move > 0) add_entry(moved_.back(), run.replicas, 1);
        runs_.push_back(std::move(run));
      }
    }
  }

  void add_demands() {
    std::vector<int> covers;
    for (const FewDeployments::Demand& d : few_.demands) {
      covers.push_back(add_row(d.amount, d.amount));
      add_entry(covers.back(), add_column(d.penalty_eur_per_hour, kNoLimit), 1);
    }
    for (Run& run : runs_) {
      const uint32_t c = few_.candidates[run.place];
      const Candidate& at = problem_.candidates[c];
      const grid::OperatingPoint& point = at.profile->points[run.point];
      const int work = add_row(-kNoLimit, 0);
      run.work_cap = add_row(-kNoLimit, kNoLimit);
      add_entry(work, run.replicas, -kUtilizationMax * kFilled);
      for (uint32_t d = 0; d < few_.demands.size(); ++d) {
        const auto o = problem_.find_option(few_.demands[d].demand, c);
        if (!o || (problem_.options[*o].points >> run.point & 1) == 0) continue;
        const Option& option = problem_.options[*o];
        const DemandRow& demand = problem_.demands[option.demand];
        Run::Use use{.demand = d, .option = *o};
        use.prefill = demand.row->rate_per_s * problem_.uses[option.use].prefill_ms * 1e-3;
        use.busy = use.prefill + demand.tokens_per_s * point.decode_per_token.value() * 1e-3 / point.batch;
        const double step_min_ms = at.profile->points.front().decode_per_token.value();
        use.prefill_share_max = 1 - step_min_ms / demand.row->promise.tpot.value();
        const double active_w = std::max(0.0, point.power.value() - at.idle_w);
        use.column = add_column(option.transport_eur_per_hour + use.busy * active_w * at.eur_per_watt_hour,
                                few_.demands[d].amount);
        add_entry(covers[d], use.column, 1);
        add_entry(work, use.column, use.busy);
        add_entry(run.work_cap, use.column, use.busy);
        if (use.busy * few_.demands[d].amount < kUtilizationMax) {  // else its work alone says as much
          const int within = add_row(-kNoLimit, 0);
          add_entry(within, use.column, 1);
          add_entry(within, run.replicas, -few_.demands[d].amount);
        }
        run.uses.push_back(use);
      }
    }
  }

  // Prefills stretch the time per token of all: one row for each share that some demand allows, in force where it is
  // the strictest.
  void add_promises() {
    for (Run& run : runs_) {
      double most = 0;  // share of prefills that work alone lets happen
      std::set<double> shares;
      for (const Run::Use& use : run.uses) {
        if (use.busy > 0) most = std::max(most, use.prefill / use.busy * kUtilizationMax);
        shares.insert(use.prefill_share_max);
      }
      for (const double share : shares) {
        if (share >= most) break;
        const bool always = share == *shares.rbegin();
        const int row = add_row(-kNoLimit, always ? 0 : kNoLimit);
        add_entry(row, run.replicas, -std::max(0.0, share * kFilled));
        for (const Run::Use& use : run.uses) add_entry(row, use.column, use.prefill);
        run.levels.push_back({share, row});
      }
    }
  }

  void add_resources() {
    std::map<uint32_t, int> arcs;
    for (const Run& run : runs_) {
      for (const Run::Use& use : run.uses) {
        const DemandRow& demand = problem_.demands[few_.demands[use.demand].demand];
        const uint32_t pool = problem_.candidates[few_.candidates[run.place]].pool;
        for (const ArcUse& arc : problem_.arc_uses(demand, pool)) {
          const double gbps = demand.up_gbps * arc.up + demand.back_gbps * arc.back;
          if (gbps <= 0) continue;
          auto found = arcs.find(arc.arc);
          if (found == arcs.end())
            found = arcs.emplace(arc.arc, add_row(-kNoLimit, std::max(0.0, few_.arc_gbps(arc.arc)))).first;
          add_entry(found->second, use.column, gbps);
        }
      }
    }
    // Those that all demands together could not fill say nothing.
    for (const auto& [arc, row] : arcs) {
      double most = 0;
      for (size_t j = 0; j < entries_.size(); ++j)
        for (const auto& [r, value] : entries_[j])
          if (r == row) most += value * std::min(1.0, column_high_[j]);
      if (most <= row_high_[static_cast<size_t>(row)]) row_high_[static_cast<size_t>(row)] = kNoLimit;
    }
  }

  // False when nothing below the limit is there.
  bool solve(Node& node) {
    std::copy(row_low_.begin(), row_low_.end(), lp_.rowLower());
    std::copy(row_high_.begin(), row_high_.end(), lp_.rowUpper());
    std::fill(lp_.columnLower(), lp_.columnLower() + cost_.size(), 0.0);
    std::copy(column_high_.begin(), column_high_.end(), lp_.columnUpper());
    for (const Change& change : node.changes) {
      double& low = change.row ? lp_.rowLower()[change.index] : lp_.columnLower()[change.index];
      double& high = change.row ? lp_.rowUpper()[change.index] : lp_.columnUpper()[change.index];
      low = std::max(low, change.low);
      high = std::min(high, change.high);
      if (low > high) return false;
    }
    lp_.dual();
    if (lp_.status() != 0) return false;
    node.bound = std::max(node.bound, lp_.objectiveValue());
    return node.bound < limit();
  }

  void push(const Node& parent, std::initializer_list<Change> changes) {
    Node child = parent;
    child.changes.insert(child.changes.end(), changes);
    open_.push_back(std::move(child));
  }
  static void narrow(Node& node, std::initializer_list<Change> changes) {
    node.changes.insert(node.changes.end(), changes);
  }

  // The node becomes its better child, the others wait; false at a leaf.
  bool descend(Node& node, const Judge& judge) {
    const double* x = lp_.primalColumnSolution();
    return branch_on_count(node, x) || branch_on_point(node, x) || branch_on_promise(node, x) || finish(node, x, judge);
  }

  bool branch_on_count(Node& node, const double* x) {
    std::vector<double> counts(few_.candidates.size());
    for (const Run& run : runs_) counts[run.place] += x[run.replicas];
    double most = 0;
    size_t chosen = SIZE_MAX;
    for (size_t i = 0; i < counts.size(); ++i) {
      const double part = counts[i] - std::floor(counts[i]), off = std::min(part, 1 - part);
      if (off < kWholeNumber) continue;
      const double weight = off * problem_.candidates[few_.candidates[i]].replica_eur_per_hour;
      if (weight > most) most = weight, chosen = i;
    }
    if (chosen == SIZE_MAX) return false;
    const double below = std::floor(counts[chosen]);
    const Change fewer{true, counts_[chosen], -kNoLimit, below}, more{true, counts_[chosen], below + 1, kNoLimit};
    const bool up = counts[chosen] - below > 0.35;
    push(node, {up ? fewer : more});
    narrow(node, {up ? more : fewer});
    return true;
  }

  // Replicas of one deployment all run at one point.
  bool branch_on_point(Node& node, const double* x) {
    for (size_t i = 0; i < few_.candidates.size(); ++i) {
      double most = 0, sum = 0;
      const Run* chosen = nullptr;
      for (const Run& run : runs_) {
        if (run.place != i) continue;
        sum += x[run.replicas];
        if (x[run.replicas] > most) most = x[run.replicas], chosen = &run;
      }
      if (sum - most < kWholeNumber) continue;
      Node other = node;
      narrow(other, {{false, chosen->replicas, 0, 0}});
      open_.push_back(std::move(other));
      for (const Run& run : runs_)
        if (run.place == i && &run != chosen) narrow(node, {{false, run.replicas, 0, 0}});
      return true;
    }
    return false;
  }

  // The strictest in use sets what prefills may take: that holds, or it is not there.
  bool branch_on_promise(Node& node, const double* x) {
    for (const Run& run : runs_) {
      if (x[run.replicas] < 0.5) continue;
      double prefill = 0;
      const Run::Use* strictest = nullptr;
      for (const Run::Use& use : run.uses) {
        prefill += use.prefill * x[use.column];
        if (x[use.column] < kWholeNumber) continue;
        if (strictest == nullptr || use.prefill_share_max < strictest->prefill_share_max) strictest = &use;
      }
      if (strictest == nullptr || prefill <= strictest->prefill_share_max * kFilled * x[run.replicas] * (1 + 1e-7))
        continue;
      const auto level = std::find_if(run.levels.begin(), run.levels.end(),
                                      [&](const Run::Level& l) { return l.share == strictest->prefill_share_max; });
      if (level == run.levels.end()) continue;
      const Change holds{true, level->row, -kNoLimit, 0};
      Node without = node;
      for (const Run::Use& use : run.uses)
        if (use.prefill_share_max <= strictest->prefill_share_max) narrow(without, {{false, use.column, 0, 0}});
      // What little is there goes first.
      if (x[strictest->column] * strictest->busy < 0.1 * x[run.replicas]) {
        push(node, {holds});
        node = std::move(without);
      } else {
        open_.push_back(std::move(without));
        narrow(node, {holds});
      }
      return true;
    }
    return false;
  }

  // A whole solution: as good as it is judged to be. Where waits forbid it, more replicas, less work, or fewer demands.
  bool finish(Node& node, const double* x, const Judge& judge) {
    FewDecided decided;
    decided.replicas.assign(few_.candidates.size(), 0);
    decided.points.assign(few_.candidates.size(), 0);
    for (const Run& run : runs_) {
      if (x[run.replicas] < 0.5) continue;
      decided.replicas[run.place] = static_cast<uint32_t>(x[run.replicas] + 0.5);
      decided.points[run.place] = run.point;
      for (const Run::Use& use : run.uses)
        if (x[use.column] > kWholeNumber) decided.splits.push_back({use.option, run.place, x[use.column]});
    }
    const FewJudged judged = judge(decided);
    below_ = std::min(below_, judged.eur_per_hour);
    if (judged.short_of == UINT32_MAX) return false;
    const uint32_t i = judged.short_of;
    const auto run = std::find_if(runs_.begin(), runs_.end(), [&](const Run& r) {
      return r.place == i && r.point == decided.points[i] && x[r.replicas] > 0.5;
    });
    if (run == runs_.end()) return false;
    double work = 0;
    const Run::Use* strictest = nullptr;
    for (const Run::Use& use : run->uses) {
      if (x[use.column] < kWholeNumber) continue;
      work += use.busy * x[use.column];
      const auto slack = [&](const Run::Use* u) {
        const Option& option = problem_.options[u->option];
        return option.ttft_ms - problem_.uses[option.use].alone_ms;
      };
      if (strictest == nullptr || slack(&use) < slack(strictest)) strictest = &use;
    }
    if (strictest == nullptr) return false;
    const double n = decided.replicas[i];
    push(node, {{false, strictest->column, 0, 0}});
    push(node, {{true, counts_[i], n + 1, kNoLimit}});
    narrow(node, {{true, counts_[i], -kNoLimit, n}, {true, run->work_cap, -kNoLimit, 0.999 * judged.bearable * work}});
    return true;
  }

  Problem& problem_;
  const FewDeployments& few_;
  std::vector<Run> runs_;
  std::vector<int> counts_, moved_;  // rows, by place
  std::vector<double> row_low_, row_high_, cost_, column_high_;
  ClpEntries entries_;  // by column
  ClpSimplex lp_;
  std::vector<Node> open_;
  double below_ = 0;
};

FewProgram::FewProgram(Problem& problem, FewDeployments few) : problem_(problem), few_(std::move(few)) {}
FewProgram::~FewProgram() = default;

uint32_t FewProgram::solve(double below, uint32_t nodes_max, const Judge& judge, const std::stop_token& stop) {
  return Tree(problem_, few_).search(below, nodes_max, judge, stop);
}

}  // namespace tandem::planner
