#include "grid/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "grid/nouns.h"

namespace tandem::grid {
namespace {

const std::vector<std::string_view> kAdmissions{"live", "plan"};
const std::vector<std::string_view> kTrialModes{"shadow", "canary"};
const std::vector<std::string_view> kTiers{"device", "far_edge", "near_edge", "core", "cloud"};
const std::vector<std::string_view> kStates{"up", "down"};
const std::vector<std::string_view> kDiversities{"none", "link", "node", "shared_risk", "node_and_shared_risk"};
const std::vector<std::string_view> kRestorationCases{"links:1", "srlgs:1", "nodes:1"};
const std::vector<std::string_view> kPathMetrics{"igp", "delay", "te"};
const std::vector<std::string_view> kRoles{"router", "switch", "server", "base_station", "upf", "bng"};

Attribute name_attribute() { return {.name = "name", .description = "For people; default: the id."}; }

Attribute state_attribute() {
  return {
      .name = "state", .type = Type::choice, .absent = "up", .choices = kStates, .description = "As last reported."};
}

Attribute reference(std::string_view name, std::string_view kind, std::string_view description) {
  return {.name = name, .type = Type::reference, .required = true, .refers_to = kind, .description = description};
}

// A number that must be there, ≥ 0.
Attribute amount(std::string_view name, double maximum, std::string_view description) {
  return {.name = name,
          .type = Type::number,
          .required = true,
          .minimum = 0,
          .maximum = maximum,
          .description = description};
}

// A number that must be there, > 0.
Attribute positive(std::string_view name, double maximum, std::string_view description) {
  return {.name = name,
          .type = Type::number,
          .required = true,
          .minimum = 0,
          .maximum = maximum,
          .exclusive_minimum = true,
          .description = description};
}

// A number ≥ 0 with a default.
Attribute amount_or(std::string_view name, double absent, double maximum, std::string_view description) {
  return {.name = name,
          .type = Type::number,
          .absent = absent,
          .minimum = 0,
          .maximum = maximum,
          .description = description};
}

Attribute latitude() {
  return {.name = "latitude_deg",
          .type = Type::number,
          .required = true,
          .minimum = -90,
          .maximum = 90,
          .description = "WGS 84."};
}

Attribute longitude() {
  return {.name = "longitude_deg",
          .type = Type::number,
          .required = true,
          .minimum = -180,
          .maximum = 180,
          .description = "WGS 84."};
}

Attribute count(std::string_view name, bool required, double minimum, double maximum, std::string_view description) {
  return {.name = name,
          .type = Type::integer,
          .required = required,
          .absent = required ? Json() : Json(int64_t{1}),
          .minimum = minimum,
          .maximum = maximum,
          .description = description};
}

Attribute priority(Json absent, std::string_view description) {
  return {.name = "priority",
          .type = Type::integer,
          .absent = std::move(absent),
          .minimum = 0,
          .maximum = 1000,
          .description = description};
}

Attribute diversity(Json absent, std::string_view description) {
  return {.name = "diversity",
          .type = Type::choice,
          .absent = std::move(absent),
          .choices = kDiversities,
          .description = description};
}

Attribute flex_algo(std::string_view description) {
  return {.name = "flex_algo", .type = Type::reference, .refers_to = "flex_algo", .description = description};
}

Attribute admin_groups(std::string_view name, std::string_view description) {
  return {
      .name = name, .list = true, .items_max = kAdminGroupsMax, .absent = Json::Array{}, .description = description};
}

// Of a tenant, who must make one, or of a demand, which may leave it to its tenant.
std::vector<Attribute> promise(bool required) {
  Attribute ttft = positive("ttft_ms", 3.6e6,
                            required ? "Promise: time to first token, as the client sees it."
                                     : "Promise: time to first token. Default: the tenant's.");
  Attribute tpot = positive("tpot_ms", 3.6e6,
                            required ? "Promise: time per output token after the first."
                                     : "Promise: time per output token. Default: the tenant's.");
  ttft.required = tpot.required = required;
  const Attribute quantile{.name = "quantile",
                           .type = Type::number,
                           .absent = required ? Json(0.95) : Json(),
                           .minimum = 0,
                           .maximum = 1,
                           .exclusive_minimum = true,
                           .exclusive_maximum = true,
                           .description = required ? "The fraction of requests that the promise covers."
                                                   : "The fraction that the promise covers. Default: the tenant's."};
  return {ttft, tpot, quantile};
}

std::vector<Attribute> operator+(std::vector<Attribute> a, const std::vector<Attribute>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Attribute restoration() {
  return {.name = "restoration",
          .type = Type::record,
          .fields = {{.name = "cases",
                      .type = Type::choice,
                      .list = true,
                      .absent = Json::Array{},
                      .choices = kRestorationCases,
                      .description = "Every failure of one link, shared-risk group or node. Default: none."},
                     {.name = "link_headroom",
                      .type = Type::number,
                      .absent = 1.0,
                      .minimum = 0,
                      .maximum = 1,
                      .exclusive_minimum = true,
                      .description = "The fraction of a link's capacity that may be filled in any of them."}},
          .description = "Failures after which a plan's traffic, rerouted, must still fit the links."};
}

Attribute residency_policy() {
  return {.name = "residency",
          .type = Type::record,
          .fields = {{.name = "repairs",
                      .type = Type::boolean,
                      .absent = false,
                      .description = "A demand bound to jurisdictions is served only where what any one failure of a "
                                     "link or node diverts stays within them too. Default: no."}},
          .description = "What plans must hold of residency beyond the paths in use."};
}

Kind grid_kind() {
  return {.name = kGrid,
          .section = "",
          .description = "The grid as a whole.",
          .attributes = {
              {.name = "name", .absent = "", .description = "The operator's name for this grid."},
              {.name = "simulated",
               .type = Type::boolean,
               .absent = false,
               .description =
                   "The world behind this grid is simulated: links may be cut and sites powered down by a click."},
              {.name = "policy",
               .type = Type::record,
               .fields = {{.name = "link_headroom",
                           .type = Type::number,
                           .absent = 0.8,
                           .minimum = 0,
                           .maximum = 1,
                           .exclusive_minimum = true,
                           .description = "The fraction of a link's capacity that plans may fill."},
                          {.name = "rejection_penalty_eur",
                           .type = Type::number,
                           .absent = 0.05,
                           .minimum = 0,
                           .maximum = 1e6,
                           .exclusive_minimum = true,
                           .description = "What turning away one request costs in the plan's eyes."},
                          amount_or("move_penalty_eur", 0.5, 1e6, "Per replica that a new plan starts or stops."),
                          restoration(),
                          residency_policy(),
                          {.name = "admission",
                           .type = Type::choice,
                           .absent = "live",
                           .choices = kAdmissions,
                           .description = "What becomes of requests that the plan turns away: live serves them where "
                                          "there is room just now, plan refuses them."}},
               .description = "The operator's limits on what a plan may do."}}};
}

Kind site_kind() {
  return {
      .name = "site",
      .section = "sites",
      .description = "A place with power: a building, a mast, a room, a device.",
      .attributes = {
          name_attribute(),
          {.name = "tier",
           .type = Type::choice,
           .required = true,
           .choices = kTiers,
           .description = "How far from the user it stands."},
          latitude(),
          longitude(),
          {.name = "jurisdiction",
           .required = true,
           .format = Format::jurisdiction,
           .description = "Whose law holds there: an ISO 3166 alpha-2 code."},
          amount_or("power_limit_kw", 0, 1e6,
                    "IT load that its feeds can carry. Default: 0, with which no pool serves."),
          {.name = "power_feeds", .list = true, .absent = Json::Array{}, .description = "Names of its power feeds."},
          amount_or("power_price_eur_per_kwh", 0, 100, "What a kilowatt-hour costs there."),
          amount_or("carbon_g_per_kwh", 0, 5'000, "CO2 equivalent of the power it draws."),
          {.name = "pue",
           .type = Type::number,
           .absent = 1.0,
           .minimum = 1,
           .maximum = 10,
           .description = "Total power over IT power (ISO/IEC 30134-2)."},
          {.name = "cooling_limit_kw",
           .type = Type::number,
           .minimum = 0,
           .maximum = 1e6,
           .description = "Heat that can be removed. Default: the power limit."},
          {.name = "model_store",
           .type = Type::boolean,
           .absent = false,
           .description =
               "Models' weights are kept here: a new replica elsewhere fetches them from the nearest such site. "
               "Where no site keeps them, they lie at every site."},
          state_attribute()}};
}

Kind node_kind() {
  return {
      .name = "node",
      .section = "nodes",
      .description = "What forwards packets or ends links, at a site.",
      .attributes = {
          reference("site", "site", "Where it stands."),
          {.name = "role", .type = Type::choice, .absent = "router", .choices = kRoles, .description = "What it does."},
          {.name = "overload",
           .type = Type::boolean,
           .absent = false,
           .description = "No path goes through it (the overload bit of IS-IS, a stub router in OSPF); it sends and is "
                          "reached itself."},
          state_attribute()}};
}

Kind shared_risk_group_kind() {
  return {.name = "shared_risk_group",
          .section = "shared_risk_groups",
          .description = "A duct, span or other thing whose loss takes several links at once.",
          .attributes = {name_attribute()}};
}

Kind link_kind() {
  Attribute reverse = positive("capacity_reverse_gbps", 1e6, "From b to a. Default: capacity_gbps.");
  reverse.required = false;
  Attribute members_down = count("members_down", false, 0, 1'000, "How many of them are down; the rest carry less.");
  members_down.absent = int64_t{0};
  return {.name = "link",
          .section = "links",
          .description = "A link between two nodes, both ways.",
          .attributes = {reference("a", "node", "One end."),
                         reference("b", "node", "The other end."),
                         positive("capacity_gbps", 1e6, "From a to b; of all its members together."),
                         reverse,
                         {.name = "delay_us",
                          .type = Type::number,
                          .minimum = 0,
                          .maximum = 1e6,
                          .description = "One way. Default: length_km x 4.9 us/km."},
                         amount_or("length_km", 0, 50'000, "Of fibre, not of the map; 0 where it is not known."),
                         {.name = "igp_metric",
                          .type = Type::number,
                          .absent = 1.0,
                          .minimum = 1,
                          .maximum = 4294967295.0,
                          .description = "Paths minimise its sum."},
                         {.name = "te_metric",
                          .type = Type::number,
                          .minimum = 1,
                          .maximum = 4294967295.0,
                          .description = "For flex algorithms that minimise it. Default: none, so it is in none of "
                                         "their topologies."},
                         amount_or("cost_eur_per_gb", 0, 1'000, "Of carrying one gigabyte."),
                         {.name = "shared_risk_groups",
                          .type = Type::reference,
                          .list = true,
                          .absent = Json::Array{},
                          .refers_to = "shared_risk_group",
                          .description = "What it rides on together with other links."},
                         admin_groups("admin_groups", "Its colours, by which flex algorithms choose links."),
                         count("members", false, 1, 1'000, "Physical links, all alike, that it bundles."),
                         count("members_min", false, 1, 1'000, "With fewer of them up the whole bundle is down."),
                         members_down,
                         state_attribute()}};
}

Kind flex_algo_kind() {
  return {.name = "flex_algo",
          .section = "flex_algos",
          .description =
              "A topology of its own and what its shortest paths minimise (RFC 9350); its id is its number, "
              "128 to 255.",
          .attributes = {name_attribute(),
                         {.name = "metric",
                          .type = Type::choice,
                          .absent = "igp",
                          .choices = kPathMetrics,
                          .description = "What paths minimise the sum of: igp_metric, delay_us in whole microseconds, "
                                         "or te_metric."},
                         admin_groups("exclude_any", "Links with any of these admin groups are not in it."),
                         admin_groups("include_any", "Where given, links need one of these."),
                         admin_groups("include_all", "Where given, links need all of these."),
                         {.name = "participants",
                          .type = Type::reference,
                          .list = true,
                          .absent = Json::Array{},
                          .refers_to = "node",
                          .description = "The nodes that compute it and that its paths may pass. Default: all."}}};
}

Kind region_kind() {
  return {.name = "region",
          .section = "regions",
          .description = "An access area: where users are.",
          .attributes = {
              name_attribute(),
              latitude(),
              longitude(),
              amount_or("population", 0, 1e10, "People."),
              {.name = "prefixes",
               .list = true,
               .absent = Json::Array{},
               .format = Format::prefix,
               .description = "Its clients' addresses, in CIDR notation."},
              {.name = "anchors",
               .type = Type::record,
               .list = true,
               .required = true,
               .items_min = 1,
               .fields = {reference("node", "node", "UPF or BNG where the traffic surfaces."),
                          amount_or("access_delay_us", 0, 1e6, "One way, device to base station or access node."),
                          amount_or("backhaul_delay_us", 0, 1e6, "One way, from there to the anchor.")},
               .description = "In order of preference: the first that is up and connected is used."},
              {.name = "utc_offset_hour",
               .type = Type::number,
               .absent = 0.0,
               .minimum = -12,
               .maximum = 14,
               .description = "How far its clock is ahead of UTC: day profiles follow it."}}};
}

Kind accelerator_kind() {
  return {.name = "accelerator",
          .section = "accelerators",
          .description = "A type of accelerator.",
          .attributes = {
              name_attribute(),
              positive("memory_gb", 1e5, "Of one accelerator."),
              amount("idle_power_w", 1e5, "Drawn when nothing runs."),
              positive("peak_power_w", 1e5, "Drawn at full load; at least the idle power."),
              amount("price_eur_per_hour", 1e5, "Of one accelerator for one hour, amortised, without energy."),
              {.name = "load_gb_per_s",
               .type = Type::number,
               .absent = 1.6,
               .minimum = 0,
               .maximum = 1e4,
               .exclusive_minimum = true,
               .description = "Of weights, from the site's storage into one replica's accelerators. Default: as "
                              "measured with PyTorch on local flash (130 GB in 84 s; ServerlessLLM, OSDI 2024)."}}};
}

Kind pool_kind() {
  return {.name = "pool",
          .section = "pools",
          .description = "Accelerators of one type at one site.",
          .attributes = {reference("site", "site", "Where they stand."),
                         reference("node", "node", "Where their traffic meets the network; at the same site."),
                         reference("accelerator", "accelerator", "Their type."),
                         count("count", true, 0, 1e6, "How many there are."),
                         {.name = "radio_reserve",
                          .type = Type::record,
                          .list = true,
                          .absent = Json::Array{},
                          .fields = {{.name = "from_hour",
                                      .type = Type::number,
                                      .required = true,
                                      .minimum = 0,
                                      .maximum = 24,
                                      .exclusive_maximum = true,
                                      .description = "Of the day, UTC."},
                                     {.name = "to_hour",
                                      .type = Type::number,
                                      .required = true,
                                      .minimum = 0,
                                      .maximum = 24,
                                      .description = "Of the day, UTC; before from_hour, it wraps over midnight."},
                                     count("accelerators", true, 0, 1e6, "Kept back in those hours.")},
                          .description = "Accelerators kept for the radio network over the day."},
                         {.name = "engine_url",
                          .absent = "",
                          .format = Format::url,
                          .description = "A real OpenAI-compatible server. Default: emulated."}}};
}

Kind model_kind() {
  return {.name = "model",
          .section = "models",
          .description = "A model that can be served.",
          .attributes = {name_attribute(),
                         {.name = "aliases",
                          .list = true,
                          .absent = Json::Array{},
                          .description = "Further names that requests may use."},
                         {.name = "version", .absent = "", .description = "As its maker numbers it."},
                         positive("parameters_billion", 1e5, "All of them, whether active for a token or not."),
                         positive("weights_gb", 1e5, "Memory of one replica's weights."),
                         amount("kv_bytes_per_token", 1e9, "Of KV cache, over the whole replica."),
                         count("context_tokens", true, 1, 1e9, "Prompt and output together, at most."),
                         {.name = "fallback",
                          .absent = "",
                          .description = "The id of a model, smaller as a rule, that serves in its place where its "
                                         "promise cannot be kept, for tenants that allow fallbacks. Default: none."}}};
}

Kind profile_kind() {
  return {.name = "profile",
          .section = "profiles",
          .description = "What one replica of a model does on an accelerator.",
          .attributes = {reference("model", "model", "Which model."),
                         reference("accelerator", "accelerator", "On which accelerator."),
                         count("tensor_parallel", false, 1, 1024, "Accelerators per replica."),
                         positive("prefill_tokens_per_s", 1e9, "Prompt tokens that one replica takes in."),
                         amount_or("prefill_overhead_ms", 0, 1e6, "Fixed cost of a prefill."),
                         positive("kv_memory_gb", 1e6, "For KV cache, over the whole replica."),
                         {.name = "points",
                          .type = Type::record,
                          .list = true,
                          .required = true,
                          .items_min = 1,
                          .fields = {count("batch", true, 1, 1e6, "Requests running at once."),
                                     positive("decode_ms_per_token", 1e6, "Time between tokens of one request."),
                                     amount("power_w", 1e7, "Of all the replica's accelerators together.")},
                          .description = "Operating points, by ascending batch."},
                         {.name = "source", .required = true, .description = "Where the figures come from."}}};
}

Kind deployment_kind() {
  return {.name = "deployment",
          .section = "deployments",
          .description = "Replicas pinned by hand: plans keep and pay for them.",
          .attributes = {reference("pool", "pool", "Where they run."), reference("model", "model", "What they run."),
                         count("tensor_parallel", false, 1, 1024, "Accelerators per replica."),
                         count("replicas", false, 1, 1e6, "How many.")}};
}

Attribute limits() {
  return {.name = "limits",
          .type = Type::record,
          .fields = {{.name = "requests_per_minute",
                      .type = Type::integer,
                      .absent = int64_t{0},
                      .minimum = 0,
                      .maximum = 1e9,
                      .description = "Default: no limit."},
                     {.name = "tokens_per_minute",
                      .type = Type::integer,
                      .absent = int64_t{0},
                      .minimum = 0,
                      .maximum = 4e9,
                      .description = "Prompt and output together. Default: no limit."},
                     amount_or("budget_eur_per_month", 0, 1e12,
                               "What its requests may cost in a calendar month, UTC. Default: no limit.")},
          .description = "What it may use at most; 0 is no limit."};
}

Kind tenant_kind() {
  return {
      .name = "tenant",
      .section = "tenants",
      .description = "A customer with its promise and its limits.",
      .attributes =
          std::vector<Attribute>{
              name_attribute(),
              {.name = "keys",
               .type = Type::record,
               .list = true,
               .absent = Json::Array{},
               .fields = {{.name = "sha256",
                           .required = true,
                           .format = Format::sha256,
                           .description = "Of the key's bytes; the key itself is never stored."},
                          {.name = "loopback_only",
                           .type = Type::boolean,
                           .absent = false,
                           .description = "Accepted only from 127.0.0.0/8 and ::1."}},
               .description = "Its API keys."},
              {.name = "residency",
               .list = true,
               .items_min = 1,
               .format = Format::jurisdiction,
               .description = "Jurisdictions where its data may be processed or pass. Default: anywhere."},
              {.name = "data_class", .absent = "", .description = "The operator's own word: public, personal, health."},
              {.name = "models",
               .type = Type::reference,
               .list = true,
               .absent = Json::Array{},
               .refers_to = "model",
               .description = "What it may use. Default: all."}} +
          promise(true) +
          std::vector<Attribute>{
              priority(int64_t{0}, "Larger is served first."),
              diversity("none",
                        "What the two ways to each pool that serves it must not have in common. Default: it "
                        "asks for one way."),
              flex_algo("Whose paths its traffic takes. Default: the IGP's own."),
              {.name = "weight",
               .type = Type::number,
               .absent = 1.0,
               .minimum = 0,
               .maximum = 1e6,
               .exclusive_minimum = true,
               .description = "Its share, against others of its priority, of engines that are full."},
              limits(),
              {.name = "fallbacks",
               .type = Type::boolean,
               .absent = false,
               .description = "A model's fallback may serve its requests where the model cannot keep their promise."},
              {.name = "hedge_quantile",
               .type = Type::number,
               .absent = 0.0,
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true,
               .description = "A second engine is asked where the first has sent no token of a stream after this "
                              "quantile of its recent times to the first token: 0.95. Default: never."}}};
}

Kind day_profile_kind() {
  return {.name = "day_profile",
          .section = "day_profiles",
          .description = "How demands rise and fall over a day, by the clock of their region.",
          .attributes = {name_attribute(),
                         {.name = "rate_fraction",
                          .type = Type::number,
                          .list = true,
                          .required = true,
                          .items_min = kHoursOfDay,
                          .items_max = kHoursOfDay,
                          .minimum = 0,
                          .maximum = 1,
                          .description = "Of a demand's rate_per_s, in each hour of the day from midnight on."}}};
}

Kind demand_kind() {
  return {.name = "demand",
          .section = "demands",
          .description = "What a tenant's users in a region are expected to ask of a model.",
          .attributes =
              std::vector<Attribute>{
                  reference("tenant", "tenant", "Whose."),
                  reference("region", "region", "Where its users are."),
                  reference("model", "model", "What they ask for."),
                  amount("rate_per_s", 1e7, "Requests; in the busiest hour where there is a day profile."),
                  {.name = "prompt_tokens",
                   .type = Type::number,
                   .required = true,
                   .minimum = 1,
                   .maximum = 1e8,
                   .description = "Mean."},
                  {.name = "output_tokens",
                   .type = Type::number,
                   .required = true,
                   .minimum = 1,
                   .maximum = 1e8,
                   .description = "Mean."},
                  {.name = "upload_bytes",
                   .type = Type::number,
                   .minimum = 0,
                   .maximum = 1e12,
                   .description = "Per request, mean. Default: 4 a prompt token."},
                  {.name = "download_bytes",
                   .type = Type::number,
                   .minimum = 0,
                   .maximum = 1e12,
                   .description =
                       "Per request, mean. Default: 250 an output token, as a stream of server-sent events has."},
                  {.name = "prefix_hit",
                   .type = Type::number,
                   .absent = 0.0,
                   .minimum = 0,
                   .maximum = 1,
                   .exclusive_maximum = true,
                   .description = "The fraction of prompt tokens found in cache."}} +
              promise(false) +
              std::vector<Attribute>{priority(Json(), "Larger is served first. Default: the tenant's."),
                                     {.name = "day_profile",
                                      .type = Type::reference,
                                      .refers_to = "day_profile",
                                      .description = "How it rises and falls. Default: the same rate all day."},
                                     diversity(Json(),
                                               "What the two ways to each pool that serves it must not have "
                                               "in common. Default: the tenant's."),
                                     flex_algo("Whose paths its traffic takes. Default: the tenant's.")}};
}

Kind trial_kind() {
  Attribute to_model = reference("to_model", "model", "What is tried in the model's place. Default: the model itself.");
  Attribute to_site = reference("to_site", "site", "Where it is tried. Default: wherever the request would go.");
  to_model.required = to_site.required = false;
  return {.name = "trial",
          .section = "trials",
          .description = "A share of a model's requests that another model, or a site, is tried with.",
          .attributes = {name_attribute(),
                         {.name = "mode",
                          .type = Type::choice,
                          .absent = "shadow",
                          .choices = kTrialModes,
                          .description = "shadow copies requests and throws the answers away, canary serves them."},
                         reference("model", "model", "Whose requests."),
                         to_model,
                         to_site,
                         {.name = "share_fraction",
                          .type = Type::number,
                          .required = true,
                          .minimum = 0,
                          .maximum = 1,
                          .description = "Of the model's clients; a client stays on one side."}}};
}

Kind traffic_kind() {
  return {.name = "traffic",
          .section = "traffic",
          .description = "Traffic that is there whatever is decided.",
          .attributes = {reference("from", "node", "Where it enters."), reference("to", "node", "Where it leaves."),
                         amount("rate_gbps", 1e6, "How much.")}};
}

const std::vector<Kind>& table() {
  static const std::vector<Kind> kKinds{grid_kind(),   site_kind(),        node_kind(),    shared_risk_group_kind(),
                                        link_kind(),   flex_algo_kind(),   region_kind(),  accelerator_kind(),
                                        pool_kind(),   model_kind(),       profile_kind(), deployment_kind(),
                                        tenant_kind(), day_profile_kind(), demand_kind(),  trial_kind(),
                                        traffic_kind()};
  return kKinds;
}

}  // namespace

const Attribute* Kind::find(std::string_view attribute) const {
  const auto found =
      std::find_if(attributes.begin(), attributes.end(), [&](const Attribute& a) { return a.name == attribute; });
  return found == attributes.end() ? nullptr : &*found;
}

std::span<const Kind> kinds() { return table(); }

const Kind* find_kind(std::string_view name) {
  const auto found = std::find_if(table().begin(), table().end(), [&](const Kind& k) { return k.name == name; });
  return found == table().end() ? nullptr : &*found;
}

const Kind* find_section(std::string_view section) {
  const auto found = std::find_if(table().begin(), table().end(),
                                  [&](const Kind& k) { return !k.section.empty() && k.section == section; });
  return found == table().end() ? nullptr : &*found;
}

Target target_of(const Attribute& reference, std::string_view value) {
  if (reference.refers_to_any.empty()) return {reference.refers_to, value};
  const size_t slash = value.find('/');
  if (slash == std::string_view::npos) return {{}, value};
  return {value.substr(0, slash), value.substr(slash + 1)};
}

std::string to_string(const Path& path) {
  std::string text;
  for (const PathStep& step : path) {
    if (const auto* position = std::get_if<size_t>(&step))
      text += fmt::format("[{}]", *position);
    else
      text += (text.empty() ? "" : ".") + std::get<std::string>(step);
  }
  return text;
}

std::string_view unit_of(std::string_view attribute) {
  using Unit = std::pair<std::string_view, std::string_view>;
  // The first that fits: a longer end stands before its own end.
  static constexpr std::array kUnits{Unit{"_eur_per_kwh", "EUR/kWh"},
                                     Unit{"_g_per_kwh", "g/kWh"},
                                     Unit{"_eur_per_gb", "EUR/GB"},
                                     Unit{"_eur_per_hour", "EUR/h"},
                                     Unit{"_eur_per_month", "EUR/month"},
                                     Unit{"_tokens_per_s", "tokens/s"},
                                     Unit{"_ms_per_token", "ms/token"},
                                     Unit{"_bytes_per_token", "bytes/token"},
                                     Unit{"_db_per_km", "dB/km"},
                                     Unit{"_gb_per_s", "GB/s"},
                                     Unit{"_gbps", "Gbit/s"},
                                     Unit{"_mbps", "Mbit/s"},
                                     Unit{"_us", "microseconds"},
                                     Unit{"_ms", "milliseconds"},
                                     Unit{"_km", "km"},
                                     Unit{"_mm", "mm"},
                                     Unit{"_ps_per_nm", "ps/nm"},
                                     Unit{"_nm", "nm"},
                                     Unit{"_m", "m"},
                                     Unit{"_m2", "m2"},
                                     Unit{"_u", "rack units"},
                                     Unit{"_kg", "kg"},
                                     Unit{"_deg", "degrees"},
                                     Unit{"_celsius", "degrees Celsius"},
                                     Unit{"_kw", "kW"},
                                     Unit{"_w", "W"},
                                     Unit{"_v", "V"},
                                     Unit{"_ampere", "A"},
                                     Unit{"_ah", "Ah"},
                                     Unit{"_thz", "THz"},
                                     Unit{"_ghz", "GHz"},
                                     Unit{"_mhz", "MHz"},
                                     Unit{"_khz", "kHz"},
                                     Unit{"_dbm", "dBm"},
                                     Unit{"_dbi", "dBi"},
                                     Unit{"_db", "dB"},
                                     Unit{"_gb", "GB"},
                                     Unit{"_bytes", "bytes"},
                                     Unit{"_eur", "EUR"},
                                     Unit{"_per_s", "requests/s"},
                                     Unit{"_hour", "hours"},
                                     Unit{"_days", "days"},
                                     Unit{"_min", "minutes"},
                                     Unit{"_s", "seconds"},
                                     Unit{"_fraction", "of 1"}};
  for (const auto& [suffix, unit] : kUnits)
    if (attribute.ends_with(suffix)) return unit;
  return {};
}

}  // namespace tandem::grid
