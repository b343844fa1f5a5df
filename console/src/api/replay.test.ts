import { expect, test } from 'vitest';
import { axisEnd, readComparison } from './replay';

test('a comparison is read, the largest tenant first', () => {
  const read = readComparison({
    offset: 7,
    verdict: 'tandem is best',
    policies: [
      {
        policy: 'tandem',
        requests: 10,
        goodput: 0.9,
        cost_eur_per_hour: { total: 3 },
        cost_eur_per_good_mtok: 0.5,
        demands: { kept: 3, broken: 1 },
        rejected: { capacity: 2, residency: 1 },
        tenants: {
          small: { requests: 2, promise: { ttft_ms: 100, tpot_ms: 30 } },
          large: { requests: 8, ttft_ms: { p50: 1, p95: 2, p99: 3 } },
        },
      },
    ],
  });
  const [tandem] = read.policies;
  expect(tandem?.demands).toBe(4);
  expect(tandem?.rejected).toBe(3);
  expect(tandem?.reasons).toEqual([{ code: 'capacity', requests: 2 }, { code: 'residency', requests: 1 }]);
  expect(tandem?.tenants.map((t) => t.name)).toEqual(['large', 'small']);
  expect(tandem?.tenants[0]?.ttft_ms.p99).toBe(3);
  expect(tandem?.tenants[0]?.promise).toBeUndefined();
  expect(tandem?.tenants[1]?.promise?.ttft_ms).toBe(100);
});

test('what is not there reads as nothing', () => {
  expect(readComparison(null)).toEqual({ answer: null, offset: 0, verdict: '', policies: [] });
  expect(readComparison({ policies: [null] }).policies[0]?.goodput).toBe(0);
});

test('an axis ends on a round number', () => {
  expect([0, 0.3, 0.5, 1.2, 7, 10, 11].map(axisEnd)).toEqual([1, 0.5, 0.5, 2, 10, 10, 20]);
});
