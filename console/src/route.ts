// Where the reader is, in the address after `#`, so that every view can be linked to and the back button works:
// #/map, #/map/site/ID, #/map/link/ID, #/map/region/ID, #/map/decision/ID, #/plan, #/plan/DEMAND, #/day, #/whatif, #/te, #/replay, #/serving,
// #/serving/site/ID, #/serving/tenant/ID, #/trials, #/predictions, #/predictions/MODEL/VERSION, #/log, #/log/OFFSET,
// #/inventory, #/inventory/KIND, #/inventory/KIND/ID, #/discrepancies, #/branches, #/branches/NAME, #/query,
// #/ontology, #/ontology/KIND. After `?` stands what is looked at: a branch, a time, a filter.

export const pageNames = ['map', 'plan', 'day', 'whatif', 'te', 'replay', 'serving', 'trials', 'predictions', 'inventory', 'discrepancies', 'branches', 'query', 'ontology', 'log'] as const;
export type Page = (typeof pageNames)[number];
export type Focus = { kind: 'site' | 'link' | 'region' | 'decision'; id: string };
export type Query = Readonly<Record<string, string>>;

export interface Route {
  page: Page;
  focus: Focus | undefined; // on the map
  item: string | undefined; // on the other pages
  id: string | undefined; // of the item's kind
  query: Query;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [name, first, second] = path.split('/').map(decoded);
  const query = Object.fromEntries(new URLSearchParams(search));
  const page = pageNames.find((p) => p === name) ?? 'map';
  if (page !== 'map') return { page, focus: undefined, item: first || undefined, id: second || undefined, query };
  const kind = (['site', 'link', 'region', 'decision'] as const).find((k) => k === first);
  const focus = name === 'map' && kind && second ? { kind, id: second } : undefined;
  return { page, focus, item: undefined, id: undefined, query };
}

export const hrefOf = (page: Page, ...parts: string[]): string =>
  `#/${[page, ...parts].map(encodeURIComponent).join('/')}`;

// The same address with other things after `?`; what is undefined or empty is left out.
export function withQuery(href: string, query: Record<string, string | undefined>): string {
  const kept = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1]);
  const [path = ''] = href.split('?');
  return kept.length === 0 ? path : `${path}?${new URLSearchParams(kept).toString()}`;
}
