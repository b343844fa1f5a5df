// The README's commands and the examples of each command's help, run as they stand there, but for the port and the names
// of the files.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Grid, binary, example, hasSharedData, root, sharedData, tandem, temporaryDirectory } from './tandem.mjs';

const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((found) => found[1]);
const commands = blocks.join('\n').replaceAll('\\\n', ' ').split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()).filter(Boolean);

describe('the README', () => {
  const directory = temporaryDirectory();
  let grid;
  before(async () => { grid = await Grid.start({ grid: example, data: path.join(directory, 'data'), args: ['--model-repository', path.join(root, 'examples/predict/models')] }); });
  after(() => grid?.stop());
  const run = (line, timeout = 240_000) => execFileSync('bash', ['-c', line
    .replaceAll('http://127.0.0.1:8080', grid.url)
    .replaceAll('build/tandem', binary)
    .replaceAll('--data data', `--data ${path.join(directory, 'data')}`)
    .replaceAll('plan.json', path.join(directory, 'plan.json'))
    .replaceAll(/\bmetro\b/g, path.join(directory, 'metro'))
    .replaceAll('examples/national.yaml', example)
    .replaceAll('examples/planes.yaml', path.join(root, 'examples/planes.yaml'))
    .replaceAll('germany50.txt', path.join(sharedData, 'sndlib/germany50.txt'))
    .replaceAll('germany50.yaml', path.join(directory, 'germany50.yaml'))], { encoding: 'utf8', timeout });

  test('names only make targets that exist', () => {
    const makefile = readFileSync(path.join(root, 'Makefile'), 'utf8');
    const targets = commands.filter((command) => command.startsWith('make ')).map((command) => command.split(' ')[1]);
    assert.ok(targets.length >= 4);
    for (const target of targets) assert.match(makefile, new RegExp(`^${target}:`, 'm'));
  });

  test('its request streams an answer', () => {
    const curl = commands.find((command) => command.startsWith('curl '));
    const answer = run(curl);
    assert.match(answer, /data: \{/);
    assert.match(answer, /\[DONE\]/);
  });

  test('its prediction is answered', async (context) => {
    const models = await grid.get('/api/v1/predictive-models');
    const missing = models.body.models.find((model) => model.reason?.includes('fetch-onnxruntime'));
    if (missing) return context.skip(`skipped: ${missing.reason}`);
    const curl = commands.find((command) => command.includes('/v2/models/'));
    const answer = JSON.parse(run(curl.replace('@examples/', `@${path.join(root, 'examples/')}`)));
    assert.equal(answer.model_name, 'site-ttft');
    assert.equal(answer.outputs[0].data.length, 2);
    for (const ttft of answer.outputs[0].data) assert.ok(ttft > 1 && ttft < 1e6, `${ttft} ms`);
  });

  test('its tool commands work', { skip: hasSharedData ? false : 'skipped: no ../shared/data' }, () => {
    for (const command of commands.filter((line) => /tandem (import|check|plan|te|whatif|ontology|query|inventory)/.test(line))) run(command);
    const tail = commands.find((line) => line.includes('log tail'));
    assert.match(run(tail.replace(' -f', '')), /plan_accepted/);
  });

  // All but those that serve until they are ended, or read what only an operator has.
  test("the examples of each command's help work", { skip: hasSharedData ? false : 'skipped: no ../shared/data' }, () => {
    const names = (help) => [...help.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map((found) => found[1]);
    const commands = names(tandem('--help').out).flatMap((name) => {
      const below = names(tandem(name, '--help').out.split('Subcommands:')[1] ?? '').map((one) => [name, one]);
      return [[name], ...below];
    });
    assert.ok(commands.length > 20, commands.join());
    const examples = commands.flatMap((command) => tandem(...command, '--help').out.split('\n').filter((line) => line.startsWith('  tandem ')))
      .filter((line) => !/tandem (up|engine) |ai\.example\.net|netbox\/|racks\.csv|erase/.test(line.replace(/ && tandem up .*/, '')));
    assert.ok(examples.length > 25, examples.join('\n'));
    const place = temporaryDirectory();
    const files = { examples: path.join(root, 'examples'), data: path.join(directory, 'data') };
    for (const file of ['repetita/Abilene.graph', 'repetita/Abilene.0000.demands', 'topology-zoo/Cogentco.gml', 'sndlib/germany50.txt', 'traces/azure-llm-2023-conv.csv'])
      files[path.basename(file)] = path.join(sharedData, file);
    for (const [name, target] of Object.entries(files)) symlinkSync(target, path.join(place, name));
    const PATH = `${path.dirname(binary)}:${process.env.PATH}`;
    for (const line of examples) {
      const command = line.trim().replace(/ && tandem up .*/, '').replace(' -f', '').replace('big/*.csv --data data', 'big/*.csv --data big-data')
        .replaceAll('http://127.0.0.1:8080', grid.url).replace(/tandem load (?!.*--url)/, `tandem load --url ${grid.url} `)
        .replace(/(tandem load .*?)( --duration \d+)?$/, '$1 --duration 2')
        .replace(/tandem (plan|te|whatif|replay) (?=--grid)(?!.*--plan)/g, 'tandem $1 --work 100 ');
      const ran = spawnSync('bash', ['-c', command], { cwd: place, env: { ...process.env, PATH }, encoding: 'utf8', timeout: 240_000, maxBuffer: 1 << 28 });
      const good = line.includes('--expect') ? [0, 1] : [0];  // what this machine serves in time is not asked here
      assert.ok(good.includes(ran.status), `${command}\n${ran.stderr.slice(-2_000)}`);
    }
  });
});
