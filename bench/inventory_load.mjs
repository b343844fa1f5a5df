// A large inventory taken in, durable, and read again from cold. Usage: node inventory_load.mjs [DEVICES] [INTERFACES]
//
// Prints entities a second of the whole import (decode, check, step, append with sync, fold, checkpoint), its largest
// resident memory, the same for an import that changes nothing, and the seconds and memory of a cold start.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { binary, tandem, temporaryDirectory } from '../test/e2e/tandem.mjs';

const devices = process.argv[2] ?? '100000';
const interfaces = process.argv[3] ?? '5000000';
const directory = temporaryDirectory();
const feed = path.join(directory, 'feed');
const data = path.join(directory, 'data');

// Runs a command; gives its output, seconds and the largest resident memory seen (of /proc, ten times a second).
async function measured(args) {
  const start = performance.now();
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  let peak = 0;
  child.stdout.on('data', (piece) => { out += piece; });
  const watch = setInterval(() => {
    try {
      const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
      if (found) peak = Math.max(peak, Number(found[1]));
    } catch { /* it has just ended */ }
  }, 100);
  const status = await new Promise((resolve) => child.on('exit', resolve));
  clearInterval(watch);
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}:\n${out}`);
  return { out, seconds: (performance.now() - start) / 1000, gigabytes: peak / 1e6 };
}

const row = (name, text) => console.log(`${name.padEnd(34)} ${text}`);
const made = tandem('inventory', 'generate', '--devices', devices, '--interfaces', interfaces, '-o', feed);
if (made.status !== 0) throw new Error(made.err);
const files = readdirSync(feed).map((name) => path.join(feed, name));
row('generated', `${made.out.trim()}, ${(files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6).toFixed(0)} MB of CSV`);

const load = await measured(['inventory', 'import', ...files, '--data', data, '--json']);
const report = JSON.parse(load.out);
if (!report.accepted || report.refused > 0) throw new Error(JSON.stringify(report.problems.slice(0, 5)));
row('imported, durable', `${report.created} entities in ${load.seconds.toFixed(1)} s: ${(report.created / load.seconds).toFixed(0)} entities/s, ${load.gigabytes.toFixed(2)} GB at most`);

const again = await measured(['inventory', 'import', ...files, '--data', data, '--json']);
const second = JSON.parse(again.out);
row('the same again', `${second.unchanged} unchanged, ${second.events} events in ${again.seconds.toFixed(1)} s, ${again.gigabytes.toFixed(2)} GB at most`);

const cold = await measured(['inventory', 'export', '--format', 'csv', '--kind', 'site', '--data', data, '-o', path.join(directory, 'site.csv')]);
row('cold start', `${cold.seconds.toFixed(1)} s, ${cold.gigabytes.toFixed(2)} GB at most`);
