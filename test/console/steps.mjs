// What a person does in the console, as steps that work on any server: the fixture here, the real binary end to end.
import assert from 'node:assert/strict';
import { join } from 'node:path';

// That there come to be so many, which a page may take a moment to draw.
export async function hasCount(locator, wanted, why) {
  await (wanted > 0 ? locator.nth(wanted - 1).waitFor({ state: 'attached' }) : locator.first().waitFor({ state: 'detached' }));
  assert.equal(await locator.count(), wanted, why);
}

const byTestId = (page, id) => page.getByTestId(id);

// Opens the console and waits until the map is drawn and live.
export async function openMap(page, url, { timeout_ms = 60_000 } = {}) {
  await page.goto(`${url}/#/map`);
  await page.waitForFunction(() => window.tandem?.ready() === true, undefined, { timeout: timeout_ms });
  await page.waitForFunction(() => window.tandem.map.queryRenderedFeatures(undefined, { layers: ['sites'] }).length > 0, undefined, {
    timeout: timeout_ms,
  });
  await page.waitForSelector('[data-testid="stream-status"][data-status="live"]', { timeout: timeout_ms });
}

// What the map shows now, counted in the drawn picture and not in the data.
export const drawn = (page) =>
  page.evaluate(() => {
    const count = (layer) => new Set(window.tandem.map.queryRenderedFeatures(undefined, { layers: [layer] }).map((f) => f.id)).size;
    return { sites: count('sites'), links: count('links'), down: count('down-lines') };
  });

// A link that is up, whose middle is on free ground on the screen: the first in the picture for which a click there means
// that link. Returns {id, x, y}.
export const clickableLink = (page) =>
  page.evaluate(() => {
    const { map, live, project } = window.tandem;
    const { model } = live;
    for (const link of model.links) {
      const a = model.site(link.a_site);
      const b = model.site(link.b_site);
      if (link.state !== 'up' || !a || !b || a === b) continue;
      for (const at of [0.5, 0.35, 0.65]) {
        const { x, y } = project(a.longitude_deg + (b.longitude_deg - a.longitude_deg) * at, midLatitude(a.latitude_deg, b.latitude_deg, at));
        if (document.elementFromPoint(x, y) !== map.getCanvas()) continue;
        const box = map.getCanvas().getBoundingClientRect();
        const near = (layer, reach) =>
          map.queryRenderedFeatures([[x - box.left - reach, y - box.top - reach], [x - box.left + reach, y - box.top + reach]], { layers: [layer] });
        const hits = [...new Set(near('links', 6).map((f) => f.id))];
        if (near('sites', 8).length === 0 && hits.length === 1 && model.links[hits[0]].id === link.id) return { id: link.id, x, y };
      }
    }
    return undefined;
    // The line is straight on the map, so its points are between the ends in Mercator's y, not in latitude.
    function midLatitude(from, to, at) {
      const y = (lat) => Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360));
      return (Math.atan(Math.exp(y(from) + (y(to) - y(from)) * at)) * 360) / Math.PI - 90;
    }
  });

// Clicks a link on the map, reads the twin's verdict, cuts it, and waits until the map shows it cut. Returns the link's id
// and how long it took from the click to the picture.
export async function cutLinkByClicking(page) {
  const link = await clickableLink(page);
  assert.ok(link, 'there is a link on free ground to click');
  await page.mouse.click(link.x, link.y);
  await byTestId(page, 'link-panel').waitFor();
  await byTestId(page, 'verdict-kept').waitFor();
  const clicked_ms = Date.now();
  await byTestId(page, 'cut-link').click();
  await page.waitForFunction((id) => window.tandem.live.model.link(id).state === 'down', link.id);
  await byTestId(page, 'link-state').waitFor();
  await page.waitForFunction(
    (id) => {
      const { map, live } = window.tandem;
      const index = live.model.linkIndex.get(id);
      return map.queryRenderedFeatures(undefined, { layers: ['down-lines'] }).some((f) => f.id === index);
    },
    link.id,
  );
  return { id: link.id, shown_ms: Date.now() - clicked_ms };
}

export async function restoreLink(page, id) {
  await byTestId(page, 'restore').click();
  await page.waitForFunction((wanted) => window.tandem.live.model.link(wanted).state === 'up', id);
  await byTestId(page, 'cut-link').waitFor();
}

// Powers down the site whose panel is open, and brings it back.
export async function powerDownSite(page, id) {
  await byTestId(page, 'verdict-kept').waitFor();
  await byTestId(page, 'power-down').click();
  await page.waitForFunction((wanted) => window.tandem.live.model.site(wanted).state === 'down', id);
  await byTestId(page, 'site-state').waitFor();
}

export async function restoreSite(page, id) {
  await byTestId(page, 'restore').click();
  await page.waitForFunction((wanted) => window.tandem.live.model.site(wanted).state === 'up', id);
  await byTestId(page, 'power-down').waitFor();
}

// Opens the newest decision's reason and returns what it says.
export async function openWhy(page) {
  const decision = byTestId(page, 'decision').first();
  await decision.waitFor();
  // The list moves until someone points at it.
  const list = await page.locator('[data-testid="decision-feed"] ol').boundingBox();
  await page.mouse.move(list.x + list.width / 2, list.y + 20);
  await page.getByText('held').waitFor();
  const id = await decision.getAttribute('data-decision');
  await decision.click();
  await byTestId(page, 'why-panel').waitFor();
  await byTestId(page, 'candidate').first().waitFor();
  const chosen = await page.locator('[data-testid="candidate"][data-chosen="true"]').count();
  return {
    id,
    shown: (await byTestId(page, 'why-id').innerText()).trim(),
    candidates: await byTestId(page, 'candidate').count(),
    chosen,
    reason: (await byTestId(page, 'why-reason').innerText()).trim(),
  };
}

// Finds something by typing and opens the first hit.
export async function search(page, text) {
  await page.keyboard.press('/');
  await byTestId(page, 'search-input').fill(text);
  await byTestId(page, 'search-hit').first().waitFor();
  await page.keyboard.press('Enter');
}

// Sorts a table by a column of numbers in one unit, down, then up, then not, and holds that its cells follow.
export async function sortsByNumber(page, header, cells) {
  const numbers = async () => (await page.locator(cells).allInnerTexts()).map((text) => Number.parseFloat(text.replaceAll(',', '')));
  const head = page.getByTestId(header);
  const sorted = (order) => page.locator(`th[aria-sort="${order}"]`).filter({ has: head });
  await head.click();
  await sorted('descending').waitFor();
  const down = await numbers();
  assert.ok(down.length > 1 && down.every((n) => !Number.isNaN(n)), `${header}: there are numbers to sort`);
  assert.deepEqual(down, [...down].sort((a, b) => b - a), `${header}: the largest first`);
  await head.click();
  await sorted('ascending').waitFor();
  const up = await numbers();
  assert.deepEqual(up, [...up].sort((a, b) => a - b), `${header}: the smallest first`);
  await head.click();
  await page.locator('th[aria-sort]').filter({ has: head }).waitFor({ state: 'detached' });
}

// Frames of the overlay loop a second, while nobody touches anything.
export const framesPerSecond = (page, seconds = 3) =>
  page.evaluate(
    (length_s) =>
      new Promise((resolve) => {
        let frames = 0;
        const start = performance.now();
        const step = () => {
          frames++;
          const elapsed_ms = performance.now() - start;
          if (elapsed_ms > length_s * 1000) resolve((frames * 1000) / elapsed_ms);
          else requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
      }),
    seconds,
  );

// Nothing of the page is wider than the window: what may be scrolls by itself.
export const fits = (page, id) =>
  page.waitForFunction((testid) => document.querySelector(`[data-testid="${testid}"]`).scrollWidth <= window.innerWidth, id);

// A picture for someone to look at, where SCREENSHOTS names a folder.
export async function picture(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
}
