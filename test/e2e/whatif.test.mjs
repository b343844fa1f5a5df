// What breaks when things fail: the command on a public network and on the example, and the same question to a running grid.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { Grid, example, hasSharedData, sharedData, tandem, temporaryDirectory } from './tandem.mjs';

const whatif = (...args) => {
  const ran = tandem('whatif', ...args, '--json');
  return { status: ran.status, report: ran.out ? JSON.parse(ran.out) : null, err: ran.err };
};

describe('tandem whatif', () => {
  test('every pair of links of Cogentco, and none differs from scratch', { skip: hasSharedData ? false : 'skipped: no ../shared/data' }, () => {
    const file = path.join(temporaryDirectory(), 'cogentco.yaml');
    assert.equal(tandem('import', path.join(sharedData, 'topology-zoo/Cogentco.gml'), '-o', file).status, 0);
    const { status, report, err } = whatif('--grid', file, '--fail', 'links:2', '--fill', '1', '--work', '100', '--verify', '50', '--top', '5');
    assert.equal(status, 0, err);
    assert.equal(report.scenarios, 29_890);
    assert.equal(report.complete, true);
    assert.ok(report.traffic.flows > 38_000, report.traffic.formula);
    assert.deepEqual([report.verify.checked, report.verify.differences], [50, 0]);
    assert.equal(report.worst.length, 5);
    const harm = report.worst.map((row) => [row.residencies_left, row.promises_broken]);
    assert.deepEqual(harm, [...harm].sort((a, b) => b[0] - a[0] || b[1] - a[1]));
    assert.ok(report.upgrades.length > 0);
  });

  for (const fail of ['links:1', 'nodes:2', 'srlgs:1', 'sites:1'])
    test(`${fail} of the example`, () => {
      const { status, report, err } = whatif('--grid', example, '--fail', fail, '--work', '100', '--verify', '20', '--top', '3');
      assert.equal(status, 0, err);
      assert.ok(report.scenarios > 0);
      assert.equal(report.verify.differences, 0);
      assert.ok(report.worst[0].failed.length >= 1);
    });

  test('named failures, step by step', () => {
    const { status, report, err } = whatif('--grid', example, '--links', 'ham-kie,kie-fle', '--work', '100');
    assert.equal(status, 0, err);
    assert.deepEqual(report.failed.map((f) => f.id), ['ham-kie', 'kie-fle']);
    for (const phase of ['undisturbed', 'repair', 'converged']) assert.ok(report[phase].utilization_max >= 0, phase);
    assert.ok(report.shared_fairly.carried_gbps <= report.shared_fairly.asked_gbps);
    assert.equal(typeof report.cascade.settled, 'boolean');
  });

  test('bundles lose a member, and no path goes through an overloaded router', () => {
    const file = path.join(temporaryDirectory(), 'bundles.yaml');
    const text = readFileSync(example, 'utf8').replace(/(id: ham-kie,[^}]*)\}/, '$1, members: 4, members_min: 4}');
    assert.match(text, /members_min: 4/);
    writeFileSync(file, text.replace(/(id: kie-r1?,[^}]*)\}/, '$1, overload: true}'));
    const { status, report, err } = whatif('--grid', file, '--fail', 'members:1', '--work', '100', '--verify', '1');
    assert.equal(status, 0, err);
    assert.deepEqual([report.scenarios, report.verify.differences], [1, 0]);
    assert.deepEqual(report.worst[0].links_down, ['ham-kie']);
    const one = whatif('--grid', file, '--members', 'ham-kie', '--work', '100');
    assert.deepEqual(one.report.failed, [{ kind: 'member', id: 'ham-kie' }]);
    writeFileSync(file, text.replace('members_min: 4', 'members_min: 5'));
    const wrong = tandem('check', file);
    assert.equal(wrong.status, 2);
    assert.match(wrong.out, /bundles\.yaml:\d+: error: link 'ham-kie': members_min is 5 in a bundle of 4/);
  });

  test('says what is wrong', () => {
    assert.equal(whatif('--grid', example, '--fail', 'links:3').status, 2);
    assert.equal(whatif('--grid', example, '--links', 'no-such-link').status, 2);
    assert.equal(whatif('--grid', example, '--traffic', 'some').status, 2);
    const nobody = whatif('--url', 'http://127.0.0.1:9');
    assert.equal(nobody.status, 1);
    assert.match(nobody.err, /cannot connect to 127\.0\.0\.1:9: .*; is a grid running there\?/);
  });
});

describe('POST /api/v1/whatif', () => {
  let grid;
  after(() => grid?.stop());

  test('answers on the accepted plan while the grid serves', async () => {
    grid = await Grid.start({ grid: example, data: path.join(temporaryDirectory(), 'data') });
    const ask = async (body) => {
      const answer = await fetch(`${grid.url}/api/v1/whatif`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
      return { status: answer.status, body: await answer.json() };
    };
    const swept = await ask({ fail: 'sites:1', worst: 3, verify: 5 });
    assert.equal(swept.status, 200, JSON.stringify(swept.body));
    assert.ok(swept.body.offset > 0);
    assert.equal(swept.body.verify.differences, 0);
    assert.equal(swept.body.worst.length, 3);
    const [worst] = swept.body.worst;
    assert.equal(worst.broken_at_once.length, worst.promises_broken);
    assert.deepEqual(worst.sites_down, worst.failed);
    assert.ok(worst.links_down.length > 0 && worst.fullest_links.length > 0);
    const one = await ask({ failures: [{ kind: 'link', id: 'ham-kie' }] });
    assert.equal(one.status, 200, JSON.stringify(one.body));
    assert.equal(one.body.failed[0].id, 'ham-kie');
    assert.equal((await ask({ failures: [{ kind: 'link', id: 'none' }] })).status, 404);
  });

  test('the command asks a running grid', () => {
    const { status, report, err } = whatif('--url', grid.url, '--fail', 'nodes:1', '--top', '2', '--verify', '5');
    assert.equal(status, 0, err);
    assert.deepEqual([report.fail, report.worst.length, report.verify.differences], ['nodes:1', 2, 0]);
    const one = whatif('--url', grid.url, '--links', 'ham-kie');
    assert.equal(one.status, 0, one.err);
    assert.deepEqual(one.report.failed, [{ id: 'ham-kie', kind: 'link' }]);
    assert.equal(whatif('--url', grid.url, '--links', 'no-such-link').status, 2);
    assert.notEqual(whatif('--url', grid.url, '--grid', example).status, 0);
  });

  test('says how far it is when asked to stream, and answers the same', async () => {
    const question = { fail: 'links:2', worst: 2, seed: 1 };
    const post = (body) => fetch(`${grid.url}/api/v1/whatif`, { method: 'POST', body: JSON.stringify(body) });
    const streamed = await post({ ...question, stream: true });
    assert.equal(streamed.headers.get('content-type'), 'text/event-stream');
    const events = (await streamed.text()).trim().split('\n\n').map((block) => {
      const [, name, data] = block.match(/^event: (\w+)\ndata: (.*)$/);
      return { name, data: JSON.parse(data) };
    });
    assert.equal(events.at(-1).name, 'report');
    assert.ok(events.slice(0, -1).every(({ name, data }) => name === 'progress' && data.done <= data.all));
    const report = events.at(-1).data;
    const plain = await (await post(question)).json();
    assert.deepEqual(Object.keys(report), Object.keys(plain));
    assert.deepEqual([report.fail, report.scenarios, report.complete], [plain.fail, plain.scenarios, true]);
    const wrong = await post({ fail: 'links:9', stream: true });
    assert.equal(wrong.status, 400);
  });
});
