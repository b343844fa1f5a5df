import { expect, test } from 'vitest';
import { hurtByTenant, readReport } from './whatif';

const row = (tenant: string, demand: string) => ({ tenant, demand, region: 'r', model: 'm', rate_per_s: 2 });

test('who breaks at once and who stays broken are told apart, each demand once', () => {
  const report = readReport({
    offset: 9,
    fail: 'links:1',
    leaving: 1,
    worst: [
      {
        failed: ['a-b'],
        residencies_left: 1,
        left_residency: [row('ward', 'd4')],
        promises_broken: 2,
        broken_at_once: [row('clinic', 'd1'), row('shop', 'd2')],
        after_failover: { promises_broken: [{ ...row('shop', 'd2'), reason: 'too far' }, { ...row('shop', 'd3'), reason: 'full' }] },
        fullest_links: [{ id: 'c-d', utilization: 1.2 }],
        links_down: ['a-b'],
        worst_link: { id: 'c-d' },
      },
      { failed: ['c-d'], broken_at_once: [row('shop', 'd2')] },
    ],
  });
  const [first] = report.worst;
  expect(first?.stay_broken).toBe(2);
  expect(report.leaving).toBe(1);
  expect(first?.residencies_left).toBe(1);
  expect(first?.hurt.map((h) => [h.demand, h.leaves, h.at_once, h.stays])).toEqual([
    ['d4', true, false, undefined],
    ['d2', false, true, 'too far'],
    ['d3', false, false, 'full'],
    ['d1', false, true, undefined],
  ]);
  expect(first?.worst_link).toBe('c-d');
  expect(report.complete).toBe(true);
  expect(hurtByTenant(report.worst)).toEqual([
    { tenant: 'shop', failures: 2, demands: 2, stay: 2 },
    { tenant: 'clinic', failures: 1, demands: 1, stay: 0 },
    { tenant: 'ward', failures: 1, demands: 1, stay: 0 },
  ]);
});

test('what is not there reads as nothing', () => {
  expect(readReport(null).worst).toEqual([]);
  expect(readReport({ worst: [null], upgrades: [7] }).upgrades[0]?.link).toBe('');
});
