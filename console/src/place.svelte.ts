import { hrefOf, parseRoute, withQuery, type Focus, type Page, type Route } from './route';

// Which grid is read: a branch instead of main, and a time instead of now.
export interface View {
  branch: string | undefined;
  as_of: string | undefined; // an offset of the log, or RFC 3339
}

class Location {
  route = $state.raw<Route>(parseRoute(window.location.hash));
  readonly branch = $derived(this.route.query.branch);
  readonly as_of = $derived(this.route.query.as_of);
  readonly view = $derived<View>({ branch: this.branch, as_of: this.as_of });

  constructor() {
    window.addEventListener('hashchange', () => this.read());
  }

  private read(): void {
    this.route = parseRoute(window.location.hash);
  }

  go(href: string): void {
    if (window.location.hash !== href) window.location.hash = href;
  }

  // Where something is dragged or typed, each step is not a place to come back to.
  replace(href: string): void {
    if (window.location.hash === href) return;
    window.history.replaceState(window.history.state, '', href);
    this.read();
  }

  // The address here with some of what stands after `?` changed.
  here(changes: Record<string, string | undefined>): string {
    const { page, item, id, query } = this.route;
    const parts = [item, id].filter((part): part is string => part !== undefined);
    return withQuery(hrefOf(page, ...parts), { ...query, ...changes });
  }

  // A link to elsewhere in the same grid: the branch and the time that are looked at go along.
  within(page: Page, ...parts: string[]): string {
    return withQuery(hrefOf(page, ...parts), { ...this.view });
  }

  entity(kind: string, id: string): string {
    return this.within('inventory', kind, id);
  }

  focus(focus: Focus | undefined): void {
    this.go(focus ? hrefOf('map', focus.kind, focus.id) : hrefOf('map'));
  }
}

export const place = new Location();
