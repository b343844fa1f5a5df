import { describe, expect, it } from 'vitest';
import type { AttributeSpec, Claim, TimelineEvent } from '../api/inventory';
import { comparisonOf, factsOf, inOrder } from './claims';
import { csvOf } from './csv';
import { parseFilter } from './filter';
import { around, spread } from './neighbourhood';
import { elevationOf, type Mounted } from './rack';
import { stopAt, stopOf, stopsOf } from './timeline';
import { attributeLabel, parseTyped, referenceOf, same, textWithUnit, typedText } from './values';

const spec = (name: string, type: string, more: Partial<AttributeSpec> = {}): AttributeSpec => ({
  name, type, unit: '', list: false, required: false, choices: [], format: '', personal: false, refers_to: [], description: '', ...more,
});

describe('values', () => {
  it('are shown with the unit that their name ends in', () => {
    expect(textWithUnit('capacity_gbps', 100)).toBe('100 Gb/s');
    expect(textWithUnit('position_u', 12)).toBe('12 U');
    expect(textWithUnit('tags', ['a', 'b'])).toBe('a, b');
    expect(textWithUnit('peak_power_w', null)).toBe('empty');
    expect(textWithUnit('population', 1234567)).toBe('1,234,567');
    expect(textWithUnit('length_km', 331.8)).toBe('331.8 km');
    expect(textWithUnit('cost_eur_per_gb', 0.00116)).toBe('0.00116 €/GB');
    expect(attributeLabel('power_limit_kw')).toBe('power limit');
  });
  it('name entities of one kind, or of the kind they are written with', () => {
    const isKind = (name: string) => name === 'router';
    expect(referenceOf('r/1', spec('rack', 'reference', { refers_to: ['rack'] }), isKind)).toEqual({ kind: 'rack', id: 'r/1' });
    expect(referenceOf('router/r1', spec('on', 'reference', { refers_to: ['router', 'server'] }), isKind)).toEqual({ kind: 'router', id: 'r1' });
    expect(referenceOf('r1', spec('name', 'text'), isKind)).toBeUndefined();
  });
  it('are compared by what they say', () => {
    expect(same({ a: 1, b: [2] }, { b: [2], a: 1 })).toBe(true);
    expect(same([1, 2], [2, 1])).toBe(false);
    expect(same(null, '')).toBe(false);
  });
  it('are read as they are typed, or refused with what would be right', () => {
    expect(parseTyped(' 1,200 ', spec('n', 'integer'))).toEqual({ value: 1200 });
    expect(parseTyped('1.5', spec('n', 'integer'))).toHaveProperty('problem');
    expect(parseTyped('99', spec('position_u', 'integer', { maximum: 60 }))).toEqual({ problem: 'At most 60.' });
    expect(parseTyped('', spec('n', 'text'))).toEqual({ value: null });
    expect(parseTyped('a, b', spec('tags', 'text', { list: true }))).toEqual({ value: ['a', 'b'] });
    expect(parseTyped('gone', spec('status', 'choice', { choices: ['active'] }))).toEqual({ problem: 'One of active.' });
    expect(parseTyped('{"a":1}', spec('r', 'record'))).toEqual({ value: { a: 1 } });
    expect(parseTyped('[', spec('r', 'record', { list: true }))).toHaveProperty('problem');
    expect(typedText([1, 2], spec('n', 'integer', { list: true }))).toBe('1, 2');
  });
});

const claim = (attribute: string, source: string, value: Claim['value'], more: Partial<Claim> = {}): Claim => ({
  attribute, source, value, standing: 'observed', confidence: 1, valid_from: '2026-01-01T00:00:00Z', valid_to: null,
  recorded_at: '2026-01-01T00:00:00Z', offset: 1, holds: true, believed: false, ...more,
});
const now_ms = Date.parse('2026-06-01T00:00:00Z');

describe('claims', () => {
  it('of one voice hide its earlier ones', () => {
    const [fact] = factsOf([claim('serial', 'scan', 'A', { offset: 1 }), claim('serial', 'scan', 'B', { offset: 2, believed: true })]);
    expect(fact!.current.map((c) => c.value)).toEqual(['B']);
    expect(fact!.past.map((c) => c.value)).toEqual(['A']);
    expect(fact!.disputed).toBe(false);
  });
  it('that have ended say nothing', () => {
    const [fact] = factsOf([claim('serial', 'old', 'A', { holds: false }), claim('serial', 'scan', 'B', { believed: true })]);
    expect(fact!.current.map((c) => c.source)).toEqual(['scan']);
  });
  it('are compared where they differ, by standing and source', () => {
    const facts = factsOf(
      [
        claim('rack', 'scan', 'r2', { standing: 'discovered', believed: true }),
        claim('rack', 'planning', 'r1', { standing: 'intended' }),
        claim('serial', 'scan', 'X', { standing: 'discovered', believed: true }),
        claim('serial', 'planning', 'X', { standing: 'intended' }),
      ],
    );
    const { voices, rows } = comparisonOf(facts);
    expect(voices.map((v) => v.source)).toEqual(['planning', 'scan']);
    expect(rows.map((r) => [r.attribute, ...r.cells.map((c) => c?.value)])).toEqual([['rack', 'r1', 'r2']]);
    expect(inOrder(facts, ['serial', 'rack']).map((f) => f.attribute)).toEqual(['serial', 'rack']);
  });
});

const said = (offset: number, at: string): TimelineEvent => ({ offset, at, source: 's', what: 'said', attribute: 'a', before: undefined, after: offset });

describe('the time line', () => {
  const stops = stopsOf([said(9, '2026-05-31T00:00:00Z'), said(5, '2026-01-01T00:00:00Z'), said(6, '2026-01-01T00:00:00Z'), said(5, '2026-01-01T00:00:00Z')], now_ms);
  it('has one stop for each place of the log, apart from each other and from now', () => {
    expect(stops.map((s) => [s.offset, s.events.length])).toEqual([[5, 2], [6, 1], [9, 1]]);
    expect(stops[0]!.place).toBe(0);
    expect(stops[1]!.place - stops[0]!.place).toBeGreaterThan(0.1);
    expect(1 - stops[2]!.place).toBeGreaterThan(0.1);
  });
  it('finds the stop under the hand and the stop an address names', () => {
    expect(stopAt(stops, 0)).toBe(0);
    expect(stopAt(stops, 1)).toBe(3);
    expect(stopOf(stops, undefined)).toBe(3);
    expect(stopOf(stops, '8')).toBe(1);
    expect(stopOf(stops, '4')).toBe(-1);
    expect(stopOf(stops, '2026-03-01T00:00:00Z')).toBe(1);
  });
  it('holds a hundred changes of one second', () => {
    const burst = stopsOf(Array.from({ length: 100 }, (_, i) => said(i, '2026-05-31T23:59:59Z')), now_ms);
    for (let i = 1; i < burst.length; i++) expect(burst[i]!.place).toBeGreaterThan(burst[i - 1]!.place);
    expect(burst[99]!.place).toBeLessThan(1);
    expect(burst[0]!.place).toBeGreaterThanOrEqual(0);
  });
});

const device = (id: string, position_u: number | undefined, height_u: number, face?: 'front' | 'rear'): Mounted => ({
  kind: 'router', id, name: id, position_u, height_u, face, status: 'active',
});

describe('a rack', () => {
  it('knows what is used, what is free and what collides', () => {
    const rack = elevationOf(10, [device('a', 1, 2), device('b', 5, 1, 'front'), device('c', 5, 1, 'rear'), device('d', 2, 1), device('e', 10, 2), device('f', undefined, 1)]);
    expect(rack.used_u).toBe(3);
    expect(rack.free).toEqual([{ low_u: 3, high_u: 4 }, { low_u: 6, high_u: 10 }]);
    expect(rack.largest_free_u).toBe(5);
    expect(rack.collisions.map(([x, y]) => [x.id, y.id])).toEqual([['a', 'd']]);
    expect(rack.unplaced.map((d) => d.id)).toEqual(['e', 'f']);
    expect(rack.front.find((s) => s.device.id === 'd')).toMatchObject({ lane: 1, lanes: 2 });
    expect(rack.front.map((s) => s.device.id)).toEqual(['a', 'd', 'b']);
  });
  it('takes half units as they come', () => {
    const rack = elevationOf(4, [device('a', 1, 1.5), device('b', 2.5, 0.5)]);
    expect(rack.collisions).toEqual([]);
    expect(rack.free).toEqual([{ low_u: 3, high_u: 4 }]);
  });
  it('shows from the rear what stands in the front with nothing behind it', () => {
    const rack = elevationOf(4, [device('a', 1, 1, 'front')]);
    expect(rack.rear).toMatchObject([{ device: { id: 'a' }, behind: true }]);
  });
});

describe('a neighbourhood', () => {
  it('keeps directions where it can and order where it cannot', () => {
    const apart = spread([0, 0.01, 0.02, 3], 0.5);
    for (let i = 1; i < apart.length; i++) expect(apart[i]! - apart[i - 1]!).toBeGreaterThanOrEqual(0.499);
    expect(apart[1]).toBeCloseTo(0.01);
    expect(apart[3]).toBe(3);
    expect(spread([], 1)).toEqual([]);
    const many = spread(Array.from({ length: 30 }, () => 1), 0.5);
    expect(Math.max(...many) - Math.min(...many)).toBeCloseTo((2 * Math.PI * 29) / 30);
  });
  it('puts the north above and the east to the right', () => {
    const place = (id: string, latitude_deg: number, longitude_deg: number) => ({ id, name: id, latitude_deg, longitude_deg, links: [] });
    const placed = around({ latitude_deg: 50, longitude_deg: 10 }, [place('n', 51, 10), place('e', 50, 11)], 100, 50);
    expect(placed.find((p) => p.id === 'n')!.y).toBeCloseTo(-50);
    expect(placed.find((p) => p.id === 'e')!.x).toBeCloseTo(100);
  });
});

describe('a filter', () => {
  it('is words and conditions', () => {
    expect(parseFilter('status=active  core name="Bad Homburg" height_u>=2 rack!=r1 x=')).toEqual({
      text: 'core',
      conditions: { status: 'active', name: 'Bad Homburg', 'height_u[gte]': '2', 'rack[ne]': 'r1' },
    });
  });
});

describe('CSV', () => {
  it('quotes what it must', () => {
    expect(csvOf(['a', 'b'], [['x,y', 'say "no"'], [null, [1]]])).toBe('a,b\r\n"x,y","say ""no"""\r\n,[1]\r\n');
  });
});
