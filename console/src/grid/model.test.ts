import { describe, expect, it } from 'vitest';
import type { Grid, GridLink, GridSite } from '../api/contract';
import { laneOf } from '../map/geometry';
import { applyLoad, applyState, GridModel } from './model';

const site = (id: string): GridSite => ({
  id,
  name: id.toUpperCase(),
  tier: 'core',
  latitude_deg: 50,
  longitude_deg: 10,
  jurisdiction: 'XA',
  state: 'up',
  power_limit_kw: 10,
  pools: [],
  accelerators: 4,
});
const link = (id: string, a_site: string, b_site: string): GridLink => ({
  id,
  a_site,
  b_site,
  capacity_gbps: 100,
  delay_us: 100,
  length_km: 20,
  state: 'up',
  srlgs: [],
  utilization_ab: 0.1,
  utilization_ba: 0.2,
});

function world(): GridModel {
  const grid: Grid = {
    offset: 10,
    name: 'test',
    simulated: true,
    sites: [site('a'), site('b'), site('c')],
    links: [link('ab', 'a', 'b'), link('ba', 'b', 'a'), link('bc', 'b', 'c'), link('loop', 'c', 'c')],
    regions: [],
    models: [],
    tenants: [],
  };
  return new GridModel(grid);
}

describe('the model', () => {
  it('knows which links meet at a site, each once', () => {
    expect(world().linksOfSite).toEqual([[0, 1], [0, 1, 2], [2, 3]]);
  });

  it('lays parallel links beside each other whichever way they are written', () => {
    const model = world();
    const lanes = [laneOf(model, 0), laneOf(model, 1)];
    // Seen from the same end, the offsets have opposite signs; the second link is written the other way round.
    expect(lanes[0]).toBe(-2.5);
    expect(lanes[1]).toBe(-2.5);
    expect(laneOf(model, 2)).toBeCloseTo(0);
  });
});

describe('a delta of state', () => {
  it('changes what it names and says what changed', () => {
    const model = world();
    const delta = { offset: 12, sites: [{ id: 'c', state: 'down' as const }], links: [{ id: 'ab', state: 'down' as const }] };
    expect(applyState(model, delta)).toEqual({
      sites: [{ index: 2, state: 'down' }],
      links: [{ index: 0, state: 'down' }],
      unknown: 0,
    });
    expect(model.offset).toBe(12);
    expect([model.sitesDown, model.linksDown]).toEqual([1, 1]);
    expect(model.linkWorks(model.links[2]!)).toBe(false);
    expect(model.linkWorks(model.links[1]!)).toBe(true);
    expect(applyState(model, delta)).toEqual({ sites: [], links: [], unknown: 0 });
  });

  it('ignores what is older than what is shown', () => {
    const model = world();
    applyState(model, { offset: 20, links: [{ id: 'ab', state: 'down' }] });
    expect(applyState(model, { offset: 19, links: [{ id: 'ab', state: 'up' }] }).links).toEqual([]);
    expect(model.link('ab')!.state).toBe('down');
  });

  it('takes a state that the log has already run past', () => {
    const model = world();
    applyLoad(model, { offset: 40, links: [], flows: [], goodput: { requests_per_s: 0, goodput_fraction: 1, ttft_p50_ms: 1, ttft_p95_ms: 1 } }, new Float32Array(4));
    expect(applyState(model, { offset: 38, links: [{ id: 'ab', state: 'down' }] }).links).toEqual([{ index: 0, state: 'down' }]);
    expect(model.offset).toBe(40);
  });

  it('counts what it does not know', () => {
    expect(applyState(world(), { offset: 11, sites: [{ id: 'new', state: 'down' }] }).unknown).toBe(1);
  });
});

describe('a delta of load', () => {
  const goodput = { requests_per_s: 0, goodput_fraction: 1, ttft_p50_ms: 1, ttft_p95_ms: 1 };

  it('repaints only the links whose colour would change', () => {
    const model = world();
    const painted = Float32Array.from(model.links, (l) => model.utilization(l));
    const changed = applyLoad(
      model,
      { offset: 11, links: [['ab', 0.1, 0.201], ['ba', 0.7, 0.2], ['gone', 1, 1]], flows: [], goodput },
      painted,
    );
    expect(changed).toEqual([1]);
    expect(model.link('ab')!.utilization_ba).toBe(0.201);
  });

  it('does not let small changes drift away unpainted', () => {
    const model = world();
    const painted = Float32Array.from(model.links, (l) => model.utilization(l));
    let repainted = 0;
    for (let i = 1; i <= 100; i++)
      repainted += applyLoad(model, { offset: 11, links: [['ab', 0.2 + i * 0.002, 0]], flows: [], goodput }, painted).length;
    expect(repainted).toBeGreaterThan(20);
    expect(Math.abs(painted[0]! - 0.4)).toBeLessThan(0.01);
  });

  it('never takes the offset back', () => {
    const model = world();
    applyLoad(model, { offset: 3, links: [], flows: [], goodput }, new Float32Array(4));
    expect(model.offset).toBe(10);
  });
});
