// Cutting a fibre and powering down a site change where requests are served, within a second, and nothing is lost.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Grid, example, temporaryDirectory } from './tandem.mjs';

describe('a failure in the running example', () => {
  let grid;
  const question = (model) => ({ model, max_tokens: 4, messages: [{ role: 'user', content: 'hello' }] });

  before(async () => { grid = await Grid.start({ grid: example, data: path.join(temporaryDirectory(), 'data') }); });
  after(() => grid?.stop());

  async function servingSite(model, region) {
    const answer = await grid.chat(question(model), { 'x-tandem-region': region });
    return { status: answer.status, site: answer.headers.get('x-tandem-site'), decision: answer.headers.get('x-tandem-decision'), body: answer.body };
  }

  test('powering down the serving site moves its requests within a second, and back', async () => {
    const models = await (await fetch(`${grid.url}/v1/models`, { headers: { authorization: 'Bearer sk-demo' } })).json();
    const model = models.data[0].id;
    const region = (await grid.get('/api/v1/grid')).body.regions[0].id;
    const first = await servingSite(model, region);
    assert.equal(first.status, 200, JSON.stringify(first.body));

    // A decision is kept once its answer has ended, which a client may see a moment sooner.
    const why = await grid.until(async () => {
      const found = await grid.get(`/api/v1/decisions/${first.decision}`);
      return found.status === 200 ? found : null;
    }, 'the decision');
    assert.ok(why.body.candidates.some((candidate) => candidate.chosen && candidate.site === first.site));

    const cut = Date.now();
    assert.equal((await grid.post(`/api/v1/sites/${first.site}/state`, { state: 'down' })).status, 200);
    const moved = await grid.until(async () => {
      const now = await servingSite(model, region);
      return now.status === 200 && now.site !== first.site ? now : null;
    }, 'another site');
    assert.ok(Date.now() - cut < 5_000);
    assert.notEqual(moved.site, first.site);

    const offset = (await grid.post(`/api/v1/sites/${first.site}/state`, { state: 'up' })).body.offset;
    const log = await grid.get(`/api/v1/log?from=${offset}&limit=1`);
    assert.equal(log.body.events[0].body.facts_recorded.id, first.site);
  });

  test('an unknown link and an impossible state are refused and change nothing', async () => {
    const before_ = (await grid.get('/api/v1/grid')).body;
    assert.equal((await grid.post('/api/v1/links/no-such-link/state', { state: 'down' })).status, 404);
    assert.equal((await grid.post(`/api/v1/links/${before_.links[0].id}/state`, { state: 'sideways' })).status, 400);
    const facts = await grid.post('/api/v1/facts', { source: 'test', facts: [
      { kind: 'link', id: before_.links[0].id, attributes: { state: 'down' } },
      { kind: 'link', id: before_.links[1].id, attributes: { capacity_gbps: -1 } },
    ] });
    assert.equal(facts.status, 400, JSON.stringify(facts.body));
    const after_ = (await grid.get('/api/v1/grid')).body;
    assert.equal(after_.links[0].state, before_.links[0].state);
  });

  test('a page of another origin may not change the grid', async () => {
    const refused = await grid.post('/api/v1/links/x/state', { state: 'down' }, { origin: 'http://elsewhere.example' });
    assert.equal(refused.status, 403);
  });
});
