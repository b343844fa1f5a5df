// The console in a headless browser against the fixture, as it was built into the program.
// SCREENSHOTS=DIR leaves pictures there for someone to look at.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { inBrowser, openBrowser } from './browser.mjs';
import { dist, serveFixture } from './fixture_server.mjs';
import { cutLinkByClicking, drawn, fits, hasCount, openMap, openWhy, picture, powerDownSite, restoreLink, restoreSite, search, sortsByNumber } from './steps.mjs';

let server;
before(async () => (server = await serveFixture()));
after(() => server.close());

for (const colorScheme of ['dark', 'light'])
  test(`find, look, act and read why, ${colorScheme}`, inBrowser({ colorScheme }, async (page) => {
    await openMap(page, server.url);
    const { sites, links, down } = await drawn(page);
    assert.ok(sites >= 60, `${sites} sites are drawn`);
    assert.ok(links >= 100, `${links} links are drawn`);
    assert.equal(down, 0);
    await page.waitForTimeout(2500);
    await picture(page, `map-${colorScheme}`);

    const cut = await cutLinkByClicking(page);
    await picture(page, `cut-${colorScheme}`);
    await restoreLink(page, cut.id);

    const why = await openWhy(page);
    assert.equal(why.shown, why.id);
    assert.ok(why.candidates >= 2);
    assert.ok(why.reason.length > 20);
    await picture(page, `why-${colorScheme}`);
    await page.keyboard.press('Escape');
    await page.getByTestId('why-panel').waitFor({ state: 'detached' });

    const site = server.fixture.grid.sites[2];
    await search(page, site.name);
    await page.getByTestId('site-panel').waitFor();
    await powerDownSite(page, site.id);
    await picture(page, `site-down-${colorScheme}`);
    await restoreSite(page, site.id);

    const [region] = server.fixture.grid.regions;
    await search(page, region.name);
    await page.getByTestId('region-panel').waitFor();
    await page.getByTestId('region-site').first().waitFor();
    await picture(page, `region-${colorScheme}`);
  }));

test('the script is small: under 400 KB compressed without the map library', () => {
  const folder = path.join(dist, 'assets');
  const bytes = readdirSync(folder)
    .filter((name) => name.endsWith('.js') && !name.startsWith('maplibre'))
    .reduce((sum, name) => sum + gzipSync(readFileSync(path.join(folder, name))).length, 0);
  assert.ok(bytes > 0 && bytes < 400 * 1024, `${bytes} bytes`);
});

test('the keyboard goes past what is the same on every page', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  await page.goto(`${server.url}/#/plan`);
  await page.getByTestId('plan-filter').waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), 'skip');
  await picture(page, 'skip-dark');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => document.querySelector('[data-testid="plan-page"]').contains(document.activeElement)));
}));

test('plan and log', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  server.fixture.record('window_sealed', 'fixture: 7 rows from 2026-11-22T20:13:00.000000000Z to 2026-11-22T20:14:00.000000000Z', {});
  await openMap(page, server.url);
  await page.keyboard.press('p');
  await page.getByTestId('plan-parts').getByText('Turned away').waitFor();
  assert.match(await page.getByTestId('plan-offset').innerText(), /^offset [\d,]+$/);
  await page.getByTestId('plan-demand').first().click();
  await page.getByTestId('plan-reason').waitFor();
  await page.getByTestId('plan-alternative').first().waitFor();
  await picture(page, 'plan-dark');
  await sortsByNumber(page, 'sort-rate', '[data-testid="plan-demand"] td:nth-child(5)');
  await sortsByNumber(page, 'placement-replicas', '[data-testid="plan-placed"] td:nth-child(2)');
  const entity = await page.getByTestId('plan-demand').nth(1).getAttribute('data-demand');
  await page.goto(`${server.url}/#/plan/${entity}`);
  await page.getByTestId('plan-entity').getByText(entity).waitFor(); // an address that names a demand shows its reason
  await picture(page, 'plan-one-dark');
  await page.getByTestId('plan-filter').fill('fixture-70b');
  await page.waitForFunction(() => [...document.querySelectorAll('[data-testid="plan-demand"]')].every((r) => r.innerText.includes('fixture-70b')));

  await page.keyboard.press('Escape');
  await page.getByTestId('nav-log').click();
  await page.getByTestId('log-event').first().waitFor();
  await hasCount(page.getByTestId('log-event').filter({ hasText: 'window_sealed' }), 0, 'what happens each minute is not news');
  await page.getByTestId('log-quiet').uncheck();
  await page.getByText('7 rows from 2026-11-22T20:13:00Z to 2026-11-22T20:14:00Z').waitFor();
  assert.match(await page.title(), /^Log · /);
  await page.getByTestId('log-open').first().click();
  await page.getByTestId('log-body').waitFor();
  await picture(page, 'log-dark');
  await page.getByTestId('nav-map').click();
  await page.keyboard.press('?');
  await page.getByTestId('help').waitFor();
  await picture(page, 'help-dark');
  await page.keyboard.press('Escape');
  await page.keyboard.press('p');
  await page.getByTestId('plan-page').waitFor();
  await page.getByTestId('plan-origin').getByText('quick').waitFor();
  await page.getByTestId('plan-because').getByText('the grid changed at offset 7').waitFor();
}));

test('the log goes back to its beginning, however long it is', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  const long = await serveFixture();
  try {
    long.fixture.log_page = 600; // fewer than are asked for, as where the server has read enough
    for (let i = 0; i < 22_000; i++) long.fixture.record('fact', `fixture measurement ${i} of many`, {});
    await page.goto(`${long.url}/#/log`);
    await page.getByTestId('log-event').first().waitFor();
    await page.getByTestId('log-filter').fill('fixture measurement 0 of');
    const first = page.getByTestId('log-event').filter({ hasText: 'fixture measurement 0 of' });
    for (let read = 0; read < 30 && (await first.count()) === 0; read++) {
      const before = await page.getByTestId('log-count').innerText();
      await page.getByTestId('log-older').click();
      await page.waitForFunction((before) => document.querySelector('[data-testid="log-count"]').innerText !== before && !document.querySelector('[data-testid="log-older"]')?.disabled, before);
    }
    await first.waitFor();
    await page.getByTestId('log-count').getByText('without the newest').waitFor();
    await page.getByTestId('log-filter').fill('fixture measurement 777');
    await hasCount(page.getByTestId('log-event').filter({ hasText: /fixture measurement 777\d? of/ }), 11, 'those of 777 and 7770 to 7779, and none is left out');
    assert.equal(await page.getByTestId('log-follow').isChecked(), false);
    await page.getByTestId('log-follow').check();
    await page.getByTestId('log-filter').fill('');
    await page.getByTestId('log-event').filter({ hasText: 'fixture measurement 21999 ' }).waitFor();
    assert.doesNotMatch(await page.getByTestId('log-count').innerText(), /without/);
  } finally {
    await long.close();
  }
}));

test('a replay is asked for, compared and read by tenant', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  await openMap(page, server.url);
  await page.keyboard.press('r');
  await page.getByTestId('replay-page').waitFor();
  await page.getByTestId('replay-duration').selectOption('300');
  await page.getByTestId('replay-run').click();
  await page.getByTestId('replay-verdict').waitFor();
  await hasCount(page.getByTestId('replay-policy'), 7);
  await hasCount(page.getByTestId('replay-plot').locator('circle'), 7);
  await picture(page, 'replay-dark');
  await sortsByNumber(page, 'sort-goodput', '[data-testid="replay-policy"] td:nth-child(2)');
  await sortsByNumber(page, 'sites-good', '[data-testid="replay-sites"] tbody td:nth-child(3)');
  await page.getByTestId('replay-policy').nth(1).click();
  await page.getByRole('heading', { name: 'Nearest, by tenant' }).waitFor();
  await page.getByTestId('replay-tenants').locator('tbody tr').first().waitFor();
  await page.getByTestId('replay-sites').locator('tbody tr').first().waitFor();
  await page.getByTestId('replay-rejections').getByText('Nearest turned away 100 requests: no place free, nor in the queue 100').waitFor();

  // Points of the plot are chosen by keyboard too, and the report is there again when one comes back.
  await page.getByTestId('replay-plot').getByRole('button', { name: /^Cheapest/ }).focus();
  await page.keyboard.press('Space');
  await page.getByRole('heading', { name: 'Cheapest, by tenant' }).waitFor();
  await page.getByTestId('nav-plan').click();
  await page.getByTestId('plan-page').waitFor();
  await page.getByTestId('nav-replay').click();
  await page.getByTestId('replay-verdict').waitFor();
  assert.equal(await page.getByTestId('replay-duration').inputValue(), '300');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForFunction(() => document.querySelector('[data-testid="replay-plot"]').clientWidth <= window.innerWidth);
  await picture(page, 'replay-narrow-dark');
}));

test('of many models the plan places ten, and all when asked', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  const deployments = Array.from({ length: 50 }, (_, i) => ({ id: `d${i}`, model: `model-${i}`, pool: 'p', site: 's', replicas: 1 + (i % 7) }));
  await page.route('**/api/v1/plan', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), deployments } }));
  await page.goto(`${server.url}/#/plan`);
  await page.getByTestId('plan-demand').first().waitFor();
  await hasCount(page.getByTestId('plan-placed'), 10);
  await page.getByTestId('plan-placement-all').click();
  await hasCount(page.getByTestId('plan-placed'), 50);
  await page.getByTestId('plan-placement-all').getByText('Fewer').click();
  await hasCount(page.getByTestId('plan-placed'), 10);
}));

test('what is down says since when, who said so and where on the log', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  const { grid } = server.fixture;
  const up = (id) => grid.sites.find((site) => site.id === id).state === 'up';
  const link = grid.links.find((l) => l.state === 'up' && l.a_site !== l.b_site && up(l.a_site) && up(l.b_site));
  await page.route(`**/api/v1/inventory/link/${link.id}/claims*`, (route) => {
    const claim = { attribute: 'state', source: 'alarms', standing: 'observed', confidence: null, valid_from: new Date(Date.now() - 720_000).toISOString(), valid_to: null, recorded_at: new Date().toISOString(), offset: 846, value: 'down', holds: true, believed: true };
    return route.fulfill({ json: { offset: 900, kind: 'link', id: link.id, claims: [claim], presences: [], next: null } });
  });
  await openMap(page, server.url);
  await page.goto(`${server.url}/#/map/link/${link.id}`);
  await page.getByTestId('cut-link').click();
  await page.getByTestId('down-since').getByText('Went down 12 min ago, observed by alarms, offset 846').waitFor();
  await page.getByTestId('verdict').getByText('Another is made at once').waitFor();
  await restoreLink(page, link.id);
  await page.getByTestId('down-since').waitFor({ state: 'detached' });
  await page.goto(`${server.url}/#/map/site/${link.a_site}`);
  await powerDownSite(page, link.a_site);
  await page.goto(`${server.url}/#/map/site/${link.b_site}`);
  await page.getByTestId('site-link').getByText('idle').first().waitFor();
  await page.goto(`${server.url}/#/map/site/${link.a_site}`);
  await restoreSite(page, link.a_site);
}));

test('the map states what a plan spends, and in a tip the penalties, which nobody pays', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  await page.route('**/api/v1/plan', async (route) => {
    const plan = await (await route.fetch()).json();
    await route.fulfill({ json: { ...plan, cost_eur_per_hour: 100, totals: { ...plan.totals, penalties_eur_per_hour: 40 } } });
  });
  await openMap(page, server.url);
  await page.getByTestId('stat-cost').getByText('60.0').waitFor();
  assert.match(await page.getByTestId('stat-cost').getByRole('link').getAttribute('title'), /turns away, 40\.0 €\/h, are not in it$/);
}));

test('a tenant is shown with its promise, before the first plan there is none', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  await page.route('**/api/v1/inventory/tenant/*', (route) => route.fulfill({ json: { offset: 1, kind: 'tenant', id: 'fixture', etag: '"1"', attributes: { ttft_ms: 750 } } }));
  await page.goto(`${server.url}/#/serving`);
  await page.getByTestId('serving-tenant').first().getByRole('link').click();
  await page.getByTestId('serving-plot-ttft').getByText('Promised 750 ms').waitFor();
  await picture(page, 'serving-tenant');
  await page.route('**/api/v1/plan', (route) => route.fulfill({ json: { offset: 1, plan_id: null, replanning: 'plan-2', deployments: [], demands: [] } }));
  await page.getByTestId('nav-plan').click();
  await page.getByTestId('plan-none').waitFor();
  await page.getByText('planning anew').waitFor();
  await hasCount(page.getByTestId('plan-demands'), 0);
}));

for (const colorScheme of ['dark', 'light'])
  test(`the last hour's serving is looked at, all of it and one site's, ${colorScheme}`, inBrowser({ colorScheme }, async (page) => {
    await openMap(page, server.url);
    await page.keyboard.press('s');
    await page.getByTestId('serving-page').waitFor();
    await page.getByTestId('serving-rejection').first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll('[data-testid^="serving-plot-"] canvas').length === 4);
    await hasCount(page.getByTestId('serving-site'), 12);
    await page.getByTestId('serving-emulated').getByText('9 of 12 engines emulated').waitFor();
    await sortsByNumber(page, 'sites-goodput', '[data-testid="serving-site"] td:nth-child(3)');
    const all = await page.getByTestId('serving-total').innerText();
    await picture(page, `serving-${colorScheme}`);
    await page.getByTestId('serving-site').first().getByRole('link').click();
    await page.getByTestId('serving-scope').waitFor();
    await page.waitForFunction((before) => document.querySelector('[data-testid="serving-total"]').innerText !== before, all);
    await hasCount(page.getByTestId('serving-site'), 12, 'the lists stay');
    await page.setViewportSize({ width: 390, height: 844 });
    await page.waitForFunction(() => document.querySelector('[data-testid="serving-page"]').scrollWidth <= window.innerWidth);
    await picture(page, `serving-narrow-${colorScheme}`);
    await page.getByTestId('serving-scope').click();
    await page.getByTestId('serving-scope').waitFor({ state: 'detached' });
  }));

test('a young process tells of its own time alone, and a minute between gaps shows', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  server.fixture.young = true;
  try {
    await page.goto(`${server.url}/#/serving`);
    await page.getByTestId('serving-since').getByText('since the program started').waitFor();
    const drawnIn = (name) =>
      page.evaluate((id) => {
        const canvas = document.querySelector(`[data-testid="serving-plot-${id}"] canvas`);
        if (!canvas) return 0;
        const accent = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
        const [r, g, b] = [1, 3, 5].map((i) => parseInt(accent.slice(i, i + 2), 16));
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let pixels = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12) pixels++;
        return pixels;
      }, name);
    await page.waitForFunction(() => document.querySelectorAll('[data-testid^="serving-plot-"] canvas').length === 4);
    await page.waitForTimeout(200);
    const isPoint = (pixels, what) => assert.ok(pixels >= 5 && pixels < 100, `${pixels} pixels of ${what}`);
    isPoint(await drawnIn('goodput'), "one minute's goodput");
    const cost = await drawnIn('cost');
    assert.ok(cost > 0 && cost < 1000, `${cost} pixels of five minutes' cost, not of an hour's`);
    await picture(page, 'serving-young');

    server.fixture.young_minutes = 1;
    await page.getByTestId('nav-trials').click();
    await page.getByTestId('trials-page').waitFor();
    await page.getByTestId('nav-serving').click();
    await page.waitForFunction(() => document.querySelectorAll('[data-testid^="serving-plot-"] canvas').length === 4);
    await page.waitForTimeout(200);
    isPoint(await drawnIn('goodput'), 'the first minute');
    isPoint(await drawnIn('cost'), 'what the first minute cost');
  } finally {
    server.fixture.young = false;
    delete server.fixture.young_minutes;
  }
}));

for (const colorScheme of ['dark', 'light'])
  test(`trials are compared, and changed in a branch, ${colorScheme}`, inBrowser({ colorScheme, reducedMotion: 'reduce' }, async (page) => {
    await openMap(page, server.url);
    await page.keyboard.press('t');
    await page.getByTestId('trial').first().waitFor();
    await hasCount(page.getByTestId('trial'), 2);
    const verdicts = (id) => page.locator(`[data-testid="trial"][data-id="${id}"]`).getByTestId('trial-verdict').allInnerTexts();
    assert.deepEqual(await verdicts('next-8b'), ['fails more', 'slower', 'cannot be told from noise', 'faster', 'cannot be told from noise', 'shorter', 'cheaper']);
    assert.deepEqual(await verdicts('to-the-edge'), ['cannot be told from noise', 'cannot be told from noise', 'too few requests', 'not measured: no streamed answers']);
    await page.getByText('12 not sent for want of a free place').waitFor();
    await picture(page, `trials-${colorScheme}`);
    const edit = page.getByTestId('trial-edit').first();
    await edit.focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('edit').waitFor();
    assert.equal(await page.getByTestId('edit-attribute').inputValue(), 'share_fraction');
    assert.equal(await page.getByTestId('edit-value').inputValue(), '0.05');
    await page.keyboard.press('Escape');
    await page.getByTestId('edit').waitFor({ state: 'detached' });
    await page.setViewportSize({ width: 390, height: 844 });
    await fits(page, 'trials-page');
    await picture(page, `trials-narrow-${colorScheme}`);
  }));

for (const colorScheme of ['dark', 'light'])
  test(`predictive models are looked at, and one is tried, ${colorScheme}`, inBrowser({ colorScheme, reducedMotion: 'reduce' }, async (page) => {
    await openMap(page, server.url);
    await page.keyboard.press('d');
    await page.getByTestId('prediction-model').first().waitFor();
    await hasCount(page.getByTestId('prediction-model'), 4);
    await page.getByTestId('predictions-memory').getByText('640 MiB of 1.00 GiB').waitFor();
    await page.getByTestId('prediction-model').nth(3).getByRole('link').click();
    await page.getByTestId('prediction-reason').getByText('Protobuf parsing failed').waitFor();
    await page.getByTestId('prediction-model').nth(1).getByRole('link').click();
    await page.getByTestId('prediction-tensors').first().getByText('[any × 4]').waitFor();
    assert.equal(await page.getByTestId('prediction-send').isDisabled(), true, 'not without a key');
    await page.getByTestId('prediction-key').fill('sk-fixture');
    await page.keyboard.press('Enter');
    await page.getByTestId('prediction-answer').getByText('"data":[4,0.25,0.75]').waitFor();
    await picture(page, `predictions-${colorScheme}`);
    await page.setViewportSize({ width: 390, height: 844 });
    await fits(page, 'predictions-page');
    await picture(page, `predictions-narrow-${colorScheme}`);
  }));

test('where nothing is tried or predicted', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  try {
    server.fixture.untried = true;
    await page.goto(`${server.url}/#/trials`);
    await page.getByTestId('trials-empty').waitFor();
    await page.getByText('share_fraction: 0.05').waitFor();
    await picture(page, 'trials-empty');
    await page.goto(`${server.url}/#/predictions`);
    await page.getByTestId('predictions-empty').getByText('--model-repository DIR').waitFor();
  } finally {
    server.fixture.untried = false;
  }
}));

test('what the server cannot say is told, and read again when it can', async () => {
  const browser = await openBrowser({ reducedMotion: 'reduce' });
  server.fixture.broken = true;
  try {
    for (const name of ['trials', 'predictions']) {
      await browser.page.goto(`${server.url}/#/${name}`);
      await browser.page.getByTestId(`${name}-error`).getByText('the grid is still being read').waitFor();
    }
    server.fixture.broken = false;
    await browser.page.getByTestId('prediction-model').first().waitFor();
    await hasCount(browser.page.getByTestId('predictions-error'), 0);
    assert.deepEqual(browser.problems.filter((p) => !p.includes('503')), []);
  } finally {
    server.fixture.broken = false;
    await browser.close();
  }
});

for (const colorScheme of ['dark', 'light'])
  test(`failures are tried, ranked and looked at, ${colorScheme}`, inBrowser({ colorScheme, reducedMotion: 'reduce' }, async (page) => {
    await openMap(page, server.url);
    await page.keyboard.press('w');
    await page.getByTestId('whatif-page').waitFor();
    await page.getByTestId('whatif-run').click();
    await page.getByTestId('whatif-verdict').waitFor();
    assert.ok((await page.getByTestId('whatif-row').count()) >= 15);
    await hasCount(page.locator('[data-testid="whatif-map"] line.down'), 1);
    await page.locator('[data-testid="whatif-map"] line.used').first().waitFor();
    await page.getByTestId('whatif-region').first().waitFor();
    await page.getByTestId('whatif-hurt').locator('tbody tr').first().waitFor();
    await page.getByTestId('whatif-tenants').locator('tbody tr').first().waitFor();
    await picture(page, `whatif-${colorScheme}`);
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByTestId('whatif-json').click()]);
    assert.match(file.suggestedFilename(), /^whatif-\d+\.json$/);
    const written = JSON.parse(readFileSync(await file.path(), 'utf8'));
    assert.equal(written.worst.length, 50, 'as it was answered, whole');

    const first = await page.getByTestId('whatif-chosen').innerText();
    await page.getByTestId('whatif-row').nth(3).click();
    const chosen = await page.getByTestId('whatif-chosen').innerText();
    assert.notEqual(chosen, first);
    await page.getByTestId('sort-broken').click();
    await page.getByTestId('sort-broken').click();
    await page.locator('th[aria-sort="ascending"]').getByTestId('sort-broken').waitFor();
    assert.match(await page.getByTestId('whatif-row').first().innerText(), /\t0\t0\t0\t/, 'the least harm first');
    assert.equal(await page.getByTestId('whatif-chosen').innerText(), chosen, 'what is chosen stays so');
    await page.getByTestId('upgrades-add').click();
    await page.getByTestId('tenants-tenant').click();
    assert.match(page.url(), /sort=broken.*upgrades=-add.*tenants=tenant/, 'each table keeps its own order');
    await page.getByTestId('hurt-rate').click();
    await page.getByTestId('whatif-upgrade').nth(1).click();
    await page.locator('[data-testid="whatif-map"] line.chosen').waitFor();
    await page.getByText('add 35 Gbit/s').waitFor();
    await picture(page, `whatif-upgrade-${colorScheme}`);

    await page.getByTestId('whatif-fail').selectOption('sites:1');
    await page.getByTestId('whatif-run').click();
    await page.locator('[data-testid="whatif-map"] .cross').waitFor();
  }));

test('what was chosen in a search stays chosen when answers come late', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  await openMap(page, server.url);
  const site = server.fixture.grid.sites[0];
  let answer;
  const late = new Promise((resolve) => (answer = resolve));
  await page.route('**/api/v1/search?*', async (route) => {
    await late;
    await route.fulfill({ json: { results: [{ kind: 'site', id: 'late', name: `${site.name} that came late`, matched: 'name' }] } });
  });
  await page.keyboard.press('/');
  await page.getByTestId('search-input').fill(site.name);
  const chosen = page.locator('[data-testid="search-hit"][aria-selected="true"]');
  await chosen.getByText(site.name).first().waitFor();
  const sites = page.locator('[data-testid="search-group"][data-kind="Site"] [data-testid="search-hit"]');
  const before = await sites.count();
  for (let i = 0; i < before; ++i) await page.keyboard.press('ArrowDown');
  const wanted = await chosen.innerText();
  answer();
  await page.getByText('that came late').waitFor();
  await hasCount(sites, before + 1);
  assert.equal(await chosen.innerText(), wanted);
}));

test('the stream is lost and comes back', inBrowser({ reducedMotion: 'reduce', width: 900, height: 600 }, async (page) => {
  await openMap(page, server.url);
  server.fixture.deaf = true;
  for (const client of server.fixture.clients) client.end();
  await page.waitForSelector('[data-testid="stream-status"][data-status="lost"]');
  const [first] = server.fixture.grid.links;
  first.state = 'down';
  server.fixture.deaf = false;
  await page.waitForSelector('[data-testid="stream-status"][data-status="live"]');
  await page.waitForFunction((id) => window.tandem.live.model.link(id).state === 'down', first.id);
  first.state = 'up';
}));
