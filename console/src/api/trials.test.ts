import { expect, test } from 'vitest';
import { readTrials, verdict, type Difference } from './trials';

test('a trial is read, and measures that are not known are left out', () => {
  const [trial] = readTrials({
    trials: [
      {
        id: 'next', mode: 'canary', model: 'a', to_model: 'b', to_site: '', share_fraction: 0.1,
        base: { requests: 90, failed: 1, dropped: 0 }, candidate: { requests: 10, failed: 2, dropped: 0 },
        comparison: [
          { measure: 'failed_fraction', base: 0.01, candidate: 0.2, difference: 0.19, difference_low: 0.02, difference_high: 0.5, told_apart: true },
          { measure: 'ttft_ms_p95', base: 200, candidate: 190, difference: -10, difference_low: null, difference_high: null, told_apart: false },
          { measure: 'of the next version' },
        ],
      },
    ],
  });
  expect(trial?.mode).toBe('canary');
  expect(trial?.candidate.failed).toBe(2);
  expect(trial?.comparison.map((d) => d.measure)).toEqual(['failed_fraction', 'ttft_ms_p95']);
  expect(trial?.comparison.map(verdict)).toEqual(['fails more', 'too few requests']);
  expect(readTrials(undefined)).toEqual([]);
});

test('what the requests do not tell is said so', () => {
  const of: Difference = { measure: 'eur_per_answer', base: 1, candidate: 0.5, difference: -0.5, low: -0.8, high: 0.1, told_apart: false };
  expect(verdict(of)).toBe('cannot be told from noise');
  expect(verdict({ ...of, high: -0.1, told_apart: true })).toBe('cheaper');
  expect(verdict({ ...of, base: null, difference: null })).toBe('not measured: no answers');
  expect(verdict({ ...of, measure: 'ttft_ms_p95', base: null })).toBe('not measured: no streamed answers');
});
