import type { Grid, GridLink, GridRegion, GridSite, LoadDelta, State, StateDelta } from '../api/contract';

// The grid as the console knows it: dense arrays by index, patched in place by the stream's deltas. Deltas name ids;
// one that names an unknown id is counted, because it means the topology was read too long ago.
export class GridModel {
  readonly sites: GridSite[];
  readonly links: GridLink[];
  readonly regions: GridRegion[];
  readonly siteIndex: Map<string, number>;
  readonly linkIndex: Map<string, number>;
  readonly regionIndex: Map<string, number>;
  readonly linksOfSite: number[][];
  // For each link, its place among the links between the same two sites, and how many there are.
  readonly parallel: { index: number; count: number }[];
  readonly accelerators_max: number;
  offset: number; // the latest that anything here was read at
  state_offset: number; // the latest change of state

  constructor(readonly grid: Grid) {
    this.sites = grid.sites.map((s) => ({ ...s }));
    this.links = grid.links.map((l) => ({ ...l }));
    this.regions = grid.regions;
    this.offset = grid.offset;
    this.state_offset = grid.offset;
    this.siteIndex = new Map(this.sites.map((s, i) => [s.id, i]));
    this.linkIndex = new Map(this.links.map((l, i) => [l.id, i]));
    this.regionIndex = new Map(this.regions.map((r, i) => [r.id, i]));
    this.accelerators_max = this.sites.reduce((most, s) => Math.max(most, s.accelerators), 0);
    this.linksOfSite = this.sites.map(() => []);
    const between = new Map<string, number[]>();
    this.links.forEach((link, i) => {
      const ends = [this.siteIndex.get(link.a_site), this.siteIndex.get(link.b_site)];
      for (const end of new Set(ends)) if (end !== undefined) this.linksOfSite[end]!.push(i);
      const key = [link.a_site, link.b_site].sort().join('\n');
      const group = between.get(key);
      if (group) group.push(i);
      else between.set(key, [i]);
    });
    this.parallel = this.links.map(() => ({ index: 0, count: 1 }));
    for (const group of between.values())
      group.forEach((link, index) => (this.parallel[link] = { index, count: group.length }));
  }

  site(id: string): GridSite | undefined {
    return this.sites[this.siteIndex.get(id) ?? -1];
  }

  link(id: string): GridLink | undefined {
    return this.links[this.linkIndex.get(id) ?? -1];
  }

  siteName(id: string): string {
    return this.site(id)?.name ?? id;
  }

  regionName(id: string): string {
    return this.regions[this.regionIndex.get(id) ?? -1]?.name ?? id;
  }

  linkName(id: string): string {
    const link = this.link(id);
    if (!link) return id;
    if (link.a_site === link.b_site) return `${this.siteName(link.a_site)}, ${link.id}`;
    return `${this.siteName(link.a_site)} – ${this.siteName(link.b_site)}`;
  }

  utilization(link: GridLink): number {
    return Math.max(link.utilization_ab, link.utilization_ba);
  }

  // A link carries nothing while it or one of its ends is down.
  linkWorks(link: GridLink): boolean {
    return link.state === 'up' && this.site(link.a_site)?.state !== 'down' && this.site(link.b_site)?.state !== 'down';
  }

  get sitesDown(): number {
    return this.sites.reduce((n, s) => n + (s.state === 'down' ? 1 : 0), 0);
  }

  get linksDown(): number {
    return this.links.reduce((n, l) => n + (l.state === 'down' ? 1 : 0), 0);
  }
}

export interface StateChanges {
  sites: { index: number; state: State }[];
  links: { index: number; state: State }[];
  unknown: number;
}

// Applies what changed and returns only what really did; a repeated or older delta changes nothing.
export function applyState(model: GridModel, delta: StateDelta): StateChanges {
  const changes: StateChanges = { sites: [], links: [], unknown: 0 };
  // Other messages run ahead of this one, so it is compared with what is known of states alone.
  if (delta.offset < model.state_offset) return changes;
  model.state_offset = delta.offset;
  model.offset = Math.max(model.offset, delta.offset);
  const patch = (
    items: { state: State }[],
    index: Map<string, number>,
    given: { id: string; state: State }[] | undefined,
    out: { index: number; state: State }[],
  ) => {
    for (const { id, state } of given ?? []) {
      const at = index.get(id);
      if (at === undefined) changes.unknown++;
      else if (items[at]!.state !== state) {
        items[at]!.state = state;
        out.push({ index: at, state });
      }
    }
  };
  patch(model.sites, model.siteIndex, delta.sites, changes.sites);
  patch(model.links, model.linkIndex, delta.links, changes.links);
  return changes;
}

// Two thirds of a percent of the colour scale: below that nobody sees a difference, and 5,000 links need not be
// painted again each second.
const utilization_step = 1 / 150;

// Writes the new utilisations and returns the links whose colour changed since it was last painted. `painted` holds the
// utilisation each link was painted with (NaN: never) and is updated.
export function applyLoad(model: GridModel, delta: LoadDelta, painted: Float32Array): number[] {
  if (delta.offset > model.offset) model.offset = delta.offset;
  const changed: number[] = [];
  for (const [id, ab, ba] of delta.links) {
    const at = model.linkIndex.get(id);
    if (at === undefined) continue;
    const link = model.links[at]!;
    link.utilization_ab = ab;
    link.utilization_ba = ba;
    const now = Math.max(ab, ba);
    if (!(Math.abs(now - painted[at]!) < utilization_step)) {
      painted[at] = now;
      changed.push(at);
    }
  }
  return changed;
}
