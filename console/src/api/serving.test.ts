import { expect, test } from 'vitest';
import { readServingHour, rejectionName, servingPath } from './serving';

test('an hour is read, the most frequent rejection first', () => {
  const read = readServingHour({
    from: '2026-11-22T10:01:00.000000000Z',
    total: { requests: 5, goodput_fraction: 0.8, cost_eur: 0.5 },
    minutes: [
      { at: '2026-11-22T10:01:00.000000000Z', requests: 0, goodput_fraction: null, ttft_p95_ms: null },
      { at: '2026-11-22T10:02:00.000000000Z', requests: 5, output_tokens_per_s: 12.5, ttft_p95_ms: 210 },
    ],
    sites: [{ site: 'ber', requests: 5 }],
    tenants: [{ tenant: 'acme', requests: 5, rejected: 1 }],
    rejections: [
      { code: 'capacity', requests: 1 },
      { code: 'residency', requests: 3 },
    ],
  });
  expect(read.total.goodput).toBe(0.8);
  expect(read.at_s[1]! - read.at_s[0]!).toBe(60);
  expect(read.minutes[0]?.goodput).toBeNull();
  expect(read.minutes[1]?.ttft_p95_ms).toBe(210);
  expect(read.sites[0]?.name).toBe('ber');
  expect(read.tenants[0]?.rejected).toBe(1);
  expect(read.rejections.map((r) => r.code)).toEqual(['residency', 'capacity']);
});

test('a rejection says why, in words', () => {
  expect(rejectionName('path_residency')).toBe('no path within the residency');
  expect(rejectionName('plan')).toBe('the plan turns this share away');
  expect(rejectionName('something_new')).toBe('something new');
});

test('what is not there reads as nothing', () => {
  expect(readServingHour(null).minutes).toEqual([]);
  expect(readServingHour({ total: 7 }).total.requests).toBe(0);
});

test('one site or tenant is asked for by its name', () => {
  expect(servingPath(undefined)).toBe('serving');
  expect(servingPath({ kind: 'tenant', name: 'a&b' })).toBe('serving?tenant=a%26b');
});
