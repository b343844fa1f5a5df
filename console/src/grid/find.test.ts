import { describe, expect, it } from 'vitest';
import { find, folded } from './find';

const entry = (name: string, rank = 1) => ({ name, rank, text: folded(name) });
const names = (query: string, entries: ReturnType<typeof entry>[]) => find(entries, query, 10).map((e) => e.name);

describe('search', () => {
  it('does not mind accents or case', () => {
    expect(names('dusseldorf', [entry('Düsseldorf core'), entry('Dresden')])).toEqual(['Düsseldorf core']);
  });
  it('puts the start of a name before the start of a word before the middle', () => {
    expect(names('ber', [entry('Nürnberg'), entry('Neu Bern'), entry('Berlin')])).toEqual(['Berlin', 'Neu Bern', 'Nürnberg']);
  });
  it('wants every word', () => {
    expect(names('core ham', [entry('Hamburg core'), entry('Hamburg edge')])).toEqual(['Hamburg core']);
  });
  it('lists the first entries for an empty query and none for nonsense', () => {
    expect(names(' ', [entry('a'), entry('b')])).toEqual(['a', 'b']);
    expect(names('(', [entry('a')])).toEqual([]);
  });
});
