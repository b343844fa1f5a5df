// From cutting a link to a request routed by the new table, in the running example. Usage: node link_cut.mjs [CUTS]
//
// Each round cuts a link over the native API and asks the gateway at once, until an answer's decision was made on a
// table at or past the cut's offset. The time counts from before the cut is sent to the answer's head, so it holds the
// log's commit, the fold, the new table, and the emulated engine's own time to first token.
import path from 'node:path';
import { Grid, example, temporaryDirectory } from '../test/e2e/tandem.mjs';

const cuts = Number(process.argv[2] ?? 200);
const grid = await Grid.start({ grid: example, data: path.join(temporaryDirectory(), 'data') });
const links = (await grid.get('/api/v1/grid')).body.links.map((link) => link.id);
const models = await (await fetch(`${grid.url}/v1/models`, { headers: { authorization: 'Bearer sk-demo' } })).json();
const question = { model: models.data[0].id, max_tokens: 1, messages: [{ role: 'user', content: 'hello' }] };

const routed = [];
const acknowledged = [];
let tries = 0;
for (let i = 0; i < cuts; ++i) {
  const link = links[(i * 37) % links.length];
  const start = performance.now();
  const { body } = await grid.post(`/api/v1/links/${link}/state`, { state: 'down' });
  acknowledged.push(performance.now() - start);
  for (;;) {
    const answer = await grid.chat(question);
    ++tries;
    const elapsed = performance.now() - start;
    const decision = await grid.get(`/api/v1/decisions/${answer.headers.get('x-tandem-decision')}`);
    if (decision.status === 200 && decision.body.request.offset >= body.offset) {
      routed.push(elapsed);
      break;
    }
  }
  await grid.post(`/api/v1/links/${link}/state`, { state: 'up' });
}
await grid.stop();

const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(q * values.length) - 1)];
const row = (name, values) => console.log(
  `${name.padEnd(44)} p50 ${quantile(values, 0.5).toFixed(1)} ms   p99 ${quantile(values, 0.99).toFixed(1)} ms   max ${quantile(values, 1).toFixed(1)} ms`);
console.log(`${cuts} cuts, ${tries} requests asked`);
row('cut acknowledged (durable, table published)', acknowledged);
row('first answer routed by the new table', routed);
