import { expect, test } from 'vitest';
import { ordered } from './order';

const rows = [
  { name: 'link 10', load: 0.5 },
  { name: 'link 9', load: null },
  { name: 'link 1', load: 0.9 },
];
const columns = { name: (row: (typeof rows)[number]) => row.name, load: (row: (typeof rows)[number]) => row.load };
const names = (sort?: string) => ordered(rows, sort, columns).map((row) => row.name);

test('a column sorts either way, names by their numbers', () => {
  expect(names('name')).toEqual(['link 1', 'link 9', 'link 10']);
  expect(names('-name')).toEqual(['link 10', 'link 9', 'link 1']);
});
test('what has no value comes last, either way', () => {
  expect(names('load')).toEqual(['link 10', 'link 1', 'link 9']);
  expect(names('-load')).toEqual(['link 1', 'link 10', 'link 9']);
});
test('without a column they stay as they are', () => {
  expect(names()).toEqual(['link 10', 'link 9', 'link 1']);
  expect(names('-nothing')).toEqual(names());
});
