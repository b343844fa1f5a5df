import { hrefOf, parseRoute, type Focus, type Route } from './route';

class Location {
  route = $state.raw<Route>(parseRoute(window.location.hash));

  constructor() {
    window.addEventListener('hashchange', () => (this.route = parseRoute(window.location.hash)));
  }

  go(href: string): void {
    if (window.location.hash !== href) window.location.hash = href;
  }

  focus(focus: Focus | undefined): void {
    this.go(focus ? hrefOf('map', focus.kind, focus.id) : hrefOf('map'));
  }
}

export const place = new Location();
