#include "routing/drawn_table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/text.h"

namespace tandem::routing {
namespace {

// One line: its plain words, and its name=value pairs.
struct Line {
  std::vector<std::string> words;
  std::map<std::string, std::string> values;
  bool has_word(std::string_view word) const { return std::find(words.begin(), words.end(), word) != words.end(); }
  std::string text(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? "" : found->second;
  }
  double number(const std::string& name, double fallback) const {
    const auto found = values.find(name);
    if (found == values.end()) return fallback;
    const auto value = parse_number(found->second);
    CHECK(value.has_value());
    return *value;
  }
};

Line read_line(std::string_view text) {
  Line line;
  for (const std::string_view word : split(text, ' ')) {
    if (trim(word).empty()) continue;
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos)
      line.words.emplace_back(word);
    else
      line.values[std::string(word.substr(0, equals))] = word.substr(equals + 1);
  }
  return line;
}

uint32_t position(const std::vector<std::string>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  CHECK(found != names.end());
  return static_cast<uint32_t>(found - names.begin());
}

template <class Row>
uint32_t position_by(const std::vector<Row>& rows, std::string Row::*name, std::string_view wanted) {
  for (uint32_t i = 0; i < rows.size(); ++i)
    if (rows[i].*name == wanted) return i;
  CHECK(false);
}

grid::Prefix prefix_of(const std::string& text) {
  const size_t slash = text.find('/');
  CHECK(slash != std::string::npos);
  const std::string address = text.substr(0, slash);
  const auto length = parse_integer(text.substr(slash + 1));
  CHECK(length.has_value());
  grid::Prefix prefix;
  if (address.find(':') != std::string::npos) {
    CHECK(inet_pton(AF_INET6, address.c_str(), prefix.address.data()) == 1);
    prefix.length = static_cast<uint8_t>(*length);
  } else {
    prefix.address[10] = prefix.address[11] = 0xFF;
    CHECK(inet_pton(AF_INET, address.c_str(), prefix.address.data() + 12) == 1);
    prefix.length = static_cast<uint8_t>(*length + 96);
  }
  return prefix;
}

class Drawing {
 public:
  Drawing() { rows_.valid_until = Instant{INT64_MAX}; }

  void add(const Line& line) {
    const std::string& kind = line.words.at(0);
    if (kind == "valid_until_s")
      rows_.valid_until = Instant{} + seconds(parse_integer(line.words.at(1)).value());
    else if (kind == "admission_by_plan")
      rows_.admission_by_plan = true;
    else if (kind == "jurisdiction")
      rows_.jurisdictions.assign(line.words.begin() + 1, line.words.end());
    else if (kind == "region")
      add_region(line);
    else if (kind == "site")
      add_site(line);
    else if (kind == "model")
      add_model(line);
    else if (kind == "tenant")
      add_tenant(line);
    else if (kind == "target")
      add_target(line);
    else if (kind == "leg")
      legs_.push_back(line);
    else if (kind == "split")
      add_split(line);
    else if (kind == "trial")
      trials_.push_back(line);
    else
      CHECK(false);
  }

  TableRows finish() {
    rows_.legs.resize(rows_.regions.size() * rows_.sites.size());
    for (const Line& line : legs_) add_leg(line);
    for (const Line& line : models_) add_traits(line);
    for (const Line& line : trials_) add_trial(line);
    return std::move(rows_);
  }

 private:
  grid::JurisdictionSet jurisdictions(const std::string& codes) const {
    grid::JurisdictionSet set;
    for (const std::string_view code : tandem::split(codes, ','))
      if (!code.empty()) set.bits |= uint64_t{1} << position(rows_.jurisdictions, code);
    return set;
  }

  void add_region(const Line& line) {
    for (size_t i = 2; i < line.words.size(); ++i)
      rows_.prefixes.push_back({prefix_of(line.words[i]), static_cast<uint32_t>(rows_.regions.size())});
    rows_.regions.push_back(line.words.at(1));
  }

  void add_site(const Line& line) {
    rows_.sites.push_back(line.words.at(1));
    site_jurisdictions_.push_back(jurisdictions(line.words.at(2)));
  }

  void add_model(const Line& line) {
    for (size_t i = 1; i < line.words.size(); ++i)
      rows_.model_names.emplace_back(line.words[i], static_cast<uint32_t>(rows_.models.size()));
    rows_.models.push_back(line.words.at(1));
    models_.push_back(line);
  }

  void add_traits(const Line& line) {
    ModelTraits traits;
    if (const std::string fallback = line.text("fallback"); !fallback.empty())
      traits.fallback = position(rows_.models, fallback);
    traits.context_tokens = static_cast<uint32_t>(line.number("context", 0));
    rows_.model_traits.push_back(traits);
  }

  void add_trial(const Line& line) {
    Trial trial;
    trial.id = line.words.at(1);
    trial.mode = line.words.at(2) == "canary" ? grid::TrialMode::canary : grid::TrialMode::shadow;
    trial.model = trial.to_model = position(rows_.models, line.words.at(3));
    if (const std::string model = line.text("to_model"); !model.empty()) trial.to_model = position(rows_.models, model);
    if (const std::string site = line.text("to_site"); !site.empty()) trial.to_site = position(rows_.sites, site);
    trial.share_fraction = line.number("share", 1);
    rows_.trials.push_back(std::move(trial));
  }

  void add_tenant(const Line& line) {
    Tenant tenant;
    tenant.id = line.words.at(1);
    const std::string residency = line.text("residency");
    tenant.residency = residency.empty() ? grid::JurisdictionSet::all() : jurisdictions(residency);
    tenant.promise = {Milliseconds(line.number("ttft", 0)), Milliseconds(line.number("tpot", 0)), 0.95};
    const std::string models = line.text("models");
    for (const std::string_view model : tandem::split(models, ','))
      if (!model.empty()) tenant.models.push_back(position(rows_.models, model));
    std::sort(tenant.models.begin(), tenant.models.end());
    if (line.values.contains("key"))
      rows_.keys.push_back(
          {sha256(line.text("key")), static_cast<uint32_t>(rows_.tenants.size()), line.has_word("loopback_only")});
    tenant.priority = static_cast<uint32_t>(line.number("priority", 0));
    tenant.weight = line.number("weight", 1);
    tenant.limits = {static_cast<uint32_t>(line.number("rpm", 0)), static_cast<uint32_t>(line.number("tpm", 0)),
                     Euros(line.number("budget", 0))};
    tenant.fallbacks = line.has_word("fallbacks");
    tenant.hedge_quantile = line.number("hedge", 0);
    rows_.tenants.push_back(std::move(tenant));
  }

  void add_target(const Line& line) {
    Target target;
    target.deployment = line.words.at(1);
    target.site = line.words.at(2);
    target.pool = target.site + "-pool";
    target.site_position = position(rows_.sites, target.site);
    target.model = position(rows_.models, line.words.at(3));
    target.jurisdiction = site_jurisdictions_[target.site_position];
    target.up = !line.has_word("down");
    target.host = line.values.contains("host") ? line.text("host") : "127.0.0.1";
    target.port = static_cast<uint16_t>(line.number("port", 0));
    target.base_path = line.text("path");
    target.emulated = line.has_word("emulated");
    target.replicas = static_cast<uint32_t>(line.number("replicas", 1));
    target.concurrency_max = static_cast<uint32_t>(line.number("concurrency", 8));
    target.prefill_tokens_per_s = line.number("prefill", 10'000);
    target.prefill_overhead = Milliseconds(line.number("overhead", 0));
    target.tpot = Milliseconds(line.number("tpot", 20));
    target.euros_per_prompt_token = line.number("prompt_cost", 1) * 1e-6;
    target.euros_per_output_token = line.number("output_cost", 1) * 1e-6;
    target.joules_per_prompt_token = line.number("prompt_joules", 0);
    target.joules_per_output_token = line.number("output_joules", 0);
    target.carbon_g_per_joule = line.number("carbon", 0) / 3.6e6;
    target.kv_tokens = line.number("kv", 0);
    rows_.targets.push_back(std::move(target));
  }

  void add_leg(const Line& line) {
    const uint32_t site = position(rows_.sites, line.words.at(2));
    Leg& leg = rows_.legs[position(rows_.regions, line.words.at(1)) * rows_.sites.size() + site];
    leg.reachable = true;
    leg.round_trip = to_microseconds(Milliseconds(line.number("rtt", 1)));
    leg.jurisdictions = jurisdictions(line.text("via")) | site_jurisdictions_[site];
    leg.euros_per_byte = line.number("cost", 0) * 1e-9;
  }

  void add_split(const Line& line) {
    TableRows::DemandSplit demand;
    demand.tenant = position_by(rows_.tenants, &Tenant::id, line.words.at(1));
    demand.region = position(rows_.regions, line.words.at(2));
    demand.model = position(rows_.models, line.words.at(3));
    demand.promise = rows_.tenants[demand.tenant].promise;
    for (const auto& [target, fraction] : line.values)
      if (target == "turned_away")
        demand.turned_away = parse_number(fraction).value();
      else
        demand.splits.push_back(
            {position_by(rows_.targets, &Target::deployment, target), parse_number(fraction).value()});
    rows_.demand_splits.push_back(std::move(demand));
  }

  TableRows rows_;
  std::vector<grid::JurisdictionSet> site_jurisdictions_;
  std::vector<Line> legs_, models_, trials_;
};

}  // namespace

TableRows draw_table(std::string_view drawing) {
  Drawing result;
  for (const std::string_view text : split(drawing, '\n')) {
    const Line line = read_line(text);
    if (!line.words.empty()) result.add(line);
  }
  return result.finish();
}

}  // namespace tandem::routing
