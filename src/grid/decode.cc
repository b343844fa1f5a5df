#include "grid/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "grid/prefix.h"

namespace tandem::grid {
namespace {

// Light in glass: 299,792 km/s over a group index of 1.468 (ITU-T G.652 fibre at 1550 nm).
constexpr double kFibreMicrosecondsPerKm = 4.9;
constexpr double kBytesPerPromptToken = 4;
constexpr double kBytesPerOutputToken = 250;

// Reads the fields of an entity or a record, with the defaults of the schema.
class Reader {
 public:
  Reader(const std::vector<Attribute>& schema, const Json::Object& values, const References* references = nullptr)
      : schema_(schema), values_(values), references_(references) {}

  const Json& get(std::string_view name) const {
    const auto found = values_.find(name);
    if (found != values_.end() && !found->second.is_null()) return found->second;
    return attribute(name).absent;
  }
  bool has(std::string_view name) const {
    const auto found = values_.find(name);
    return found != values_.end() && !found->second.is_null();
  }
  const Attribute& attribute(std::string_view name) const {
    const auto found = std::find_if(schema_.begin(), schema_.end(), [&](const Attribute& a) { return a.name == name; });
    CHECK(found != schema_.end());
    return *found;
  }

  double number(std::string_view name) const { return get(name).number(); }
  double number_or(std::string_view name, double fallback) const { return has(name) ? number(name) : fallback; }
  std::string text(std::string_view name) const { return std::string(get(name).text()); }
  bool boolean(std::string_view name) const { return get(name).boolean(); }
  uint32_t count(std::string_view name) const {
    return static_cast<uint32_t>(std::clamp<int64_t>(get(name).integer(), 0, UINT32_MAX));
  }
  template <class Unit>
  Unit quantity(std::string_view name) const {
    return Unit(number(name));
  }
  template <class Choice>
  Choice choice(std::string_view name) const {
    return chosen<Choice>(attribute(name), get(name));
  }
  template <class Choice>
  std::vector<Choice> choices(std::string_view name) const {  // ascending, each once
    std::vector<Choice> result;
    for (const Json& item : get(name).array()) result.push_back(chosen<Choice>(attribute(name), item));
    return as_set(std::move(result));
  }
  std::vector<std::string> texts(std::string_view name) const {
    std::vector<std::string> result;
    for (const Json& item : get(name).array()) result.emplace_back(item.text());
    return result;
  }
  std::vector<std::string> set_of_texts(std::string_view name) const { return as_set(texts(name)); }
  template <class Row>
  Index<Row> reference(std::string_view name) const {
    return resolve<Row>(attribute(name), get(name));
  }
  template <class Row>
  std::vector<Index<Row>> references(std::string_view name) const {
    std::vector<Index<Row>> result;
    for (const Json& item : get(name).array()) result.push_back(resolve<Row>(attribute(name), item));
    return result;
  }
  template <class Row>
  std::vector<Index<Row>> set_of_references(std::string_view name) const {
    return as_set(references<Row>(name));
  }
  std::vector<Reader> records(std::string_view name) const {
    std::vector<Reader> result;
    for (const Json& item : get(name).array()) result.emplace_back(attribute(name).fields, item.object(), references_);
    return result;
  }

 private:
  template <class Value>
  static std::vector<Value> as_set(std::vector<Value> values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
  }
  template <class Choice>
  static Choice chosen(const Attribute& attribute, const Json& value) {
    const auto found = std::find(attribute.choices.begin(), attribute.choices.end(), value.text());
    return static_cast<Choice>(found == attribute.choices.end() ? 0 : found - attribute.choices.begin());
  }
  template <class Row>
  Index<Row> resolve(const Attribute& attribute, const Json& id) const {
    const auto position = references_->position(attribute.refers_to, id.text());
    return position ? Index<Row>(*position) : Index<Row>();
  }

  const std::vector<Attribute>& schema_;
  const Json::Object& values_;
  const References* references_;
};

const std::vector<Attribute>& schema_of(std::string_view kind) {
  const Kind* found = find_kind(kind);
  CHECK(found != nullptr);
  return found->attributes;
}

std::string name_or_id(const Reader& reader, std::string_view id) {
  return reader.has("name") ? reader.text("name") : std::string(id);
}

void check_reference(const Attribute& attribute, const Json& id, const Path& path, const References& references,
                     std::vector<Problem>& problems) {
  if (!id.is_string()) return;
  const Target target = target_of(attribute, id.text());
  if (references.position(target.kind, target.id)) return;
  auto meant = references.nearest(target.kind, target.id);
  if (meant && !attribute.refers_to_any.empty()) meant = fmt::format("{}/{}", target.kind, *meant);
  problems.push_back({path, fmt::format("{}: there is no {} '{}'", attribute.name, target.kind, target.id),
                      meant ? fmt::format("did you mean '{}'?", *meant) : std::string()});
}

void check_references_in(const Attribute& attribute, const Json& value, Path& path, const References& references,
                         std::vector<Problem>& problems) {
  if (attribute.type != Type::reference && attribute.type != Type::record) return;
  const auto one = [&](const Json& item) {
    if (attribute.type == Type::reference) return check_reference(attribute, item, path, references, problems);
    for (const Attribute& field : attribute.fields) {
      path.emplace_back(std::string(field.name));
      check_references_in(field, item[field.name], path, references, problems);
      path.pop_back();
    }
  };
  if (!attribute.list) return one(value);
  for (size_t i = 0; i < value.array().size(); ++i) {
    path.emplace_back(i);
    one(value.array()[i]);
    path.pop_back();
  }
}

}  // namespace

void check_references(const Kind& kind, const Json::Object& attributes, const References& references,
                      std::vector<Problem>& problems) {
  for (const auto& [name, value] : attributes) {
    const Attribute* attribute = kind.find(name);
    if (attribute == nullptr || (attribute->type != Type::reference && attribute->type != Type::record)) continue;
    Path path{name};
    check_references_in(*attribute, value, path, references, problems);
  }
}

template <>
Site decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("site");
  const Reader r(schema, attributes, &references);
  const double power_limit = r.number("power_limit_kw");
  return {.id = std::string(id),
          .name = name_or_id(r, id),
          .tier = r.choice<Tier>("tier"),
          .latitude = r.quantity<Degrees>("latitude_deg"),
          .longitude = r.quantity<Degrees>("longitude_deg"),
          .jurisdiction = references.jurisdiction(r.get("jurisdiction").text()).value_or(0),
          .power_limit = Kilowatts(power_limit),
          .power_feeds = r.texts("power_feeds"),
          .power_price = r.quantity<EurosPerKilowattHour>("power_price_eur_per_kwh"),
          .carbon = r.quantity<GramsPerKilowattHour>("carbon_g_per_kwh"),
          .pue = r.number("pue"),
          .cooling_limit = Kilowatts(r.number_or("cooling_limit_kw", power_limit)),
          .model_store = r.boolean("model_store"),
          .state = r.choice<State>("state")};
}

template <>
Node decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("node");
  const Reader r(schema, attributes, &references);
  return {.id = std::string(id),
          .site = r.reference<Site>("site"),
          .role = r.choice<NodeRole>("role"),
          .overload = r.boolean("overload"),
          .state = r.choice<State>("state")};
}

template <>
SharedRiskGroup decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("shared_risk_group");
  return {.id = std::string(id), .name = name_or_id(Reader(schema, attributes, &references), id)};
}

template <>
Link decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("link");
  const Reader r(schema, attributes, &references);
  const double capacity = r.number("capacity_gbps");
  const double length = r.number("length_km");
  const uint32_t members = std::max(1u, r.count("members"));
  const uint32_t members_down = std::min(r.count("members_down"), members);
  const double up = static_cast<double>(std::max(1u, members - members_down)) / members;
  return {.id = std::string(id),
          .a = r.reference<Node>("a"),
          .b = r.reference<Node>("b"),
          .capacity_ab = Gbps(capacity * up),
          .capacity_ba = Gbps(r.number_or("capacity_reverse_gbps", capacity) * up),
          .delay = Microseconds(r.number_or("delay_us", length * kFibreMicrosecondsPerKm)),
          .length = Kilometres(length),
          .igp_metric = r.number("igp_metric"),
          .te_metric = r.number_or("te_metric", 0),
          .cost = r.quantity<EurosPerGigabyte>("cost_eur_per_gb"),
          .shared_risk_groups = r.references<SharedRiskGroup>("shared_risk_groups"),
          .admin_groups = r.set_of_texts("admin_groups"),
          .members = members,
          .members_min = r.count("members_min"),
          .members_down = members_down,
          .state = r.choice<State>("state")};
}

template <>
FlexAlgo decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("flex_algo");
  const Reader r(schema, attributes, &references);
  return {.id = std::string(id),
          .name = name_or_id(r, id),
          .metric = r.choice<PathMetric>("metric"),
          .exclude_any = r.set_of_texts("exclude_any"),
          .include_any = r.set_of_texts("include_any"),
          .include_all = r.set_of_texts("include_all"),
          .participants = r.set_of_references<Node>("participants")};
}

template <>
Region decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("region");
  const Reader r(schema, attributes, &references);
  Region region{.id = std::string(id),
                .name = name_or_id(r, id),
                .latitude = r.quantity<Degrees>("latitude_deg"),
                .longitude = r.quantity<Degrees>("longitude_deg"),
                .population = r.number("population"),
                .prefixes = {},
                .anchors = {},
                .utc_offset_hour = r.number("utc_offset_hour")};
  for (const Json& text : r.get("prefixes").array())
    if (const auto prefix = parse_prefix(text.text())) region.prefixes.push_back(*prefix);
  for (const Reader& anchor : r.records("anchors"))
    region.anchors.push_back({anchor.reference<Node>("node"), anchor.quantity<Microseconds>("access_delay_us"),
                              anchor.quantity<Microseconds>("backhaul_delay_us")});
  return region;
}

template <>
Accelerator decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("accelerator");
  const Reader r(schema, attributes, &references);
  return {.id = std::string(id),
          .name = name_or_id(r, id),
          .memory = r.quantity<Gigabytes>("memory_gb"),
          .idle_power = r.quantity<Watts>("idle_power_w"),
          .peak_power = r.quantity<Watts>("peak_power_w"),
          .price = r.quantity<EurosPerHour>("price_eur_per_hour"),
          .load_gb_per_s = r.number("load_gb_per_s")};
}

template <>
Pool decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("pool");
  const Reader r(schema, attributes, &references);
  Pool pool{.id = std::string(id),
            .site = r.reference<Site>("site"),
            .node = r.reference<Node>("node"),
            .accelerator = r.reference<Accelerator>("accelerator"),
            .count = r.count("count"),
            .radio_reserve = {},
            .engine_url = r.text("engine_url")};
  for (const Reader& reserve : r.records("radio_reserve"))
    pool.radio_reserve.push_back(
        {reserve.number("from_hour"), reserve.number("to_hour"), reserve.count("accelerators")});
  return pool;
}

template <>
Model decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("model");
  const Reader r(schema, attributes, &references);
  return {.id = std::string(id),
          .name = name_or_id(r, id),
          .aliases = r.texts("aliases"),
          .version = r.text("version"),
          .parameters_billion = r.number("parameters_billion"),
          .weights = r.quantity<Gigabytes>("weights_gb"),
          .kv_bytes_per_token = r.number("kv_bytes_per_token"),
          .context_tokens = r.count("context_tokens"),
          .fallback = r.text("fallback")};
}

template <>
Profile decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("profile");
  const Reader r(schema, attributes, &references);
  Profile profile{.id = std::string(id),
                  .model = r.reference<Model>("model"),
                  .accelerator = r.reference<Accelerator>("accelerator"),
                  .tensor_parallel = r.count("tensor_parallel"),
                  .prefill_tokens_per_s = r.number("prefill_tokens_per_s"),
                  .prefill_overhead = r.quantity<Milliseconds>("prefill_overhead_ms"),
                  .kv_memory = r.quantity<Gigabytes>("kv_memory_gb"),
                  .points = {},
                  .source = r.text("source")};
  for (const Reader& point : r.records("points"))
    profile.points.push_back(
        {point.count("batch"), point.quantity<Milliseconds>("decode_ms_per_token"), point.quantity<Watts>("power_w")});
  return profile;
}

template <>
Deployment decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("deployment");
  const Reader r(schema, attributes, &references);
  return {.id = std::string(id),
          .pool = r.reference<Pool>("pool"),
          .model = r.reference<Model>("model"),
          .tensor_parallel = r.count("tensor_parallel"),
          .replicas = r.count("replicas")};
}

template <>
Tenant decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("tenant");
  const Reader r(schema, attributes, &references);
  Tenant tenant{
      .id = std::string(id),
      .name = name_or_id(r, id),
      .keys = {},
      .residency = JurisdictionSet::all(),
      .data_class = r.text("data_class"),
      .models = r.references<Model>("models"),
      .promise = {r.quantity<Milliseconds>("ttft_ms"), r.quantity<Milliseconds>("tpot_ms"), r.number("quantile")},
      .priority = r.count("priority"),
      .diversity = r.choice<Diversity>("diversity"),
      .flex_algo = r.reference<FlexAlgo>("flex_algo"),
      .weight = r.number("weight"),
      .limits = {},
      .fallbacks = r.boolean("fallbacks"),
      .hedge_quantile = r.number("hedge_quantile")};
  const Reader limits(r.attribute("limits").fields, r.get("limits").object());
  tenant.limits = {limits.count("requests_per_minute"), limits.count("tokens_per_minute"),
                   limits.quantity<Euros>("budget_eur_per_month")};
  for (const Reader& key : r.records("keys"))
    if (const auto digest = digest_from_hex(key.text("sha256")))
      tenant.keys.push_back({*digest, key.boolean("loopback_only")});
  if (r.has("residency")) {
    tenant.residency = {};
    for (const Json& code : r.get("residency").array())
      if (const auto position = references.jurisdiction(code.text())) tenant.residency.bits |= uint64_t{1} << *position;
  }
  return tenant;
}

template <>
DayProfile decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("day_profile");
  const Reader r(schema, attributes, &references);
  DayProfile profile{.id = std::string(id), .name = name_or_id(r, id), .rate_fraction = {}};
  const Json::Array& hours = r.get("rate_fraction").array();
  for (size_t i = 0; i < std::min(hours.size(), kHoursOfDay); ++i) profile.rate_fraction[i] = hours[i].number();
  return profile;
}

template <>
Demand decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("demand");
  const Reader r(schema, attributes, &references);
  const auto tenant_index = r.reference<Tenant>("tenant");
  const Tenant* found = tenant_index.valid() ? references.tenant(tenant_index) : nullptr;
  const Tenant tenant = found != nullptr ? *found : Tenant{};
  const double prompt_tokens = r.number("prompt_tokens");
  const double output_tokens = r.number("output_tokens");
  return {.id = std::string(id),
          .tenant = tenant_index,
          .region = r.reference<Region>("region"),
          .model = r.reference<Model>("model"),
          .rate_per_s = r.number("rate_per_s"),
          .prompt_tokens = prompt_tokens,
          .output_tokens = output_tokens,
          .upload_bytes = r.number_or("upload_bytes", prompt_tokens * kBytesPerPromptToken),
          .download_bytes = r.number_or("download_bytes", output_tokens * kBytesPerOutputToken),
          .prefix_hit = r.number("prefix_hit"),
          .promise = {Milliseconds(r.number_or("ttft_ms", tenant.promise.ttft.value())),
                      Milliseconds(r.number_or("tpot_ms", tenant.promise.tpot.value())),
                      r.number_or("quantile", tenant.promise.quantile)},
          .priority = r.has("priority") ? r.count("priority") : tenant.priority,
          .day_profile = r.reference<DayProfile>("day_profile"),
          .diversity = r.has("diversity") ? r.choice<Diversity>("diversity") : tenant.diversity,
          .flex_algo = r.has("flex_algo") ? r.reference<FlexAlgo>("flex_algo") : tenant.flex_algo};
}

template <>
Trial decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("trial");
  const Reader r(schema, attributes, &references);
  return {.id = std::string(id),
          .name = name_or_id(r, id),
          .mode = r.choice<TrialMode>("mode"),
          .model = r.reference<Model>("model"),
          .to_model = r.reference<Model>("to_model"),
          .to_site = r.reference<Site>("to_site"),
          .share_fraction = r.number("share_fraction")};
}

template <>
Traffic decode(std::string_view id, const Json::Object& attributes, const References& references) {
  static const auto& schema = schema_of("traffic");
  const Reader r(schema, attributes, &references);
  return {.id = std::string(id),
          .from = r.reference<Node>("from"),
          .to = r.reference<Node>("to"),
          .rate = r.quantity<Gbps>("rate_gbps")};
}

GridAttributes decode_grid(const Json::Object& attributes) {
  static const auto& schema = schema_of(kGrid);
  const Reader r(schema, attributes);
  const Reader policy(r.attribute("policy").fields, r.get("policy").object());
  const Reader restoration(policy.attribute("restoration").fields, policy.get("restoration").object());
  const Reader residency(policy.attribute("residency").fields, policy.get("residency").object());
  return {.name = r.text("name"),
          .simulated = r.boolean("simulated"),
          .policy = {policy.number("link_headroom"),
                     policy.quantity<Euros>("rejection_penalty_eur"),
                     policy.quantity<Euros>("move_penalty_eur"),
                     policy.get("admission").text() == "plan",
                     {restoration.choices<RestorationCase>("cases"), restoration.number("link_headroom")},
                     residency.boolean("repairs")}};
}

}  // namespace tandem::grid
