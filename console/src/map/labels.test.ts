import { describe, expect, it } from 'vitest';
import { edgeOf, Occupied } from './labels';

describe('places for labels', () => {
  it('agree with asking every label before', () => {
    // A linear congruential sequence: the same boxes in every run.
    let seed = 12345;
    const next = (limit: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % limit;
    const occupied = new Occupied();
    const taken: { left: number; top: number; right: number; bottom: number }[] = [];
    for (let i = 0; i < 2000; i++) {
      const [left, top] = [next(1600) - 100, next(1000) - 50];
      const box = { left, top, right: left + 20 + next(160), bottom: top + 16 };
      const free = taken.every((t) => box.right <= t.left || t.right <= box.left || box.bottom <= t.top || t.bottom <= box.top);
      expect(occupied.take(box)).toBe(free);
      if (free) taken.push(box);
    }
    expect(taken.length).toBeGreaterThan(100);
  });
});

describe('the edge towards what is out of sight', () => {
  const box = { left: 100, top: 0, right: 300, bottom: 100 };
  it('lies on the box, on the way there', () => {
    expect(edgeOf(box, 1000, 50)).toEqual({ x: 300, y: 50 });
    expect(edgeOf(box, 200, -500)).toEqual({ x: 200, y: 0 });
    expect(edgeOf(box, 400, 150)).toEqual({ x: 300, y: 100 });
  });
});
