// The pages of the inventory in a headless browser against the fixture, in light and in dark.
// SCREENSHOTS=DIR leaves pictures there for someone to look at.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { inBrowser as onPage } from './browser.mjs';
import { serveFixture } from './fixture_server.mjs';
import { believed, dragTime, editIntoBranch, findByTyping, mergeBranch, mergeVerdict, openBranch, openPage } from './inventory_steps.mjs';
import { hasCount, picture } from './steps.mjs';

let server;
before(async () => (server = await serveFixture()));
after(() => server.close());

// Still, unless a test says otherwise: tables that move are slow to click.
const inBrowser = (options, steps) => onPage({ reducedMotion: 'reduce', ...options }, steps);
const hashOf = (page) => page.evaluate(() => window.location.hash);

for (const colorScheme of ['dark', 'light'])
  test(`find by typing, read who says what, drag the time, ${colorScheme}`, inBrowser({ colorScheme }, async (page) => {
    const moved = server.fixture.inventory.moved;
    await openPage(page, server.url, '#/inventory');
    await page.getByTestId('kind').first().waitFor();
    await page.getByTestId('discrepancy').first().waitFor();
    await picture(page, `inventory-${colorScheme}`);

    const groups = await findByTyping(page, moved, 'Device', moved);
    assert.ok(groups.includes('Interface'), `groups: ${groups}`);
    assert.match(await believed(page, 'rack'), /2c$/);
    assert.match(await believed(page, 'position_u'), /^30\s*U$/);
    const rack = page.locator('[data-testid="comparison-row"][data-attribute="rack"] td');
    await hasCount(rack, 3, 'planning and discovery stand side by side');
    assert.match(await page.locator('[data-testid="comparison-row"][data-attribute="rack"] td[data-believed="true"]').innerText(), /2c/);
    await page.getByTestId('verification').waitFor();
    assert.match(await page.getByTestId('verification').innerText(), /serial number.*unit 30.*\d+\.\d{4}, \d+\.\d{4}/s);
    await picture(page, `entity-${colorScheme}`);

    await page.locator('[data-testid="fact"][data-attribute="software_version"]').getByTestId('fact-claims').click();
    await hasCount(page.getByTestId('claim'), 3);

    await dragTime(page, 0);
    await page.waitForFunction(() => document.querySelector('[data-testid="time-said"]').innerText.startsWith('As believed'));
    const planned = moved.replace(/-router-\d+$/, '');  // devices are named after the rack that planning has them in
    await page.waitForFunction((rack) => document.querySelector('[data-testid="fact"][data-attribute="rack"] [data-testid="fact-value"]').innerText.trim() === rack, planned);
    assert.match(await hashOf(page), /as_of=\d+/);
    await picture(page, `then-${colorScheme}`);
    await page.getByTestId('time-track').focus();
    await page.keyboard.press('End');
    await page.waitForFunction(() => /2c$/.test(document.querySelector('[data-testid="fact"][data-attribute="rack"] [data-testid="fact-value"]').innerText.trim()));
    assert.doesNotMatch(await hashOf(page), /as_of/);

    const rackLink = page.locator('[data-testid="outgoing"][data-relation="rack"] [data-testid="relation"]');
    const to = await rackLink.innerText();
    await rackLink.click();
    await page.waitForSelector(`[data-testid="entity-page"][data-kind="rack"][data-id="${to}"]`);
    await page.goBack();
    await page.waitForSelector(`[data-testid="entity-page"][data-id="${moved}"]`);
  }));

for (const colorScheme of ['dark', 'light'])
  test(`edit into a branch, see what stands against it, mend it and merge, ${colorScheme}`, inBrowser({ colorScheme }, async (page) => {
    const inventory = server.fixture.inventory;
    const rack = colorScheme === 'dark' ? 'site-0002-1b' : 'site-0002-1c';
    const [first, second] = [...inventory.seen().values()].filter((e) => e.kind === 'device' && e.attributes.rack === rack && e.attributes.face === undefined);
    const branch = `move-${colorScheme}`;
    await openPage(page, server.url, `#/inventory/device/${first.id}`);
    await page.getByTestId('rack-device').first().waitFor();
    await editIntoBranch(page, 'position_u', String(second.attributes.position_u), branch);
    await page.getByTestId('rack-collision').first().waitFor();
    await page.waitForFunction((unit) => document.querySelector('[data-testid="fact"][data-attribute="position_u"] [data-testid="fact-value"]').innerText.startsWith(unit), String(second.attributes.position_u));
    await picture(page, `edited-${colorScheme}`);

    await openBranch(page, branch);
    assert.match(await mergeVerdict(page, false), /Refused as it is/);
    const obstacle = await page.getByTestId('obstacle').first().innerText();
    assert.ok(obstacle.includes(first.id) && obstacle.includes(second.id), 'the violation names both');
    await page.getByTestId('obstacle-fix').first().waitFor();
    assert.match(await page.getByTestId('diff-attribute').first().innerText(), /→/);
    await picture(page, `branch-refused-${colorScheme}`);

    // Somebody else changes the same thing on main: now the two also disagree.
    const before = first.attributes.position_u;
    inventory.say('api:operator', 'observed', Date.now(), 'device', first.id, { position_u: 39 });
    await page.waitForSelector('[data-testid="obstacle"][data-what="conflict"]');
    assert.match(await page.getByTestId('conflict-sides').innerText(), new RegExp(`was ${before}.*is now 39`, 's'));
    await picture(page, `branch-conflict-${colorScheme}`);
    await page.getByTestId('settle-ours').click();
    await page.waitForSelector('[data-testid="obstacle"][data-what="conflict"]', { state: 'detached' });

    await page.locator('[data-testid="diff-entity"] a').first().click();
    await page.getByTestId('facts').waitFor();
    await editIntoBranch(page, 'position_u', '36', branch);
    await openBranch(page, branch);
    assert.match(await mergeVerdict(page, true), /1 entity changed/);
    await picture(page, `branch-ready-${colorScheme}`);
    await mergeBranch(page);
    await page.goto(`${server.url}/#/inventory/device/${first.id}`);
    await page.waitForFunction(() => document.querySelector('[data-testid="fact"][data-attribute="position_u"] [data-testid="fact-value"]')?.innerText.startsWith('36'));
  }));

test('a branch is made and discarded on its page', inBrowser({ refusals: /status of 400/ }, async (page) => {
  server.fixture.inventory.branches.clear();
  await openPage(page, server.url, '#/branches');
  await page.getByTestId('branches-none').waitFor();
  await picture(page, 'branches-none-dark');
  await page.getByTestId('branch-name').fill('not a name');
  await page.getByTestId('branch-create').click();
  await page.getByTestId('branch-failure').waitFor();
  await page.getByTestId('branch-name').fill('window-12');
  await page.getByTestId('branch-purpose').fill('Swap the fixture routers of the first rack');
  await page.getByTestId('branch-create').click();
  await page.getByTestId('branch-open').click();
  await page.getByTestId('diff-none').waitFor();
  assert.equal(await page.getByTestId('branch-merge').isDisabled(), true);
  await page.goto(`${server.url}/#/inventory/site/site-0003?branch=window-12`);
  await page.getByTestId('facts').waitFor();
  await editIntoBranch(page, 'power_limit_kw', '12.5', 'window-12');
  await openBranch(page, 'window-12');
  await page.getByTestId('branch-rebase').click();
  await page.getByTestId('diff-entity').hover();
  await page.getByTestId('take-back').click();
  await page.getByTestId('diff-none').waitFor();
  await page.getByTestId('branch-discard').click();
  await page.getByTestId('branch-discard-sure').click();
  await page.getByTestId('branches-none').waitFor();
  assert.equal(server.fixture.inventory.branches.size, 0);
}));

test('a branch that cuts a link says which promise it would break', inBrowser({}, async (page) => {
  const inventory = server.fixture.inventory;
  inventory.branches.clear();
  inventory.branchAnswer('POST', undefined, undefined, { name: 'cut-12', purpose: 'Is the second path enough?' });
  inventory.branchAnswer('POST', 'cut-12', 'edits', { items: [{ kind: 'link', id: 'link-0001', attributes: { state: 'down' } }] });
  await openPage(page, server.url, '#/branches/cut-12');
  assert.match(await page.getByTestId('twin-broken').innerText(), /^1/);
  assert.match(await page.getByTestId('twin-kept').innerText(), /^11 of 12/);
  await page.getByTestId('twin-list-broken').click();
  assert.match(await page.getByTestId('twin-promises').innerText(), /llama-3\.1-8b.*no path is left/s);
  await picture(page, 'branch-verdict-dark');
  inventory.branches.clear();
}));

for (const colorScheme of ['dark', 'light'])
  test(`a kind as a table, a rack, a site's neighbourhood, ${colorScheme}`, inBrowser({ colorScheme, refusals: /status of 400/ }, async (page) => {
    await openPage(page, server.url, '#/inventory');
    await page.locator('[data-testid="kind"][data-kind="interface"]').click();
    await page.getByTestId('rows-row').first().waitFor();
    assert.ok((await page.getByTestId('rows-row').count()) < 100, 'only what is in sight is in the page');
    const total = [...server.fixture.inventory.seen().values()].filter((e) => e.kind === 'interface').length;
    const shown = page.getByTestId('kind-shown');
    for (let i = 0; i < 20 && (await shown.innerText()).includes(' of '); i++) {
      await page.getByTestId('rows').press('End');
      await page.waitForTimeout(250);
    }
    assert.match(await shown.innerText(), new RegExp(total.toLocaleString('en-US')));
    await page.getByTestId('sort-id').click();
    const last = [...server.fixture.inventory.seen().values()].filter((e) => e.kind === 'interface').map((e) => e.id)
      .sort(new Intl.Collator('en', { numeric: true }).compare).at(-1);
    await page.getByTestId('rows').press('Home');
    await page.waitForFunction((id) => document.querySelector('[data-testid="rows-row"]').innerText.includes(id), last);
    await picture(page, `kind-${colorScheme}`);
    await page.getByTestId('kind-filter').fill('speed_gbps>=100 mtu_bytes=9000');
    await page.waitForFunction(() => [...document.querySelectorAll('[data-testid="rows-row"]')].every((r) => r.innerText.includes('router')));
    await page.getByTestId('kind-filter').fill('speed_gbps=7');
    await page.getByTestId('kind-none').waitFor();
    await page.getByTestId('kind-filter').fill('speeed=7');
    await page.getByText("has no attribute 'speeed'").waitFor();

    await page.goto(`${server.url}/#/inventory/rack/site-0001-2c`);
    await page.getByTestId('rack-device').first().waitFor();
    assert.match(await page.getByTestId('rack-summary').innerText(), /of 42 U used/);
    await page.getByTestId('rack-device').first().focus();
    const focused = () => page.evaluate(() => document.activeElement.dataset.low);
    const before = await focused();
    await page.keyboard.press('ArrowUp');
    assert.ok(Number(await focused()) > Number(before), 'up goes up the rack');
    assert.match(await page.getByTestId('rack-said').innerText(), /U/);
    await picture(page, `rack-${colorScheme}`);
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-testid="entity-page"][data-kind="device"]');

    await page.goto(`${server.url}/#/inventory/site/site-0001`);
    await page.getByTestId('near-site').first().waitFor();
    const links = server.fixture.grid.links.filter((l) => [l.a_site, l.b_site].includes('site-0001'));
    const neighbours = new Set(links.flatMap((l) => [l.a_site, l.b_site]).filter((s) => s !== 'site-0001'));
    await hasCount(page.getByTestId('near-site'), neighbours.size);
    await hasCount(page.getByTestId('tree-rack'), 6);
    await picture(page, `site-${colorScheme}`);
    await page.getByTestId('entity-map').click();
    await page.getByTestId('site-panel').waitFor();
    await page.getByTestId('panel-inventory').click();
    await page.waitForSelector('[data-testid="entity-page"][data-id="site-0001"]');
  }));

for (const colorScheme of ['dark', 'light'])
  test(`ontology, discrepancies and SQL, ${colorScheme}`, inBrowser({ colorScheme, refusals: /status of 400/ }, async (page) => {
    await openPage(page, server.url, '#/ontology/device');
    await page.getByTestId('ontology-attributes').waitFor();
    assert.match(await page.getByTestId('ontology-constraints').innerText(), /overlap/);
    await picture(page, `ontology-${colorScheme}`);
    await page.getByTestId('ontology-filter').fill('mtu');
    await page.getByTestId('ontology-kind').click();
    await page.waitForFunction(() => document.querySelector('[data-testid="ontology-title"]').innerText === 'Interface');

    // A letter typed into a field is not a command; outside it is.
    await page.getByTestId('ontology-filter').press('x');
    await page.getByTestId('ontology-page').waitFor();
    await page.getByTestId('ontology-title').click();
    await page.keyboard.press('x');
    await page.getByTestId('discrepancy').first().waitFor();
    await picture(page, `discrepancies-${colorScheme}`);

    await page.keyboard.press('q');
    await page.getByTestId('sql').fill("SELECT id, rack, position_u FROM device WHERE role = 'router'");
    await page.getByTestId('sql').press('Control+Enter');
    await page.getByTestId('answer-row').first().waitFor();
    await picture(page, `query-${colorScheme}`);
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByTestId('sql-csv').click()]);
    const csv = readFileSync(await file.path(), 'utf8');
    assert.match(csv, /^id,rack,position_u\r\n[\w-]+,[\w-]+,\d+\r\n/);
    await page.getByTestId('sql').fill('SELECT id FROM devic');
    await page.getByTestId('sql-run').click();
    await page.getByTestId('sql-error').waitFor();
    assert.match(await page.getByTestId('sql-error').innerText(), /did you mean 'device'/);
  }));
