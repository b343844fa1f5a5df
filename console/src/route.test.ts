import { describe, expect, it } from 'vitest';
import { hrefOf, parseRoute, withQuery } from './route';

const nowhere = { page: 'map', focus: undefined, item: undefined, id: undefined, query: {} };

describe('routes', () => {
  it('come back as they were written', () => {
    expect(parseRoute(hrefOf('map', 'site', 'a/b c%'))).toEqual({ ...nowhere, focus: { kind: 'site', id: 'a/b c%' } });
    expect(parseRoute(hrefOf('plan', 'fixture-70b'))).toEqual({ ...nowhere, page: 'plan', item: 'fixture-70b' });
    expect(parseRoute(hrefOf('log'))).toEqual({ ...nowhere, page: 'log' });
    expect(parseRoute(hrefOf('inventory', 'ip_address', 'a:1/2'))).toEqual({ ...nowhere, page: 'inventory', item: 'ip_address', id: 'a:1/2' });
  });
  it('keep what stands after the question mark', () => {
    const href = withQuery(hrefOf('inventory', 'rack', 'r?1'), { branch: 'a & b', as_of: '12', filter: '', at: undefined });
    expect(parseRoute(href)).toEqual({ ...nowhere, page: 'inventory', item: 'rack', id: 'r?1', query: { branch: 'a & b', as_of: '12' } });
    expect(withQuery(href, {})).toBe(hrefOf('inventory', 'rack', 'r?1'));
  });
  it('lead to the map from anything else', () => {
    for (const hash of ['', '#', '#/nowhere', '#/map/site', '#/map/planet/9', '#/%E0%A4%A'])
      expect(parseRoute(hash)).toEqual(nowhere);
  });
});
