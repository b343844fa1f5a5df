// What breaks when things fail: the command on a public network and on the example, and the same question to a running grid.
import assert from 'node:assert/strict';
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
    const broken = report.worst.map((row) => row.promises_broken);
    assert.deepEqual(broken, [...broken].sort((a, b) => b - a));
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
    assert.equal(typeof report.cascade.settled, 'boolean');
  });

  test('says what is wrong', () => {
    assert.equal(whatif('--grid', example, '--fail', 'links:3').status, 2);
    assert.equal(whatif('--grid', example, '--links', 'no-such-link').status, 2);
    assert.equal(whatif('--grid', example, '--traffic', 'some').status, 2);
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
    const one = await ask({ failures: [{ kind: 'link', id: 'ham-kie' }] });
    assert.equal(one.status, 200, JSON.stringify(one.body));
    assert.equal(one.body.failed[0].id, 'ham-kie');
    assert.equal((await ask({ failures: [{ kind: 'link', id: 'none' }] })).status, 404);
  });
});
