// Ten thousand streamed answers at once, each a token every five seconds, through a gateway with routing, keys, limits
// and records on: the gateway's resident memory, and what of it is a stream's. Engine and clients are processes of
// their own. Usage: node bench/many_streams.mjs [STREAMS] [SECONDS]
// Needs build/slow_streams (ninja -C build benchmarks), as root or with a hard limit of open files above twice STREAMS.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Grid, binary, temporaryDirectory } from '../test/e2e/tandem.mjs';

const streams = Number(process.argv[2] ?? 10_000);
const seconds = Number(process.argv[3] ?? 15);
const folder = temporaryDirectory();
const port = 18434;
const ends = path.join(path.dirname(binary), 'slow_streams');
const bytesMax = 1e9;

function start(...args) {
  const child = spawn(ends, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill('SIGKILL'));
  return child;
}

async function line(child) {
  for await (const piece of child.stdout.iterator({ destroyOnReturn: false })) return String(piece).trim();
  throw new Error('slow_streams ended early');
}

// VmRSS, of the process alone.
const residentBytes = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
const openFiles = (pid) => Number(/Max open files\s+(\d+)/.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))[1]);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

start('engine', port);
const key = createHash('sha256').update('sk-bench').digest('hex');
const grid = path.join(folder, 'grid.yaml');
writeFileSync(grid, `tandem: 1
sites: [{id: s, tier: core, latitude_deg: 48, longitude_deg: 11, jurisdiction: DE, power_limit_kw: 100}]
nodes: [{id: r, site: s}]
regions: [{id: here, latitude_deg: 48, longitude_deg: 11, population: 1, prefixes: [127.0.0.0/8], anchors: [{node: r, access_delay_us: 10}]}]
accelerators: [{id: a, memory_gb: 80, idle_power_w: 1, peak_power_w: 2, price_eur_per_hour: 1}]
pools: [{id: p, site: s, node: r, accelerator: a, count: 8, engine_url: "http://127.0.0.1:${port}"}]
models: [{id: m, parameters_billion: 1, weights_gb: 1, kv_bytes_per_token: 1, context_tokens: 100000}]
profiles: [{id: f, model: m, accelerator: a, prefill_tokens_per_s: 100000000, kv_memory_gb: 70,
  points: [{batch: ${2 * streams}, decode_ms_per_token: 5000, power_w: 2}], source: made up}]
tenants: [{id: t, keys: [{sha256: ${key}, loopback_only: true}], residency: [DE], ttft_ms: 60000, tpot_ms: 60000, quantile: 0.9}]
demands: [{id: d, tenant: t, region: here, model: m, rate_per_s: ${streams / 160}, prompt_tokens: 200, output_tokens: 32, upload_bytes: 1000, download_bytes: 1000}]
`);
const tandem = await Grid.start({ grid, data: path.join(folder, 'data'), args: ['--threads', '1'] });
const pid = tandem.child.pid;
if (openFiles(pid) < 2 * streams + 200) {
  console.log(`skipped: the gateway may open ${openFiles(pid)} files; ulimit -n ${3 * streams}`);
  process.exit(0);
}
await wait(1000);
const before = residentBytes(pid);
const began = Date.now();
const holder = start('hold', new URL(tandem.url).port, streams);
console.log(await line(holder), `after ${((Date.now() - began) / 1000).toFixed(1)} s`);
const held = residentBytes(pid);
await wait(seconds * 1000);
const later = residentBytes(pid);
holder.stdin.end();
console.log(await line(holder), `over ${seconds} s more`);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
console.log(`resident: ${megabytes(before)} before, ${megabytes(held)} with ${streams} streams, ${megabytes(later)} later: ` +
  `${Math.round((later - before) / streams)} bytes a stream`);
await tandem.stop();
if (later >= bytesMax) console.log(`more than ${megabytes(bytesMax)}`);
process.exit(later < bytesMax ? 0 : 1);
