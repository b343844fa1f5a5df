// Where the reader is, in the address after `#`, so that every view can be linked to and the back button works:
// #/map, #/map/site/ID, #/map/link/ID, #/map/region/ID, #/map/decision/ID, #/plan, #/plan/DEMAND, #/log, #/log/OFFSET.

export type Page = 'map' | 'plan' | 'log';
export type Focus = { kind: 'site' | 'link' | 'region' | 'decision'; id: string };

export interface Route {
  page: Page;
  focus: Focus | undefined; // on the map
  item: string | undefined; // on the other pages
}

export function parseRoute(hash: string): Route {
  const [page, first, second] = hash
    .replace(/^#\/?/, '')
    .split('/')
    .map((text) => {
      try {
        return decodeURIComponent(text);
      } catch {
        return text;
      }
    });
  if (page === 'plan' || page === 'log') return { page, focus: undefined, item: first || undefined };
  if ((first === 'site' || first === 'link' || first === 'region' || first === 'decision') && second)
    return { page: 'map', focus: { kind: first, id: second }, item: undefined };
  return { page: 'map', focus: undefined, item: undefined };
}

export const hrefOf = (page: Page, ...parts: string[]): string =>
  `#/${[page, ...parts].map(encodeURIComponent).join('/')}`;
