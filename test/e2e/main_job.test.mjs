// The main job on real input: a public topology becomes a grid, the grid serves, its customers drive it, and answers
// stream through the official client.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import OpenAI from 'openai';
import { Grid, hasSharedData, sharedData, tandem, temporaryDirectory } from './tandem.mjs';

const topologies = [
  { name: 'germany50', file: 'sndlib/germany50.txt' },
  { name: 'Interoute', file: 'topology-zoo/Interoute.gml' },
];

for (const { name, file } of topologies) {
  describe(`${name}, imported and run`, { skip: hasSharedData ? false : 'skipped: no ../shared/data' }, () => {
    const directory = temporaryDirectory();
    const gridFile = path.join(directory, `${name}.yaml`);
    let grid;
    after(() => grid?.stop());

    test('imports, and the result has nothing wrong', () => {
      const imported = tandem('import', path.join(sharedData, file), '-o', gridFile);
      assert.equal(imported.status, 0, imported.err);
      assert.ok(existsSync(gridFile));
      const checked = tandem('check', gridFile);
      assert.equal(checked.status, 0, checked.out + checked.err);
    });

    test('comes up and plans', async () => {
      grid = await Grid.start({ grid: gridFile, data: path.join(directory, 'data') });
      const { body } = await grid.get('/api/v1/plan');
      assert.ok(body.deployments.length > 0);
      assert.ok(body.bound_eur_per_hour <= body.cost_eur_per_hour);
    });

    test('streams an answer through the official client', async () => {
      const client = new OpenAI({ apiKey: 'sk-demo', baseURL: `${grid.url}/v1`, maxRetries: 0 });
      const models = await client.models.list();
      assert.ok(models.data.length > 0);
      const stream = await client.chat.completions.create({
        model: models.data[0].id, stream: true, max_tokens: 20, stream_options: { include_usage: true },
        messages: [{ role: 'user', content: 'Where does this answer come from?' }],
      });
      let text = '';
      let usage = null;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta?.content ?? '';
        usage = chunk.usage ?? usage;
      }
      assert.match(text, /emulat/i);
      assert.ok(usage.completion_tokens > 0 && usage.completion_tokens <= 20, JSON.stringify(usage));
    });

    test('serves the Azure conversation trace', () => {
      const trace = path.join(sharedData, 'traces/azure-llm-2023-conv.csv');
      const loaded = tandem('load', '--url', grid.url, '--trace', trace, '--speed-up', '4', '--requests', '200', '--duration', '60', '--json');
      assert.equal(loaded.status, 0, loaded.err);
      const report = JSON.parse(loaded.out);
      assert.equal(report.requests, 200);
      assert.equal(report.failed, 0, loaded.out);
      assert.ok(report.goodput > 0.5, loaded.out);
    });

    test('leaves a log that verifies and replays to the same state', async () => {
      await grid.stop();
      const data = path.join(directory, 'data');
      const verified = tandem('log', 'verify', '--data', data, '--json');
      assert.equal(verified.status, 0, verified.out + verified.err);
      const first = tandem('log', 'hash', '--data', data);
      assert.equal(first.status, 0, first.err);
      assert.equal(tandem('log', 'hash', '--data', data).out, first.out);
    });
  });
}
