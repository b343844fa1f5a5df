// Made-up answers of traffic engineering and of a planned day, on the fixture's grid. What is tested is how they are shown.

// `kind`: 'usual', 'unfinished' (a limit ended it), 'idle' (nothing to carry).
export function engineerTraffic({ grid, offset }, { failures }, kind) {
  const router = (site) => `${site}-r1`;
  const links = grid.links.filter((l) => l.a_site !== l.b_site);
  const between = (l) => ({ link: l.id, from: router(l.a_site), to: router(l.b_site) });
  const idle = kind === 'idle';
  const loads = links.flatMap((l, i) => [
    { ...between(l), capacity_gbps: l.capacity_gbps, before_gbps: idle ? 0 : l.capacity_gbps * Math.max(1.12 - 0.03 * i, 0.01), after_gbps: idle ? 0 : l.capacity_gbps * Math.max(0.64 - 0.004 * i, 0.01) },
    { link: l.id, from: router(l.b_site), to: router(l.a_site), capacity_gbps: l.capacity_gbps, before_gbps: 0, after_gbps: 0 },
  ]);
  const ways = idle ? [] : Array.from({ length: 12 }, (_, i) => ({
    demand: i % 2 === 0 ? `background-${i}` : `fixture-clinic: ${router(links[i].a_site)} > ${router(links[i].b_site)}`,
    from: router(links[i].a_site), to: router(links[i].b_site), rate_gbps: 40 / (i + 1), flex_algo: i % 3 === 1 ? '128' : '', planned: i % 2 === 1,
    plain: [{ ...between(links[i]), part: 1 }],
    lists: i % 2 === 0
      ? [{ segments: [router(links[i + 1].b_site)], fraction: 1, links: [{ ...between(links[i + 1]), part: 1 }, { ...between(links[i + 2]), part: 1 }] }]
      : [
          { segments: [], fraction: 0.6, links: [{ ...between(links[i]), part: 1 }] },
          { segments: [router(links[i + 1].b_site), between(links[i + 3])], fraction: 0.4, links: [{ ...between(links[i + 1]), part: 1 }, { ...between(links[i + 3]), part: 1 }] },
        ],
  }));
  const policies = ways.flatMap(({ demand, lists }) => lists.map(({ segments, fraction }) => ({ demand, segments, fraction })));
  const lost = (l, i) => ({
    ...between(l), mlu_failed: 1.3 - 0.008 * i, mlu: 1.1 - 0.008 * i, changed_demands: i < 8 ? 2 : 0, cut_off_demands: i === 1 ? 3 : 0,
    changes: i < 8 ? [{ demand: 'background-0', segments: [router(links[i + 1].a_site)], fraction: 1 }, { demand: 'background-2', segments: [], fraction: 1 }] : [],
    fullest: links.filter((other) => other !== l).slice(i, i + 5).map((other, k) => ({ ...between(other), utilization_failed: 1.3 - 0.008 * i - 0.1 * k, utilization: 1.1 - 0.008 * i - 0.1 * k })),
  });
  const tried = kind === 'unfinished' ? links.slice(0, 20) : links;
  const report = {
    offset, complete: kind !== 'unfinished', mlu_before: idle ? 0 : 1.12, mlu: idle ? 0 : 0.64, bound: idle ? 0 : 0.61, segment_bound: idle ? 0 : 0.63, gap: idle ? 0 : 0.049,
    demands: idle ? 0 : 240, fixed_demands: idle ? 0 : 3, steered_demands: ways.length, policies, planned: [], ways, links: loads, warnings: [], stopped: kind === 'unfinished',
    planes: [
      { flex_algo: '', name: '', metric: 'igp', links: links.map((l) => l.id), demands: 200, rate_gbps: 900 },
      { flex_algo: '128', name: 'low delay', metric: 'delay', links: links.slice(0, 40).map((l) => l.id), demands: 40, rate_gbps: 60 },
    ],
    blocked: idle ? [] : [{ demand: 'background-99', rate_gbps: 2, reason: 'no path with capacity from a to b', relaxation: 'capacity on a-b' }],
    routers: grid.sites.map((site) => ({ router: router(site.id), site: site.id })),
    ...(failures ? { failures: { complete: kind !== 'unfinished', links: links.length, each: tried.map(lost) } } : {}),
  };
  return [['progress', { doing: 'search', mlu: 0.71 }], ['progress', { doing: 'failures', done: 40, all: links.length }], ['report', report]];
}

export function planDay({ grid, offset, plan }, { periods: most }, kind) {
  const cuts = [4, 8, 18, 22].slice(0, Math.max(Math.min(most, 4), 1));
  const share = [0.5, 1, 0.7, 0.3];
  const idle = kind === 'idle';
  const periods = cuts.map((from_hour, i) => {
    const hours = ((cuts[(i + 1) % cuts.length] - from_hour + 24) % 24) || 24;
    const deployments = idle ? [] : plan.deployments.map(({ id, model, pool, site, replicas }, k) => ({ id, model, pool, site, replicas: Math.max(Math.round(replicas * share[i] * (1 + (k % 3))), k % 4 === 0 ? 0 : 1) })).filter((d) => d.replicas > 0);
    const missed = !idle && i === 1 ? plan.demands.slice(0, 2).map((d) => ({ demand: d.id, rejected: 0.25, blocked_by: 'accelerators' })) : [];
    return {
      from_hour, to_hour: ((from_hour + hours - 1) % 24) + 1, hours, moves: 20 + 5 * i, replicas: deployments.reduce((sum, d) => sum + d.replicas, 0), power_kw: 100 * share[i],
      cost_eur_per_hour: idle ? 0 : 200 * share[i], bound_eur_per_hour: 150 * share[i], demands: idle ? 0 : plan.demands.length, demands_missed: missed.length, missed, deployments,
    };
  });
  const cost = (eur, moves) => ({ cost_eur_per_day: eur, moves, energy_kwh: 1800, replicas_max: 198 });
  const report = {
    offset, complete: kind !== 'unfinished', ...cost(3000, 110), bound_eur_per_day: 2700, gap: 0.1, move_penalty_eur: 0.5,
    peak_all_day: cost(4400, 0), kept_all_day: cost(4100, 0), ignoring_moves: cost(3300, 420), periods,
  };
  return [['progress', { doing: 'each period alone', plans: 3, eur_per_day: 0 }], ['progress', { doing: 'sweep 1', plans: 12, eur_per_day: 3200 }], ['report', report]];
}

// The same day as the grid runs by it now.
export function dayInForce(fixture) {
  const [, report] = planDay(fixture, { periods: 4 }, 'usual').at(-1);
  const { complete, ...day } = report;
  const hour = 3_600_000, now = Date.now();
  const midnight = now - (now % (24 * hour));
  const of_day = (now - midnight) / hour;
  const since = ({ from_hour }) => (of_day - from_hour + 24) % 24;
  const at = day.periods.findIndex((period) => since(period) < period.hours);
  const span = ({ from_hour, to_hour, hours }, begins) => ({ from_hour, to_hour, hours, begins_at: new Date(begins).toISOString(), ends_at: new Date(begins + hours * hour).toISOString() });
  const begins = midnight + (of_day - since(day.periods[at])) * hour;
  const next = day.periods[(at + 1) % day.periods.length];
  const turn = {
    schedule_id: 'plan-77', accepted_at_offset: 77, stale: true, in_force: true, period: span(day.periods[at], begins),
    next: { ...span(next, begins + day.periods[at].hours * hour), moves: next.moves, prepared: true },
  };
  return { ...day, schedule_id: 'plan-77', accepted_at_offset: 77, reason: 'demand or radio reserve changes over the day', now: turn };
}
