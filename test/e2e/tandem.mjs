// Starts and stops the program under test, and speaks to its native API.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const binary = process.env.TANDEM_BINARY ?? path.join(root, 'build/tandem');
export const example = path.join(root, 'examples/national.yaml');
export const sharedData = process.env.TANDEM_DATA ?? path.resolve(root, '../shared/data');
export const hasSharedData = existsSync(sharedData);

export function temporaryDirectory() {
  const directory = mkdtempSync(path.join(tmpdir(), 'tandem-test-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

// Runs a command of the tool to its end.
export function tandem(...args) {
  const result = spawnSync(binary, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  return { status: result.status, out: result.stdout, err: result.stderr };
}

// The same while this process goes on: what speaks to a running grid must not let its connections grow stale.
export async function tandemBeside(...args) {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.on('data', (piece) => { said.out += piece; });
  child.stderr.on('data', (piece) => { said.err += piece; });
  const status = await new Promise((resolve) => child.on('close', resolve));
  return { status, ...said };
}

export class Grid {
  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  // Starts `tandem up` on a free port and waits until it serves by a plan. It ends with this process at the latest, and
  // keeps it from ending only while it is waited for: `after` is not called where `before` failed. `under`: the words of
  // a program that runs it, as valgrind does. `program`: another than the one under test.
  static async start({ program = binary, grid, data, waitForPlan = true, args: more = [], under = [] }) {
    // By default one plan, for the busiest hours: what a test finds must not hang on the hour at which it runs.
    const args = ['up', '--data', data, '--listen', '127.0.0.1:0', ...(more.includes('--periods') ? [] : ['--periods', '0']), ...more];
    if (grid) args.push('--grid', grid);
    const [command, ...words] = [...under, program, ...args];
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    process.on('exit', () => child.kill('SIGKILL'));
    let log = '';
    child.stderr.on('data', (piece) => { log = (log + piece).slice(-20_000); });
    let out = '';
    const url = await new Promise((resolve, reject) => {
      child.stdout.on('data', (piece) => {
        out += piece;
        const found = /(http:\/\/[^\s]+)/.exec(out);
        if (found) resolve(found[1].replace(/\/$/, ''));
      });
      child.on('exit', (code, signal) => reject(new Error(`tandem up ended with ${code ?? signal} before it listened:\n${log}`)));
    });
    for (const handle of [child, child.stdout, child.stderr]) handle.unref();
    const started = new Grid(child, url);
    started.log = () => log;
    started.said = () => out;
    if (waitForPlan) await started.until(async () => (await started.get('/api/v1/plan')).body.plan_id, 'a first plan', 120_000);
    return started;
  }

  // Polls until `condition` gives something true, and gives that.
  async until(condition, what, timeoutMs = 30_000) {
    const end = Date.now() + timeoutMs;
    for (;;) {
      let value = false;
      try {
        value = await condition();
      } catch (error) {
        if (this.child.exitCode !== null) throw error;
      }
      if (value) return value;
      if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}\n${this.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async get(target) {
    const response = await fetch(this.url + target);
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  async post(target, body, headers = {}) {
    const response = await fetch(this.url + target, {
      method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  // One whole chat answer, with its headers.
  chat(body, headers = {}) {
    return this.post('/v1/chat/completions', body, { authorization: 'Bearer sk-demo', ...headers });
  }

  async end(signal) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.ref();
    this.child.kill(signal);
    await ended;
  }
  kill() { return this.end('SIGKILL'); }
  stop() { return this.end('SIGTERM'); }
}
