// The command line that takes inventory in and writes it out.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { example, Grid, tandem, temporaryDirectory } from './tandem.mjs';

const inventory = (...args) => tandem('inventory', ...args);

test('a generated inventory is imported, exported and imported again without a change', () => {
  const directory = temporaryDirectory();
  const feed = path.join(directory, 'feed');
  const data = path.join(directory, 'data');
  assert.equal(inventory('generate', '--devices', '20', '--interfaces', '300', '-o', feed).status, 0);
  const files = readdirSync(feed).map((name) => path.join(feed, name));
  const dry = inventory('import', ...files, '--data', data, '--source', 'plan', '--dry-run', '--json');
  assert.equal(dry.status, 0, dry.err);
  assert.equal(JSON.parse(dry.out).events, 0);
  const first = inventory('import', ...files, '--data', data, '--source', 'plan', '--json');
  assert.equal(first.status, 0, first.out + first.err);
  const report = JSON.parse(first.out);
  assert.equal(report.created, report.rows);
  for (const format of ['csv', 'yaml', 'netbox', 'tmf639']) {
    const file = path.join(directory, `all-${format}.${format === 'csv' || format === 'yaml' ? format : 'json'}`);
    const written = inventory('export', '--format', format, '--data', data, '-o', file);
    assert.equal(written.status, 0, written.err);
    const again = inventory('import', file, '--data', data, '--source', 'plan', '--format', format, '--json');
    assert.equal(again.status, 0, again.out.slice(0, 2000) + again.err);
    const second = JSON.parse(again.out);
    assert.deepEqual([second.unchanged, second.events, second.seen], [report.rows, 0, report.rows], format);
  }
  assert.equal(tandem('log', 'verify', '--data', path.join(data)).status, 0);
});

test('a wrong row refuses the file, with its row and column, unless the others may be taken in', () => {
  const directory = temporaryDirectory();
  const data = path.join(directory, 'data');
  const file = path.join(directory, 'sites.csv');
  writeFileSync(file, 'kind,id,tier,latitude_deg,longitude_deg,jurisdiction,power_limit_kw\n' +
    'site,par,core,48.8,2.3,FR,10\nsite,lyo,cellar,45.7,4.8,FR,10\n');
  const refused = inventory('import', file, '--data', data);
  assert.equal(refused.status, 2);
  assert.match(refused.err, /sites\.csv:3: error: column 3 'tier', site 'lyo': .*did you mean|sites\.csv:3: error: column 3 'tier'/);
  assert.match(refused.out, /nothing was taken in/);
  const partial = inventory('import', file, '--data', data, '--partial', '--json');
  assert.equal(partial.status, 2);
  assert.equal(JSON.parse(partial.out).created, 1);
  const dry = inventory('import', file, '--data', data, '--dry-run', '--partial', '--json');
  assert.equal(JSON.parse(dry.out).unchanged, 1);
  assert.equal(inventory('export', '--format', 'csv', '--data', data).out.split('\n').length, 3);
});

test('a directory in use by a grid is refused, and may be read', async () => {
  const directory = temporaryDirectory();
  const data = path.join(directory, 'data');
  const grid = await Grid.start({ grid: example, data });
  const file = path.join(directory, 'rack.csv');
  writeFileSync(file, 'kind,id,site\nrack,r1,ber\n');
  const refused = inventory('import', file, '--data', data);
  assert.notEqual(refused.status, 0);
  assert.match(refused.err, /stop that grid first/);
  const dry = inventory('import', file, '--data', data, '--dry-run', '--json');
  assert.equal(dry.status, 0, dry.err);
  assert.equal(JSON.parse(dry.out).created, 1);
  await grid.stop();
  assert.equal(inventory('import', file, '--data', data).status, 0);
  assert.ok(readFileSync(file).length > 0);
});
