import { expect, test } from 'vitest';
import { alone } from './plot';

test('values between gaps stand alone', () => {
  expect(alone([null, 3, null, 1, 2, null, 0])).toEqual([1, 6]);
  expect(alone([7])).toEqual([0]);
  expect(alone([1, 2])).toEqual([]);
  expect(alone([undefined, null])).toEqual([]);
});
