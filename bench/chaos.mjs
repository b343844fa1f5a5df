// What clients see of the gateway while what it stands on fails: engines killed, hung, slow, answering garbage or
// resetting in the middle, the core's thread stopped, the certificate replaced. Four sites with an engine each, of which
// three can do the work; two tenants ask, whole and streamed, in the clear and over TLS, at a steady rate whatever
// becomes of the answers. Every prompt has a mark of its own that the engine repeats in every token, so that another's
// data would be seen.
//
// Usage: node bench/chaos.mjs [--json] [--seconds S] [--port P] [--only FAULT,…]
// S: how long a fault lasts, 6 by default. P: the first of four ports for the engines. Exit status 1 where a promise is
// missed: nothing lost silently, nobody sees another's data, goodput back within 2 s of the fault and of its end, and an
// answer or an error to everybody within 5 s.
// Needs openssl, and build/stop_thread (ninja -C build benchmarks) for the core's fault.
import { fork, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Grid, binary, root, temporaryDirectory } from '../test/e2e/tandem.mjs';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '6' },
    port: { type: 'string', default: '18440' },
    only: { type: 'string' },
  },
});
const faultMs = Number(options.seconds) * 1e3;
const settleMs = 3_000;  // before a fault and after its end
const perSecond = 120;
const plannedPerSecond = 75;  // of each tenant
const windowMs = 100;
const sustainedWindows = 5;  // goodput is back where it stays so for half a second
const recoveryMsMax = 2_000;
const backFraction = 0.95;
const answerMsMax = 5_000;
const patienceMs = 60_000;  // an answer that takes longer was lost
const promise = { ttftMs: 200, tpotMs: 25 };
const tokens = 8;
const stopThread = path.join(path.dirname(binary), 'stop_thread');
const folder = temporaryDirectory();
const file = (name) => path.join(folder, name);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// --- the grid ---

const sites = ['ber', 'ham', 'muc', 'cgn'];
const portOf = (site) => Number(options.port) + sites.indexOf(site);
const engines = new Map();

async function startEngine(site) {
  const child = fork(path.join(root, 'bench/chaos_engine.mjs'), [String(portOf(site))]);
  engines.set(site, child);
  await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', () => reject(new Error(`the engine of ${site} did not start`)));
  });
}

const tenants = ['alice', 'bob'];
const keyOf = (tenant) => `sk-${tenant}`;
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

// The plan is made for twice the load, so that with one engine of four gone the others have room.
const gridFile = `tandem: 1
sites:
${sites.map((id, i) => `  - {id: ${id}, tier: core, latitude_deg: ${48 + i / 4}, longitude_deg: 11, jurisdiction: DE, power_limit_kw: 100}`).join('\n')}
nodes: [${sites.map((id) => `{id: r-${id}, site: ${id}}`).join(', ')}]
links: [${sites.slice(1).map((id) => `{id: l-${id}, a: r-ber, b: r-${id}, capacity_gbps: 100, delay_us: 500}`).join(', ')}]
regions: [{id: here, latitude_deg: 48, longitude_deg: 11, population: 1, prefixes: [127.0.0.0/8], anchors: [{node: r-ber, access_delay_us: 10}]}]
accelerators: [{id: a, memory_gb: 80, idle_power_w: 1, peak_power_w: 2, price_eur_per_hour: 1}]
pools:
${sites.map((id) => `  - {id: p-${id}, site: ${id}, node: r-${id}, accelerator: a, count: 1, engine_url: "http://127.0.0.1:${portOf(id)}"}`).join('\n')}
models: [{id: m, parameters_billion: 1, weights_gb: 1, kv_bytes_per_token: 1, context_tokens: 100000}]
profiles: [{id: f, model: m, accelerator: a, prefill_tokens_per_s: 10000, prefill_overhead_ms: 12, kv_memory_gb: 70,
  points: [{batch: 32, decode_ms_per_token: 6, power_w: 2}], source: made up}]
tenants:
${tenants.map((id) => `  - {id: ${id}, keys: [{sha256: ${sha256(keyOf(id))}}], residency: [DE], ttft_ms: ${promise.ttftMs}, tpot_ms: ${promise.tpotMs}, quantile: 0.9}`).join('\n')}
demands:
${tenants.map((id) => `  - {id: d-${id}, tenant: ${id}, region: here, model: m, rate_per_s: ${plannedPerSecond}, prompt_tokens: 20, output_tokens: ${tokens}, upload_bytes: 300, download_bytes: 2000}`).join('\n')}
`;

// A new one each time, as an authority would send it.
function makeCertificate(name) {
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)]);
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
}

function useCertificate(name) {
  copyFileSync(file(`${name}.crt`), file('serving.crt'));
  copyFileSync(file(`${name}.key`), file('serving.key'));
}

// --- the clients ---

const ways = tenants.flatMap((tenant) => [false, true].flatMap((stream) => [false, true].map((tls) => ({ tenant, stream, tls }))));
const agents = {
  plain: new http.Agent({ keepAlive: true }),
  tls: new https.Agent({ keepAlive: true }),
  new_tls: new https.Agent({ keepAlive: false, maxCachedSessions: 0 }),
};
let serial = 0;
let tlsUrl = '';
const open = new Set();
const certificates = new Set();  // serial numbers seen in handshakes

// What became of a request: in_time, late, error (told so), or lost: it ended, or did not, with neither.
function judge(ask, answer) {
  const strangers = (answer.text.match(/mark-[0-9a-z]+/g) ?? []).filter((mark) => mark !== ask.mark).length;
  const repeated = answer.text.split(`${ask.mark} `).length - 1;
  const tookMs = answer.endedAt - ask.sentAt;
  let end = 'lost';
  if (answer.isComplete && answer.status !== 200 && answer.text.includes('"error":{')) {
    end = 'error';
  } else if (answer.isComplete && ask.stream && !answer.text.includes('data: [DONE]')) {
    if (answer.text.includes('data: {"error":{')) end = 'error';
  } else if (answer.isComplete && answer.status === 200 && repeated === tokens) {
    const inTime = ask.stream
      ? answer.firstAt - ask.sentAt <= promise.ttftMs && (answer.endedAt - answer.firstAt) / (tokens - 1) <= promise.tpotMs
      : tookMs <= promise.ttftMs + promise.tpotMs * (tokens - 1);
    end = inTime ? 'in_time' : 'late';
  }
  return { end, strangers, tookMs };
}

function send(asked) {
  const way = ways[serial % ways.length];
  const ask = { ...way, mark: `mark-${(++serial).toString(36)}`, sentAt: performance.now() };
  const body = JSON.stringify({
    model: 'm', stream: ask.stream, max_tokens: tokens,
    messages: [{ role: 'user', content: `${ask.mark} ${'word '.repeat(12)}` }],
  });
  // Every other one over TLS shakes hands anew.
  const agent = !ask.tls ? agents.plain : serial % 16 < 8 ? agents.tls : agents.new_tls;
  const ended = new Promise((resolve) => {
    const answer = { status: 0, text: '', isComplete: false, firstAt: 0, endedAt: 0 };
    const finish = (why) => {
      if (answer.endedAt > 0) return;
      clearTimeout(patience);
      answer.endedAt = performance.now();
      resolve({ ask, why, ...judge(ask, answer) });
    };
    const headers = { 'content-type': 'application/json', 'content-length': body.length, authorization: `Bearer ${keyOf(ask.tenant)}` };
    const url = `${ask.tls ? tlsUrl : grid.url}/v1/chat/completions`;
    const request = (ask.tls ? https : http).request(url, { method: 'POST', headers, agent, rejectUnauthorized: false }, (response) => {
      if (ask.tls) certificates.add(response.socket.getPeerCertificate().serialNumber);
      answer.status = response.statusCode;
      ask.site = response.headers['x-tandem-site'];
      response.setEncoding('utf8');
      response.on('data', (piece) => {
        answer.text += piece;
        if (answer.firstAt === 0 && answer.text.includes(ask.mark)) answer.firstAt = performance.now();
      });
      response.on('end', () => {
        answer.isComplete = response.complete;
        finish('ended');
      });
      response.on('error', (error) => finish(error.message));
      response.on('close', () => finish('closed'));
    });
    request.on('error', (error) => finish(error.message));
    const patience = setTimeout(() => {
      finish('no answer');
      request.destroy();
    }, patienceMs);
    request.end(body);
  });
  open.add(ended);
  ended.then((result) => {
    open.delete(ended);
    asked.push(result);
  });
}

// Asks at the steady rate until it is stopped; results come into the list.
function startClients(asked) {
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - began) * perSecond) / 1e3;
    sent = Math.max(sent, due - perSecond / 4);  // what was not sent while this process stood still is not made up for
    for (; sent < due; ++sent) send(asked);
  }, 4);
  return () => clearInterval(timer);
}

// --- the faults ---

let victim = sites[0];  // each fault has the next: one that has just failed is still given less
const tell = (mode) => ({
  begin: () => engines.get(victim).send(mode),
  end: () => engines.get(victim).send('well'),
});

const kill = {
  begin: async () => {
    const child = engines.get(victim);
    child.kill('SIGKILL');
  },
  end: () => startEngine(victim),
};

let stopper;
const stopCore = {
  begin: async () => {
    stopper = spawn(stopThread, [String(grid.child.pid), 'core'], { stdio: ['pipe', 'pipe', 'inherit'] });
    for await (const said of stopper.stdout.iterator({ destroyOnReturn: false })) {
      if (String(said).includes('stopped')) return;
    }
    throw new Error('the core could not be stopped');
  },
  end: () => stopper.stdin.end(),
};

const replaceCertificate = {
  begin: () => {
    certificates.clear();
    useCertificate('second');
    grid.child.kill('SIGHUP');
  },
  end: () => {
    useCertificate('third');
    grid.child.kill('SIGHUP');
  },
  check: () => (certificates.size >= 3 ? '' : `${certificates.size} certificates seen, 3 were served`),
};

const faults = {
  killed: { what: 'engine killed, and started again', ...kill },
  hung: {
    what: 'engine stopped (SIGSTOP), and continued',
    begin: () => engines.get(victim).kill('SIGSTOP'), end: () => engines.get(victim).kill('SIGCONT'),
  },
  slow: { what: 'engine 20 times slower', ...tell('slow') },
  not_http: { what: 'engine answers what is no HTTP', ...tell('not_http') },
  bad_json: { what: 'whole answers are no JSON', ...tell('bad_json') },
  bad_sse: { what: 'streams are no events', ...tell('bad_sse') },
  resets: { what: 'engine resets in the middle', ...tell('resets') },
  core: { what: "core's thread stopped (ptrace)", ...stopCore },
  core_killed: {
    what: "core's thread stopped, engine killed",
    begin: async () => {
      await stopCore.begin();
      await kill.begin();
    },
    end: async () => {
      stopCore.end();
      await kill.end();
    },
  },
  certificate: { what: 'certificate replaced, and again', ...replaceCertificate },
};

// --- the measure ---

// From `from` until the goodput by the time of asking stays at what it was, in ms; Infinity: it does not before `until`.
function recovery(asked, from, until, before) {
  const count = Math.floor((until - from) / windowMs);
  const all = new Array(count).fill(0);
  const good = new Array(count).fill(0);
  for (const { ask, end } of asked) {
    const window = Math.floor((ask.sentAt - from) / windowMs);
    if (window < 0 || window >= count) continue;
    ++all[window];
    if (end === 'in_time') ++good[window];
  }
  for (let window = 0; window + sustainedWindows <= count; ++window) {
    const sum = (values) => values.slice(window, window + sustainedWindows).reduce((a, b) => a + b, 0);
    const isBack = good[window] >= backFraction * before * all[window] && sum(good) >= backFraction * before * sum(all);
    if (isBack) return window * windowMs;
  }
  return Infinity;
}

async function measure(name, fault) {
  victim = sites[(sites.indexOf(victim) + 1) % sites.length];
  const asked = [];
  const stop = startClients(asked);
  const began = performance.now();
  await wait(settleMs);
  const faultAt = performance.now();
  await fault.begin();
  await wait(faultMs);
  const endAt = performance.now();
  await fault.end();
  await wait(settleMs);
  const stoppedAt = performance.now();
  stop();
  await Promise.all(open);
  const calm = asked.filter(({ ask }) => ask.sentAt < faultAt - promise.ttftMs);
  const before = calm.filter(({ end }) => end === 'in_time').length / calm.length;
  const ends = { in_time: 0, late: 0, error: 0, lost: 0 };
  for (const { end } of asked) ++ends[end];
  const lost = asked.filter(({ end }) => end === 'lost');
  return {
    fault: name, what: fault.what, sent: asked.length, ...ends, before,
    strangers: asked.reduce((sum, { strangers }) => sum + strangers, 0),
    longest_ms: Math.round(Math.max(...asked.map(({ tookMs }) => tookMs))),
    back_ms: recovery(asked, faultAt, endAt, before), back_after_end_ms: recovery(asked, endAt, stoppedAt, before),
    lost_because: [...new Set(lost.map(({ ask, why }) => `${ask.stream ? 'stream' : 'whole'}${ask.tls ? ', TLS' : ''}: ${why}`))],
    wrong: calm.some(({ ask }) => ask.site === victim) ? fault.check?.() ?? '' : `nothing was served by ${victim} before`,
  };
}

const isKept = (row) => row.lost === 0 && row.strangers === 0 && row.wrong === '' && row.before >= backFraction &&
  row.longest_ms <= answerMsMax && row.back_ms < recoveryMsMax && row.back_after_end_ms < recoveryMsMax;

function print(row) {
  const ms = (value) => (Number.isFinite(value) ? `${value} ms` : 'never').padStart(8);
  const cell = (value) => String(value).padStart(7);
  console.log(`${row.what.padEnd(40)} ${cell(row.sent)} ${cell(row.in_time)} ${cell(row.late)} ${cell(row.error)} ${cell(row.lost)} ` +
    `${cell(row.strangers)}  ${ms(row.back_ms)}  ${ms(row.back_after_end_ms)}  ${ms(row.longest_ms)}${isKept(row) ? '' : '  MISSED'}`);
  if (row.before < backFraction) console.log(`  only ${(100 * row.before).toFixed(1)} % in time before the fault: nothing can be said`);
  for (const why of [...row.lost_because, row.wrong].filter(Boolean)) console.log(`  ${why}`);
}

for (const name of ['first', 'second', 'third']) makeCertificate(name);
useCertificate('first');
for (const site of sites) await startEngine(site);
writeFileSync(file('grid.yaml'), gridFile);
const grid = await Grid.start({
  grid: file('grid.yaml'), data: file('data'),
  args: ['--threads', '2', '--tls-listen', '127.0.0.1:0', '--tls-cert', file('serving.crt'), '--tls-key', file('serving.key')],
});
tlsUrl = /https:\/\/[^\s/]+/.exec(grid.said())[0];

const wanted = options.only?.split(',') ?? Object.keys(faults);
const rows = [];
if (!options.json)
  console.log(`${'fault'.padEnd(40)}    sent in time    late   error    lost another's    back  after end   longest`);
for (const name of wanted) {
  if (faults[name] === undefined) throw new Error(`no fault '${name}'; there are ${Object.keys(faults).join(', ')}`);
  if (name.startsWith('core') && !existsSync(stopThread)) {
    if (!options.json) console.log(`${faults[name].what}: skipped, build it first: ninja -C build benchmarks`);
    continue;
  }
  const row = await measure(name, faults[name]);
  rows.push(row);
  if (!options.json) print(row);
}
if (options.json) console.log(JSON.stringify(rows.map((row) => ({ ...row, kept: isKept(row) })), null, 1));
for (const child of engines.values()) child.kill('SIGKILL');
await grid.stop();
process.exit(rows.every(isKept) ? 0 : 1);
