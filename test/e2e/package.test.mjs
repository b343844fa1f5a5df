// The Debian package: made as `make package` makes it, unpacked somewhere, and run from there.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Grid, binary, root, temporaryDirectory } from './tandem.mjs';

const lacks = ['cpack', 'dpkg-shlibdeps', 'file'].find((tool) => spawnSync('which', [tool]).status !== 0);
const words = (text) => text.match(/--[a-z][a-z-]+/g) ?? [];

describe('the package', { skip: lacks && `skipped: no ${lacks}` }, () => {
  const directory = temporaryDirectory();
  const unpacked = path.join(directory, 'root');
  const inside = (...names) => path.join(unpacked, ...names);
  const program = inside('usr/bin/tandem');
  const unit = () => readFileSync(inside('usr/lib/systemd/system/tandem.service'), 'utf8');
  let file;
  before(() => {
    execFileSync('cpack', ['-G', 'DEB', '-B', directory], { cwd: path.dirname(binary) });
    file = path.join(directory, readdirSync(directory).find((name) => name.endsWith('.deb')));
    execFileSync('dpkg-deb', ['-x', file, unpacked]);
  });

  test('names the libraries that it needs, and whose settings are the operator\'s', () => {
    const control = execFileSync('dpkg-deb', ['-f', file], { encoding: 'utf8' });
    for (const needed of ['libssl3', 'libsqlite3-0', 'coinor-libclp1', 'libstdc++6', 'passwd'])
      assert.match(control, new RegExp(`^Depends:.*\\b${needed.replaceAll('+', '\\+')}\\b`, 'm'));
    const scripts = path.join(directory, 'control');
    execFileSync('dpkg-deb', ['-e', file, scripts]);
    assert.equal(readFileSync(path.join(scripts, 'conffiles'), 'utf8'), '/etc/default/tandem\n');
    for (const script of ['postinst', 'prerm', 'postrm']) execFileSync('sh', ['-n', path.join(scripts, script)]);
  });

  test('knows nothing of where it was built', () => {
    const bytes = readFileSync(program);
    const at = bytes.indexOf(root);
    assert.equal(at, -1, `the program says ${bytes.subarray(at, at + 120)}`);
  });

  test('has a unit whose options the program knows', () => {
    const help = execFileSync(program, ['up', '--help'], { encoding: 'utf8' });
    const told = [...words(/^ExecStart=.*$/m.exec(unit())[0]), ...words(readFileSync(inside('etc/default/tandem'), 'utf8'))];
    assert.ok(told.includes('--grid') && told.includes('--listen'));
    for (const option of told) assert.ok(words(help).includes(option), `${option} is no option of tandem up`);
  });

  test('has a unit that systemd takes', { skip: existsSync('/usr/bin/systemd-analyze') ? false : 'skipped: no systemd' }, () => {
    const copy = path.join(directory, 'tandem.service');
    writeFileSync(copy, unit().replaceAll('/usr/bin/tandem', program));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', copy], { encoding: 'utf8' });
    assert.equal(verified.stderr.split('\n').filter((line) => line.includes('tandem.service')).join('\n'), '');
  });

  test('serves its example, with its own ONNX Runtime', async (context) => {
    const grid = await Grid.start({
      program, grid: inside('usr/share/tandem/examples/national.yaml'), data: path.join(directory, 'data'),
      args: ['--model-repository', inside('usr/share/tandem/examples/predict/models')],
    });
    after(() => grid.stop());
    const answer = await grid.chat({ model: 'llama-3.1-8b', max_tokens: 3, messages: [{ role: 'user', content: 'Where are you?' }] });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    if (!existsSync(inside('usr/lib/tandem/libonnxruntime.so.1'))) return context.skip('skipped: ONNX Runtime was not fetched');
    const request = JSON.parse(readFileSync(inside('usr/share/tandem/examples/predict/request.json'), 'utf8'));
    const predicted = await grid.post('/v2/models/site-ttft/infer', request, { authorization: 'Bearer sk-demo' });
    assert.equal(predicted.status, 200, JSON.stringify(predicted.body));
    const mapped = readFileSync(`/proc/${grid.child.pid}/maps`, 'utf8').split('\n').find((line) => line.includes('libonnxruntime'));
    assert.ok(mapped.endsWith(inside('usr/lib/tandem/libonnxruntime.so.1')), mapped);
  });
});
