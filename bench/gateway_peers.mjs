// The gateway beside HAProxy and nginx as plain reverse proxies, to the same backend, over loopback: requests a CPU
// second of the proxy, and what each adds to the median and the 99th percentile with two connections. The gateway routes, accounts,
// limits and records; the others pass bytes on. Usage: node bench/gateway_peers.mjs [SECONDS]
// Needs haproxy, nginx and wrk (scripts/install-packages peers) and build/fast_backend (ninja -C build benchmarks).
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Grid, binary, temporaryDirectory } from '../test/e2e/tandem.mjs';

const seconds = Number(process.argv[2] ?? 10);
const folder = temporaryDirectory();
const port = { backend: 18431, haproxy: 18432, nginx: 18433 };
const missing = ['haproxy', 'nginx', 'wrk'].filter((name) => spawnSync('which', [name]).status !== 0);
if (missing.length > 0) {
  console.log(`skipped: ${missing.join(', ')} not installed (scripts/install-packages peers)`);
  process.exit(0);
}

function start(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  process.on('exit', () => child.kill('SIGKILL'));
  return child;
}

// Both as their manuals have it for one worker with kept connections.
function startPeers() {
  const haproxy = path.join(folder, 'haproxy.cfg');
  writeFileSync(haproxy, `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  http-reuse always
frontend f
  bind 127.0.0.1:${port.haproxy}
  default_backend b
backend b
  server s 127.0.0.1:${port.backend}
`);
  mkdirSync(path.join(folder, 'nginx'));
  const nginx = path.join(folder, 'nginx.conf');
  writeFileSync(nginx, `daemon off; master_process off; pid ${folder}/nginx/pid; error_log stderr error; user root;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${folder}/nginx/a; proxy_temp_path ${folder}/nginx/b; fastcgi_temp_path ${folder}/nginx/c;
  uwsgi_temp_path ${folder}/nginx/d; scgi_temp_path ${folder}/nginx/e; keepalive_requests 1000000000;
  upstream b { server 127.0.0.1:${port.backend}; keepalive 256; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:${port.nginx};
    location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } }
}
`);
  return { haproxy: start('haproxy', ['-f', haproxy, '-db']).pid, nginx: start('nginx', ['-c', nginx, '-p', folder]).pid };
}

// Everything on: a key, a region, a model with a promise; one deployment behind it, as many requests at once as wrk has.
async function startTandem() {
  const key = createHash('sha256').update('sk-bench').digest('hex');
  const grid = path.join(folder, 'grid.yaml');
  writeFileSync(grid, `tandem: 1
sites: [{id: s, tier: core, latitude_deg: 48, longitude_deg: 11, jurisdiction: DE, power_limit_kw: 100}]
nodes: [{id: r, site: s}]
regions: [{id: here, latitude_deg: 48, longitude_deg: 11, population: 1, prefixes: [127.0.0.0/8], anchors: [{node: r, access_delay_us: 10}]}]
accelerators: [{id: a, memory_gb: 80, idle_power_w: 1, peak_power_w: 2, price_eur_per_hour: 1}]
pools: [{id: p, site: s, node: r, accelerator: a, count: 8, engine_url: "http://127.0.0.1:${port.backend}"}]
models: [{id: m, parameters_billion: 1, weights_gb: 1, kv_bytes_per_token: 1, context_tokens: 100000}]
profiles: [{id: f, model: m, accelerator: a, prefill_tokens_per_s: 1000000, kv_memory_gb: 70,
  points: [{batch: 1024, decode_ms_per_token: 0.1, power_w: 2}], source: made up}]
tenants: [{id: t, keys: [{sha256: ${key}, loopback_only: true}], residency: [DE], ttft_ms: 60000, tpot_ms: 60000, quantile: 0.9}]
demands: [{id: d, tenant: t, region: here, model: m, rate_per_s: 100, prompt_tokens: 200, output_tokens: 32, upload_bytes: 1000, download_bytes: 1000}]
`);
  const running = await Grid.start({ grid, data: path.join(folder, 'data'), args: ['--threads', '1'] });
  return running;
}

const cpuSeconds = (pids) => pids.reduce((sum, pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return sum + (Number(fields[11]) + Number(fields[12])) / 100;
}, 0);

function wrk(url, stream, connections) {
  const script = path.join(folder, `${stream}.lua`);
  const body = JSON.stringify({ model: 'm', stream, max_tokens: 32, messages: [{ role: 'user', content: 'a'.repeat(900) }] });
  writeFileSync(script, `wrk.method = "POST"\nwrk.body = [[${body}]]\nwrk.headers["content-type"] = "application/json"\n` +
    'wrk.headers["authorization"] = "Bearer sk-bench"\n');
  const ran = spawnSync('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script, `${url}/v1/chat/completions`], { encoding: 'utf8' });
  const number = (pattern) => Number(pattern.exec(ran.stdout)?.[1]);
  const percentile = (p) => {
    const [, value, unit] = new RegExp(`${p}%\\s+([\\d.]+)(us|ms|s)`).exec(ran.stdout);
    return Number(value) * { us: 1, ms: 1e3, s: 1e6 }[unit];
  };
  return {
    requests: number(/(\d+) requests in/), failed: number(/Non-2xx or 3xx responses: (\d+)/) || 0,
    p50_us: percentile(50), p99_us: percentile(99),
  };
}

start(path.join(path.dirname(binary), 'fast_backend'), [String(port.backend)]);
const peers = startPeers();
const tandem = await startTandem();
await new Promise((resolve) => setTimeout(resolve, 500));
const contestants = [
  ['no proxy', `http://127.0.0.1:${port.backend}`, () => []],
  ['haproxy', `http://127.0.0.1:${port.haproxy}`, () => [peers.haproxy]],
  ['nginx', `http://127.0.0.1:${port.nginx}`, () => [peers.nginx]],
  ['tandem', tandem.url, () => [tandem.child.pid]],
];
for (const stream of [false, true]) {
  console.log(`\n${stream ? 'streamed, 33 events' : 'whole, 1 KB'}: requests a CPU second at 32 connections; delay with 2`);
  let direct;
  for (const [name, url, pids] of contestants) {
    wrk(url, stream, 4);
    const before = cpuSeconds(pids());
    const full = wrk(url, stream, 32);
    const used = cpuSeconds(pids()) - before;
    const few = wrk(url, stream, 2);
    if (name === 'no proxy') direct = few;
    if (full.failed + few.failed > 0) console.log(`${name}: ${full.failed + few.failed} requests failed`);
    console.log(`${name.padEnd(10)} ${used > 0 ? Math.round(full.requests / used).toString().padStart(8) : '       –'}/CPU s   ` +
      `${Math.round(full.requests / seconds).toString().padStart(7)}/s   added: p50 ${(few.p50_us - direct.p50_us).toFixed(0).padStart(5)} µs, p99 ${(few.p99_us - direct.p99_us).toFixed(0).padStart(6)} µs`);
  }
}
await tandem.stop();
process.exit(0);
