// The command line that takes inventory in and writes it out.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { binary, example, Grid, tandem, tandemBeside, temporaryDirectory } from './tandem.mjs';

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

test('an import that is killed is named, and sent again leaves what one that was not killed leaves', async () => {
  const directory = temporaryDirectory();
  const feed = path.join(directory, 'feed');
  assert.equal(inventory('generate', '--devices', '400', '--interfaces', '20000', '-o', feed).status, 0);
  const files = readdirSync(feed).map((name) => path.join(feed, name));
  const whole = path.join(directory, 'whole');
  assert.equal(inventory('import', ...files, '--data', whole, '--source', 'plan', '--json').status, 0);
  const exported = (data) => {
    const { status, out, err } = inventory('export', '--format', 'csv', '--data', data, '--kind', 'interface', '--kind', 'device', '--kind', 'cable');
    assert.equal(status, 0, err);
    return out;
  };
  const running = (data) => JSON.parse(tandem('query', '--data', data, '--json', "SELECT source FROM import WHERE state = 'running'").out).rows.flat();
  assert.deepEqual(running(whole), []);

  const cut = path.join(directory, 'cut');
  const stored = () => ['log.db', 'log.db-wal'].map((name) => path.join(cut, 'log', name)).reduce((sum, file) => sum + (existsSync(file) ? statSync(file).size : 0), 0);
  let caught = false;  // in the midst of it, which a busy machine may miss
  for (let attempt = 0; attempt < 10 && !caught; ++attempt) {
    rmSync(cut, { recursive: true, force: true });
    const child = spawn(binary, ['inventory', 'import', ...files, '--data', cut, '--source', 'plan', '--json'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    while (stored() < 300_000 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill('SIGKILL');
    await ended;
    caught = running(cut).length > 0;
  }
  assert.deepEqual(running(cut), ['plan']);
  assert.ok(exported(cut).length < exported(whole).length);
  const grid = await Grid.start({ grid: example, data: cut });
  await grid.until(() => /an import of 'plan' has not come to its end/.test(grid.log()), 'the warning');
  assert.equal((await grid.get('/api/v1/inventory/import?state=running')).body.items.length, 1);
  await grid.stop();
  const again = inventory('import', ...files, '--data', cut, '--source', 'plan', '--json');
  assert.equal(again.status, 0, again.err);
  assert.deepEqual(running(cut), []);
  assert.equal(exported(cut), exported(whole));
  assert.equal(tandem('log', 'verify', '--data', cut).status, 0);
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

test('a running grid takes a feed in with every flag, whole or in part', async () => {
  const directory = temporaryDirectory();
  const grid = await Grid.start({ grid: example, data: path.join(directory, 'data') });
  const file = path.join(directory, 'racks.csv');
  const send = async (rows, ...flags) => {
    writeFileSync(file, ['kind,id,site,height_u', ...rows].join('\n') + '\n');
    const done = await tandemBeside('inventory', 'import', file, '--url', grid.url, '--source', 'planning', '--standing', 'intended', '--json', ...flags);
    return { status: done.status, ...JSON.parse(done.out || '{}'), err: done.err };
  };
  const racks = Array.from({ length: 4500 }, (_, i) => `rack,r${i},ber,42`);  // three requests
  const made = await send(racks, '--full', '--default', 'rack.width_mm=600');
  assert.deepEqual([made.status, made.created, made.unseen], [0, racks.length, 0], made.err);
  const claims = async (id) => (await grid.get(`/api/v1/inventory/rack/${id}/claims`)).body;
  const before = await claims('r7');
  assert.deepEqual(before.claims.map((c) => [c.attribute, c.source, c.standing]),
    ['height_u', 'site', 'width_mm'].map((name) => [name, 'planning', 'intended']));
  const etag = (await grid.get('/api/v1/inventory/rack/r7')).headers.get('etag');
  const less = racks.filter((_, i) => i % 1000 !== 3);
  const dry = await send(less, '--full', '--dry-run');
  assert.deepEqual([dry.unchanged, dry.unseen], [less.length, 5], dry.err);
  const again = await send(less, '--full');
  assert.deepEqual([again.status, again.unchanged, again.unseen], [0, less.length, 5], again.err);
  assert.equal((await grid.get('/api/v1/inventory/import/planning')).body.attributes.state, 'complete');
  const after = await claims('r7');
  assert.ok(after.presences[0].last_seen > before.presences[0].last_seen);
  assert.deepEqual(after.claims, before.claims);
  assert.equal((await grid.get('/api/v1/inventory/rack/r7')).headers.get('etag'), etag);
  assert.ok((await claims('r1003')).presences[0].unseen_since);
  assert.equal((await claims('r1004')).presences[0].unseen_since, null);
  const mixed = ['rack,s1,ber,42', 'rack,s2,nowhere,42', 'rack,s3,ber,tall', 'rack,s4,ber,42'];
  const refused = await send(mixed);
  assert.deepEqual([refused.status, refused.accepted, refused.problem_count > 0], [2, false, true]);
  assert.equal((await grid.get('/api/v1/inventory/rack/s1')).status, 404);
  const partial = await send(mixed, '--partial', '--full');
  assert.deepEqual([partial.status, partial.accepted, partial.created, partial.refused, partial.unseen], [2, true, 2, 2, 0], partial.err);
  assert.deepEqual(partial.problems.map((p) => p.line), [3, 4]);
  assert.equal((await grid.get('/api/v1/inventory/rack/s4')).status, 200);
  await grid.stop();
});
