// Serves the built console and answers its contract from a synthetic grid, so that the console can be tested without the
// engine. Run by hand:
// node fixture_server.mjs [--port 8090] [--sites 72] [--links 130].
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeGrid } from './fixture_grid.mjs';
import { FixtureInventory } from './fixture_inventory.mjs';
import { dayInForce, engineerTraffic, planDay } from './fixture_planning.mjs';

// What is tested: the console as the program has it.
export const dist = process.env.CONSOLE_DIST ?? fileURLToPath(new URL('../../build/console-dist/', import.meta.url));
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };

const gateways = { health: 'unhealthy', residency: 'residency', model: 'model', promise: 'promise_ttft' };
// As the real server sends it, so that what it would forbid fails here too.
const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'";

// A fifth of it is what the policy holds against turning requests away.
const planTotals = (cost) => ({
  accelerators_eur_per_hour: cost * 0.7, energy_eur_per_hour: cost * 0.08, transport_eur_per_hour: cost * 0.01, penalties_eur_per_hour: cost * 0.2,
  moves_eur_per_hour: cost * 0.01, cost_eur_per_mtok: 0.55, joules_per_token: 1.2, power_kw: 160, carbon_kg_per_hour: 50,
});

// What each path takes in its query, as the description of the API has it; other paths take nothing.
const view = ['as_of', 'branch'];
export const queryParameters = {
  '/api/v1/sites/{id}/preview': ['state'],
  '/api/v1/links/{id}/preview': ['state'],
  '/api/v1/decisions': ['limit'],
  '/api/v1/log': ['from', 'limit', 'brief'],
  '/api/v1/serving': ['minutes', 'site', 'tenant'],
  '/api/v1/ontology': ['kind'],
  '/api/v1/inventory': ['dry_run', ...view],
  '/api/v1/inventory/{kind}/{id}': ['fields', ...view],
  '/api/v1/inventory/{kind}/{id}/relations': ['limit', ...view],
  '/api/v1/inventory/{kind}/{id}/claims': ['attribute', 'holds', 'limit', 'cursor', ...view],
  '/api/v1/inventory/{kind}/{id}/timeline': ['before', 'limit', ...view],
  '/api/v1/search': ['q', 'kind', 'limit', 'branch'],
  '/api/v1/discrepancies': ['kind', 'id', 'type', 'accepted', 'limit', ...view],
  '/api/v1/query': view,
  '/api/v1/branches/{name}/diff': ['limit', 'cursor', 'kind'],
  '/api/v1/branches/{name}/conflicts': ['limit'],
};
const listing = /^\/api\/v1\/inventory\/[^/]+$/; // conditions have any name, of which the inventory judges
const patterns = Object.entries(queryParameters).map(([pattern, names]) => [new RegExp(`^${pattern.replace(/\{\w+\}/g, '[^/]+')}$`), names]);

// Which parameter the path does not take, as the real server refuses it: a page that sends one fails here too.
function unknownParameter({ pathname, searchParams }) {
  if (listing.test(pathname)) return undefined;
  const takes = patterns.find(([pattern]) => pattern.test(pathname))?.[1] ?? [];
  return [...searchParams.keys()].find((name) => !takes.includes(name));
}

class Fixture {
  constructor(options) {
    this.grid = options.grid ? { ...makeGrid(options), ...options.grid } : makeGrid(options);
    this.offset = 1000;
    this.events = [];
    this.decisions = [];
    this.clients = new Set();
    this.seconds = 0;
    this.decided = 0;
    for (let i = 0; i < 180; i++) this.record('fact', `fixture fact ${i}: a pool reported its accelerators`, { fact: i });
    this.replan();
    for (let i = 0; i < 30; i++) this.decide();
    this.inventory = new FixtureInventory(this.grid, (kind, summary) => {
      this.record(kind, summary, {});
      return this.offset;
    });
    this.offset = Math.max(this.offset, this.inventory.offset);
  }

  up(id) {
    return this.grid.sites.find((s) => s.id === id)?.state === 'up';
  }

  record(kind, summary, body) {
    const event = { offset: ++this.offset, at: new Date().toISOString(), kind, summary, body };
    this.events.push(event);
    if (this.events.length > 50_000) this.events.shift();
    this.send('log', { offset: event.offset, at: event.at, kind, summary });
  }

  send(name, data) {
    for (const client of this.clients) client.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  // A site is a candidate for a region by distance; what is down or cut off is not.
  candidates(region, model) {
    const cutOff = (s) => this.grid.links.every((l) => (l.a_site !== s.id && l.b_site !== s.id) || l.state === 'down');
    return this.grid.sites
      .filter((s) => s.accelerators > 0)
      .map((s) => {
        const km = this.grid.kilometres(s, region) * 1.35;
        const scale = { cloud: 0.55, core: 0.8, near_edge: 1.1, far_edge: 1.7, device: 3 }[s.tier];
        const round_trip_us = Math.round(km * 9.8 + 1400);
        const ttft_ms = 60 + 180 * { cloud: 0.6, core: 0.8, near_edge: 1.1, far_edge: 1.6, device: 3 }[s.tier] + round_trip_us / 1000;
        const gate =
          s.state === 'down' || cutOff(s) ? 'health'
          : s.jurisdiction === 'XB' ? 'residency'
          : s.tier === 'far_edge' && model.includes('70b') ? 'model'
          : ttft_ms > 260 ? 'promise'
          : null;
        const detail = {
          health: 'no answer from the fixture site for 3 s',
          residency: `data of this tenant stays in XA; ${s.name} is in XB`,
          model: `${model} does not fit the accelerators there`,
          promise: `predicted ${Math.round(ttft_ms)} ms is later than the promised 260 ms`,
        }[gate] ?? null;
        return { site: s.id, deployment: `${model}@${s.id}`, chosen: false, gate, detail, cost_eur_per_million_tokens: 0.4 * scale * (model.includes('70b') ? 4 : 1) + km / 4000, round_trip_us, predicted_ttft_ms: ttft_ms };
      })
      .sort((a, b) => a.round_trip_us - b.round_trip_us)
      .slice(0, 12)
      .sort((a, b) => !!a.gate - !!b.gate || a.cost_eur_per_million_tokens - b.cost_eur_per_million_tokens);
  }

  replan() {
    const { regions, models, tenants, next } = this.grid;
    this.assignment = regions.map((region, i) => {
      const model = models[i % models.length];
      const candidates = this.candidates(region, model);
      return { region, model, tenant: tenants[i % tenants.length], candidates, best: candidates.filter((c) => !c.gate).slice(0, 1 + (i % 3 === 0)) };
    });
    const previous = this.plan;
    const deployments = new Map();
    const demands = this.assignment.map(({ region, model, tenant, candidates, best }, i) => {
      for (const c of best) {
        const id = c.deployment;
        const site = this.grid.sites.find((s) => s.id === c.site);
        const d = deployments.get(id) ?? { id, model, pool: site.pools[0].id, site: c.site, replicas: 0 };
        d.replicas += 1;
        deployments.set(id, d);
      }
      return {
        id: `demand-${i}`, tenant, region: region.id, model, rate_per_s: region.weight * 3,
        splits: best.map((c, k) => ({ deployment: c.deployment, site: c.site, fraction: best.length === 1 ? 1 : k === 0 ? 0.7 : 0.3 })),
        ttft_ms: best.length ? Math.max(...best.map((c) => c.predicted_ttft_ms)) : null, ttft_promise_ms: 260,
        reason: best.length ? 'The cheapest pools that are resident and keep the promise with one failure to spare.' : 'No pool passes every gate.',
        blocked_by: best.length ? null : 'promise',
        alternatives: candidates.filter((c) => !best.includes(c)).slice(0, 5).map((c) => ({ site: c.site, cost_eur_per_hour: c.cost_eur_per_million_tokens * 9, ttft_ms: c.predicted_ttft_ms, ruled_out_by: c.gate })),
      };
    });
    const cost = [...deployments.values()].reduce((sum, d) => sum + d.replicas * 2.9, 0);
    this.plan = {
      offset: this.offset, plan_id: `plan-${this.offset}`, accepted_at_offset: this.offset, cost_eur_per_hour: cost, bound_eur_per_hour: cost * 0.987, origin: 'quick', reason: 'the grid changed at offset 7',
      gap: 0.013, totals: planTotals(cost), deployments: [...deployments.values()], demands,
    };
    const before = new Set(previous?.deployments.map((d) => d.id));
    const moves = previous ? [...deployments.keys()].filter((d) => !before.has(d)).length : 0;
    const { offset, plan_id, cost_eur_per_hour, bound_eur_per_hour, gap, totals: { penalties_eur_per_hour } } = this.plan;
    this.record('plan.accepted', `fixture plan ${plan_id}: ${deployments.size} deployments, ${moves} moves`, { plan_id, moves });
    this.send('plan', { offset, plan_id, cost_eur_per_hour, penalties_eur_per_hour, bound_eur_per_hour, gap, moves });
  }

  decide() {
    const { next } = this.grid;
    const a = this.assignment[Math.floor(next() * this.assignment.length)];
    const chosen = a.best[Math.floor(next() * a.best.length)];
    const late = !chosen || next() < 0.02;
    const decision = {
      id: `d-${++this.decided}`, at: new Date().toISOString(), tenant: a.tenant, region: a.region.id, model: a.model,
      site: chosen?.site ?? '', deployment: chosen?.deployment ?? '', ttft_us: chosen ? chosen.predicted_ttft_ms * (0.85 + next() * 0.3 + (late ? 0.6 : 0)) * 1000 : null,
      predicted_ttft_us: (chosen?.predicted_ttft_ms ?? 0) * 1000, duration_us: 2_100_000, overhead_us: 18.4, cost_euros: 0.00031, attempts: chosen ? 1 : 0, status: chosen ? 200 : 503,
      prompt_tokens: 412, output_tokens: 188, promise_ttft_ms: 260, promise_tpot_ms: 40, promise_kept: !late,
      reason: chosen ? 'plan_split' : 'rejected', gate: chosen ? 'none' : 'promise_ttft', outcome: chosen ? 'ok' : 'rejected', streamed: true, offset: this.plan.offset,
      candidates: a.candidates.map((c) => ({ ...c, chosen: c === chosen, gate: gateways[c.gate] ?? 'none', plan_fraction: a.best.includes(c) ? (a.best.length === 1 ? 1 : c === a.best[0] ? 0.7 : 0.3) : 0 })),
    };
    this.decisions.unshift(decision);
    this.decisions.length = Math.min(this.decisions.length, 1000);
    const { candidates, ...listed } = decision;
    this.send('decision', listed);
  }

  second() {
    this.seconds++;
    const t = this.seconds;
    const dark = (l) => l.state === 'down' || !this.up(l.a_site) || !this.up(l.b_site);
    const links = this.grid.links.map((l) => {
      const wave = 1 + 0.25 * Math.sin(t / 17 + l.phase);
      l.utilization_ab = dark(l) ? 0 : Math.min(l.base * wave, 1);
      l.utilization_ba = dark(l) ? 0 : Math.min(l.base * 0.6 * wave, 1);
      return [l.id, l.utilization_ab, l.utilization_ba];
    });
    const flows = this.assignment.flatMap(({ region, best }) =>
      best.map((c, i) => ({ region: region.id, site: c.site, requests_per_s: region.weight * 3 * (best.length === 1 ? 1 : i === 0 ? 0.7 : 0.3) * (1 + 0.2 * Math.sin(t / 11 + region.weight)) })),
    );
    const down = this.grid.links.filter((l) => l.state === 'down').length + this.grid.sites.filter((s) => s.state === 'down').length;
    const hurt = this.hurt_until > t ? 0.12 : 0;
    this.send('load', {
      offset: this.offset, links, flows,
      goodput: {
        requests_per_s: flows.reduce((sum, f) => sum + f.requests_per_s, 0), goodput_fraction: Math.min(0.994 - hurt + 0.004 * Math.sin(t), 1),
        ttft_p50_ms: 142 + 8 * Math.sin(t / 9) + down * 6, ttft_p95_ms: 231 + 14 * Math.sin(t / 7) + down * 18 + hurt * 900,
      },
    });
  }

  setState(kind, item, state) {
    item.state = state;
    this.hurt_until = this.seconds + 4;
    this.record(`${kind}.state`, `fixture ${kind} ${item.id} is ${state}`, { id: item.id, state });
    this.send('state', { offset: this.offset, sites: [], links: [], [`${kind}s`]: [{ id: item.id, state }] });
    this.replan();
    return { offset: this.offset };
  }

  preview(kind, item, state) {
    const demands = this.plan.demands.filter((d) => (kind === 'site' ? d.splits.some((s) => s.site === item.id) : this.grid.links.indexOf(item) % 4 === 0 && d.rate_per_s > 4)).slice(0, 6);
    const broken = state === 'down' ? demands : [];
    return {
      offset: this.offset, promises_broken: broken.map((d) => ({ demand: d.id, tenant: d.tenant, region: d.region, model: d.model, reason: 'first token later than promised' })),
      promises_kept: this.plan.demands.length - broken.length, worst_link: { id: this.grid.links[3].id, utilization: 0.83 },
      cost_eur_per_hour_delta: state === 'down' ? 3.42 : -3.42, way_back: state === 'down' ? `Restore it: the routing returns within a second, and no replica has to be moved.` : 'Cut it again.',
    };
  }

  site(s) {
    const in_use = (p) => Math.round(p.count * 0.6);
    return {
      offset: this.offset, ...s, power_w: s.state === 'up' ? s.power_limit_kw * 610 : 0, price_eur_per_kwh: 0.184, carbon_gco2_per_kwh: 231, pue: 1.24,
      pools: s.pools.map((p) => ({ ...p, in_use: s.state === 'up' ? in_use(p) : 0 })),
      deployments: this.plan.deployments.filter((d) => d.site === s.id).map((d) => ({ id: d.id, model: d.model, pool: d.pool, replicas: d.replicas, requests_per_s: d.replicas * 2.31, in_flight: d.replicas * 3, tpot_ms: 21.7, emulated: true })),
      links: this.grid.links.filter((l) => l.a_site === s.id || l.b_site === s.id).map((l) => l.id), nodes: [`${s.id}-r1`],
    };
  }

  link({ base, phase, ...l }) {
    return {
      offset: this.offset, ...l, load_ab_gbps: l.utilization_ab * l.capacity_gbps, load_ba_gbps: l.utilization_ba * l.capacity_gbps,
      shares_risk_with: this.grid.links.filter((o) => o.id !== l.id && o.srlgs.some((x) => l.srlgs.includes(x))).map((o) => o.id),
    };
  }

  // Made up, and the same for every question: what is tested is how it is shown.
  replay({ policies, duration_s }) {
    const times = (ms) => ({ mean: ms, p50: ms * 0.8, p90: ms * 1.4, p95: ms * 1.6, p99: ms * 2.2, max: ms * 3 });
    const { tenants, sites } = this.grid;
    const report = (policy, i) => {
      const goodput = [0.95, 0.72, 0.86, 0.91, 0.88, 0.6, 0.78][i] ?? 0.5;
      const tally = (requests, k) => ({ requests, served: requests, good: Math.round(requests * goodput), goodput: goodput - k * 0.01, ttft_ms: times(90 + 20 * i + 15 * k), tpot_ms: times(24 + 4 * i) });
      return {
        policy, ...tally(duration_s * 800, 0), demands: { kept: Math.round(120 * goodput), broken: 120 - Math.round(120 * goodput) }, seed: 1,
        cost_eur_per_hour: { total: 190 + 20 * i }, cost_eur_per_mtok: 0.4 + 0.05 * i, cost_eur_per_good_mtok: (0.4 + 0.05 * i) / goodput, joules_per_token: 1 + 0.1 * i,
        rejected: { capacity: 100 * i }, late_first_token: 40 * i, slow_tokens: 25 * i, residency_violations: policy === 'least-load' ? 12 : 0, moves: 3 * i,
        tenants: Object.fromEntries(tenants.map((t, k) => [t, { ...tally(900 - 50 * k, k), promise: { ttft_ms: 260, tpot_ms: 40, quantile: 0.95 } }])),
        sites: Object.fromEntries(sites.filter((s) => s.accelerators > 0).slice(0, 30).map((s, k) => [s.id, tally(700 - 20 * k, k % 5)])),
      };
    };
    return { offset: this.offset, verdict: 'tandem is best: 95 % of requests good (fixture)', policies: policies.map(report) };
  }

  // Made up of waves over the hour; one site or tenant is a share of all.
  serving(query) {
    // Young: started five minutes ago, and asked in its third minute alone.
    const known = this.young ? (this.young_minutes ?? 5) : 60;
    const now = Date.now();
    const first = Math.floor(now / 60_000) * 60_000 - (known - 1) * 60_000;
    const none = { requests: 0, requests_per_s: 0, goodput_fraction: null, ttft_p50_ms: null, ttft_p95_ms: null, prompt_tokens_per_s: 0, output_tokens_per_s: 0, cost_eur: 0, rejected: 0 };
    const of = query.get('site') ?? query.get('tenant');
    const cell = (scale, wave) => ({
      requests: Math.round(6000 * scale * wave), requests_per_s: 100 * scale * wave, goodput_fraction: Math.min(1, 0.995 - 0.06 * Math.max(0, wave - 1.2)),
      ttft_p50_ms: 92 * wave, ttft_p95_ms: 210 * wave * wave, prompt_tokens_per_s: 31_000 * scale * wave, output_tokens_per_s: 12_400 * scale * wave,
      cost_eur: 0.21 * scale * wave, rejected: Math.round(4 * scale * Math.max(0, wave - 1)),
    });
    const wave = (i) => 1 + 0.3 * Math.sin(i / 7) + 0.05 * Math.sin(i * 2.3);
    const all = (key, names) => names.map((name, i) => ({ [key]: name, ...cell(0.4 / (i + 1), 1 + 0.04 * i) }));
    return {
      engines: { all: 12, emulated: 9 },
      from: new Date(first).toISOString(), to: new Date(now).toISOString(), total: { ...cell(of ? 0.4 : 1, 1), cost_eur: of ? 5 : 12.6, rejected: of ? 9 : 143 },
      minutes: Array.from({ length: known }, (_, i) => ({ at: new Date(first + i * 60_000).toISOString(), ...(this.young && i !== Math.min(2, known - 1) ? none : cell(of ? 0.4 : 1, wave(i))) })),
      sites: all('site', this.grid.sites.filter((s) => s.accelerators > 0).slice(0, 12).map((s) => s.id)), tenants: all('tenant', this.grid.tenants),
      rejections: [['capacity', 88], ['rate_limit_exceeded', 41], ['residency', 9], ['model_not_found', 5]].map(([code, requests]) => ({ code, requests: of ? Math.ceil(requests / 9) : requests })),
    };
  }

  // A canary that can be told apart in some measures, and a shadow that has hardly begun.
  trials() {
    if (this.untried) return { offset: this.offset, trials: [] };
    const measure = (name, base, candidate, half, told_apart) => ({
      measure: name, base, candidate, difference: base === null || candidate === null ? null : candidate - base,
      difference_low: half === null ? null : candidate - base - half, difference_high: half === null ? null : candidate - base + half, told_apart,
    });
    const side = (requests, failed, dropped) => ({ requests, ok: requests - failed - dropped, failed, dropped });
    return {
      offset: this.offset,
      trials: [
        { id: 'next-8b', mode: 'canary', model: 'fixture-8b', to_model: 'fixture-32b', to_site: '', share_fraction: 0.05, base: side(48_210, 61, 0), candidate: side(2_540, 14, 0), comparison: [
          measure('failed_fraction', 61 / 48_210, 14 / 2_540, 0.0029, true), measure('ttft_ms_p50', 92, 118, 4.1, true), measure('ttft_ms_p95', 210, 221, 19, false),
          measure('tpot_ms_p50', 11.2, 10.9, 0.2, true), measure('tpot_ms_p95', 19.4, 19.6, 1.1, false), measure('output_tokens_per_answer', 188, 176, 8.2, true),
          measure('eur_per_answer', 0.000174, 0.000121, 0.00002, true),
        ] },
        { id: 'to-the-edge', mode: 'shadow', model: 'fixture-70b', to_model: 'fixture-70b', to_site: this.grid.sites[3].id, share_fraction: 0.01, base: side(41, 0, 0), candidate: side(41, 0, 12), comparison: [
          measure('failed_fraction', 0, 0, 0.1, false), measure('ttft_ms_p50', 240, 205, 50, false), measure('ttft_ms_p95', 410, 340, null, false),
          measure('tpot_ms_p50', null, null, null, false),
        ] },
      ],
    };
  }

  predictive() {
    if (this.untried) return { site: null, memory_bytes: 0, memory_bytes_max: 0, models: [] };
    const model = (name, version, state, more = {}) => ({
      model: name, version, state, reason: null, memory_bytes: state === 'ready' ? 48e6 * version : 0, predictions: 12_400 * version, errors: 3, evictions: 0, max_batch: 256, batch_deadline_us: 200,
      recent: { span_s: 90, requests_per_s: 41, predictions_per_s: state === 'ready' ? 212.4 : 0, errors: 1, rows_per_batch: state === 'ready' ? 18.2 : null, answer_ms_p50: state === 'ready' ? 1.8 : null, answer_ms_p99: state === 'ready' ? 6.4 : null },
      inputs: [{ name: 'counters', datatype: 'FP32', shape: [-1, 4] }, { name: 'cell', datatype: 'INT64', shape: [-1] }], outputs: [{ name: 'load', datatype: 'FP32', shape: [-1, 3] }], ...more,
    });
    return {
      site: this.grid.sites[1].id, memory_bytes: 640 * 2 ** 20, memory_bytes_max: 2 ** 30,
      models: [
        model('cell-load', 1, 'ready'), model('cell-load', 2, 'ready'), model('churn', 1, 'evicted', { evictions: 7 }),
        model('anomaly', 1, 'failed', { reason: 'ONNX Runtime: Load model failed: Protobuf parsing failed.', inputs: [], outputs: [], predictions: 0 }),
      ],
    };
  }

  // Each link down in turn, in the order of the fixture: progress first, then the report.
  whatif({ fail, worst }) {
    const { links, sites } = this.grid;
    const hurt = (i) => this.plan.demands.slice(0, Math.max(0, 9 - i)).map(({ id, tenant, region, model, rate_per_s }) => ({ demand: id, tenant, region, model, rate_per_s }));
    const bySite = fail.startsWith('sites');
    const scenario = (i) => {
      const busy = links.filter((l) => l !== links[i]).slice(i, i + 8).map((l, k) => ({ id: l.id, utilization: 1.3 - 0.02 * i - 0.1 * k }));
      const ids = bySite ? [sites[i].id] : [links[i].id];
      return {
        failed: ids, promises_broken: hurt(i).length, utilization_max: busy[0].utilization, lost_gbps: i % 3 === 0 ? 4.2 : 0, broken_at_once: hurt(i),
        after_failover: { promises_broken: hurt(i + 6).map((one) => ({ ...one, reason: 'promise_ttft', fraction: 1 })), cost_eur_per_hour_delta: 1 },
        worst_link: { ...busy[0] }, fullest_links: busy, links_down: bySite ? links.filter((l) => l.a_site === ids[0] || l.b_site === ids[0]).map((l) => l.id) : ids, sites_down: bySite ? ids : [],
      };
    };
    const all = bySite ? sites.length : links.length;
    const events = [0.3, 0.6, 0.9].map((share) => ['progress', { done: Math.round(all * share), all, breaking: Math.round(9 * share), overloading: 6, worst: [] }]);
    const upgrades = links.slice(0, 6).map((l, i) => ({
      link: l.id, from: l.a_site, to: l.b_site, capacity_gbps: l.capacity_gbps, length_km: l.length_km, add_gbps: 40 - 5 * i, overloaded_in: 9 - i, utilization_max: 1.4 - 0.05 * i,
      excess_gbps_mean: 6 - i, gbps_km: 4000, harm_share: 0.4 / (i + 1), harm_per_gbps_km: 0.012 / (i + 1),
    }));
    const report = {
      offset: this.offset, fail, failures: all, scenarios: all, scenarios_per_s: 25_000, complete: true, promises: this.plan.demands.length, breaking: 9, overloading: 15, losing: 5,
      undisturbed: { utilization_max: 0.62, lost_gbps: 0 }, traffic: { formula: 'fixture traffic', flows: 40, gbps: 300 },
      worst: Array.from({ length: Math.min(worst, all) }, (_, i) => scenario(i)), upgrades,
    };
    return [...events, ['report', report]];
  }

  answer(method, parts, query, body) {
    const [what, id, verb] = parts;
    const missing = { status: 404, body: { error: { message: `There is no ${parts.join(' ')}.` } } };
    if (what === 'grid') {
      const { name, simulated, sites, links, regions, models, tenants } = this.grid;
      return { body: { offset: this.offset, name, simulated, sites, links: links.map(({ base, phase, ...l }) => l), regions: regions.map(({ weight, ...r }) => r), models, tenants } };
    }
    const known = this.inventory.answer(method, parts, query, body);
    if (known) return known;
    if (what === 'plan') return { body: { ...this.plan, schedule: this.scheduled ? dayInForce(this).now : null } };
    if (what === 'schedule' && method === 'GET') return { body: this.scheduled ? dayInForce(this) : { offset: this.offset, schedule_id: null, now: null, periods: [] } };
    if (what === 'serving') return { body: this.serving(query) };
    if (what === 'trials') return this.broken ? { status: 503, body: { error: { message: 'the grid is still being read; try again in a moment' } } } : { body: this.trials() };
    if (what === 'predictive-models') return this.broken ? { status: 503, body: { error: { message: 'the grid is still being read; try again in a moment' } } } : { body: this.predictive() };
    if (what === 'replay' && method === 'POST') return { body: this.replay(JSON.parse(body)) };
    if (what === 'whatif' && method === 'POST') return { events: this.whatif(JSON.parse(body)) };
    if ((what === 'te' || what === 'schedule') && method === 'POST') {
      if (this.broken) return { status: 503, body: { error: { message: 'no plan is accepted yet; try again in a moment' } } };
      const events = (what === 'te' ? engineerTraffic : planDay)(this, JSON.parse(body), this.planning ?? 'usual');
      return this.planning === 'endless' ? { events: events.slice(0, 1), endless: true } : { events };
    }
    if (what === 'log') {
      const from = Number(query.get('from') ?? 0);
      const events = this.events.filter((e) => e.offset >= from).slice(0, Math.min(query.get('limit') ?? 100, this.log_page ?? 1000))
        .map(({ body, ...event }) => (query.get('brief') === 'true' ? event : { ...event, body }));
      return { body: { events, next: events.length ? events[events.length - 1].offset + 1 : from } };
    }
    if (what === 'decisions') {
      const plain = ({ candidates, ...d }) => d;
      if (!id) return { body: { decisions: this.decisions.slice(0, Number(query.get('limit') ?? 50)).map(plain) } };
      const found = this.decisions.find((d) => d.id === id);
      return found ? { body: { request: plain(found), plan: this.plan.plan_id, live_as_then: true, candidates: found.candidates } } : missing;
    }
    if (what === 'sites' || what === 'links') {
      const item = this.grid[what].find((x) => x.id === id);
      if (!item) return missing;
      const kind = what.slice(0, -1);
      if (verb === 'preview') return { body: this.preview(kind, item, query.get('state')) };
      if (verb === 'state' && method === 'POST') {
        if (!this.grid.simulated) return { status: 403, body: { error: { message: 'This grid is not simulated.' } } };
        return { body: this.setState(kind, item, JSON.parse(body).state) };
      }
      return { body: kind === 'site' ? this.site(item) : this.link(item) };
    }
    return missing;
  }
}

// Starts the fixture; resolves to {url, fixture, close}.
export async function serveFixture(options = {}) {
  const fixture = new Fixture(options);
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://fixture');
    if (url.pathname === '/api/v1/stream') {
      if (fixture.deaf) {
        response.writeHead(503).end();
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': fixture\n\n');
      fixture.clients.add(response);
      request.on('close', () => fixture.clients.delete(response));
      return;
    }
    if (url.pathname.startsWith('/v2/models/') && request.method === 'POST') {
      let body = '';
      for await (const chunk of request) body += chunk;
      const known = request.headers.authorization === 'Bearer sk-fixture';
      const [values] = known ? JSON.parse(body).inputs.map((input) => input.data) : [[]];
      response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(known ? { model_name: 'cell-load', model_version: '2', outputs: [{ name: 'load', datatype: 'FP32', shape: [1, 3], data: [values.length, 0.25, 0.75] }] } : { error: 'The API key is not known here.' }));
      return;
    }
    if (url.pathname.startsWith('/api/v1/')) {
      let body = '';
      for await (const chunk of request) body += chunk;
      const unknown = unknownParameter(url);
      const refused = unknown && { status: 400, body: { error: { message: `'${unknown}' is no parameter of ${url.pathname}` } } };
      const answer = refused ?? fixture.answer(request.method, url.pathname.slice(8).split('/').map(decodeURIComponent), url.searchParams, body);
      if (answer.events) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const [name, data] of answer.events) {
          response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
          await new Promise((resolve) => setTimeout(resolve, 60));
        }
        if (answer.endless) response.on('close', () => (fixture.left = (fixture.left ?? 0) + 1));
        else response.end();
        return;
      }
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer.body));
      return;
    }
    const file = join(dist, normalize(url.pathname === '/' ? '/index.html' : url.pathname));
    if (!file.startsWith(dist) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-security-policy': policy });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const timers = [setInterval(() => fixture.second(), 1000), setInterval(() => fixture.decide(), 150)];
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    fixture,
    close: async () => {
      timers.forEach(clearInterval);
      for (const client of fixture.clients) client.end();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, fallback) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? fallback : Number(process.argv[at + 1]);
  };
  const { url } = await serveFixture({ port: option('port', 8090), sites: option('sites', 72), links: option('links', 130) });
  console.log(`fixture at ${url}`);
}
