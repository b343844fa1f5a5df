// The calls behind the pages of the inventory, each answered as inventory.ts says.
import type { View } from '../place.svelte';
import { ask, part } from './client';
import {
  path,
  type BranchEntry,
  type Claims,
  type Attributes,
  type BranchEdits,
  type BranchVerdict,
  type Differences,
  type Discrepancy,
  type Entity,
  type EntityName,
  type Found,
  type KindCount,
  type Obstacles,
  type Page,
  type Relations,
  type Table,
  type TimelineEvent,
  type KindSpec,
} from './inventory';
import {
  readBranch,
  readClaims,
  readCount,
  readDifferences,
  readDiscrepancies,
  readFound,
  readKind,
  readObstacles,
  readPage,
  readRelations,
  readTimeline,
  readVerdict,
} from './inventory_read';

type Raw = Record<string, unknown>;
const json = (method: string, body: unknown): RequestInit => ({
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const entityPath = (kind: string, id: string, more = '') => `inventory/${part(kind)}/${part(id)}${more}`;

const relations_max = 1000; // what the server gives at once
const differences_max = 1000;
const search_max = 100; // results that the server gives, and ids that a list takes

const claims_page = 1000; // what the server gives at once
const timeline_page = 500;
const pages_max = 5; // of one entity's claims or history: more is looked up in SQL

// Page after page until there is none, or enough.
async function allPages(read: (cursor: string | number | undefined) => Promise<Raw>): Promise<Raw[]> {
  const pages: Raw[] = [];
  let next: string | number | undefined;
  do {
    const page = await read(next);
    pages.push(page);
    next = (page.next ?? undefined) as string | number | undefined;
  } while (next !== undefined && pages.length < pages_max);
  return pages;
}

export interface Wanted {
  text?: string; // words that must occur in what is searched: ids, names, serials, addresses
  conditions?: Record<string, string>; // attribute, or attribute[comparison], to value
}

async function search(text: string, view: View, of: { kind?: string; limit: number }, signal?: AbortSignal): Promise<Found[]> {
  if (view.as_of !== undefined)
    throw new Error('The past is not indexed by words: filter by an attribute, as name^=Ber, or ask in SQL as of then.');
  return (await ask<{ results: Raw[] }>(path('search', view, { q: text, ...of }), { signal })).results.map(readFound);
}

// A page of one kind. Words are looked up in the search index first: what it finds is then listed.
async function list(kind: string, view: View, wanted: Wanted & { limit: number; cursor?: string | undefined }, signal?: AbortSignal): Promise<Page> {
  const conditions = { ...wanted.conditions };
  if (wanted.text) {
    const found = await search(wanted.text, view, { kind, limit: search_max }, signal);
    if (found.length === 0) return { offset: 0, items: [], next: null, total: 0 };
    conditions['id[in]'] = found.map((f) => f.id).join(',');
  }
  const { limit, cursor } = wanted;
  return readPage(await ask<Raw>(path(`inventory/${part(kind)}`, view, { ...conditions, limit, cursor }), { signal }), kind);
}

export const inventory = {
  kinds: async (view: View, signal?: AbortSignal): Promise<KindCount[]> =>
    (await ask<{ kinds: Raw[] }>(path('inventory', view), { signal })).kinds.map(readCount),

  list,
  search,
  entity: (kind: string, id: string, view: View, signal?: AbortSignal) => ask<Entity>(path(entityPath(kind, id), view), { signal }),
  // What an entity is to be on main, all of it.
  put: (kind: string, id: string, attributes: Attributes) => ask<{ offset: number }>(entityPath(kind, id), json('PUT', { attributes })),
  claims: async (kind: string, id: string, view: View, signal?: AbortSignal): Promise<Claims> => {
    const pages = await allPages((cursor) => ask<Raw>(path(entityPath(kind, id, '/claims'), view, { limit: claims_page, cursor }), { signal }));
    return readClaims({ claims: pages.flatMap((p) => p.claims), presences: pages[0]?.presences });
  },
  relations: async (kind: string, id: string, view: View, signal?: AbortSignal): Promise<Relations> =>
    readRelations(await ask<Raw>(path(entityPath(kind, id, '/relations'), view, { limit: relations_max }), { signal })),
  // The whole history, whatever time is looked at: the slider needs what came after as well.
  timeline: async (kind: string, id: string, view: View, signal?: AbortSignal): Promise<TimelineEvent[]> => {
    const pages = await allPages((before) =>
      ask<Raw>(path(entityPath(kind, id, '/timeline'), { ...view, as_of: undefined }, { limit: timeline_page, before }), { signal }),
    );
    return readTimeline(pages.flatMap((p) => (p.events ?? []) as Raw[]));
  },

  // All, or those that one entity has part in.
  discrepancies: async (view: View, { limit, of }: { limit: number; of?: EntityName }, signal?: AbortSignal): Promise<Discrepancy[]> => {
    const found = readDiscrepancies(await ask<Raw>(path('discrepancies', view, { limit, ...of }), { signal }));
    return of ? found.filter((d) => [d, ...d.also].some((e) => e.kind === of.kind && e.id === of.id)) : found;
  },

  ontology: async (signal?: AbortSignal): Promise<KindSpec[]> =>
    (await ask<{ kinds: Raw[] }>('ontology', { signal })).kinds.map(readKind),

  query: (sql: string, view: View, signal?: AbortSignal) => ask<Table>(path('query', view), { ...json('POST', { sql }), signal: signal ?? null }),
};

export const branches = {
  list: async (signal?: AbortSignal): Promise<BranchEntry[]> =>
    (await ask<{ branches: Raw[] }>('branches', { signal })).branches.map(readBranch),
  read: async (name: string, signal?: AbortSignal): Promise<BranchEntry> => readBranch(await ask<Raw>(`branches/${part(name)}`, { signal })),
  create: (name: string, parent: string, purpose = '') =>
    ask<{ offset: number }>('branches', json('POST', { name, ...(parent ? { parent } : {}), ...(purpose ? { purpose } : {}) })),
  edit: (name: string, edits: BranchEdits) => ask<{ offset: number }>(`branches/${part(name)}/edits`, json('POST', edits)),
  diff: async (name: string, signal?: AbortSignal): Promise<Differences> =>
    readDifferences(await ask<Raw>(`branches/${part(name)}/diff?limit=${differences_max}`, { signal })),
  obstacles: async (name: string, signal?: AbortSignal): Promise<Obstacles> =>
    readObstacles(await ask<Raw>(`branches/${part(name)}/conflicts`, { signal })),
  verdict: async (name: string, signal?: AbortSignal): Promise<BranchVerdict> =>
    readVerdict(await ask<Raw>(`branches/${part(name)}/verdict`, { signal })),
  // The branch stands on its parent as it is now.
  rebase: (name: string) => ask<{ offset: number }>(`branches/${part(name)}/rebase`, json('POST', {})),
  merge: (name: string) => ask<{ offset: number }>(`branches/${part(name)}/merge`, json('POST', {})),
  discard: (name: string) => ask<{ offset: number }>(`branches/${part(name)}`, { method: 'DELETE' }),
};
