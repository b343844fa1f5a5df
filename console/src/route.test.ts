import { describe, expect, it } from 'vitest';
import { hrefOf, parseRoute } from './route';

describe('routes', () => {
  it('come back as they were written', () => {
    expect(parseRoute(hrefOf('map', 'site', 'a/b c%'))).toEqual({ page: 'map', focus: { kind: 'site', id: 'a/b c%' }, item: undefined });
    expect(parseRoute(hrefOf('plan', 'fixture-70b'))).toEqual({ page: 'plan', focus: undefined, item: 'fixture-70b' });
    expect(parseRoute(hrefOf('log'))).toEqual({ page: 'log', focus: undefined, item: undefined });
  });
  it('lead to the map from anything else', () => {
    for (const hash of ['', '#', '#/nowhere', '#/map/site', '#/map/planet/9', '#/%E0%A4%A'])
      expect(parseRoute(hash)).toEqual({ page: 'map', focus: undefined, item: undefined });
  });
});
