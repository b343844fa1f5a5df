// The inventory of the running example in a headless browser: found by typing, read, edited in a branch, merged.
// SCREENSHOTS=DIR leaves the pictures there for someone to look at.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { executablePath, openBrowser } from '../console/browser.mjs';
import { believed, dragTime, editIntoBranch, findByTyping, mergeBranch, mergeVerdict, openBranch, openPage } from '../console/inventory_steps.mjs';
import { hasCount, picture } from '../console/steps.mjs';
import { Grid, example, temporaryDirectory } from './tandem.mjs';

const skip = executablePath && existsSync(executablePath) ? false : 'skipped: no Chromium; install the package chromium';
let grid;
let missing = []; // of what the pages ask, what this server does not offer

const say = async (source, items) => {
  const answer = await grid.post('/api/v1/inventory', { source, items });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
};
const edit = async (branch, items) => {
  const answer = await grid.post(`/api/v1/branches/${branch}/edits`, { items });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
};
const device = (id, name, position_u, height_u, more = {}) =>
  ({ kind: 'device', id, attributes: { name, role: 'router', site: 'ber', rack: 'ber-r1', position_u, height_u, serial: `TEST-${id}`, ...more } });

before(async () => {
  if (skip) return;
  grid = await Grid.start({ grid: example, data: path.join(temporaryDirectory(), 'data') });
  const { paths } = (await grid.get('/api/v1/openapi.json')).body;
  const entity = '/api/v1/inventory/{kind}/{id}';
  missing = [entity, `${entity}/claims`, `${entity}/timeline`, '/api/v1/ontology', '/api/v1/branches', '/api/v1/discrepancies', '/api/v1/query'].filter((p) => !paths[p]);
  if (missing.length > 0) return;
  await say('test', [
    { kind: 'room', id: 'ber-room', attributes: { name: 'Test room', site: 'ber', floor: '1' } },
    { kind: 'rack', id: 'ber-r1', attributes: { name: 'Test rack', site: 'ber', room: 'ber-room', height_u: 42 } },
    device('ber-core-a', 'Test router A', 10, 4),
    device('ber-core-b', 'Test router B', 20, 4),
    device('ber-panel', 'Test patch panel', 30, 1, { role: 'patch_panel', face: 'front' }),
  ]);
  await say('test', [{ kind: 'device', id: 'ber-core-a', attributes: { position_u: 12 } }]);
});
after(() => grid?.stop());

// Runs `steps` on a fresh browser, and holds that nothing went wrong in the page meanwhile.
const inBrowser = (options, steps) => async (t) => {
  if (missing.length > 0) return t.skip(`the server does not offer ${missing.join(', ')}`);
  const browser = await openBrowser({ reducedMotion: 'reduce', ...options });
  try {
    await steps(browser.page);
    assert.deepEqual(browser.problems, []);
  } catch (error) {
    await picture(browser.page, 'example-inventory-failed');
    throw error;
  } finally {
    await browser.close();
  }
};

test('find by typing, read, go back in time', { skip, timeout: 300_000 }, inBrowser({ colorScheme: 'dark' }, async (page) => {
  await openPage(page, grid.url, '#/inventory');
  await page.locator('[data-testid="kind"][data-kind="site"]').waitFor();
  await picture(page, 'example-inventory');
  await findByTyping(page, 'TEST-ber-core-a', 'Device', 'ber-core-a');
  assert.match(await believed(page, 'position_u'), /^12\s*U$/);
  await hasCount(page.getByTestId('rack-device'), 6, 'three devices, seen from both sides');
  await page.getByTestId('timeline-stop').nth(1).waitFor();
  await picture(page, 'example-device');
  await dragTime(page, 0);
  await page.waitForFunction(() => document.querySelector('[data-testid="fact"][data-attribute="position_u"] [data-testid="fact-value"]')?.innerText.startsWith('10'));
  await page.getByTestId('time-now').click();
  await page.waitForFunction(() => document.querySelector('[data-testid="fact"][data-attribute="position_u"] [data-testid="fact-value"]')?.innerText.startsWith('12'));
  await page.locator('[data-testid="outgoing"][data-relation="site"] [data-testid="relation"]').click();
  await page.getByTestId('near-site').first().waitFor();
  await page.getByTestId('tree-rack').waitFor();
  await picture(page, 'example-site');
}));

test('two devices in one unit: refused before it happens, mended, merged', { skip, timeout: 300_000 }, inBrowser({ colorScheme: 'light' }, async (page) => {
  await openPage(page, grid.url, '#/inventory/device/ber-core-b');
  await page.getByTestId('rack-device').first().waitFor();
  await editIntoBranch(page, 'position_u', '14', 'move-b');
  await page.getByTestId('rack-collision').waitFor();
  await openBranch(page, 'move-b');
  await mergeVerdict(page, false);
  await page.getByTestId('twin-kept').waitFor();
  assert.equal((await page.getByTestId('twin-broken').innerText()).trim(), '0', 'a device in a rack carries no promise');
  const obstacle = await page.getByTestId('obstacle').first().innerText();
  assert.ok(obstacle.includes('ber-core-a') && obstacle.includes('ber-core-b'), obstacle);
  await picture(page, 'example-refused');
  assert.equal((await grid.post('/api/v1/branches/move-b/merge', {})).status, 409);

  await say('test', [{ kind: 'device', id: 'ber-core-b', attributes: { position_u: 25 } }]);
  await page.waitForSelector('[data-testid="obstacle"][data-what="conflict"]', { timeout: 120_000 });
  await picture(page, 'example-conflict');
  await page.getByTestId('settle-ours').click();
  await page.waitForSelector('[data-testid="obstacle"][data-what="conflict"]', { state: 'detached' });
  await edit('move-b', [{ kind: 'device', id: 'ber-core-b', attributes: { position_u: 36 } }]);
  await mergeBranch(page);
  const { body } = await grid.get('/api/v1/inventory/device/ber-core-b');
  assert.equal(body.attributes.position_u, 36);
}));

test('the ontology and SQL of the real program', { skip, timeout: 300_000 }, inBrowser({ colorScheme: 'dark' }, async (page) => {
  await openPage(page, grid.url, '#/ontology/rack');
  await page.getByTestId('ontology-attributes').waitFor();
  await picture(page, 'example-ontology');
  await page.getByTestId('nav-query').click();
  await page.getByTestId('sql').fill("SELECT id, position_u FROM device WHERE rack = 'ber-r1' ORDER BY id");
  await page.getByTestId('sql-run').click();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="answer-row"]').length === 3);
  await picture(page, 'example-query');
}));
