import { expect, test } from 'vitest';
import { movesInto, piecesOf, readSchedule, rowsBy, spanOf } from './schedule';

const deployment = (id: string, model: string, replicas: number) => ({ id, model, pool: `${id}-pool`, site: 's', replicas });
const day = readSchedule({
  complete: true,
  periods: [
    { from_hour: 4, to_hour: 22, hours: 18, deployments: [deployment('a', 'small', 5), deployment('b', 'large', 2), deployment('c', 'small', 1)] },
    { from_hour: 22, to_hour: 4, hours: 6, deployments: [deployment('a', 'small', 1), deployment('b', 'large', 2)] },
  ],
});

test('a period over midnight has a piece at each end of the day', () => {
  expect(piecesOf(day.periods)).toEqual([
    { period: 1, from: 0, to: 4 },
    { period: 0, from: 4, to: 22 },
    { period: 1, from: 22, to: 24 },
  ]);
  expect(piecesOf(readSchedule({ periods: [{ from_hour: 0, to_hour: 24, hours: 24 }] }).periods)).toEqual([{ period: 0, from: 0, to: 24 }]);
});

test('replicas are added by group, those with most first', () => {
  expect(rowsBy(day.periods, (d) => d.model)).toEqual([
    { name: 'small', replicas: [6, 1], most: 6 },
    { name: 'large', replicas: [2, 2], most: 2 },
  ]);
});

test('what starts and stops is told against the period before, over midnight too', () => {
  expect(movesInto(day.periods, 0).map((m) => [m.pool, m.before, m.after])).toEqual([['a-pool', 1, 5], ['c-pool', 0, 1]]);
  expect(movesInto(day.periods, 1).map((m) => [m.pool, m.before, m.after])).toEqual([['a-pool', 5, 1], ['c-pool', 1, 0]]);
  expect(movesInto(day.periods.slice(0, 1), 0)).toEqual([]);
});

test('a day in force is told from one that was asked for, and hours read as a clock shows them', () => {
  const run = readSchedule({ schedule_id: 'plan-7', now: { schedule_id: 'plan-7' }, periods: [{ from_hour: 22, to_hour: 4, hours: 6 }] });
  expect(run).toMatchObject({ in_force: 'plan-7', complete: true, now: { schedule_id: 'plan-7' } });
  expect(day).toMatchObject({ in_force: '', now: null });
  expect(readSchedule({ schedule_id: null, now: null, periods: [] })).toMatchObject({ in_force: '', now: null, complete: false });
  expect(run.periods.map(spanOf)).toEqual(['22:00–04:00']);
  expect(spanOf({ from_hour: 19, to_hour: 24, hours: 5 })).toBe('19:00–24:00');
  expect(spanOf({ from_hour: 0, to_hour: 24, hours: 24 })).toBe('all day');
});

test('what is not there reads as nothing', () => {
  expect(readSchedule(null)).toMatchObject({ complete: false, periods: [] });
  expect(readSchedule({ periods: [null] }).periods[0]?.deployments).toEqual([]);
});
