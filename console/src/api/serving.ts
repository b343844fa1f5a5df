// GET /api/v1/serving: what the gateways served over the last hour, by minute, site and tenant.
import { fields, known, list, number, text } from './fields';

export interface Serving {
  requests: number;
  requests_per_s: number;
  goodput: number | null; // [0, 1]; null: nobody asked
  ttft_p50_ms: number | null;
  ttft_p95_ms: number | null;
  prompt_tokens_per_s: number;
  output_tokens_per_s: number;
  cost_eur: number;
  rejected: number;
}

export interface NamedServing extends Serving {
  name: string;
}

export interface ServingHour {
  from: string;
  to: string;
  total: Serving;
  at_s: number[]; // the minutes' beginnings, since 1970
  minutes: Serving[];
  sites: NamedServing[]; // the busiest first, as the next
  tenants: NamedServing[];
  engines: { all: number; emulated: number }; // that requests are led to now
  rejections: { code: string; requests: number }[]; // the most frequent first
}

// Of one site or one tenant, or of all.
export type Scope = { kind: 'site' | 'tenant'; name: string } | undefined;

function readServing(value: unknown): Serving {
  const of = fields(value);
  return {
    requests: number(of.requests),
    requests_per_s: number(of.requests_per_s),
    goodput: known(of.goodput_fraction),
    ttft_p50_ms: known(of.ttft_p50_ms),
    ttft_p95_ms: known(of.ttft_p95_ms),
    prompt_tokens_per_s: number(of.prompt_tokens_per_s),
    output_tokens_per_s: number(of.output_tokens_per_s),
    cost_eur: number(of.cost_eur),
    rejected: number(of.rejected),
  };
}

const readNamed = (key: 'site' | 'tenant') => (value: unknown): NamedServing => ({
  name: text(fields(value)[key]),
  ...readServing(value),
});

export function readServingHour(value: unknown): ServingHour {
  const of = fields(value);
  return {
    from: text(of.from),
    to: text(of.to),
    total: readServing(of.total),
    at_s: list(of.minutes).map((minute) => Math.floor(Date.parse(text(fields(minute).at)) / 1000)),
    minutes: list(of.minutes).map(readServing),
    sites: list(of.sites).map(readNamed('site')),
    tenants: list(of.tenants).map(readNamed('tenant')),
    engines: { all: number(fields(of.engines).all), emulated: number(fields(of.engines).emulated) },
    rejections: list(of.rejections)
      .map((one) => ({ code: text(fields(one).code), requests: number(fields(one).requests) }))
      .sort((a, b) => b.requests - a.requests || a.code.localeCompare(b.code)),
  };
}

const rejectionNames: Record<string, string> = {
  model: 'no site runs the model',
  model_not_found: 'a model that is not there',
  unsupported_model: 'the model does not do what was asked',
  tenant_model: 'the tenant may not use the model',
  residency: 'no site within the residency',
  path_residency: 'no path within the residency',
  down: 'what runs the model is down',
  unreachable: 'no path from the region',
  unhealthy: 'engines keep failing',
  promise: 'the promise cannot be kept',
  promise_ttft: 'the first token would be late',
  promise_tpot: 'tokens would come too slowly',
  plan: 'the plan turns this share away',
  excluded: 'every engine tried had failed',
  capacity: 'no place free, nor in the queue',
  queue_full: 'the queue is full',
  queue_timeout: 'waited too long in the queue',
  rate_limit_exceeded: "over the tenant's rate",
  insufficient_quota: "the tenant's budget is spent",
  engine_failed: 'the engine failed',
  connections: 'the gateway is out of connections',
  missing_api_key: 'no key',
  invalid_api_key: 'a key that is not known',
};
export const rejectionName = (code: string): string => rejectionNames[code] ?? code.replace(/_/g, ' ');

export const servingPath = (scope: Scope): string =>
  scope ? `serving?${scope.kind}=${encodeURIComponent(scope.name)}` : 'serving';
