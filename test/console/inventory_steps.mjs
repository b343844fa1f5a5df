// What a person does with the inventory, as steps that work on any server.
import assert from 'node:assert/strict';

const byTestId = (page, id) => page.getByTestId(id);

// Opens the console on a page that needs no map.
export async function openPage(page, url, hash) {
  await page.goto(`${url}/${hash}`);
  await page.waitForSelector('[data-testid="stream-status"][data-status="live"]', { timeout: 60_000 });
}

// Types into the search until a group of `kind` shows `id`, walks down to it with the arrows and opens it.
export async function findByTyping(page, text, kind, id) {
  await page.keyboard.press('/');
  const input = byTestId(page, 'search-input');
  await input.waitFor();
  await input.pressSequentially(text, { delay: 15 });
  const group = page.locator(`[data-testid="search-group"][data-kind="${kind}"]`);
  await group.getByTestId('search-hit').filter({ hasText: id }).first().waitFor();  // an earlier key's answer may lack it
  const groups = await page.getByTestId('search-group').evaluateAll((all) => all.map((g) => g.dataset.kind));
  for (let i = 0; i < 60; i++) {
    const here = page.locator('[data-testid="search-hit"][aria-selected="true"]');
    if (((await here.innerText()).includes(id) && (await group.locator('[aria-selected="true"]').count()) === 1)) break;
    await page.keyboard.press('ArrowDown');
  }
  await page.keyboard.press('Enter');
  await page.waitForSelector(`[data-testid="entity-page"][data-id="${id}"]`);
  await byTestId(page, 'facts').waitFor();
  return groups;
}

// What the page says is believed of one attribute.
export const believed = async (page, attribute) =>
  (await page.locator(`[data-testid="fact"][data-attribute="${attribute}"] [data-testid="fact-value"]`).innerText()).trim();

// Drags the time slider to a fraction of its width.
export async function dragTime(page, fraction) {
  const box = await byTestId(page, 'time-track').boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width - 1, y);
  await page.mouse.down();
  for (const at of [0.9, 0.7, (fraction + 0.7) / 2, fraction]) await page.mouse.move(box.x + box.width * Math.max(at, fraction), y);
  await page.mouse.up();
}

// Edits one attribute of the entity that is open into a branch: a new one where `branch` is not there yet.
export async function editIntoBranch(page, attribute, value, branch) {
  const row = page.locator(`[data-testid="fact"][data-attribute="${attribute}"]`);
  await row.hover();
  await row.getByTestId('fact-edit').click();
  await byTestId(page, 'edit').waitFor();
  await page.waitForSelector('[data-testid="edit-branch"][data-known="true"]');
  const field = byTestId(page, 'edit-value');
  if ((await field.evaluate((e) => e.tagName)) === 'SELECT') await field.selectOption(value);
  else await field.fill(value);
  const names = await byTestId(page, 'edit-branch').locator('option').evaluateAll((all) => all.map((o) => o.value));
  if (names.includes(branch)) await byTestId(page, 'edit-branch').selectOption(branch);
  else await byTestId(page, 'edit-new-branch').fill(branch);
  await byTestId(page, 'edit-save').click();
  await byTestId(page, 'edit').waitFor({ state: 'detached' });
  await page.waitForFunction((name) => window.location.hash.includes(`branch=${name}`), branch);
}

export async function openBranch(page, branch) {
  await byTestId(page, 'nav-branches').click();
  await page.locator(`[data-testid="branch"][data-branch="${branch}"]`).getByTestId('branch-open').click();
  await page.waitForSelector(`[data-testid="branch-page"][data-branch="${branch}"]`);
  await byTestId(page, 'diff-entity').first().waitFor();
}

// Waits until the branch that is open may be merged, or may not, and returns what stands beside the button.
export async function mergeVerdict(page, allowed) {
  await page.waitForFunction((wanted) => document.querySelector('[data-testid="branch-merge"]')?.disabled === !wanted, allowed);
  const text = await byTestId(page, 'merge-consequence').innerText();
  assert.ok(text.length > 20, text);
  return text;
}

export async function mergeBranch(page) {
  await mergeVerdict(page, true);
  await byTestId(page, 'branch-merge').click();
  await byTestId(page, 'branches-page').waitFor();
}
