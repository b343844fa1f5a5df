// The guide to a first grid: its commands as they stand there, and what it says of their answers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Grid, binary, root, tandem, temporaryDirectory } from './tandem.mjs';

describe('the first grid', () => {
  const guide = readFileSync(path.join(root, 'docs/FIRST_GRID.md'), 'utf8');
  const lines = [...guide.matchAll(/```sh\n([\s\S]*?)```/g)].map((found) => found[1]).join('\n').replaceAll('\\\n', ' ').split('\n').filter(Boolean);
  const first = path.join(root, 'examples/first.yaml');
  const line = (what) => lines.find((one) => one.includes(what)) ?? assert.fail(`the guide has no '${what}'`);
  const run = (command, url = '') => execFileSync('bash', ['-c', command.replaceAll('build/tandem', binary).replaceAll('examples/first.yaml', first)
    .replaceAll('http://127.0.0.1:8080', url)], { encoding: 'utf8', timeout: 240_000 });

  test('is checked, planned and tried as the guide says', () => {
    assert.match(run(line('tandem check')), /good: 3 sites, 3 nodes, 2 links, 2 regions, 2 pools, 1 model, 1 tenant, 2 demands\n/);
    const plan = run(line('tandem plan'));
    assert.match(plan, /llama-3\.2-3b@mad-l4 +mad/);
    assert.match(plan, /every demand is served within its promise/);
    assert.match(run(line('tandem whatif')), /2 scenarios, .* 2 break a promise/);
    assert.match(readFileSync(first, 'utf8'), new RegExp(run(line('sha256sum')).split(' ')[0]));
  });

  test('is served, by another engine where the pool names one', async () => {
    const directory = temporaryDirectory();
    const emulated = await Grid.start({ grid: first, data: path.join(directory, 'first') });
    try {
      assert.match(run(line('chat/completions'), emulated.url), /tandem-emulator/);
      // A grid whose pool is served by that one: any server with this API will do.
      const own = path.join(directory, 'own.yaml');
      writeFileSync(own, readFileSync(first, 'utf8').replace('count: 8}', `count: 8, engine_url: "${emulated.url}"}`));
      assert.match(tandem('check', own).out, /good/);
      const grid = await Grid.start({ grid: own, data: path.join(directory, 'own') });
      try {
        assert.deepEqual((await grid.get('/api/v1/serving')).body.engines, { all: 1, emulated: 0 });
      } finally {
        await grid.stop();
      }
    } finally {
      await emulated.stop();
    }
  });
});
