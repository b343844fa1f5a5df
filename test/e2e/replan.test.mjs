// After a failure the plan is mended at once; once the grid is quiet all of it is searched again.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Grid, example, temporaryDirectory } from './tandem.mjs';

const patienceMs = 300_000;  // a search takes seconds; others may be at work too
const data = path.join(temporaryDirectory(), 'data');
let grid;

before(async () => { grid = await Grid.start({ grid: example, data, waitForPlan: false }); });
after(() => grid?.stop());

const planOf = (origin) => grid.until(async () => {
  const { body } = await grid.get('/api/v1/plan');
  return body.origin === origin && body;
}, `a ${origin} plan`, patienceMs);

test('a quick plan after a cut gives way to a whole one, which pays its moves', async () => {
  const first = await planOf('whole');
  const cut = await grid.post('/api/v1/links/lnz-wel/state', { state: 'down' });
  assert.equal(cut.status, 200, JSON.stringify(cut.body));
  const quick = await planOf('quick');
  assert.match(quick.reason, /^the grid changed at offset \d+$/);

  // Also across a restart: when it is due is told by the log alone.
  await grid.stop();
  grid = await Grid.start({ data, waitForPlan: false });
  const whole = await planOf('whole');
  assert.notEqual(whole.plan_id, first.plan_id);
  assert.equal(whole.reason, 'searched again after the grid was quiet');
  assert.ok(whole.cost_eur_per_hour <= quick.cost_eur_per_hour, `${whole.cost_eur_per_hour} €/h after ${quick.cost_eur_per_hour}`);

  const { body: log } = await grid.get(`/api/v1/log?from=${quick.accepted_at_offset}&limit=1000`);
  const records = log.events.filter((event) => event.kind.startsWith('plan_')).map((event) => `${event.kind}: ${event.summary}`);
  assert.ok(records.some((record) => /^plan_requested: .*searched again after the grid was quiet/.test(record)), records.join('\n'));
  assert.ok(records.some((record) => /^plan_accepted: .*, whole: .*searched again after the grid was quiet/.test(record)), records.join('\n'));
});
