// The policies side by side through the gateway itself: real HTTP, real streams, engines EMULATED at their profiles' pace
// (`tandem up --policy NAME`, `tandem load --trace`). The 125 base stations of Melbourne with the users of the four
// busiest regions, so that one machine can play the engines; the arrivals and sizes of recorded traces, scaled to the
// demands' rate and means. Usage: node bench/policies_live.mjs [SECONDS] [REQUESTS A SECOND]
// Cost and joules are the whole fleet's for the time of the run, at the load it was planned for. Of a trace the requests
// are taken, not which prompts begin alike. All have the joint plan's replicas: a fleet of nearest's own would break
// promises, and the core takes no such plan in; `tandem replay` knows what it costs.
import { readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { Grid, hasSharedData, sharedData, tandem, tandemBeside, temporaryDirectory } from '../test/e2e/tandem.mjs';

const seconds = Number(process.argv[2] ?? 20);
const rate = Number(process.argv[3] ?? 60);
const policies = (process.env.POLICIES ?? 'tandem,nearest,least-load,round-robin,prefix-hash').split(',');
const traces = (process.env.TRACES ?? 'azure-llm-2023-conv.csv,azure-llm-2023-code.csv,mooncake-synthetic.jsonl').split(',');
const factors = (process.env.FACTORS ?? '1,1.5,2').split(',').map(Number);
const promptTokens = 400, outputTokens = 150;  // the demands' means, as imported
const ttftMs = 1500, tpotMs = 100;

if (!hasSharedData) {
  console.log('skipped: no ../shared/data');
  process.exit(0);
}
const folder = temporaryDirectory();
const imported = path.join(folder, 'imported.yaml');
tandem('import', path.join(sharedData, 'edge-sites/eua-melbourne-sites.csv'), '--jurisdiction', 'AU', '-o', imported);
const text = readFileSync(imported, 'utf8');
const demands = [...text.slice(text.indexOf('\ndemands:')).matchAll(
  /tenant: demo,\s+region: "?([^",]+)"?,\s+model: ([^,]+),\s+rate_per_s: ([\d.]+)/g)];
const busiest = demands.sort((a, b) => b[3] - a[3]).slice(0, 4);
const regions = busiest.map((demand) => demand[1]);
const grid = path.join(folder, 'grid.yaml');
const sha256 = createHash('sha256').update('sk-bench').digest('hex');
writeFileSync(grid, `${text.slice(0, text.indexOf('\ntenants:'))}
tenants: [{id: demo, keys: [{sha256: ${sha256}, loopback_only: true}], residency: [AU], ttft_ms: ${ttftMs}, tpot_ms: ${tpotMs}}]
demands:
${busiest.map(([, region, model], i) => `  - {id: d${i}, tenant: demo, region: "${region}", model: ${model}, rate_per_s: ${rate / 4},
     prompt_tokens: ${promptTokens}, output_tokens: ${outputTokens}, prefix_hit: 0.2}`).join('\n')}
`);

// [seconds, prompt tokens, output tokens] of each request.
function read(trace) {
  const lines = readFileSync(path.join(sharedData, 'traces', trace), 'utf8').trim().split('\n');
  if (trace.endsWith('.jsonl'))
    return lines.map(JSON.parse).map((row) => [row.timestamp / 1000, row.input_length, row.output_length]);
  return lines.slice(1).map((line) => line.split(','))
    .map(([at, prompt, output]) => [Date.parse(`${at.slice(0, 23).replace(' ', 'T')}Z`) / 1000, Number(prompt), Number(output)]);
}

// As many of them as the run takes, at that rate, with the demands' means.
function scaled(trace, count) {
  const rows = read(trace).slice(0, count);
  const mean = (column) => rows.reduce((sum, row) => sum + row[column], 0) / rows.length;
  const span = rows.at(-1)[0] - rows[0][0];
  const sizes = [promptTokens / mean(1), outputTokens / mean(2)];
  const file = path.join(folder, 'trace.csv');
  writeFileSync(file, `TIMESTAMP,ContextTokens,GeneratedTokens\n${rows.map((row) => {
    const at = new Date(Date.UTC(2026, 0, 1) + (row[0] - rows[0][0]) / span * seconds * 1000);
    const tokens = sizes.map((size, i) => Math.max(1, Math.round(row[i + 1] * size)));
    return `${at.toISOString().replace('T', ' ').replace('Z', '0000')},${tokens.join(',')}`;
  }).join('\n')}\n`);
  return file;
}

async function measure(policy, trace, factor) {
  const data = path.join(folder, `${policy}-${trace}-${factor}`);
  const up = await Grid.start({ grid, data, args: ['--policy', policy, '--threads', '1'] });
  const plan = (await up.get('/api/v1/plan')).body;
  const answer = await tandemBeside('load', '--url', up.url, '--key', 'sk-bench', '--trace', scaled(trace, Math.round(rate * factor * seconds)),
    '--duration', seconds + 1, '--ttft-ms', ttftMs, '--tpot-ms', tpotMs, ...regions.flatMap((region) => ['--region', region]),
    '--model', busiest[0][2], '--json');
  if (answer.status !== 0) throw new Error(answer.err);
  const report = JSON.parse(answer.out);
  await up.stop();
  return { plan, report };
}

const table = (cells) => cells.map((cell, i) => (i === 0 ? String(cell).padEnd(13) : String(cell).padStart(15))).join('');
console.log(`engines are EMULATED; ${regions.length} regions, ${rate} requests/s planned, ${seconds} s a run`);
for (const trace of traces)
  for (const factor of factors) {
    console.log(`\n${trace}, ${factor} times what was planned`);
    console.log(table(['', 'in time', 'fleet EUR/h', 'EUR/M tokens', 'EUR/M in time', 'J/token', 'rejected']));
    for (const policy of policies) {
      const { plan, report } = await measure(policy, trace, factor);
      const fleet = plan.deployments.reduce((sum, row) => sum + row.cost_eur_per_hour, 0);
      const watts = plan.deployments.reduce((sum, row) => sum + row.power_w, 0);
      const perToken = (tokens) => (tokens > 0 ? (fleet / 3600 * seconds / tokens * 1e6).toFixed(3) : '-');
      console.log(table([policy, `${(100 * report.goodput).toFixed(1)} %`, fleet.toFixed(2), perToken(report.output_tokens),
        perToken(report.output_tokens * report.good / Math.max(1, report.ok)), (watts * seconds / Math.max(1, report.output_tokens)).toFixed(2),
        `${report.rejected} of ${report.requests}`]));
    }
  }
