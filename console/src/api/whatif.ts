// POST /api/v1/whatif: what failures do to the grid as it is, with word of how far it is while it is worked out.
import { askDesk } from './desk';
import { fields, list, number, text, texts, type Fields } from './fields';

export const failureClasses: Record<string, string> = {
  'links:1': 'each link',
  'links:2': 'every pair of links',
  'nodes:1': 'each router',
  'nodes:2': 'every pair of routers',
  'srlgs:1': 'each duct and other shared risk',
  'srlgs:2': 'every pair of shared risks',
  'sites:1': 'each site',
  'sites:2': 'every pair of sites',
  'members:1': 'a member of each bundle',
};

export interface WhatIfQuestion {
  fail: string;
  traffic: 'auto' | 'own' | 'gravity' | 'uniform';
  worst: number;
  time_limit_ms: number;
}

export interface Progress {
  done: number;
  all: number;
  breaking: number; // scenarios so far that break a promise
}

export interface PromiseHurt {
  demand: string;
  tenant: string;
  region: string;
  model: string;
  rate_per_s: number;
  leaves: boolean; // its traffic leaves its residency
  at_once: boolean; // breaks as things fail
  stays: string | undefined; // why it stays broken when requests have failed over; undefined where it does not
}

export interface LinkUse {
  id: string;
  utilization: number;
}

export interface Scenario {
  failed: string[]; // ids of what the question let fail
  residencies_left: number; // demands whose traffic does, on a repair or once routing has converged
  promises_broken: number; // at once
  stay_broken: number; // after failover
  utilization_max: number;
  lost_gbps: number;
  worst_link: string | undefined;
  fullest: LinkUse[];
  links_down: string[];
  sites_down: string[];
  hurt: PromiseHurt[];
}

export interface Upgrade {
  link: string;
  from: string;
  to: string;
  capacity_gbps: number;
  add_gbps: number;
  overloaded_in: number; // scenarios
  utilization_max: number;
  harm_share: number; // of all overload in all scenarios
  harm_per_cost: number; // Gbit/s of overload removed for a Gbit/s · km
}

export interface WhatIfReport {
  answer: unknown; // as it came
  offset: number;
  fail: string;
  complete: boolean;
  scenarios: number;
  scenarios_per_s: number;
  promises: number;
  breaking: number;
  overloading: number;
  losing: number;
  leaving: number; // a residency
  undisturbed_utilization: number;
  traffic: string;
  worst: Scenario[];
  upgrades: Upgrade[];
}

// Those who leave their residency, break at once or stay broken, each demand once: in that order of harm, the worst first.
function readHurt(row: Fields): PromiseHurt[] {
  const hurt = new Map<string, PromiseHurt>();
  const read = (value: unknown): PromiseHurt => {
    const of = fields(value);
    const known = hurt.get(text(of.demand));
    const promise: PromiseHurt = known ?? {
      demand: text(of.demand),
      tenant: text(of.tenant),
      region: text(of.region),
      model: text(of.model),
      rate_per_s: number(of.rate_per_s),
      leaves: false,
      at_once: false,
      stays: undefined,
    };
    hurt.set(promise.demand, promise);
    return promise;
  };
  for (const one of list(row.left_residency)) read(one).leaves = true;
  for (const one of list(row.broken_at_once)) read(one).at_once = true;
  for (const one of list(fields(row.after_failover).promises_broken)) read(one).stays = text(fields(one).reason) || 'broken';
  return [...hurt.values()].sort(
    (a, b) =>
      Number(b.leaves) - Number(a.leaves) ||
      Number(!!b.stays) - Number(!!a.stays) ||
      a.tenant.localeCompare(b.tenant) ||
      b.rate_per_s - a.rate_per_s ||
      a.demand.localeCompare(b.demand),
  );
}

function readScenario(value: unknown): Scenario {
  const of = fields(value);
  return {
    failed: texts(of.failed),
    residencies_left: number(of.residencies_left),
    promises_broken: number(of.promises_broken),
    stay_broken: list(fields(of.after_failover).promises_broken).length,
    utilization_max: number(of.utilization_max),
    lost_gbps: number(of.lost_gbps),
    worst_link: text(fields(of.worst_link).id) || undefined,
    fullest: list(of.fullest_links).map((one) => ({ id: text(fields(one).id), utilization: number(fields(one).utilization) })),
    links_down: texts(of.links_down),
    sites_down: texts(of.sites_down),
    hurt: readHurt(of),
  };
}

function readUpgrade(value: unknown): Upgrade {
  const of = fields(value);
  return {
    link: text(of.link),
    from: text(of.from),
    to: text(of.to),
    capacity_gbps: number(of.capacity_gbps),
    add_gbps: number(of.add_gbps),
    overloaded_in: number(of.overloaded_in),
    utilization_max: number(of.utilization_max),
    harm_share: number(of.harm_share),
    harm_per_cost: number(of.harm_per_gbps_km),
  };
}

export function readReport(value: unknown): WhatIfReport {
  const of = fields(value);
  return {
    answer: value,
    offset: number(of.offset),
    fail: text(of.fail),
    complete: of.complete !== false,
    scenarios: number(of.scenarios),
    scenarios_per_s: number(of.scenarios_per_s),
    promises: number(of.promises),
    breaking: number(of.breaking),
    overloading: number(of.overloading),
    losing: number(of.losing),
    leaving: number(of.leaving),
    undisturbed_utilization: number(fields(of.undisturbed).utilization_max),
    traffic: text(fields(of.traffic).formula),
    worst: list(of.worst).map(readScenario),
    upgrades: list(of.upgrades).map(readUpgrade),
  };
}

export interface TenantHurt {
  tenant: string;
  failures: number; // of those listed, that break a promise of theirs
  demands: number; // different ones
  stay: number; // of them, that stay broken after failover in one failure or another
}

// Whom the listed failures hurt: those with most failures first.
export function hurtByTenant(scenarios: Scenario[]): TenantHurt[] {
  const tenants = new Map<string, { failures: number; demands: Set<string>; stay: Set<string> }>();
  for (const scenario of scenarios) {
    const here = new Set<string>();
    for (const one of scenario.hurt) {
      const known = tenants.get(one.tenant) ?? { failures: 0, demands: new Set<string>(), stay: new Set<string>() };
      tenants.set(one.tenant, known);
      known.demands.add(one.demand);
      if (one.stays) known.stay.add(one.demand);
      if (!here.has(one.tenant)) known.failures += 1;
      here.add(one.tenant);
    }
  }
  return [...tenants]
    .map(([tenant, of]) => ({ tenant, failures: of.failures, demands: of.demands.size, stay: of.stay.size }))
    .sort((a, b) => b.failures - a.failures || b.demands - a.demands || a.tenant.localeCompare(b.tenant));
}

const readProgress = (value: unknown): Progress => {
  const of = fields(value);
  return { done: number(of.done), all: number(of.all), breaking: number(of.breaking) };
};

export const askWhatIf = async (question: WhatIfQuestion, tell: (progress: Progress) => void, signal: AbortSignal): Promise<WhatIfReport> =>
  readReport(await askDesk('whatif', question, (progress) => tell(readProgress(progress)), signal));
