// A running grid of the size that operators have: 1,000 sites, 10,000 demands, 50 models.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Grid, tandem, temporaryDirectory } from './tandem.mjs';

const patienceMs = 600_000;  // the first plan takes half a minute of two cores; others may be at work too
const folder = temporaryDirectory();
const data = path.join(folder, 'data');
let grid, plan;

const planned = (by) => by.until(async () => {
  const { body } = await by.get('/api/v1/plan');
  return body.plan_id && body;
}, 'a plan', patienceMs);

before(async () => {
  const file = path.join(folder, 'nation.yaml');
  const made = tandem('generate', '--sites', '1000', '--demands', '10000', '--models', '50', '--seed', '2', '--load', '0.05', '-o', file);
  assert.equal(made.status, 0, made.err);
  grid = await Grid.start({ grid: file, data, waitForPlan: false });
  const draft = await planned(grid);
  assert.equal(draft.draft, true, 'a draft at once');
  plan = await grid.until(async () => {
    const { body } = await grid.get('/api/v1/plan');
    return !body.draft && body;
  }, 'the whole plan', patienceMs);
  const stays = plan.cost_eur_per_hour - plan.totals.moves_eur_per_hour;  // what moves cost is paid once
  assert.ok(stays <= draft.cost_eur_per_hour, `${stays} €/h after ${draft.cost_eur_per_hour}`);
});
after(() => grid?.stop());

test('every demand is planned, and a request is served by the plan', async () => {
  assert.equal(plan.demands.length, 10_000);
  const served = plan.demands.find((demand) => demand.rejected === 0);
  const answer = await grid.chat({ model: served.model, messages: [{ role: 'user', content: 'hello' }], max_tokens: 2 },
    { authorization: `Bearer sk-${served.tenant}-example`, 'x-tandem-region': served.region });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { body: decision } = await grid.get(`/api/v1/decisions/${answer.headers.get('x-tandem-decision')}`);
  assert.equal(decision.plan, plan.plan_id);
});

test('a cut is planned around, and the sweep of every link says what it would do', async () => {
  const { body: sweep } = await grid.post('/api/v1/whatif', { fail: 'links:1', worst: 5, time_limit_ms: 60_000 });
  assert.equal(sweep.complete, true);
  assert.equal(sweep.worst.length, 5);
  assert.equal(sweep.worst[0].broken_at_once.length, Math.min(200, sweep.worst[0].promises_broken));
  const cut = await grid.post(`/api/v1/links/${sweep.worst[0].failed[0]}/state`, { state: 'down' });
  assert.equal(cut.status, 200, JSON.stringify(cut.body));
  const next = await grid.until(async () => {
    const { body } = await grid.get('/api/v1/plan');
    return body.plan_id !== plan.plan_id && body;
  }, 'a plan after the cut', patienceMs);
  assert.ok(next.offset > cut.body.offset);
  plan = next;
});

test('killed, it comes back with the plan that it had', async () => {
  await grid.kill();
  grid = await Grid.start({ data, waitForPlan: false });
  const back = await planned(grid);
  assert.equal(back.plan_id, plan.plan_id);
  assert.deepEqual(back.deployments, plan.deployments);
});
