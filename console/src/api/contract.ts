// What the server says: the native API under /api/v1, as far as the console reads it. Units are in the names.
// Times are RFC 3339 in UTC; ids are opaque strings.

export type Tier = 'device' | 'far_edge' | 'near_edge' | 'core' | 'cloud';
export type State = 'up' | 'down';

export interface GridSite {
  id: string;
  name: string;
  tier: Tier;
  latitude_deg: number;
  longitude_deg: number;
  jurisdiction: string;
  state: State;
  power_limit_kw: number;
  pools: { id: string; accelerator: string; count: number }[];
  accelerators: number;
}

export interface GridLink {
  id: string;
  a_site: string;
  b_site: string;
  capacity_gbps: number;
  delay_us: number;
  length_km: number;
  state: State;
  srlgs: string[];
  utilization_ab: number;
  utilization_ba: number;
}

export interface GridRegion {
  id: string;
  name: string;
  latitude_deg: number;
  longitude_deg: number;
  anchors: string[];
}

export interface Grid {
  offset: number;
  name: string;
  simulated: boolean;
  policy?: string; // where requests go: a baseline to measure against, if not "tandem"
  sites: GridSite[];
  links: GridLink[];
  regions: GridRegion[];
  models: string[];
  tenants: string[];
}

export interface SiteDeployment {
  id: string;
  model: string;
  pool: string;
  replicas: number;
  requests_per_s: number;
  in_flight: number;
  tpot_ms: number;
  emulated: boolean;
}

export interface SiteDetail {
  offset: number;
  id: string;
  name: string;
  tier: Tier;
  jurisdiction: string;
  state: State;
  latitude_deg: number;
  longitude_deg: number;
  power_limit_kw: number;
  power_w: number;
  price_eur_per_kwh: number;
  carbon_gco2_per_kwh: number;
  pue: number;
  pools: { id: string; accelerator: string; count: number; in_use: number }[];
  deployments: SiteDeployment[];
  links: string[];
  nodes: string[];
}

export interface LinkDetail {
  offset: number;
  id: string;
  a_site: string;
  b_site: string;
  state: State;
  capacity_gbps: number;
  delay_us: number;
  length_km: number;
  srlgs: string[];
  utilization_ab: number;
  utilization_ba: number;
  load_ab_gbps: number;
  load_ba_gbps: number;
  shares_risk_with: string[];
}

export interface BrokenPromise {
  demand: string;
  tenant: string;
  region: string;
  model: string;
  reason: string;
}

// The twin's verdict on a change that nobody has made yet.
export interface Preview {
  offset: number;
  // Absent before the first plan: nothing is promised yet.
  promises_broken?: BrokenPromise[];
  promises_kept?: number;
  worst_link?: { id: string; utilization: number } | null;
  cost_eur_per_hour_delta?: number;
  way_back: string;
}

export interface PlanDeployment {
  id: string;
  model: string;
  pool: string;
  site: string;
  replicas: number;
}

export interface Alternative {
  site: string;
  pool: string;
  cost_eur_per_hour: number | null; // null where a gate ruled it out before it was known
  ttft_ms: number | null;
  ruled_out_by: string | null;
  detail?: string;
}

export interface PlanDemand {
  id: string;
  tenant: string;
  region: string;
  model: string;
  rate_per_s: number;
  splits: { deployment: string; site: string; pool: string; fraction: number }[];
  ttft_ms: number | null;
  ttft_promise_ms: number;
  rejected?: number; // the fraction that no site answers
  reason: string;
  blocked_by: string | null; // null or empty when nothing does
  alternatives: Alternative[];
}

// What a plan costs and draws, part by part.
export interface PlanTotals {
  accelerators_eur_per_hour: number;
  energy_eur_per_hour: number;
  transport_eur_per_hour: number;
  penalties_eur_per_hour: number; // for what is turned away: not spent, but what the policy says that it is worth
  moves_eur_per_hour: number;
  cost_eur_per_mtok: number; // without penalties
  joules_per_token: number;
  power_kw: number;
  carbon_kg_per_hour: number;
}

// One of a day's periods, and when it is. Hours are UTC.
export interface PeriodSpan {
  from_hour: number; // 0..23
  to_hour: number; // 1..24; not above `from_hour` where it goes on over midnight
  hours: number;
  begins_at: string;
  ends_at: string;
}
// Where the schedule in force stands.
export interface Turn {
  schedule_id: string;
  stale: boolean; // the grid has changed since: it is made again
  in_force: boolean; // the plan in force is for this period; false: one is being made for it
  period: PeriodSpan;
  next: (PeriodSpan & { moves: number; prepared: boolean }) | null;
}

export interface Plan {
  offset: number;
  plan_id: string | null; // null before the first plan; then only the lists are there, and they are empty
  accepted_at_offset?: number;
  cost_eur_per_hour?: number;
  bound_eur_per_hour?: number;
  gap?: number;
  moves?: number;
  origin?: 'draft' | 'quick' | 'whole'; // quick: the plan before, mended
  reason?: string; // why it was asked for
  totals?: PlanTotals;
  replanning?: string; // the plan that is being made
  schedule?: Turn | null; // null: the plan is for any hour
  deployments: PlanDeployment[];
  demands: PlanDemand[];
}

// Read by decisions.ts from what the gateways record.
export interface Decision {
  id: string;
  at: string;
  tenant: string;
  region: string;
  model: string;
  site: string;
  deployment: string;
  ttft_ms: number | null; // of a streamed answer
  duration_ms: number | null; // to the last byte
  predicted_ttft_ms: number | null;
  reason: string;
  outcome: string;
  broken: boolean; // a promise was not kept
}

export interface Candidate {
  site: string;
  deployment: string;
  chosen: boolean;
  gate: string | null;
  detail: string | null;
  cost_eur_per_million_tokens: number | null;
  round_trip_us: number | null;
  predicted_ttft_ms: number | null;
  plan_fraction: number; // of the demand, that the plan sends there
}

export interface DecisionWhy extends Decision {
  offset: number;
  known: Record<string, unknown>;
  counts_are_of_now: boolean; // the requests in flight were not kept from then
  candidates: Candidate[];
}

export interface LogEvent {
  offset: number;
  at: string;
  kind: string;
  summary: string;
  actor?: string;
  body?: unknown;
}

export interface LogPage {
  events: LogEvent[];
  next: number; // the offset after the last of them
}

// The stream: one server-sent event of each kind.
export interface StateDelta {
  offset: number;
  sites?: { id: string; state: State }[];
  links?: { id: string; state: State }[];
}

export interface Flow {
  region: string;
  site: string;
  requests_per_s: number;
}

export interface Goodput {
  requests_per_s: number;
  goodput_fraction: number | null;
  ttft_p50_ms: number | null;
  ttft_p95_ms: number | null;
}

export interface LoadDelta {
  offset: number;
  links: [id: string, ab: number, ba: number][];
  flows: Flow[];
  goodput: Goodput;
}

export interface PlanDelta {
  offset: number;
  plan_id: string;
  cost_eur_per_hour: number; // penalties included
  penalties_eur_per_hour: number; // not spent: for what is turned away
  bound_eur_per_hour: number;
  gap: number;
  moves: number;
}
