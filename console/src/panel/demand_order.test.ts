import { expect, test } from 'vitest';
import type { PlanDemand } from '../api/contract';
import { orderedDemands } from './demand_order';

const demand = (id: string, rate_per_s: number, ttft_ms: number | null, blocked_by = ''): { demand: PlanDemand } => ({
  demand: {
    id, tenant: id, region: `r-${id}`, model: 'm', rate_per_s, ttft_ms, ttft_promise_ms: 100, quantile: 0.95, blocked_by,
    splits: ttft_ms === null ? [] : [{ deployment: 'd', pool: 'p', site: 's', fraction: 1 }],
    reason: '', alternatives: [],
  } as unknown as PlanDemand,
});
const all = [demand('a10', 1, 90), demand('a9', 5, 20), demand('b', 3, null, 'power')];
const ids = (sort?: string) => orderedDemands(all, sort, (id) => id).map((e) => e.demand.id);

test('a plan shows what is blocked first, then what is busy', () => expect(ids()).toEqual(['b', 'a9', 'a10']));
test('a column sorts either way, names by their numbers', () => {
  expect(ids('tenant')).toEqual(['a9', 'a10', 'b']);
  expect(ids('-rate')).toEqual(['a9', 'b', 'a10']);
  expect(ids('nothing')).toEqual(ids());
});
test('what is answered nowhere comes last, either way', () => {
  expect(ids('margin')).toEqual(['a9', 'a10', 'b']);
  expect(ids('-margin')).toEqual(['a10', 'a9', 'b']);
});
