// Every answer of a running grid is as its own description says.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { queryParameters } from '../console/fixture_server.mjs';
import { schemaOf, undescribed } from './described.mjs';
import { example, Grid, root, temporaryDirectory } from './tandem.mjs';

let grid, document;
before(async () => {
  grid = await Grid.start({
    grid: example, data: path.join(temporaryDirectory(), 'data'), args: ['--model-repository', path.join(root, 'examples/predict/models')],
  });
  document = (await grid.get('/api/v1/openapi.json')).body;
  await grid.chat({ model: 'llama-3.1-8b', max_tokens: 4, messages: [{ role: 'user', content: 'hello' }] });
  await grid.chat({ model: 'none', messages: [{ role: 'user', content: 'hello' }] });
});
after(() => grid?.stop());

const holds = (method, pattern, { status, body }) => {
  const schema = schemaOf(document, method, pattern, status);
  assert.ok(schema, `${method} ${pattern}: nothing is said of ${status}`);
  assert.deepEqual([...undescribed(body, schema, document)], [], `${method} ${pattern}`);
};

test('what is read', async () => {
  const { sites, links } = (await grid.get('/api/v1/grid')).body;
  const decision = (await grid.get('/api/v1/decisions')).body.decisions.at(-1);
  const demand = (await grid.get('/api/v1/plan')).body.demands[0].id;
  const ids = {
    '/api/v1/sites': sites.find((site) => site.accelerators > 0).id, '/api/v1/links': links[0].id, '/api/v1/decisions': decision.id,
    '/api/v1/inventory/{kind}': demand, '/api/v1/branches': 'none', '/api/v1/webhooks': 'none',
  };
  const asked = Object.keys(document.paths).filter((pattern) => document.paths[pattern].get);
  assert.ok(asked.length > 25);
  for (const pattern of asked) {
    if (['/api/v1/stream', '/api/v1/changes', '/metrics'].includes(pattern)) continue; // no JSON
    const target = pattern.replace(/(.*)\/\{(?:id|name)\}/, (_, before) => `${before}/${encodeURIComponent(ids[before])}`).replace('{kind}', 'demand');
    holds('get', pattern, await grid.get(pattern.endsWith('/search') ? `${target}?q=ber` : target));
  }
});

test('what is asked of the twin and the planner', async () => {
  const first = (await grid.get('/api/v1/grid')).body.links[0].id;
  for (const [what, question] of [
    ['whatif', { fail: 'links:1', worst: 5, verify: 2 }],
    ['whatif', { failures: [{ kind: 'link', id: first }] }],
    ['te', { failures: true, time_limit_ms: 2_000 }],
    ['replay', { policies: ['tandem', 'nearest'], duration_s: 2 }],
    ['schedule', { periods: 2, plans: true, time_limit_ms: 5_000 }],
    ['query', { sql: 'SELECT id, latitude_deg FROM site LIMIT 2' }],
    ['branches', { name: 'described' }],
    ['inventory', { items: [{ kind: 'site', id: 'none', attributes: { tier: 'cloud' } }] }],
    ['facts', { source: 'test', facts: [{ kind: 'link', id: first, attributes: { state: 'down' } }] }],
  ])
    holds('post', `/api/v1/${what}`, await grid.post(`/api/v1/${what}`, question));
});

test('what the tests of the console take a path to take is so', () => {
  for (const [pattern, names] of Object.entries(queryParameters)) {
    const described = ['get', 'post'].flatMap((method) => document.paths[pattern]?.[method]?.parameters ?? []).map(({ name }) => name);
    assert.deepEqual(names.filter((name) => !described.includes(name)), [], pattern);
  }
});
