// Traffic engineering and the planned day in a headless browser against the fixture.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inBrowser } from './browser.mjs';
import { serveFixture } from './fixture_server.mjs';
import { fits, hasCount, openMap, picture, sortsByNumber } from './steps.mjs';

let server;
before(async () => (server = await serveFixture()));
after(() => server.close());

const narrow = { width: 390, height: 844 };
const mapped = (page, kind) => page.locator(`[data-testid="te-map"] line.${kind}`);

for (const colorScheme of ['dark', 'light'])
  test(`policies are found, and what they, planes and lost links do is looked at, ${colorScheme}`, inBrowser({ colorScheme, reducedMotion: 'reduce' }, async (page) => {
    await openMap(page, server.url);
    await page.keyboard.press('e');
    await page.getByTestId('te-empty').waitFor();
    await page.getByTestId('te-run').focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('te-verdict').getByText('12 of 240 demands').waitFor();
    assert.equal(await page.getByTestId('te-before').innerText(), '112 %');
    assert.equal(await page.getByTestId('te-after').innerText(), '64.0 %');
    await page.getByTestId('te-bound').getByText('No routing can have less than 61.0 %, with 3 demands left where they are').waitFor();
    await hasCount(page.getByTestId('te-load'), 10);
    assert.ok((await mapped(page, 'used').count()) > 50, 'links are coloured by how full they are');
    await picture(page, `te-${colorScheme}`);
    await sortsByNumber(page, 'planes-demands', '[data-testid="te-plane"] td:nth-child(4)');
    await sortsByNumber(page, 'links-after', '[data-testid="te-load"] td:nth-child(3)');
    await sortsByNumber(page, 'losses-cut', '[data-testid="te-fail"] td:nth-child(5)');

    await page.getByTestId('te-way').nth(1).click();
    await page.getByTestId('te-chosen').getByText('fixture-clinic').waitFor();
    await hasCount(mapped(page, 'chosen'), 3);
    await hasCount(mapped(page, 'left'), 0, 'it shares its shortest path still');
    await page.getByTestId('te-way').nth(0).click();
    await hasCount(mapped(page, 'chosen'), 2);
    await hasCount(mapped(page, 'left'), 1);
    await picture(page, `te-way-${colorScheme}`);
    await page.getByTestId('te-way').nth(0).click();
    await hasCount(mapped(page, 'chosen'), 0, 'once more, and all links are looked at');

    await page.getByTestId('te-plane').nth(1).click();
    await page.getByTestId('te-chosen').getByText('Plane 128 low delay').waitFor();
    await mapped(page, 'faint').first().waitFor({ state: 'attached' });

    await page.getByTestId('te-fail').first().getByRole('button').focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('te-repair').getByText('3 demands have no path left').waitFor();
    await hasCount(mapped(page, 'down'), 1);
    await hasCount(page.getByTestId('te-repair').getByTestId('te-lists'), 2);
    await picture(page, `te-failure-${colorScheme}`);
    await page.getByTestId('te-blocked').getByText('capacity on a-b').waitFor();

    await page.setViewportSize(narrow);
    await fits(page, 'te-page');
    await picture(page, `te-narrow-${colorScheme}`);
  }));

test('a link is chosen on the map', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  await page.goto(`${server.url}/#/te`);
  await page.getByTestId('te-run').click();
  await page.getByTestId('te-verdict').waitFor();
  const hit = page.locator('[data-testid="te-map"] line.hit').last();
  await hit.dispatchEvent('click');
  await page.getByTestId('te-repair').waitFor();
  await hasCount(mapped(page, 'down'), 1);
  await page.getByTestId('te-all').click();
  await page.getByTestId('te-repair').waitFor({ state: 'detached' });
}));

test('a day is planned and its periods are looked at', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  await openMap(page, server.url);
  await page.keyboard.press('y');
  await page.getByTestId('day-empty').waitFor();
  await page.getByTestId('day-run').click();
  await page.getByTestId('day-verdict').getByText('31.8 % less than with one plan all day').waitFor();
  await page.getByTestId('day-verdict').getByText('2 demands miss their promise').waitFor();
  assert.equal(await page.getByTestId('day-peak').innerText(), '4,400 € a day');
  await hasCount(page.getByTestId('day-kept'), 1);
  await hasCount(page.getByTestId('day-period'), 5, 'the period over midnight stands at both ends');
  await page.getByTestId('day-period').nth(2).focus();
  await page.keyboard.press('Enter');
  await page.getByTestId('day-chosen').getByText('08:00–18:00 UTC, 10 hours').waitFor();
  await page.getByTestId('day-missed').getByText('accelerators').first().waitFor();
  await page.getByTestId('day-moves').locator('tbody tr').first().waitFor();
  const models = await page.getByTestId('day-row').count();
  await picture(page, 'day-dark');
  await page.getByTestId('day-group').selectOption('tier');
  await page.getByTestId('day-row').getByText('Core').waitFor();
  assert.notEqual(await page.getByTestId('day-row').count(), models);
  await page.setViewportSize(narrow);
  await fits(page, 'day-page');
  await picture(page, 'day-narrow');
}));

test('a day in light', inBrowser({ colorScheme: 'light', reducedMotion: 'reduce' }, async (page) => {
  await page.goto(`${server.url}/#/day`);
  await page.getByTestId('day-run').click();
  await page.getByTestId('day-verdict').waitFor();
  await picture(page, 'day-light');
}));

const during = (planning, steps) => async (page) => {
  server.fixture.planning = planning;
  try {
    await steps(page);
  } finally {
    delete server.fixture.planning;
  }
};

test('a grid that runs by a day shows which period it is, and the day without asking', inBrowser({ reducedMotion: 'reduce' }, async (page) => {
  server.fixture.scheduled = true;
  try {
    await page.goto(`${server.url}/#/plan`);
    await page.getByTestId('turn-now').getByText(/^The plan of (04:00–08:00|08:00–18:00|18:00–22:00|22:00–04:00) UTC/).waitFor();
    await page.getByTestId('turn-next').getByText(/^\d+ replicas start or stop$/).waitFor();
    await page.getByTestId('turn').getByText('preparing').waitFor();
    await page.getByTestId('turn').getByText('day outdated').waitFor();
    await picture(page, 'plan-turn');
    await page.getByTestId('turn').getByRole('link').click();
    await page.getByTestId('day-verdict').getByText('The grid runs by it.').waitFor();
    await page.getByTestId('turn-now').waitFor();
    await picture(page, 'day-in-force');
    await page.getByTestId('day-run').click();
    await page.getByTestId('day-verdict').getByText('Nothing is changed.').waitFor();
    await page.getByTestId('day-in-force').click();
    await page.getByTestId('day-verdict').getByText('The grid runs by it.').waitFor();
  } finally {
    delete server.fixture.scheduled;
  }
}));

test('what a limit ended says so', inBrowser({ reducedMotion: 'reduce' }, during('unfinished', async (page) => {
  await page.goto(`${server.url}/#/te`);
  await page.getByTestId('te-run').click();
  await page.getByTestId('te-incomplete').waitFor();
  await page.getByText(/Only 20 of \d+ links were tried/).waitFor();
  await page.goto(`${server.url}/#/day`);
  await page.getByTestId('day-run').click();
  await page.getByTestId('day-incomplete').waitFor();
})));

test('where there is nothing to carry and no demand, that is said', inBrowser({ reducedMotion: 'reduce' }, during('idle', async (page) => {
  await page.goto(`${server.url}/#/te`);
  await page.getByTestId('te-run').click();
  await page.getByTestId('te-idle').waitFor();
  await hasCount(page.getByTestId('te-load'), 0);
  await picture(page, 'te-idle');
  await page.goto(`${server.url}/#/day`);
  await page.getByTestId('day-run').click();
  await page.getByTestId('day-idle').waitFor();
})));

test('what is stopped, or left, is ended on the server', inBrowser({ reducedMotion: 'reduce' }, during('endless', async (page) => {
  server.fixture.left = 0;
  const left = async (times) => {
    for (let tries = 0; server.fixture.left < times; ++tries) {
      assert.ok(tries < 100, `the server saw ${server.fixture.left} leave`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await page.goto(`${server.url}/#/te`);
  await page.getByTestId('te-run').click();
  await page.getByTestId('te-progress').getByText('fullest link 71.0 % so far').waitFor();
  assert.equal(await page.getByTestId('te-run').isDisabled(), true, 'one at a time');
  await page.getByTestId('te-stop').click();
  await page.getByTestId('te-progress').waitFor({ state: 'detached' });
  await hasCount(page.getByTestId('te-failure'), 0, 'stopping is no failure');
  await left(1);
  await page.getByTestId('nav-day').click();
  await page.getByTestId('day-run').click();
  await page.getByTestId('day-progress').getByText('each period alone').waitFor();
  await page.getByTestId('nav-plan').click();
  await left(2);
})));

test('what the server refuses is told in its words', inBrowser({ reducedMotion: 'reduce', refusals: /503/ }, async (page) => {
  server.fixture.broken = true;
  try {
    for (const name of ['te', 'day']) {
      await page.goto(`${server.url}/#/${name}`);
      await page.getByTestId(`${name}-run`).click();
      await page.getByTestId(`${name}-failure`).getByText('no plan is accepted yet').waitFor();
    }
  } finally {
    server.fixture.broken = false;
  }
}));

test('every page fits a narrow window', inBrowser({ reducedMotion: 'reduce', ...narrow }, async (page) => {
  await openMap(page, server.url);
  await picture(page, 'map-narrow');
  await page.getByTestId('feed-open').click();
  await page.getByTestId('decision').first().click();
  await page.getByTestId('why-panel').waitFor();
  await page.getByTestId('decision-feed').waitFor({ state: 'detached' });
  await picture(page, 'why-narrow');
  await page.getByTestId('panel-close').click();
  for (const name of ['plan', 'whatif', 'replay', 'serving', 'branches', 'discrepancies', 'query', 'log', 'ontology', 'inventory']) {
    await page.goto(`${server.url}/#/${name}`);
    await page.getByTestId(`${name}-page`).waitFor();
    await fits(page, `${name}-page`);
  }
  server.fixture.record('plan.accepted', 'fixture: a summary as long as those of plans are, with what it costs and what it moves', {});
  await page.goto(`${server.url}/#/log`);
  await page.getByTestId('log-event').first().waitFor();
  const table = await page.evaluate(() => {
    const scroll = document.querySelector('[data-testid="log-page"] .scroll');
    const what = document.querySelector('[data-testid="log-event"] .what').getBoundingClientRect();
    return {
      wide: scroll.scrollWidth > scroll.clientWidth,
      seen: what.left >= 0 && what.right <= innerWidth && what.width > 200,
      high: document.querySelector('[data-testid="log-event"]').clientHeight,
    };
  });
  assert.ok(!table.wide && table.seen && table.high < 120, `what happened stands below when: ${JSON.stringify(table)}`);
  await picture(page, 'log-narrow');
}));
