// Traffic engineering and the planned day of a running grid: over HTTP, and in the console that it serves.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { executablePath, openBrowser } from '../console/browser.mjs';
import { picture } from '../console/steps.mjs';
import { Grid, root, tandem, temporaryDirectory } from './tandem.mjs';

const planes = path.join(root, 'examples/planes.yaml');
const skip = executablePath && existsSync(executablePath) ? false : 'skipped: no Chromium; install the package chromium';
let grid;
before(async () => { grid = await Grid.start({ grid: planes, data: path.join(temporaryDirectory(), 'data') }); });
after(() => grid?.stop());

test('a running grid finds the policies that the command line finds', async () => {
  const { status, body } = await grid.post('/api/v1/te', { failures: true });
  assert.equal(status, 200, JSON.stringify(body));
  const told = JSON.parse(tandem('te', '--grid', planes, '--failures', '--json').out);
  assert.ok(Math.abs(body.mlu - told.mlu) < 0.01 && Math.abs(body.mlu_before - told.mlu_before) < 0.01, `${body.mlu} and ${told.mlu}`);
  assert.ok(body.mlu_before > 0.47 && body.mlu < 0.25 && body.bound <= body.mlu);
  assert.deepEqual(body.planes.map((plane) => plane.flex_algo), ['', '128', '129']);

  // No policy of a plane leads out of it, and every way adds up.
  const links = Object.fromEntries(body.planes.map((plane) => [plane.flex_algo, new Set(plane.links)]));
  assert.equal(body.ways.length, body.steered_demands);
  for (const way of body.ways) {
    const sum = way.lists.reduce((all, list) => all + list.fraction, 0);
    assert.ok(Math.abs(sum - 1) < 1e-9);
    for (const list of [...way.lists, { links: way.plain }])
      for (const { link, part } of list.links) assert.ok(links[way.flex_algo].has(link) && part > 0 && part <= 1 + 1e-9, `${way.demand} takes ${link}`);
  }
  assert.equal(body.failures.each.length, told.failures.scenarios);
  const at = Object.fromEntries(told.failures.each.map((failure) => [failure.link, failure]));
  for (const failure of body.failures.each) assert.equal(failure.cut_off_demands, at[failure.link].cut_off_demands);
});

test('what is down is left out, and the demands it cuts off are named', async () => {
  const cut = (state) => grid.post('/api/v1/links/bio-upf-r1/state', { state });
  assert.equal((await cut('down')).status, 200);
  try {
    const { body } = await grid.post('/api/v1/te', {});
    assert.ok(body.links.every((link) => link.link !== 'bio-upf-r1'));
    assert.ok(body.blocked.length > 0 && body.blocked.every((one) => one.reason.length > 0), JSON.stringify(body.blocked));
  } finally {
    await cut('up');
  }
});

test('callers who leave take their place with them', async () => {
  const held = [];
  for (let i = 0; i < 40; ++i) {
    const asking = new AbortController();
    held.push(fetch(`${grid.url}/api/v1/te`, { method: 'POST', signal: asking.signal, body: JSON.stringify({ failures: true, stream: true }) }).catch(() => undefined));
    asking.abort();
  }
  await Promise.all(held);
  await grid.until(async () => (await grid.post('/api/v1/te', {})).status === 200, 'a free place');
});

test('the console shows the policies, a lost link and the day', { skip, timeout: 300_000 }, async () => {
  const browser = await openBrowser({ colorScheme: 'dark', reducedMotion: 'reduce' });
  try {
    const { page } = browser;
    await page.goto(`${grid.url}/#/te`);
    await page.getByTestId('te-run').click();
    await page.getByTestId('te-verdict').waitFor();
    assert.equal(await page.getByTestId('te-before').innerText(), '48.0 %');
    assert.equal(await page.getByTestId('te-after').innerText(), '24.0 %');
    assert.equal(await page.getByTestId('te-plane').count(), 3);
    await picture(page, 'example-te');
    await page.getByTestId('te-fail').first().click();
    await page.getByTestId('te-repair').getByText('no path left').waitFor();
    await page.goto(`${grid.url}/#/day`);
    await page.getByTestId('day-run').click();
    await page.getByTestId('day-verdict').waitFor({ timeout: 120_000 });
    const day = (await grid.post('/api/v1/schedule', { periods: 6 })).body;
    const hours = day.periods.reduce((sum, period) => sum + period.hours, 0);
    assert.equal(hours, 24);
    assert.ok(day.periods.every((period) => period.replicas === period.deployments.reduce((sum, one) => sum + one.replicas, 0)));
    const midnight = day.periods.some((period) => period.from_hour + period.hours > 24) ? 1 : 0;
    assert.equal(await page.getByTestId('day-period').count(), day.periods.length + midnight);
    await picture(page, 'example-day');
    assert.deepEqual(browser.problems, []);
  } catch (error) {
    await picture(browser.page, 'example-planning-failed');
    throw error;
  } finally {
    await browser.close();
  }
});
