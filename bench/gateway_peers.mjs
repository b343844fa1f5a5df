// The gateway beside HAProxy, nginx and LiteLLM as reverse proxies, to the same backend, over loopback. Throughput: requests a
// CPU second of the proxy at 32 connections, medians of several rounds. Delay: what each adds to the percentiles of an open loop far
// from saturation, the others stopped, in turns with the backend alone. The gateway routes, accounts, limits and records; HAProxy and nginx
// pass bytes on. Usage: node bench/gateway_peers.mjs [throughput|delay|all] [SECONDS A ROUND] [ROUNDS] [REQUESTS/S]
// or node bench/gateway_peers.mjs instructions [SECONDS]: how many each executes in user space for an answer, counted by
// valgrind (callgrind), which whatever else runs does not change; what it executes when idle is taken off. Where $PROFILES
// names a folder the counts stay there by function: callgrind_annotate --inclusive=yes $PROFILES/tandem.whole.
// Needs haproxy, nginx and wrk (scripts/install-packages peers) and the programs of `ninja -C build benchmarks`. LiteLLM takes part
// where $LITELLM names its command: python3 -m venv /tmp/litellm && /tmp/litellm/bin/pip install 'litellm[proxy]', then
// LITELLM=/tmp/litellm/bin/litellm.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Grid, binary, temporaryDirectory } from '../test/e2e/tandem.mjs';

const what = process.argv[2] ?? 'all';
const seconds = Number(process.argv[3] ?? 2);
const rounds = Number(process.argv[4] ?? 3);
const rate = Number(process.argv[5] ?? 1000);
const folder = temporaryDirectory();
const base = Number(process.env.PORT_BASE ?? 18430);
const port = { backend: base + 1, haproxy: base + 2, nginx: base + 3, litellm: base + 4 };
const missing = ['haproxy', 'nginx', 'wrk', ...(what === 'instructions' ? ['valgrind'] : [])].filter((name) => spawnSync('which', [name]).status !== 0);
if (missing.length > 0) {
  console.log(`skipped: ${missing.join(', ')} not installed (scripts/install-packages peers)`);
  process.exit(0);
}

const profiles = process.env.PROFILES ?? path.join(folder, 'profiles');
mkdirSync(profiles, { recursive: true });
const counted = (name) => what !== 'instructions' ? []
  : ['valgrind', '-q', '--tool=callgrind', '--instr-atstart=no', `--callgrind-out-file=${profiles}/${name}`];

function start(command, args, under = []) {
  const [first, ...words] = [...under, command, ...args];
  const child = spawn(first, words, { stdio: ['ignore', 'ignore', 'inherit'] });
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
  return { haproxy: start('haproxy', ['-f', haproxy, '-db'], counted('haproxy')).pid,
    nginx: start('nginx', ['-c', nginx, '-p', folder], counted('nginx')).pid };
}

// Everything on: a key, a region, a model with a promise, limits that are counted and never reached; one deployment behind it, as many requests at once as wrk has.
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
tenants: [{id: t, keys: [{sha256: ${key}, loopback_only: true}], residency: [DE], ttft_ms: 60000, tpot_ms: 60000, quantile: 0.9,
  limits: {requests_per_minute: 100000000, tokens_per_minute: 4000000000, budget_eur_per_month: 1000000}}]
demands: [{id: d, tenant: t, region: here, model: m, rate_per_s: 100, prompt_tokens: 200, output_tokens: 32, upload_bytes: 1000, download_bytes: 1000}]
`);
  const running = await Grid.start({ grid, data: path.join(folder, 'data'), args: ['--threads', '1'], under: counted('tandem') });
  return running;
}

const cpuSeconds = (pids) => pids.reduce((sum, pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return sum + (Number(fields[11]) + Number(fields[12])) / 100;
}, 0);

function wrk(url, stream, connections, time) {
  const script = path.join(folder, `${stream}.lua`);
  const body = JSON.stringify({ model: 'm', stream, max_tokens: 32, messages: [{ role: 'user', content: 'a'.repeat(900) }] });
  writeFileSync(script, `wrk.method = "POST"\nwrk.body = [[${body}]]\nwrk.headers["content-type"] = "application/json"\n` +
    'wrk.headers["authorization"] = "Bearer sk-bench"\n');
  const ran = spawnSync('wrk', ['-t1', `-c${connections}`, `-d${time}s`, '-s', script, `${url}/v1/chat/completions`], { encoding: 'utf8' });
  const number = (pattern) => Number(pattern.exec(ran.stdout)?.[1]);
  return { requests: number(/(\d+) requests in/), failed: number(/Non-2xx or 3xx responses: (\d+)/) || 0 };
}

// Its database, its caches and its telemetry left out: keys and routing alone.
function startLitellm() {
  const config = path.join(folder, 'litellm.yaml');
  writeFileSync(config, `model_list: [{model_name: m, litellm_params: {model: openai/m, api_base: "http://127.0.0.1:${port.backend}/v1", api_key: none}}]
general_settings: {master_key: sk-bench}
litellm_settings: {telemetry: false}
`);
  process.env.LITELLM_LOCAL_MODEL_COST_MAP = 'True';  // no look on the web
  return start(process.env.LITELLM, ['--config', config, '--host', '127.0.0.1', '--port', String(port.litellm), '--num_workers', '1']).pid;
}

async function until(url) {
  for (let i = 0; i < 1200; ++i) {
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'a' }] });
    const headers = { authorization: 'Bearer sk-bench', 'content-type': 'application/json' };
    const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body, headers }).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} does not answer`);
}

const benchProgram = (name) => path.join(path.dirname(binary), name);
start(benchProgram('fast_backend'), [String(port.backend)]);
const peers = startPeers();
const tandem = await startTandem();
const contestants = [
  { name: 'no proxy', port: port.backend },
  { name: 'haproxy', port: port.haproxy, pid: peers.haproxy },
  { name: 'nginx', port: port.nginx, pid: peers.nginx },
  { name: 'tandem', port: Number(new URL(tandem.url).port), pid: tandem.child.pid },
];
if (process.env.LITELLM) contestants.push({ name: 'litellm', port: port.litellm, pid: startLitellm() });
else console.log("litellm skipped: not installed (LITELLM names no command; python3 -m venv /tmp/litellm && /tmp/litellm/bin/pip install 'litellm[proxy]')");
for (const each of contestants) await until(`http://127.0.0.1:${each.port}`);

// Alone with the backend and the client: even an idle server wakes now and then.
function alone(one, work) {
  const others = contestants.filter((each) => each.pid && each !== one);
  for (const each of others) process.kill(each.pid, 'SIGSTOP');
  const result = work();
  for (const each of others) process.kill(each.pid, 'SIGCONT');
  return result;
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const quantile = (values, q) => sorted(values)[Math.min(values.length - 1, Math.floor(q * values.length))];
const median = (values) => quantile(values, 0.5);
const titles = { false: 'whole, 1 KB', true: 'streamed, 33 events' };

function throughput(stream) {
  console.log(`\n${titles[stream]}: requests a CPU second of the proxy at 32 connections, each round and the median`);
  const proxies = contestants.filter((each) => each.pid);
  const rates = new Map(proxies.map((each) => [each, []]));
  for (let round = 0; round <= rounds; ++round)
    for (const each of proxies)
      alone(each, () => {
        const before = cpuSeconds([each.pid]);
        const full = wrk(`http://127.0.0.1:${each.port}`, stream, 32, round === 0 ? 1 : seconds);
        if (full.failed > 0) console.log(`${each.name}: ${full.failed} requests failed`);
        if (round > 0) rates.get(each).push(full.requests / (cpuSeconds([each.pid]) - before));  // the first warms up
      });
  const ours = rates.get(proxies.find((each) => each.name === 'tandem'));
  const best = ours.map((_, round) => Math.max(...['haproxy', 'nginx'].map((name) => rates.get(proxies.find((each) => each.name === name))[round])));
  for (const [each, values] of rates)
    console.log(`${each.name.padEnd(10)} ${values.map((value) => Math.round(value).toString().padStart(8)).join('')}   median ${Math.round(median(values))}`);
  const ratios = ours.map((value, round) => value / best[round]);
  console.log(`of the better of each round: ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}, median ${median(ratios).toFixed(2)}`);
}

function instructions(stream) {
  console.log(`\n${titles[stream]}: instructions in user space an answer at 32 connections`);
  for (const each of contestants.filter((one) => one.pid && one.name !== 'litellm')) {
    const control = (...words) => {
      const ran = spawnSync('callgrind_control', [...words, String(each.pid)], { encoding: 'utf8' });
      if (ran.status !== 0) throw new Error(`callgrind_control: ${ran.stderr}`);
    };
    // Those since the last time.
    const dump = (into) => {
      control('--dump');
      const file = readdirSync(profiles).filter((name) => name.startsWith(`${each.name}.`) && /\d$/.test(name))
        .map((name) => path.join(profiles, name))[0];
      const total = Number(/^totals: (\d+)/m.exec(readFileSync(file, 'utf8'))?.[1]);
      renameSync(file, path.join(profiles, `${each.name}.${into}`));
      return total;
    };
    const url = `http://127.0.0.1:${each.port}`;
    control('--instr=on');
    wrk(url, stream, 32, 1);
    dump('warm');
    spawnSync('sleep', [String(seconds)]);
    const idle = dump('idle');
    const served = wrk(url, stream, 32, seconds).requests;
    const total = dump(stream ? 'streamed' : 'whole');
    control('--instr=off');
    console.log(`${each.name.padEnd(10)} ${Math.round((total - idle) / served).toString().padStart(8)} of ${served} answers`);
  }
}

// In short rounds, and of each percentile the rounds' lower quartile: of a shared machine the host takes the processors for
// milliseconds now and then, and who is under way then would be told by chance alone.
const kShorts = 8;  // of a round
function delay(stream) {
  console.log(`\n${titles[stream]}: microseconds to the answer's last byte, ${rate} requests/s at random moments, ${rounds * kShorts} rounds of ${seconds / kShorts} s in turns`);
  const took = new Map(contestants.map((each) => [each, []]));
  for (let round = 0; round <= rounds * kShorts; ++round)
    for (const each of contestants)
      alone(each, () => {
        const many = each.name === 'litellm' ? Math.min(rate, 20) : rate;  // more than that saturates it
        const words = [each.port, many, round === 0 ? 1 : seconds / kShorts, stream ? 'streamed' : 'whole', round + 1].map(String);
        const ran = spawnSync(benchProgram('paced_requests'), words, { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] });
        if (round > 0 && ran.status === 0) took.get(each).push(ran.stdout.trim().split('\n').map(Number));
      });
  const percentile = (each, q) => quantile(took.get(each).map((values) => quantile(values, q)), 0.25);
  for (const each of contestants) {
    if (took.get(each).length === 0) {
      console.log(`${each.name.padEnd(10)} no figures: not all was answered in time`);
      continue;
    }
    const cells = [0.5, 0.9, 0.99].map((q) => {
      const added = percentile(each, q) - percentile(contestants[0], q);
      const told = each === contestants[0] ? '' : ` (${added < 0 ? '' : '+'}${added.toFixed(0)})`;
      return `p${q * 100} ${percentile(each, q).toFixed(0)}${told}`.padEnd(20);
    });
    console.log(`${each.name.padEnd(10)} ${cells.join(' ')} of ${took.get(each).flat().length}`);
  }
}

if (what === 'instructions') [false, true].forEach(instructions);
for (const stream of [false, true]) if (what === 'throughput' || what === 'all') throughput(stream);
for (const stream of [false, true]) if (what === 'delay' || what === 'all') delay(stream);
await tandem.stop();
process.exit(0);
