import { expect, test } from 'vitest';
import { fullestByLink, linksOfWay, readTe } from './te';

const part = (link: string, part: number) => ({ link, from: 'a', to: 'b', part });

test('links come with the fullest first, and a link is as full as its fuller direction', () => {
  const report = readTe({
    links: [
      { link: 'a-b', from: 'a', to: 'b', capacity_gbps: 100, before_gbps: 20, after_gbps: 30 },
      { link: 'c-d', from: 'c', to: 'd', capacity_gbps: 10, before_gbps: 9, after_gbps: 5 },
      { link: 'a-b', from: 'b', to: 'a', capacity_gbps: 100, before_gbps: 60, after_gbps: 10 },
      { link: 'e-f', from: 'e', to: 'f', capacity_gbps: 0, before_gbps: 0, after_gbps: 0 },
    ],
  });
  expect(report.loads.map((load) => `${load.from}>${load.to}`)).toEqual(['c>d', 'b>a', 'a>b', 'e>f']);
  expect(fullestByLink(report.loads, 'before').get('a-b')).toBe(0.6);
  expect(fullestByLink(report.loads, 'after').get('a-b')).toBe(0.3);
});

test('a way tells what it takes from what it left', () => {
  const way = readTe({
    ways: [
      {
        demand: 'd',
        plain: [part('a-b', 0.5), part('b-z', 0.5), part('a-z', 0.5)],
        lists: [
          { segments: [], fraction: 0.25, links: [part('a-z', 1)] },
          { segments: ['c', { link: 'c-z', from: 'c', to: 'z' }], fraction: 0.75, links: [part('a-c', 1), part('c-z', 1)] },
        ],
      },
    ],
  }).ways[0]!;
  const { taken, left } = linksOfWay(way);
  expect([...taken]).toEqual([['a-z', 0.25], ['a-c', 0.75], ['c-z', 0.75]]);
  expect([...left]).toEqual(['a-b', 'b-z']);
  expect(way.lists[1]!.segments[1]).toEqual({ link: 'c-z', from: 'c', to: 'z' });
});

test('failures come with what cuts off first, then the worst, each demand of a repair once', () => {
  const report = readTe({
    failures: {
      links: 3,
      each: [
        { link: 'a', mlu: 0.9, mlu_failed: 1.1, changes: [{ demand: 'd', fraction: 0.4 }, { demand: 'd', fraction: 0.6 }, { demand: 'e', fraction: 1 }] },
        { link: 'b', mlu: 0.2, mlu_failed: 0.2, cut_off_demands: 2 },
        { link: 'c', mlu: 1.2, mlu_failed: 1.2 },
      ],
    },
  });
  expect(report.failures?.map((failure) => failure.link)).toEqual(['b', 'c', 'a']);
  expect(report.failures?.[2]?.changes.map(({ demand, lists }) => [demand, lists.length])).toEqual([['d', 2], ['e', 1]]);
});

test('what is not there reads as nothing, and is not said to be whole or proven', () => {
  const report = readTe(null);
  expect(report.failures).toBeUndefined();
  expect(report.search_ended).toBe(false);
  expect(readTe({ stopped: false }).search_ended).toBe(true);
  expect(report.gap).toBeNull();
  expect(readTe({ ways: [null], links: [7], planes: [{}], blocked: ['x'] }).ways[0]?.lists).toEqual([]);
});
