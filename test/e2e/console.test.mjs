// The console of the running example in a headless browser: what a person does, and a picture of it.
// SCREENSHOTS=DIR leaves the pictures there for someone to look at.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { executablePath, openBrowser } from '../console/browser.mjs';
import { cutLinkByClicking, drawn, openMap, openWhy, picture, restoreLink } from '../console/steps.mjs';
import { Grid, example, root, tandem, temporaryDirectory } from './tandem.mjs';

const skip = executablePath && existsSync(executablePath) ? false : 'skipped: no Chromium; install the package chromium';
let grid;
let load;

before(async () => {
  if (skip) return;
  grid = await Grid.start({ grid: example, data: path.join(temporaryDirectory(), 'data') });
  let running = true;
  const regions = (await grid.get('/api/v1/grid')).body.regions.map((region) => region.id);
  const ask = async (lane) => {
    for (let i = lane; running; ++i)
      await grid.chat({ model: 'llama-3.1-8b', max_tokens: 8, messages: [{ role: 'user', content: 'hello' }] },
        { 'x-tandem-region': regions[i % regions.length] }).catch((error) => { if (running) throw error; });
  };
  const lanes = [0, 7, 14, 21].map(ask);
  load = { stop: async () => { running = false; await Promise.all(lanes); } };
});
after(async () => {
  await load?.stop();
  await grid?.stop();
});

test('the map is drawn, a link is cut by clicking, a decision is explained', { skip, timeout: 300_000 }, async () => {
  const browser = await openBrowser({ colorScheme: 'dark' });
  try {
    const { page } = browser;
    await openMap(page, grid.url);
    const { sites, links } = await drawn(page);
    assert.ok(sites >= 50, `${sites} sites are drawn`);
    assert.ok(links >= 100, `${links} links are drawn`);
    await page.waitForTimeout(3_000);
    await picture(page, 'example-map');

    const cut = await cutLinkByClicking(page);
    const { body } = await grid.get(`/api/v1/links/${cut.id}`);
    assert.equal(body.state, 'down');
    await picture(page, 'example-cut');
    await restoreLink(page, cut.id);

    const why = await openWhy(page);
    assert.ok(why.candidates >= 1);
    await picture(page, 'example-why');
    assert.deepEqual(browser.problems, []);
  } catch (error) {
    await picture(browser.page, 'example-failed');
    throw error;
  } finally {
    await browser.close();
  }
});

test('every page of the console is served by the program itself', { skip }, async () => {
  const names = /pageNames = \[([^\]]*)\]/.exec(readFileSync(path.join(root, 'console/src/route.ts'), 'utf8'))[1];
  const pages = [...names.matchAll(/'([a-z]+)'/g)].map((found) => found[1]);
  assert.ok(pages.includes('plan') && pages.includes('log'));
  for (const name of ['', ...pages]) {
    const response = await fetch(`${grid.url}/${name}`);
    assert.equal(response.status, 200, name);
    assert.match(response.headers.get('content-type'), /text\/html/);
    const asked = await fetch(`${grid.url}/${name}`, { redirect: 'manual' });
    assert.equal(asked.headers.get('location'), name === '' ? null : `/#/${name}`);
  }
  assert.equal(tandem('--version').status, 0);
});
