// The routes of the grid itself: its picture, its plan, its decisions, its log.
#include <array>

#include "api/routes.h"

namespace tandem::api {
namespace {

constexpr std::string_view kStateSchema =
    R"({"type":"object","required":["state"],"additionalProperties":false,"properties":{"state":{"enum":["up","down"]}}})";
constexpr std::string_view kFactsSchema =
    R"({"type":"object","required":["source","facts"],"additionalProperties":false,"properties":{
    "source":{"type":"string","description":"who says so"},
    "facts":{"type":"array","minItems":1,"maxItems":4096,"items":{"type":"object","required":["kind","id","attributes"],
      "properties":{"kind":{"type":"string"},"id":{"type":"string"},"observed_at":{"type":"string","format":"date-time"},
      "attributes":{"type":"object","description":"attribute to value; null removes one"}}}}}})";
constexpr std::string_view kRecorded =
    R"({"type":"object","required":["offset"],"properties":{"offset":{"$ref":"#/components/schemas/Offset"}}})";
constexpr std::string_view kPreview = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "promises_broken":{"type":"array","items":{"$ref":"#/components/schemas/Hurt"}},"promises_kept":{"type":"integer"},
    "worst_link":{"$ref":"#/components/schemas/FullLink"},"cost_eur_per_hour_delta":{"type":"number"},"way_back":{"type":"string"}}})";
constexpr std::string_view kGrid = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "name":{"type":"string"},"simulated":{"type":"boolean"},
    "policy":{"type":"string","description":"where requests go: tandem, or a baseline to measure against"},
    "sites":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"name":{"type":"string"},
      "tier":{"enum":["device","far_edge","near_edge","core","cloud"]},"state":{"enum":["up","down"]},"jurisdiction":{"type":"string"},
      "latitude_deg":{"type":"number"},"longitude_deg":{"type":"number"},"power_limit_kw":{"type":"number"},
      "accelerators":{"type":"integer"},"pools":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},
      "accelerator":{"type":"string"},"count":{"type":"integer"},"in_use":{"type":"integer","description":"by the plan"}}}}}}},
    "links":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"a_site":{"type":"string"},"b_site":{"type":"string"},
      "capacity_gbps":{"type":"number"},"capacity_reverse_gbps":{"type":"number"},"delay_us":{"type":"number"},"length_km":{"type":"number"},
      "state":{"enum":["up","down"]},"usable":{"type":"boolean","description":"up, with its ends and enough of its members"},
      "members":{"type":"integer"},"members_up":{"type":"integer"},"srlgs":{"type":"array","items":{"type":"string"}},
      "utilization_ab":{"type":"number","description":"predicted load over capacity"},"utilization_ba":{"type":"number"}}}},
    "regions":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"name":{"type":"string"},
      "latitude_deg":{"type":"number"},"longitude_deg":{"type":"number"},"population":{"type":"number"},
      "anchors":{"type":"array","items":{"type":"string"},"description":"sites where its traffic comes up, the preferred first"}}}},
    "models":{"type":"array","items":{"type":"string"}},"tenants":{"type":"array","items":{"type":"string"}}}})";
constexpr std::string_view kSite =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"id":{"type":"string"},"name":{"type":"string"},
    "tier":{"type":"string"},"state":{"enum":["up","down"]},"jurisdiction":{"type":"string"},"latitude_deg":{"type":"number"},
    "longitude_deg":{"type":"number"},"power_limit_kw":{"type":"number"},"power_w":{"type":"number","description":"predicted, with what cooling and losses take"},
    "cooling_limit_kw":{"type":"number"},"pue":{"type":"number"},"price_eur_per_kwh":{"type":"number"},"carbon_gco2_per_kwh":{"type":"number"},
    "accelerators":{"type":"integer"},"pools":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},
    "accelerator":{"type":"string"},"count":{"type":"integer"},"in_use":{"type":"integer","description":"by the plan"}}}},
    "deployments":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"model":{"type":"string"},
    "pool":{"type":"string"},"replicas":{"type":"integer"},"up":{"type":"boolean"},"emulated":{"type":"boolean"},"in_flight":{"type":"integer"},
    "requests_per_s":{"type":"number"},"tpot_ms":{"type":"number"},"utilization":{"type":"number"}}}},"nodes":{"type":"array",
    "items":{"type":"string"}},"links":{"type":"array","items":{"type":"string"}}}})";
constexpr std::string_view kLink = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "id":{"type":"string"},"a_site":{"type":"string"},"b_site":{"type":"string"},"capacity_gbps":{"type":"number"},
    "capacity_reverse_gbps":{"type":"number"},"delay_us":{"type":"number"},"length_km":{"type":"number"},"state":{"enum":["up","down"]},
    "usable":{"type":"boolean","description":"up, with its ends and enough of its members"},"members":{"type":"integer"},
    "members_up":{"type":"integer"},"srlgs":{"type":"array","items":{"type":"string"}},
    "load_ab_gbps":{"type":"number","description":"predicted"},"load_ba_gbps":{"type":"number"},
    "utilization_ab":{"type":"number"},"utilization_ba":{"type":"number"},
    "shares_risk_with":{"type":"array","items":{"type":"string"}}}})";
constexpr std::string_view kPlan = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "plan_id":{"type":["string","null"],"description":"null: none has been accepted yet"},"accepted_at_offset":{"$ref":"#/components/schemas/Offset"},
    "draft":{"type":"boolean","description":"a quick first one of a large grid: the whole one follows"},
    "origin":{"enum":["draft","quick","whole"],"description":"quick: the plan before, mended after a change; searched whole once the grid is quiet"},
    "reason":{"type":"string","description":"why it was asked for"},
    "replanning":{"type":"string","description":"the plan that is being made; absent: none is"},
    "hours":{"type":"object","description":"that it is for, UTC; absent: for any, which is for the busiest",
      "properties":{"from_hour":{"type":"integer"},"to_hour":{"type":"integer"},"hours":{"type":"integer"}}},
    "schedule":{"$ref":"#/components/schemas/Turn"},
    "cost_eur_per_hour":{"type":"number"},"bound_eur_per_hour":{"type":"number","description":"no plan can cost less"},
    "gap":{"type":["number","null"],"description":"(cost - bound) / cost"},"moves":{"type":"integer","description":"replicas that it starts or stops"},
    "seed":{"type":"integer"},"work":{"type":"integer"},"totals":{"type":"object","additionalProperties":{"type":"number"},"description":"parts of the cost, power, carbon"},
    "deployments":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"model":{"type":"string"},"pool":{"type":"string"},
      "site":{"type":"string"},"accelerator":{"type":"string"},"profile":{"type":"string"},"tensor_parallel":{"type":"integer"},
      "replicas":{"type":"integer"},"batch":{"type":"integer"},"utilization":{"type":"number"},"power_w":{"type":"number"},
      "cost_eur_per_hour":{"type":"number"},"cold_start_s":{"type":["object","null"],"description":"of one more replica; null: not known","properties":{
      "transfer":{"type":"number","description":"of the weights"},"load":{"type":"number"}}}}}},
    "demands":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"tenant":{"type":"string"},"region":{"type":"string"},
      "model":{"type":"string"},"rate_per_s":{"type":"number"},"quantile":{"type":"number"},
      "ttft_ms":{"type":["number","null"],"description":"at that quantile; null: nobody answers"},"ttft_promise_ms":{"type":"number"},
      "tpot_ms":{"type":["number","null"]},"tpot_promise_ms":{"type":"number"},"cost_eur_per_hour":{"type":["number","null"]},
      "rejected":{"type":"number","description":"the fraction that is turned away"},"blocked_by":{"type":["string","null"],"description":"the gate; empty: nothing"},
      "reason":{"type":"string"},"splits":{"type":"array","items":{"type":"object","properties":{"deployment":{"type":"string"},
        "site":{"type":"string"},"pool":{"type":"string"},"fraction":{"type":"number"},"round_trip_us":{"type":"number"},
        "ttft_ms":{"type":"number"},"tpot_ms":{"type":"number"},"cost_eur_per_hour":{"type":"number"}}}},
      "alternatives":{"type":"array","description":"the best that were not taken","items":{"type":"object","properties":{"pool":{"type":"string"},
        "site":{"type":"string"},"ruled_out_by":{"type":"string"},"detail":{"type":"string"},"ttft_ms":{"type":["number","null"]},
        "cost_eur_per_hour":{"type":["number","null"]}}}}}}},
    "prices":{"type":"object","description":"of a schedule's plans: they prove the bound","properties":{"demands":{"type":"array","items":{"$ref":"#/components/schemas/Price"}},
      "pools":{"type":"array","items":{"$ref":"#/components/schemas/Price"}},"sites":{"type":"array","items":{"$ref":"#/components/schemas/Price"}},
      "links":{"type":"array","items":{"$ref":"#/components/schemas/Price"}},"fleets":{"type":"array","items":{"type":"object","properties":{
        "model":{"type":"string"},"eur_per_hour":{"type":"number"},"prices":{"type":"array","items":{"type":"array","items":{"$ref":"#/components/schemas/Price"}}}}}}}}}})";
constexpr std::string_view kPredictiveModels = R"({"type":"object","properties":{"site":{"type":["string","null"],
    "description":"where this process stands; null: not said"},"memory_bytes":{"type":"integer","description":"of all that are loaded"},
    "memory_bytes_max":{"type":"integer"},"models":{"type":"array","items":{
    "type":"object","properties":{"model":{"type":"string"},"version":{"type":"integer"},
    "state":{"enum":["waiting","loading","ready","evicted","failed"]},"reason":{"type":["string","null"]},
    "memory_bytes":{"type":"integer"},"predictions":{"type":"integer","description":"rows answered since the start"},
    "errors":{"type":"integer","description":"requests refused or failed since the start"},
    "evictions":{"type":"integer","description":"times it gave way to others since the start"},
    "recent":{"type":"object","description":"of the last one to two minutes","properties":{"span_s":{"type":"number"},
      "requests_per_s":{"type":"number"},"predictions_per_s":{"type":"number","description":"rows"},"errors":{"type":"integer"},
      "rows_per_batch":{"type":["number","null"]},"answer_ms_p50":{"type":["number","null"],"description":"from arrival to answer"},
      "answer_ms_p99":{"type":["number","null"]}}},
    "max_batch":{"type":"integer"},"batch_deadline_us":{"type":"integer"},"inputs":{"type":"array","items":{"$ref":"#/components/schemas/Tensor"}},
    "outputs":{"type":"array","items":{"$ref":"#/components/schemas/Tensor"}}}}}}})";
constexpr std::string_view kDecisions =
    R"({"type":"object","properties":{"decisions":{"type":"array","items":{"$ref":"#/components/schemas/Decision"}}}})";
constexpr std::string_view kDecision =
    R"({"type":"object","properties":{"request":{"$ref":"#/components/schemas/Decision"},"plan":{"type":"string"},
    "live_as_then":{"type":"boolean","description":"what was known of the engines then; false: what is known now"},
    "candidates":{"type":"array","description":"all that could have served","items":{"type":"object","properties":{"deployment":{"type":"string"},
      "model":{"type":"string"},"site":{"type":"string"},"pool":{"type":"string"},"chosen":{"type":"boolean"},
      "gate":{"type":"string","description":"what ruled it out; none: nothing"},"round_trip_us":{"type":"number"},"predicted_ttft_us":{"type":"number"},
      "cached_tokens":{"type":"integer","description":"of the prompt, that it most likely has"},"cost_euros":{"type":"number"},
      "plan_fraction":{"type":"number","description":"that the plan sends there"}}}}}})";
constexpr std::string_view kTrials = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "trials":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"mode":{"enum":["shadow","canary"]},
      "model":{"type":"string"},"to_model":{"type":"string"},"to_site":{"type":"string","description":"empty: any"},
      "share_fraction":{"type":"number"},"base":{"$ref":"#/components/schemas/TrialSide"},"candidate":{"$ref":"#/components/schemas/TrialSide"},
      "comparison":{"type":"array","description":"candidate against base, with 95 % intervals","items":{"type":"object","properties":{
        "measure":{"enum":["failed_fraction","ttft_ms_p50","ttft_ms_p95","tpot_ms_p50","tpot_ms_p95","output_tokens_per_answer","eur_per_answer"]},
        "base":{"type":["number","null"]},"candidate":{"type":["number","null"]},"difference":{"type":["number","null"]},
        "difference_low":{"type":["number","null"],"description":"null: too few requests"},"difference_high":{"type":["number","null"]},
        "told_apart":{"type":"boolean","description":"the interval leaves no difference out"}}}}}}}}})";
constexpr std::string_view kLog = R"({"type":"object","properties":{"next":{"$ref":"#/components/schemas/Offset"},
    "events":{"type":"array","items":{"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "at":{"type":"string","format":"date-time"},"actor":{"type":"string"},"kind":{"type":"string"},"summary":{"type":"string"},
    "body":{"type":"object","additionalProperties":true,"description":"the event, as its kind has it"}}}}}})";
constexpr std::string_view kWhatIfSchema = R"({"type":"object","additionalProperties":false,"properties":{
    "fail":{"enum":["links:1","links:2","nodes:1","nodes:2","srlgs:1","srlgs:2","sites:1","sites:2","members:1"],"default":"links:1",
      "description":"all failures of a class"},
    "failures":{"type":"array","minItems":1,"maxItems":64,"description":"these at once, in place of a class","items":{"type":"object",
      "required":["kind","id"],"properties":{"kind":{"enum":["link","node","shared_risk_group","site","member"]},"id":{"type":"string"}}}},
    "traffic":{"enum":["auto","own","gravity","uniform"],"default":"auto"},
    "fill":{"type":"number","exclusiveMinimum":0,"maximum":10,"description":"how full gravity or uniform traffic makes the busiest link"},
    "trip":{"type":"number","exclusiveMinimum":0,"description":"how full a link is when it fails as well, in a cascade"},
    "worst":{"type":"integer","minimum":0,"maximum":200},"verify":{"type":"integer","minimum":0,"maximum":1000},
    "seed":{"type":"integer","minimum":0},"time_limit_ms":{"type":"integer","minimum":0,"maximum":60000},
    "stream":{"type":"boolean","default":false,
      "description":"server-sent events: progress, then one report, the answer without it, or an error"}}})";
constexpr std::string_view kWhatIf =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "promises":{"type":"integer","description":"that are watched"},"traffic":{"type":"object","properties":{"formula":{"type":"string"},
      "flows":{"type":"integer"},"gbps":{"type":"number"}}},"undisturbed":{"$ref":"#/components/schemas/Phase"},
    "fail":{"type":"string","description":"from here on: of a class of failures"},"failures":{"type":"integer","description":"of the class"},
    "leaving":{"type":"integer","description":"scenarios in which traffic leaves a residency"},
    "breaking":{"type":"integer","description":"scenarios that break a promise"},"overloading":{"type":"integer"},"losing":{"type":"integer"},
    "seconds":{"type":"number"},"threads":{"type":"integer"},
    "scenarios":{"type":"integer"},"scenarios_per_s":{"type":"number"},"complete":{"type":"boolean"},
    "worst":{"type":"array","items":{"type":"object","properties":{"failed":{"type":"array","items":{"type":"string"}},
      "residencies_left":{"type":"integer"},"left_residency":{"type":"array","items":{"$ref":"#/components/schemas/Hurt"},"description":"at most 200"},
      "promises_broken":{"type":"integer"},"broken_at_once":{"type":"array","items":{"$ref":"#/components/schemas/Hurt"},"description":"at most 200"},
      "after_failover":{"$ref":"#/components/schemas/AfterFailover"},"utilization_max":{"type":"number"},"lost_gbps":{"type":"number"},
      "worst_link":{"$ref":"#/components/schemas/FullLink"},"fullest_links":{"type":"array","items":{"$ref":"#/components/schemas/FullLink"}},
      "links_down":{"type":"array","items":{"type":"string"}},"sites_down":{"type":"array","items":{"type":"string"}}}}},
    "upgrades":{"type":"array","description":"directions of links, the most relief for their cost first","items":{"type":"object","properties":{"link":{"type":"string"},
      "from":{"type":"string"},"to":{"type":"string"},"capacity_gbps":{"type":"number"},"length_km":{"type":"number"},"add_gbps":{"type":"number"},
      "gbps_km":{"type":"number","description":"of what is added: its cost"},"overloaded_in":{"type":"integer","description":"scenarios"},
      "utilization_max":{"type":"number"},"excess_gbps_mean":{"type":"number","description":"where it is overloaded"},
      "harm_share":{"type":"number","description":"of all overload in all scenarios"},"harm_per_gbps_km":{"type":"number"}}}},
    "verify":{"type":"object","description":"scenarios computed once more, from scratch","properties":{"checked":{"type":"integer"},"differences":{"type":"integer"},
      "first_differences":{"type":"array","items":{"type":"object","properties":{"failed":{"type":"array","items":{"type":"string"}},"difference":{"type":"string"}}}},
      "tolerance":{"type":"string"},"plain_scenarios_per_s_per_thread":{"type":"number"},"times_faster_per_thread":{"type":"number"}}},
    "failed":{"type":"array","description":"from here on: of some that fail together","items":{"$ref":"#/components/schemas/Name"}},
    "promises_broken":{"type":"integer"},"left_residency":{"type":"array","items":{"type":"string"},"description":"demands"},
    "after_failover":{"$ref":"#/components/schemas/AfterFailover"},"repair":{"$ref":"#/components/schemas/Phase"},
    "converged":{"$ref":"#/components/schemas/Phase"},"shared_fairly":{"type":["object","null"],"description":"if all traffic gave way; null: too large to say",
      "properties":{"asked_gbps":{"type":"number"},"carried_gbps":{"type":"number"},"flows_held_back":{"type":"integer"},"least_share":{"type":"number"}}},
    "cascade":{"type":"object","description":"if links fail that are fuller than trip","properties":{"trip":{"type":"number"},"settled":{"type":"boolean"},
      "rounds":{"type":"array","items":{"type":"object","properties":{"tripped":{"type":"array","items":{"type":"string"}},
        "utilization_max":{"type":"number"},"lost_gbps":{"type":"number"}}}}}}}})";
constexpr std::string_view kOntology = R"({"type":"object","additionalProperties":true,
    "description":"kinds, or the one that was asked for: name, description, attributes, relations, constraints, mappings"})";
constexpr std::string_view kOpenApi =
    R"({"type":"object","additionalProperties":true,"description":"an OpenAPI 3.1 document"})";
constexpr std::string_view kReplayBody = R"({"type":"object","additionalProperties":false,"properties":{
    "policies":{"type":"array","minItems":1,"maxItems":8,"items":{"enum":["tandem","nearest","least-load","round-robin","cheapest",
      "prefix-hash","compute-then-network","centralise"]},"default":["tandem"],"description":"each on the same requests"},
    "duration_s":{"type":"number","exclusiveMinimum":0,"maximum":3600,"default":60,"description":"of simulated arrivals, at most 300000 of them"},
    "rate_factor":{"type":"number","exclusiveMinimum":0,"maximum":100,"default":1,"description":"of what the demands ask"},
    "sizes":{"enum":["exponential","fixed"],"default":"exponential","description":"of prompts and outputs about their means"},
    "seed":{"type":"integer","minimum":0,"default":1,"description":"the same gives the same answer"},
    "stream":{"type":"boolean","default":false,
      "description":"server-sent events: progress, then one report, the answer without it, or an error"}}})";
constexpr std::string_view kReplay = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "verdict":{"type":"string"},"policies":{"type":"array","items":{"type":"object","properties":{"policy":{"type":"string"},
    "seed":{"type":"integer"},"rate_factor":{"type":"number"},"measured_s":{"type":"number","description":"after a warm-up"},
    "simulated_requests":{"type":"integer","description":"with the warm-up's"},
    "requests":{"type":"integer"},"served":{"type":"integer"},"good":{"type":"integer","description":"within their promise"},
    "goodput":{"type":"number","description":"good over requests"},"late_first_token":{"type":"integer"},"slow_tokens":{"type":"integer"},
    "rejected":{"type":"object","additionalProperties":{"type":"integer"},"description":"requests by reason"},"unfinished":{"type":"integer"},
    "demands":{"type":"object","properties":{"kept":{"type":"integer"},"broken":{"type":"integer"},"planned":{"type":"integer","description":"whole, by the plan"},
      "planned_and_kept":{"type":"integer"},"refuted":{"type":"array","description":"planned whole, and missed by more than chance","items":{"type":"object","properties":{
        "demand":{"type":"string"},"requests":{"type":"integer"},"in_time":{"type":"integer"},"quantile":{"type":"number"}}}}}},
    "residency_violations":{"type":"integer"},"ttft_ms":{"$ref":"#/components/schemas/Times"},"tpot_ms":{"$ref":"#/components/schemas/Times"},
    "prompt_tokens":{"type":"integer"},"output_tokens":{"type":"integer"},"cached_tokens":{"type":"integer"},"good_output_tokens":{"type":"integer"},
    "replicas":{"type":"integer"},"accelerators":{"type":"integer"},"central_accelerators":{"type":"integer","description":"at core and cloud sites"},
    "moves":{"type":"integer"},"cost_eur_per_hour":{"type":"object","additionalProperties":{"type":"number"},"description":"total, and of accelerators, energy, transport"},
    "cost_eur_per_mtok":{"type":"number"},"cost_eur_per_good_mtok":{"type":"number"},"joules_per_token":{"type":"number"},
    "energy_kwh":{"type":"number"},"carbon_kg":{"type":"number"},"worst_link":{"type":"object","properties":{"link":{"type":"string"},"utilization":{"type":"number"}}},
    "tenants":{"type":"object","additionalProperties":{"$ref":"#/components/schemas/Tally"}},
    "sites":{"type":"object","additionalProperties":{"$ref":"#/components/schemas/Tally"}}}}}}})";
constexpr std::string_view kScheduleBody = R"({"type":"object","additionalProperties":false,"properties":{
    "periods":{"type":"integer","minimum":1,"maximum":24,"default":6,"description":"at most so many; fewer where more gain hardly anything"},
    "plans":{"type":"boolean","default":false,"description":"with each period's plan whole, as GET /api/v1/plan has it, and the prices that prove its bound"},
    "seed":{"type":"integer","minimum":0,"default":1},
    "work":{"type":"integer","minimum":1,"maximum":10000,"default":2000,"description":"iterations of each plan for each 1000 demands"},
    "time_limit_ms":{"type":"integer","minimum":0,"maximum":600000,"default":60000,"description":"then the best so far, with complete false"},
    "stream":{"type":"boolean","default":false,
      "description":"server-sent events: progress, then one report, the answer without it, or an error"}}})";
constexpr std::string_view kSchedule =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "complete":{"type":"boolean"},"cost_eur_per_day":{"type":"number"},"bound_eur_per_day":{"type":"number"},"gap":{"type":"number"},
    "moves":{"type":"integer"},"move_penalty_eur":{"type":"number"},"energy_kwh":{"type":"number"},"replicas_max":{"type":"integer"},
    "peak_all_day":{"$ref":"#/components/schemas/DayCost"},"kept_all_day":{"$ref":"#/components/schemas/DayCost"},
    "ignoring_moves":{"$ref":"#/components/schemas/DayCost"},
    "periods":{"type":"array","items":{"$ref":"#/components/schemas/PlannedPeriod"}}}})";
constexpr std::string_view kScheduleInForce =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "schedule_id":{"type":["string","null"],"description":"null: none is in force"},
    "accepted_at_offset":{"$ref":"#/components/schemas/Offset"},"reason":{"type":"string","description":"why it was asked for"},
    "now":{"$ref":"#/components/schemas/Turn"},"replanning":{"type":"string","description":"the schedule that is being made; absent: none is"},
    "cost_eur_per_day":{"type":"number"},"bound_eur_per_day":{"type":"number"},"gap":{"type":"number"},
    "moves":{"type":"integer"},"move_penalty_eur":{"type":"number"},"energy_kwh":{"type":"number"},"replicas_max":{"type":"integer"},
    "peak_all_day":{"$ref":"#/components/schemas/DayCost"},"kept_all_day":{"$ref":"#/components/schemas/DayCost"},
    "ignoring_moves":{"$ref":"#/components/schemas/DayCost"},
    "periods":{"type":"array","items":{"$ref":"#/components/schemas/PlannedPeriod"}}}})";
constexpr std::string_view kTeBody = R"({"type":"object","additionalProperties":false,"properties":{
    "segments_max":{"type":"integer","minimum":2,"maximum":3,"default":3,"description":"legs of a policy; a third only where two stay 1 % over the bound"},
    "adjacency":{"type":"boolean","default":false,"description":"segments may name links too, where routers alone stay 1 % over the bound"},
    "policies_max":{"type":"integer","minimum":0,"description":"demands that may leave the plain shortest paths"},
    "tolerance":{"type":"number","exclusiveMinimum":0,"maximum":10,"default":0.002,"description":"how far above the least it may end: the more, the fewer policies"},
    "failures":{"type":"boolean","default":false,"description":"with what losing each link does, and the few changes that help most then"},
    "changes_max":{"type":"integer","minimum":0,"maximum":20,"default":5,"description":"demands that get another policy after a failure"},
    "time_limit_ms":{"type":"integer","minimum":0,"maximum":60000,"default":20000,
      "description":"of the search, and again of the failures; then what stands, with complete false"},
    "stream":{"type":"boolean","default":false,
      "description":"server-sent events: progress, then one report, the answer without it, or an error"}}})";
constexpr std::string_view kTe = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "complete":{"type":"boolean"},"mlu":{"type":"number","description":"the fullest link over its capacity, with the policies"},
    "mlu_before":{"type":"number","description":"with shortest paths alone"},
    "bound":{"type":"number","description":"no routing can have less; certificate.prices prove it"},
    "gap":{"type":["number","null"]},"segment_bound":{"type":"number"},"demands":{"type":"integer"},"fixed_demands":{"type":"integer"},
    "steered_demands":{"type":"integer"},"stopped":{"type":"boolean"},"warnings":{"type":"array","items":{"type":"string"}},
    "pivots":{"type":"integer","description":"of the simplex: the work that it took"},
    "policies":{"type":"array","items":{"$ref":"#/components/schemas/Policy"}},
    "planned":{"type":"array","description":"what the plan's requests send","items":{"type":"object","properties":{"demand":{"type":"string"},"from":{"type":"string"},
      "to":{"type":"string"},"rate_gbps":{"type":"number"},"flex_algo":{"type":"string"},"fixed":{"type":"boolean"},
      "links":{"type":"array","items":{"type":"string"},"description":"of what keeps to the way it was planned over"}}}},
    "certificate":{"type":"object","properties":{"proves":{"type":"string","description":"how the bound follows from the prices"},"prices":{"type":"array","items":{
      "type":"object","properties":{"link":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"},"price":{"type":"number"}}}}}},
    "blocked":{"type":"array","items":{"type":"object","properties":{"demand":{"type":"string"},"rate_gbps":{"type":"number"},
      "reason":{"type":"string"},"relaxation":{"type":"string"}}}},
    "routers":{"type":"array","items":{"type":"object","properties":{"router":{"type":"string"},"site":{"type":"string"}}}},
    "links":{"type":"array","items":{"type":"object","properties":{"link":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"},
      "capacity_gbps":{"type":"number"},"before_gbps":{"type":"number"},"after_gbps":{"type":"number"}}}},
    "planes":{"type":"array","description":"the shortest paths of the IGP, then each flex algorithm","items":{"type":"object","properties":{
      "flex_algo":{"type":"string"},"name":{"type":"string"},"metric":{"enum":["igp","delay","te"]},"links":{"type":"array","items":{"type":"string"}},
      "demands":{"type":"integer"},"rate_gbps":{"type":"number"}}}},
    "ways":{"type":"array","description":"of at most 200 steered demands, the largest","items":{"type":"object","properties":{"demand":{"type":"string"},
      "from":{"type":"string"},"to":{"type":"string"},"rate_gbps":{"type":"number"},"flex_algo":{"type":"string"},"planned":{"type":"boolean"},
      "plain":{"type":"array","items":{"$ref":"#/components/schemas/LinkPart"},"description":"the links it took"},
      "lists":{"type":"array","items":{"$ref":"#/components/schemas/Policy"},"description":"that it takes"}}}},
    "failures":{"type":"object","properties":{"complete":{"type":"boolean"},"links":{"type":"integer"},"each":{"type":"array",
      "items":{"type":"object","properties":{"link":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"},"mlu_failed":{"type":"number"},
      "mlu":{"type":"number","description":"with the changes"},"changed_demands":{"type":"integer"},
      "changes":{"type":"array","items":{"$ref":"#/components/schemas/Policy"}},"cut_off_demands":{"type":"integer"},
      "fullest":{"type":"array","items":{"type":"object","properties":{"link":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"},
        "utilization_failed":{"type":"number"},"utilization":{"type":"number"}}}}}}}}}}})";
constexpr std::string_view kUsage = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "from":{"type":["string","null"],"format":"date-time"},"to":{"type":["string","null"],"format":"date-time"},
    "step":{"enum":["hour","day","month"],"description":"of the accounts that it was read from"},
    "kept_from":{"type":["string","null"],"format":"date-time","description":"before it nothing is kept; null: everything is"},
    "closed_to":{"type":["string","null"],"format":"date-time","description":"the end of the last window on the log"},
    "group_by":{"type":"array","items":{"type":"string"}},
    "usage":{"type":"array","items":{"$ref":"#/components/schemas/Usage"},"description":"of closed windows: final, and on the log"},
    "total":{"$ref":"#/components/schemas/Usage"},
    "open":{"type":"array","items":{"$ref":"#/components/schemas/Usage"},"description":"of the last minute or two, not on the log yet"}}})";
constexpr std::string_view kHealth = R"({"type":"object","properties":{"status":{"const":"ok"}}})";
constexpr std::string_view kReady = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "table_offset":{"$ref":"#/components/schemas/Offset"},"plan_id":{"type":"string"},
    "table_valid_until":{"type":"string","format":"date-time"},"table_age_s":{"type":"number"},
    "serving_on_last_table":{"type":"boolean","description":"the core should have renewed it by now"},
    "residency_assured":{"type":"boolean","description":"false after table_valid_until: requests bound to a jurisdiction are refused"},
    "policy":{"type":"string","description":"where requests go: tandem, or a baseline to measure against"}}})";
constexpr std::string_view kServing = R"({"type":"object","properties":{
    "engines":{"type":"object","description":"that the routing table in force leads to","properties":{"all":{"type":"integer"},"emulated":{"type":"integer"}}},
    "from":{"type":"string","format":"date-time"},
    "to":{"type":"string","format":"date-time"},"total":{"$ref":"#/components/schemas/Serving"},
    "minutes":{"type":"array","items":{"$ref":"#/components/schemas/Serving"},"description":"ascending, each with `at`; the last is open"},
    "sites":{"type":"array","items":{"$ref":"#/components/schemas/Serving"},"description":"of all, each with `site`, the busiest first; at most 101, beyond which they are summed as `other`"},
    "tenants":{"type":"array","items":{"$ref":"#/components/schemas/Serving"},"description":"likewise, each with `tenant`"},
    "rejections":{"type":"array","items":{"type":"object","properties":{"code":{"type":"string"},"requests":{"type":"integer"}}}}}})";

constexpr std::array kGridRoutes{
    Route{Operation::get_grid, "GET", "/api/v1/grid", "Sites, links and regions with their state and predicted load.",
          "", "", kGrid},
    Route{Operation::get_site, "GET", "/api/v1/sites/{id}", "One site with its pools, deployments, nodes and links.",
          "", "", kSite},
    Route{Operation::get_link, "GET", "/api/v1/links/{id}",
          "One link with its load each way and what shares its ducts.", "", "", kLink},
    Route{Operation::preview_site, "GET", "/api/v1/sites/{id}/preview",
          "What the twin predicts if the site went to that state.", "state", "", kPreview},
    Route{Operation::preview_link, "GET", "/api/v1/links/{id}/preview",
          "What the twin predicts if the link went to that state.", "state", "", kPreview},
    Route{Operation::set_site_state, "POST", "/api/v1/sites/{id}/state",
          "Powers a site down or up. Simulated grids only.", "", kStateSchema, kRecorded},
    Route{Operation::set_link_state, "POST", "/api/v1/links/{id}/state",
          "Cuts or restores a link. Simulated grids only.", "", kStateSchema, kRecorded},
    Route{Operation::post_facts, "POST", "/api/v1/facts",
          "Records facts, all of them or none; answers when they are durable.", "", kFactsSchema, kRecorded},
    Route{Operation::get_plan, "GET", "/api/v1/plan",
          "The accepted plan with its cost, bound and a reason for each demand.", "", "", kPlan},
    Route{Operation::get_predictive_models, "GET", "/api/v1/predictive-models",
          "The predictive models that this process serves at /v2: state, memory, what came of their requests, inputs "
          "and outputs.",
          "", "", kPredictiveModels},
    Route{Operation::post_whatif, "POST", "/api/v1/whatif",
          "What breaks when things fail: all failures of a class, the worst first, or some at once, closely.", "",
          kWhatIfSchema, kWhatIf},
    Route{Operation::get_decisions, "GET", "/api/v1/decisions",
          "The last routing decisions of the gateways, newest first; 50, at most 1000.", "limit", "", kDecisions},
    Route{Operation::get_trials, "GET", "/api/v1/trials",
          "Shadows and canaries: requests, times, tokens and cost of both sides, since the process started.", "", "",
          kTrials},
    Route{Operation::get_decision, "GET", "/api/v1/decisions/{id}",
          "One decision: what was known, what was weighed, what ruled it out.", "", "", kDecision},
    Route{Operation::get_log, "GET", "/api/v1/log",
          "Events of the log from an offset on; 100, at most 1000, and fewer where they are large: `next` goes on.",
          "from limit brief", "", kLog},
    Route{Operation::get_stream, "GET", "/api/v1/stream",
          "Live updates as server-sent events: state, grid, load, decision, plan, log.", "", "", ""},
    Route{Operation::get_usage, "GET", "/api/v1/usage",
          "Requests, tokens, cost, energy and carbon by tenant, model, site and time; as CSV where that is accepted.",
          "from_hour to_hour tenant model site group_by", "", kUsage},
    Route{Operation::get_serving, "GET", "/api/v1/serving",
          "The last hour, or since the start, by minute, site and tenant: goodput, times to first token, tokens, cost, "
          "rejections by reason.",
          "minutes site tenant", "", kServing},
    Route{Operation::post_replay, "POST", "/api/v1/replay",
          "Simulates the demands' requests on the grid as it is, under one or several policies.", "", kReplayBody,
          kReplay},
    Route{Operation::get_schedule, "GET", "/api/v1/schedule",
          "The schedule in force, where demand or radio reserve changes over the day: its periods, what the day costs, "
          "which period it is now and which comes next.",
          "", "", kScheduleInForce},
    Route{Operation::post_schedule, "POST", "/api/v1/schedule",
          "Plans the day of the grid as it is in periods, so that what moves cost is in the sum. Changes nothing.", "",
          kScheduleBody, kSchedule},
    Route{Operation::post_te, "POST", "/api/v1/te",
          "Segment-routing policies for the traffic as planned: the fullest link before and after, a proven bound, and "
          "after each link's failure. Changes nothing.",
          "", kTeBody, kTe},
    Route{Operation::get_ontology, "GET", "/api/v1/ontology",
          "Every kind of entity: attributes, relations both ways, constraints, mappings; or one kind.", "kind", "",
          kOntology},
    Route{Operation::get_openapi, "GET", "/api/v1/openapi.json", "This description.", "", "", kOpenApi},
    Route{Operation::get_health, "GET", "/healthz", "The process runs.", "", "", kHealth},
    Route{Operation::get_ready, "GET", "/readyz", "A routing table is published and valid.", "", "", kReady},
    Route{Operation::get_metrics, "GET", "/metrics", "Metrics in the Prometheus text format.", "", "", ""},
};

}  // namespace

std::span<const Route> grid_routes() { return kGridRoutes; }
std::string_view plan_schema() { return kPlan; }

}  // namespace tandem::api
