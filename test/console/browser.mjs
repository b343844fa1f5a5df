// A headless Chromium that can draw the map in software.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { picture } from './steps.mjs';

export const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

const flags = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist',
];

// Opens a page and collects whatever went wrong in it: errors of scripts, failed requests, and requests that leave the
// server it came from.
export async function openBrowser({ width = 1440, height = 900, colorScheme = 'dark', reducedMotion = 'no-preference' } = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'tandem-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath, headless: true, args: flags, viewport: { width, height }, colorScheme, reducedMotion,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const problems = [];
  page.on('pageerror', (error) => problems.push(`script: ${error.stack ?? error.message}`));
  page.on('console', (message) => message.type() === 'error' && problems.push(`console: ${message.text()}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (!['127.0.0.1', 'localhost', ''].includes(url.hostname)) problems.push(`request to another host: ${url.href}`);
  });
  page.setDefaultTimeout(120_000);  // beside other tests a page may take long
  return {
    page,
    problems,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

// Runs `steps` on a fresh browser, and holds that nothing went wrong in the page meanwhile. `refusals`: answers that the
// steps provoke, which a browser reports as errors.
export const inBrowser = ({ refusals = /^$/, ...options }, steps) => async () => {
  const browser = await openBrowser(options);
  try {
    await steps(browser.page);
    assert.deepEqual(browser.problems.filter((problem) => !refusals.test(problem)), []);
  } catch (error) {
    await picture(browser.page, `failed-${failures++}`);
    throw error;
  } finally {
    await browser.close();
  }
};
let failures = 0;
