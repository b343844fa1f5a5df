import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killRepeatedly } from './durability.mjs';

test('25 kill -9 under load lose nothing that was acknowledged', { timeout: 600_000 }, async () => {
  const result = await killRepeatedly({ kills: 25, seed: 42 });
  assert.ok(result.acknowledged > 100, `only ${result.acknowledged} facts were acknowledged: the test proved little`);
});
