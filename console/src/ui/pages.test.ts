import { expect, test } from 'vitest';
import { mapKeys, railPages } from './pages';

test('a key does one thing', () => {
  const keys = [...railPages.map((page) => page.key), ...Object.values(mapKeys), '/', '?', '+', '-'];
  expect(new Set(keys).size).toBe(keys.length);
});
