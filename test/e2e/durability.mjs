// kill -9 at random moments under load: nothing acknowledged may be lost. Usage: node durability.mjs KILLS [SEED]
import assert from 'node:assert/strict';
import path from 'node:path';
import { Grid, example, tandem, temporaryDirectory } from './tandem.mjs';

// A small seeded generator (mulberry32), so that a failing run can be made again.
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export async function killRepeatedly({ kills, seed, onProgress = () => {} }) {
  const random = seeded(seed);
  const data = path.join(temporaryDirectory(), 'data');
  const acknowledged = new Map();  // offset → what was acknowledged there
  let written = 0;
  let unchecked = [];
  let links;

  async function checkAcknowledged(grid, offsets) {
    for (const offset of offsets) {
      const { body } = await grid.get(`/api/v1/log?from=${offset}&limit=1`);
      const event = body.events[0];
      assert.equal(Number(event?.offset), offset, `acknowledged offset ${offset} is not on the log`);
      assert.equal(event.body.facts_recorded.attributes[0].value, acknowledged.get(offset), `offset ${offset} holds another event`);
    }
  }

  let grid;
  try {
    return await rounds();
  } finally {
    await grid?.kill();
  }

  async function rounds() {
    for (let round = 0; round < kills; ++round) {
      grid = await Grid.start({ grid: example, data, waitForPlan: round === 0 });
      links ??= (await grid.get('/api/v1/grid')).body.links.map((link) => link.id);
      await checkAcknowledged(grid, unchecked);
      unchecked = [];
      let running = true;
      const writer = async () => {
        while (running) {
          const delay = 100 + (++written % 100_000) / 1_000;
          try {
            const answer = await grid.post('/api/v1/facts', { source: 'soak', facts: [
              { kind: 'link', id: links[Math.floor(random() * links.length)], attributes: { delay_us: delay } }] });
            if (answer.status === 200) {
              acknowledged.set(Number(answer.body.offset), delay);
              unchecked.push(Number(answer.body.offset));
            }
          } catch (error) {
            if (running) throw error;  // while it is being killed, a broken connection is what we asked for
          }
        }
      };
      const asker = async () => {
        while (running) {
          try {
            await grid.chat({ model: 'none', messages: [] });
          } catch (error) {
            if (running) throw error;
          }
        }
      };
      const work = [writer(), writer(), writer(), asker()];
      await new Promise((resolve) => setTimeout(resolve, 20 + random() * 300));
      running = false;
      await grid.kill();
      await Promise.all(work);
      onProgress(round + 1, acknowledged.size);
    }

    grid = await Grid.start({ grid: example, data, waitForPlan: false });
    await checkAcknowledged(grid, acknowledged.keys());
    await grid.stop();
    const verified = tandem('log', 'verify', '--data', data, '--json');
    assert.equal(verified.status, 0, verified.out + verified.err);
    return { kills, acknowledged: acknowledged.size };
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const kills = Number(process.argv[2] ?? 1000);
  const seed = Number(process.argv[3] ?? 1);
  const result = await killRepeatedly({ kills, seed, onProgress: (round, count) => {
    if (round % 10 === 0) console.log(`${round}/${kills} kills, ${count} acknowledged facts`);
  } });
  console.log(`${result.kills} kills, ${result.acknowledged} acknowledged facts, none lost, log clean (seed ${seed})`);
}
