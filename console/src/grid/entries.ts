// What can be found without asking the server: the pages, and the grid that the map shows.
import type { Tier } from '../api/contract';
import type { KindSpec } from '../api/inventory';
import { hrefOf, type Page } from '../route';
import { fromGbps, joined, plural, tierName, words } from '../ui/format';
import { railPages } from '../ui/pages';
import { folded, type Findable } from './find';
import type { GridModel } from './model';

export interface Entry extends Findable {
  kind: string; // the group that it is shown in
  name: string;
  detail: string;
  href: string;
  tier?: Tier;
  down?: boolean;
  // The entity of the inventory behind it, where there is one.
  entity?: { kind: string; id: string };
}

export const entityKey = (kind: string, id: string): string => `${kind}/${id}`;

const pageEntries = (): Entry[] =>
  railPages.map(({ page, name }) => ({ kind: 'Page', name, detail: '', href: hrefOf(page), rank: 0, text: folded(name) }));

// `inventory`: whether what stands on the map and in the inventory opens there.
export function gridEntries(model: GridModel | undefined, kinds: readonly KindSpec[], inventory: (page: Page, ...parts: string[]) => string, opensThere: boolean): Entry[] {
  const kindEntries = kinds.map(
    (k): Entry => ({ kind: 'Kind', name: words(k.name), detail: k.description, href: inventory('inventory', k.name), rank: 2, text: folded(words(k.name)) }),
  );
  if (!model) return [...pageEntries(), ...kindEntries];
  const href = (kind: 'site' | 'link' | 'region', id: string) => (opensThere ? inventory('inventory', kind, id) : hrefOf('map', kind, id));
  const down = (state: string) => (state === 'down' ? ' down' : '');
  const sites = model.sites.map(
    (s): Entry => ({
      kind: 'Site',
      name: s.name,
      detail: `${tierName[s.tier]} · ${s.jurisdiction} · ${plural(s.accelerators, 'accelerator')}`,
      href: href('site', s.id),
      rank: 1,
      tier: s.tier,
      down: s.state === 'down',
      entity: { kind: 'site', id: s.id },
      text: folded(`${s.name} ${s.id} ${tierName[s.tier]} ${s.jurisdiction} ${s.pools.map((p) => p.accelerator).join(' ')}${down(s.state)}`),
    }),
  );
  const links = model.links.map(
    (l): Entry => ({
      kind: 'Link',
      name: model.linkName(l.id),
      detail: `${l.id} · ${joined(fromGbps(l.capacity_gbps))}`,
      href: href('link', l.id),
      rank: 2,
      down: l.state === 'down',
      entity: { kind: 'link', id: l.id },
      text: folded(`${model.linkName(l.id)} ${l.id} ${l.srlgs.join(' ')}${down(l.state)}`),
    }),
  );
  const regions = model.regions.map(
    (r): Entry => ({
      kind: 'Region',
      name: r.name,
      detail: r.id,
      href: href('region', r.id),
      rank: 3,
      entity: { kind: 'region', id: r.id },
      text: folded(`${r.name} ${r.id}`),
    }),
  );
  const named = (kind: string, ids: string[]) =>
    ids.map((id): Entry => ({ kind, name: id, detail: 'in the plan', href: hrefOf('plan', id), rank: 3, entity: { kind: kind.toLowerCase(), id }, text: folded(id) }));
  return [...pageEntries(), ...kindEntries, ...sites, ...links, ...named('Model', model.grid.models), ...named('Tenant', model.grid.tenants), ...regions];
}

// Hits in groups of one kind, the groups in the order of their best hit, each cut to `each`.
export function grouped<T extends { kind: string }>(hits: readonly T[], each: number): { kind: string; hits: T[]; more: number }[] {
  const groups = new Map<string, T[]>();
  for (const hit of hits) {
    const group = groups.get(hit.kind);
    if (group) group.push(hit);
    else groups.set(hit.kind, [hit]);
  }
  return [...groups].map(([kind, all]) => ({ kind, hits: all.slice(0, each), more: Math.max(all.length - each, 0) }));
}
