// POST /api/v1/te: segment-routing policies for the traffic as planned, and what each link's failure leaves of them.
import { askDesk } from './desk';
import { fields, known, list, number, text, texts, type Fields } from './fields';

export interface TeQuestion {
  segments_max: number;
  adjacency: boolean;
  policies_max?: number;
  failures: boolean;
  time_limit_ms: number;
}

export type TeProgress = { doing: 'search'; mlu: number } | { doing: 'failures'; done: number; all: number };

// One direction of a link.
export interface Direction {
  link: string;
  from: string; // routers
  to: string;
}
export interface Load extends Direction {
  capacity_gbps: number;
  before: number; // of its capacity
  after: number;
}
export interface Part extends Direction {
  part: number; // of the traffic, 0..1
}

// A segment list: the routers and links between the ends in order, none for the plain shortest path.
export interface SegmentList {
  segments: (string | Direction)[];
  fraction: number;
  links: Part[]; // where it leads; empty where that was not said
}
export interface Way {
  demand: string;
  from: string;
  to: string;
  rate_gbps: number;
  flex_algo: string; // empty: the IGP's own paths
  planned: boolean; // of a tenant; else background traffic
  plain: Part[];
  lists: SegmentList[];
}

export interface Plane {
  flex_algo: string; // empty: the IGP
  name: string;
  metric: string;
  links: ReadonlySet<string>;
  demands: number;
  rate_gbps: number;
}

export interface Full extends Direction {
  failed: number; // its utilisation once shortest paths have reconverged
  repaired: number;
}
export interface Change {
  demand: string;
  lists: SegmentList[];
}
export interface Failure extends Direction {
  mlu_failed: number;
  mlu: number;
  cut_off: number; // demands without any path left
  changes: Change[];
  fullest: Full[];
}

export interface Blocked {
  demand: string;
  rate_gbps: number;
  reason: string;
  relaxation: string;
}

export interface TeReport {
  answer: unknown; // as it came
  offset: number;
  search_ended: boolean; // by itself; false: the time was up
  mlu_before: number;
  mlu: number;
  bound: number;
  segment_bound: number;
  gap: number | null;
  demands: number;
  fixed: number; // on their plain paths, for others would break a promise
  on_own_ways: number;
  steered: number;
  lists: number;
  ways: Way[];
  loads: Load[]; // the fullest first, before or after
  planes: Plane[];
  failures: Failure[] | undefined; // the worst after the repair first
  failures_asked: number; // links
  blocked: Blocked[];
  warnings: string[];
  site_of: ReadonlyMap<string, string>; // by router
}

const readDirection = (of: Fields): Direction => ({ link: text(of.link), from: text(of.from), to: text(of.to) });

function readList(value: unknown): SegmentList {
  const of = fields(value);
  return {
    segments: list(of.segments).map((segment) => (typeof segment === 'string' ? segment : readDirection(fields(segment)))),
    fraction: number(of.fraction),
    links: list(of.links).map((part) => ({ ...readDirection(fields(part)), part: number(fields(part).part) })),
  };
}

function readWay(value: unknown): Way {
  const of = fields(value);
  return {
    demand: text(of.demand),
    from: text(of.from),
    to: text(of.to),
    rate_gbps: number(of.rate_gbps),
    flex_algo: text(of.flex_algo),
    planned: of.planned === true,
    plain: list(of.plain).map((part) => ({ ...readDirection(fields(part)), part: number(fields(part).part) })),
    lists: list(of.lists).map(readList),
  };
}

function readFailure(value: unknown): Failure {
  const of = fields(value);
  const changes = new Map<string, SegmentList[]>();
  for (const change of list(of.changes)) {
    const demand = text(fields(change).demand);
    changes.set(demand, [...(changes.get(demand) ?? []), readList(change)]);
  }
  return {
    ...readDirection(of),
    mlu_failed: number(of.mlu_failed),
    mlu: number(of.mlu),
    cut_off: number(of.cut_off_demands),
    changes: [...changes].map(([demand, lists]) => ({ demand, lists })),
    fullest: list(of.fullest).map((one) => ({
      ...readDirection(fields(one)),
      failed: number(fields(one).utilization_failed),
      repaired: number(fields(one).utilization),
    })),
  };
}

function readLoad(value: unknown): Load {
  const of = fields(value);
  const capacity_gbps = number(of.capacity_gbps);
  const share = (gbps: unknown) => (capacity_gbps > 0 ? number(gbps) / capacity_gbps : 0);
  return { ...readDirection(of), capacity_gbps, before: share(of.before_gbps), after: share(of.after_gbps) };
}

export function readTe(value: unknown): TeReport {
  const of = fields(value);
  const failures = fields(of.failures);
  return {
    answer: value,
    offset: number(of.offset),
    search_ended: of.stopped === false,
    mlu_before: number(of.mlu_before),
    mlu: number(of.mlu),
    bound: number(of.bound),
    segment_bound: number(of.segment_bound),
    gap: known(of.gap),
    demands: number(of.demands),
    fixed: number(of.fixed_demands),
    on_own_ways: list(of.planned).filter((row) => Array.isArray(fields(row).links)).length,
    steered: number(of.steered_demands),
    lists: list(of.policies).length,
    ways: list(of.ways).map(readWay),
    loads: list(of.links)
      .map(readLoad)
      .sort((a, b) => Math.max(b.before, b.after) - Math.max(a.before, a.after)),
    planes: list(of.planes).map((row) => {
      const plane = fields(row);
      return {
        flex_algo: text(plane.flex_algo),
        name: text(plane.name),
        metric: text(plane.metric),
        links: new Set(texts(plane.links)),
        demands: number(plane.demands),
        rate_gbps: number(plane.rate_gbps),
      };
    }),
    failures: Array.isArray(failures.each)
      ? failures.each.map(readFailure).sort((a, b) => b.cut_off - a.cut_off || b.mlu - a.mlu || b.mlu_failed - a.mlu_failed)
      : undefined,
    failures_asked: number(failures.links),
    blocked: list(of.blocked).map((row) => {
      const one = fields(row);
      return { demand: text(one.demand), rate_gbps: number(one.rate_gbps), reason: text(one.reason), relaxation: text(one.relaxation) };
    }),
    warnings: texts(of.warnings),
    site_of: new Map(list(of.routers).map((row) => [text(fields(row).router), text(fields(row).site)])),
  };
}

// How full each link is in its fuller direction.
export function fullestByLink(loads: Load[], side: 'before' | 'after'): Map<string, number> {
  const full = new Map<string, number>();
  for (const load of loads) full.set(load.link, Math.max(full.get(load.link) ?? 0, load[side]));
  return full;
}

// The links that a way takes with its policies, and those that it has left.
export function linksOfWay(way: Way): { taken: Map<string, number>; left: Set<string> } {
  const taken = new Map<string, number>();
  for (const { links, fraction } of way.lists)
    for (const { link, part } of links) taken.set(link, (taken.get(link) ?? 0) + part * fraction);
  return { taken, left: new Set(way.plain.map((part) => part.link).filter((link) => !taken.has(link))) };
}

const readProgress = (value: unknown): TeProgress => {
  const of = fields(value);
  return of.doing === 'failures'
    ? { doing: 'failures', done: number(of.done), all: number(of.all) }
    : { doing: 'search', mlu: number(of.mlu) };
};

export const askTe = async (question: TeQuestion, tell: (progress: TeProgress) => void, signal: AbortSignal): Promise<TeReport> =>
  readTe(await askDesk('te', question, (progress) => tell(readProgress(progress)), signal));
