import { describe, expect, it } from 'vitest';
import { absolute, fromEuros, fromGbps, fromMs, fromUs, fromWatts, fullness, joined, parseTime, percent, plural, relative, signed, significant, whole, withoutFractions } from './format';

describe('significant', () => {
  it.each([
    [0, '0'],
    [0.0012345, '0.00123'],
    [1, '1.00'],
    [1.2345, '1.23'],
    [12.345, '12.3'],
    [123.45, '123'],
    [1234.5, '1,230'],
    [9.999, '10.0'],
    [999.6, '1,000'],
    [1234567, '1,230,000'],
    [-4.567, '−4.57'],
  ])('writes %d as %s', (value, text) => expect(significant(value)).toBe(text));

  it('writes a dash for what is not a number', () => {
    for (const none of [null, undefined, NaN, Infinity]) expect(significant(none)).toBe('–');
  });
});

describe('whole', () => {
  it('keeps every digit of an offset', () => {
    expect(whole(1234567)).toBe('1,234,567');
    expect(whole(-1200)).toBe('−1,200');
    expect(whole(undefined)).toBe('–');
    expect(plural(1, 'link')).toBe('1 link');
    expect(plural(1200, 'link')).toBe('1,200 links');
  });
});

describe('quantities', () => {
  it('picks the unit that fits', () => {
    expect(joined(fromEuros(0))).toBe('0 €');
    expect(joined(fromEuros(0.0000123))).toBe('12.3 µ€');
    expect(joined(fromUs(999.4))).toBe('999 µs');
    expect(joined(fromUs(999.9))).toBe('1.00 ms');
    expect(joined(fromUs(1_234_567))).toBe('1.23 s');
    expect(joined(fromMs(142.3))).toBe('142 ms');
    expect(joined(fromMs(12_340))).toBe('12.3 s');
    expect(joined(fromGbps(400))).toBe('400 Gb/s');
    expect(joined(fromGbps(1600))).toBe('1.60 Tb/s');
    expect(joined(fromGbps(0.0123))).toBe('12.3 Mb/s');
    expect(joined(fromWatts(51_240))).toBe('51.2 kW');
    expect(joined(fromMs(null))).toBe('–');
  });

  it('never rounds a broken promise away', () => {
    expect(percent(1)).toBe('100 %');
    expect(percent(0.99996)).toBe('99.99 %');
    expect(percent(0.9934)).toBe('99.3 %');
    expect(percent(0)).toBe('0 %');
    expect(percent(null)).toBe('–');
    expect([0, 1e-6, 0.001, 1.25].map(fullness)).toEqual(['0 %', '< 0.1 %', '0.100 %', '125 %']);
  });

  it('shows the sign of a change', () => {
    expect(signed(3.42)).toBe('+3.42');
    expect(signed(-3.42)).toBe('−3.42');
    expect(signed(0)).toBe('0');
  });
});

describe('times', () => {
  const now = Date.UTC(2026, 10, 21, 8, 0, 0);
  it('says how long ago', () => {
    expect(relative(now - 400, now)).toBe('now');
    expect(relative(now - 59_900, now)).toBe('59 s ago');
    expect(relative(now - 61_000, now)).toBe('1 min ago');
    expect(relative(now - 7_300_000, now)).toBe('2 h ago');
    expect(relative(now - 200_000_000, now)).toBe('2 d ago');
    expect(relative(now + 5_000, now)).toBe('in 5 s');
    expect(relative(NaN, now)).toBe('–');
  });

  it('reads nanoseconds', () => {
    expect(parseTime('2026-11-21T08:00:00.123456789Z')).toBe(now + 123);
    expect(parseTime('2026-11-21T08:00:00Z')).toBe(now);
    expect(parseTime('yesterday')).toBeNaN();
  });

  it('writes the full moment with its zone', () => {
    expect(absolute(now + 7)).toMatch(/^2026-11-2[0-2] \d\d:\d\d:00\.007 UTC[+−]\d\d:\d\d$/);
    expect(absolute(NaN)).toBe('unknown time');
  });
});

it('times in a text are told to the second', () => {
  expect(withoutFractions('from 2026-11-22T20:13:00.000000000Z to 2026-11-22T20:14:00.5Z, 1.25 s')).toBe('from 2026-11-22T20:13:00Z to 2026-11-22T20:14:00Z, 1.25 s');
});
