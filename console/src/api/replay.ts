// POST /api/v1/replay: requests simulated on the grid as it is, by policy.
import { fields, number } from './fields';

export const policyNames: Record<string, string> = {
  tandem: 'Joint plan',
  nearest: 'Nearest',
  'compute-then-network': 'Compute, then network',
  centralise: 'Centralise',
  'least-load': 'Least load',
  'round-robin': 'Round robin',
  cheapest: 'Cheapest',
};

export interface ReplayQuestion {
  policies: string[];
  duration_s: number;
  rate_factor: number;
  sizes: 'exponential' | 'fixed';
  seed: number;
}

export interface Times {
  p50: number;
  p95: number;
  p99: number;
}

export interface Tally {
  name: string;
  requests: number;
  goodput: number; // [0, 1]
  ttft_ms: Times;
  tpot_ms: Times;
  promise: { ttft_ms: number; tpot_ms: number } | undefined; // of a tenant
}

export interface PolicyReport extends Tally {
  eur_per_hour: number;
  eur_per_good_mtok: number; // of requests within their promise
  joules_per_token: number;
  demands_kept: number;
  demands: number;
  residency_violations: number;
  moves: number;
  rejected: number;
  reasons: { code: string; requests: number }[]; // of the rejected, the most frequent first
  late: number; // served, the first token after its promise
  slow: number; // served, tokens slower than promised
  tenants: Tally[]; // most requests first
  sites: Tally[];
}

export interface Comparison {
  answer: unknown; // as it came
  offset: number;
  verdict: string;
  policies: PolicyReport[];
}

const times = (value: unknown): Times => {
  const of = fields(value);
  return { p50: number(of.p50), p95: number(of.p95), p99: number(of.p99) };
};

function readTally(name: string, value: unknown): Tally {
  const of = fields(value);
  const promise = fields(of.promise);
  return {
    name,
    requests: number(of.requests),
    goodput: number(of.goodput),
    ttft_ms: times(of.ttft_ms),
    tpot_ms: times(of.tpot_ms),
    promise: number(promise.ttft_ms) > 0 ? { ttft_ms: number(promise.ttft_ms), tpot_ms: number(promise.tpot_ms) } : undefined,
  };
}

const readTallies = (value: unknown): Tally[] =>
  Object.entries(fields(value))
    .map(([name, tally]) => readTally(name, tally))
    .sort((a, b) => b.requests - a.requests || a.name.localeCompare(b.name));

function readPolicy(value: unknown): PolicyReport {
  const of = fields(value);
  const demands = fields(of.demands);
  const reasons = Object.entries(fields(of.rejected))
    .map(([code, requests]) => ({ code, requests: number(requests) }))
    .sort((a, b) => b.requests - a.requests || a.code.localeCompare(b.code));
  return {
    ...readTally(typeof of.policy === 'string' ? of.policy : '', value),
    eur_per_hour: number(fields(of.cost_eur_per_hour).total),
    eur_per_good_mtok: number(of.cost_eur_per_good_mtok),
    joules_per_token: number(of.joules_per_token),
    demands_kept: number(demands.kept),
    demands: number(demands.kept) + number(demands.broken),
    residency_violations: number(of.residency_violations),
    moves: number(of.moves),
    rejected: reasons.reduce((sum, one) => sum + one.requests, 0),
    reasons,
    late: number(of.late_first_token),
    slow: number(of.slow_tokens),
    tenants: readTallies(of.tenants),
    sites: readTallies(of.sites),
  };
}

export function readComparison(value: unknown): Comparison {
  const of = fields(value);
  return {
    answer: value,
    offset: number(of.offset),
    verdict: typeof of.verdict === 'string' ? of.verdict : '',
    policies: (Array.isArray(of.policies) ? of.policies : []).map(readPolicy),
  };
}

// The end of an axis that starts at zero: the next of 1, 2, 5 and their tens that is not below `most`.
export function axisEnd(most: number): number {
  if (!(most > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(most));
  for (const step of [1, 2, 5, 10]) if (step * ten >= most * (1 - 1e-9)) return step * ten;
  return 10 * ten;
}
