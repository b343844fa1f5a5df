import { describe, expect, it } from 'vitest';
import { History } from './history';

const sample = (ttft_p50_ms: number) => ({ requests_per_s: 1, goodput_fraction: 1, ttft_p50_ms, ttft_p95_ms: 2 });

describe('history', () => {
  it('keeps its span and no more', () => {
    const history = new History(60);
    for (let t = 0; t < 200; t++) history.push(t, sample(t));
    expect(history.at[0]).toBe(139);
    expect(history.at.length).toBe(61);
    expect(history.ttft_p50[0]).toBe(139);
  });
  it('leaves a hole where nothing was heard', () => {
    const history = new History(600);
    history.push(1, sample(1));
    history.push(100, sample(2));
    expect(history.at).toEqual([1, 2, 100]);
    expect(history.ttft_p50).toEqual([1, null, 2]);
  });
  it('never goes back in time', () => {
    const history = new History(600);
    history.push(10, sample(1));
    history.push(9, sample(2));
    expect(history.at).toEqual([10]);
  });
});
