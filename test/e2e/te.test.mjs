// Traffic engineering from the command line: what it says is checked here from its own JSON.
import assert from 'node:assert/strict';
import { writeFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { example, tandem, temporaryDirectory } from './tandem.mjs';

// A square with a diagonal: a-b is asked for more than one path can carry.
const nodes = ['a', 'b', 'c', 'd'];
const links = [['a', 'b', 1], ['a', 'c', 1], ['c', 'b', 1], ['a', 'd', 2], ['d', 'b', 2]];
const demands = [['a', 'b', 1800], ['c', 'd', 100], ['b', 'a', 300]];

function instance(directory) {
  const edges = links.flatMap(([from, to, weight]) => [[from, to, weight], [to, from, weight]]);
  const graph = path.join(directory, 'square.graph');
  const file = path.join(directory, 'square.demands');
  writeFileSync(graph, `NODES ${nodes.length}\nlabel x y\n${nodes.map((n) => `${n} 0 0\n`).join('')}\nEDGES ${edges.length}\n` +
    `label src dest weight bw delay\n${edges.map(([f, t, w], i) => `e${i} ${nodes.indexOf(f)} ${nodes.indexOf(t)} ${w} 1000 1\n`).join('')}`);
  writeFileSync(file, `DEMANDS ${demands.length}\nlabel src dest bw\n` +
    demands.map(([f, t, r], i) => `d${i} ${nodes.indexOf(f)} ${nodes.indexOf(t)} ${r}\n`).join(''));
  return ['--graph', graph, '--demands', file];
}

// Shortest distances between all nodes, by the certificate's prices.
function bound(prices) {
  const distance = Object.fromEntries(nodes.map((a) => [a, Object.fromEntries(nodes.map((b) => [b, a === b ? 0 : Infinity]))]));
  let capacity = 0;
  const price = Object.fromEntries(prices.map((p) => [`${p.from}>${p.to}`, p.price]));
  for (const [a, b] of links.flatMap(([x, y]) => [[x, y], [y, x]])) {
    distance[a][b] = Math.min(distance[a][b], price[`${a}>${b}`] ?? 0);
    capacity += 1e-3 * (price[`${a}>${b}`] ?? 0);
  }
  for (const k of nodes) for (const a of nodes) for (const b of nodes) distance[a][b] = Math.min(distance[a][b], distance[a][k] + distance[k][b]);
  return demands.reduce((sum, [from, to, rate]) => sum + rate * 1e-6 * distance[from][to], 0) / capacity;
}

test('policies, a bound that its certificate proves, and repairs', () => {
  const directory = temporaryDirectory();
  const files = instance(directory);
  const ran = tandem('te', ...files, '--failures', '--json');
  assert.equal(ran.status, 0, ran.err);
  const answer = JSON.parse(ran.out);
  // c-d must leave by a's links or enter by b's, so that (1,800 + 100) / 3,000 is the least.
  assert.ok(Math.abs(answer.mlu - 1_900 / 3_000) < 0.005 && answer.mlu_before > 1.7, ran.out.slice(0, 500));
  assert.ok(answer.gap >= 0 && answer.gap < 0.01);
  assert.ok(Math.abs(bound(answer.certificate.prices) - answer.bound) < 1e-6 * answer.bound);
  const sums = {};
  for (const policy of answer.policies) sums[policy.demand] = (sums[policy.demand] ?? 0) + policy.fraction;
  for (const sum of Object.values(sums)) assert.ok(Math.abs(sum - 1) < 1e-9);
  assert.equal(answer.failures.scenarios, links.length);
  assert.ok(answer.failures.each.every((f) => f.mlu <= f.mlu_failed && f.changed_demands <= 5));
  const again = JSON.parse(tandem('te', ...files, '--json').out);
  assert.deepEqual(again.policies, answer.policies);
});

test('a table for people, a file for machines, a grid file, and limits', () => {
  const directory = temporaryDirectory();
  const files = instance(directory);
  const output = path.join(directory, 'te.json');
  const table = tandem('te', ...files, '-o', output);
  assert.match(table.out, /FULLEST LINKS[\s\S]*█[\s\S]*no routing can have less than/);
  assert.ok(JSON.parse(readFileSync(output, 'utf8')).policies.length > 0);
  assert.equal(JSON.parse(tandem('te', ...files, '--policies-max', '0', '--json').out).policies.length, 0);
  assert.equal(tandem('te', ...files, '--time-limit', '0.01', '--json').status, 0);
  assert.equal(tandem('te', '--grid', example, '--json').status, 0);
});

test('what is wrong is named', () => {
  const directory = temporaryDirectory();
  const [, graph, , file] = instance(directory);
  const alone = tandem('te', '--graph', graph);
  assert.equal(alone.status, 2);
  assert.equal(tandem('te').status, 2);
  assert.equal(tandem('te', '--graph', path.join(directory, 'none'), '--demands', file).status, 2);
  writeFileSync(file, 'DEMANDS 1\nlabel src dest bw\nd0 0 9 5\n');
  const wrong = tandem('te', '--graph', graph, '--demands', file);
  assert.equal(wrong.status, 2);
  assert.match(wrong.err, /square\.demands:3: error: '9' is no node/);
  const cut = path.join(directory, 'cut.graph');
  writeFileSync(cut, 'NODES 3\nlabel x y\na 0 0\nb 0 0\nc 0 0\nEDGES 2\nlabel src dest weight bw delay\ne0 0 1 1 1000 1\ne1 1 2 1 0 1\n');
  writeFileSync(file, 'DEMANDS 2\nlabel src dest bw\nd0 0 1 5\nd1 0 2 5\n');
  const blocked = tandem('te', '--graph', cut, '--demands', file, '--json');
  assert.equal(blocked.status, 0, blocked.err);
  assert.deepEqual(JSON.parse(blocked.out).blocked.map((b) => [b.demand, b.relaxation]), [['d1', 'capacity on e1']]);
  assert.match(blocked.err, /not carried: d1/);
});
