#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/check.h"

namespace tandem {

struct Metrics::Family {
  using Metric = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<BucketHistogram>>;
  std::string help;
  std::map<Labels, Metric> series;
};

namespace {

std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

// `{a="1",b="2"}`, with `extra` (already formatted) last; empty for no labels.
std::string print_labels(const Labels& labels, std::string_view extra = {}) {
  if (labels.empty() && extra.empty()) return {};
  std::string out = "{";
  for (const auto& [name, value] : labels)
    out += fmt::format("{}{}=\"{}\"", out.size() > 1 ? "," : "", name, escape(value));
  if (!extra.empty()) out += fmt::format("{}{}", out.size() > 1 ? "," : "", extra);
  return out + "}";
}

void print_histogram(std::string& out, const std::string& name, const Labels& labels,
                     const BucketHistogram& histogram) {
  uint64_t cumulative = 0;
  for (size_t i = 0; i <= histogram.upper_bounds().size(); ++i) {
    cumulative += histogram.bucket(i);
    const std::string bound =
        i < histogram.upper_bounds().size() ? fmt::format("{}", histogram.upper_bounds()[i]) : "+Inf";
    out += fmt::format("{}_bucket{} {}\n", name, print_labels(labels, fmt::format("le=\"{}\"", bound)), cumulative);
  }
  out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, print_labels(labels), histogram.sum(), name,
                     print_labels(labels), cumulative);
}

}  // namespace

BucketHistogram::BucketHistogram(std::vector<double> upper_bounds)
    : upper_bounds_(std::move(upper_bounds)), counts_(upper_bounds_.size() + 1) {
  CHECK(std::is_sorted(upper_bounds_.begin(), upper_bounds_.end()));
}

void BucketHistogram::record(double value, uint64_t count) {
  const auto bucket = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value) - upper_bounds_.begin();
  counts_[static_cast<size_t>(bucket)].fetch_add(count, std::memory_order_relaxed);
  sum_.fetch_add(value * static_cast<double>(count), std::memory_order_relaxed);
}

template <class T, class Make>
T& Metrics::find_or_make(std::string_view name, std::string_view help, const Labels& labels, Make make) {
  const std::lock_guard lock(mutex_);
  auto found = families_.find(name);
  if (found == families_.end()) {
    found = families_.emplace(name, std::make_shared<Family>()).first;
    found->second->help = help;
  }
  auto& series = found->second->series;
  auto entry = series.find(labels);
  if (entry == series.end()) {
    Labels key = labels;
    if (series.size() >= kSeriesMax)
      for (auto& label : key) label.second = "other";
    entry = series.find(key);
    if (entry == series.end()) entry = series.emplace(std::move(key), make()).first;
  }
  auto* metric = std::get_if<std::unique_ptr<T>>(&entry->second);
  CHECK(metric != nullptr);  // one name, one type
  return **metric;
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return find_or_make<Counter>(name, help, labels, [] { return std::make_unique<Counter>(); });
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return find_or_make<Gauge>(name, help, labels, [] { return std::make_unique<Gauge>(); });
}

BucketHistogram& Metrics::histogram(std::string_view name, std::string_view help, const Labels& labels,
                                    const std::vector<double>& upper_bounds) {
  return find_or_make<BucketHistogram>(name, help, labels,
                                       [&] { return std::make_unique<BucketHistogram>(upper_bounds); });
}

std::string Metrics::prometheus_text() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    if (family->series.empty()) continue;
    static constexpr const char* kTypes[] = {"counter", "gauge", "histogram"};
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family->help, name,
                       kTypes[family->series.begin()->second.index()]);
    for (const auto& [labels, metric] : family->series) {
      if (const auto* counter = std::get_if<std::unique_ptr<Counter>>(&metric))
        out += fmt::format("{}{} {}\n", name, print_labels(labels), (*counter)->value());
      else if (const auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&metric))
        out += fmt::format("{}{} {}\n", name, print_labels(labels), (*gauge)->value());
      else
        print_histogram(out, name, labels, *std::get<std::unique_ptr<BucketHistogram>>(metric));
    }
  }
  return out;
}

}  // namespace tandem
