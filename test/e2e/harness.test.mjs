// The tests' own tool: what a failed test leaves.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from './tandem.mjs';

test('a grid ends though nobody stops it, as where a set-up fails after its start', async () => {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'fails.test.mjs');
  writeFileSync(file, `
    import { before, describe, test } from 'node:test';
    import { example, Grid } from ${JSON.stringify(fileURLToPath(new URL('tandem.mjs', import.meta.url)))};
    describe('a grid', () => {
      before(async () => {
        const grid = await Grid.start({ grid: example, data: ${JSON.stringify(path.join(directory, 'data'))}, waitForPlan: false });
        console.log('started ' + grid.url + ' ');
        throw new Error('the set-up failed');
      });
      test('is never come to', () => {});
    });`);
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const run = spawnSync(process.execPath, [file], { encoding: 'utf8', env, timeout: 60_000 });
  assert.equal(run.signal, null, 'it goes on by itself');
  assert.match(run.stdout, /the set-up failed/);
  await assert.rejects(fetch(`${/started (\S+) /.exec(run.stdout)[1]}/healthz`));
});
