import { describe, expect, it } from 'vitest';
import { readDecision, readWhy } from './decisions';

const record = {
  id: 'd-1-2-3',
  at: '2026-11-21T08:00:00.000000000Z',
  offset: 812,
  tenant: 'demo',
  region: 'r1',
  model: 'small',
  deployment: 'small@a',
  site: 'a',
  reason: 'plan_split',
  gate: 'none',
  outcome: 'ok',
  prompt_tokens: 300,
  output_tokens: 100,
  overhead_us: 21.5,
  duration_us: 2_400_000,
  predicted_ttft_us: 152_000,
  ttft_us: 149_300,
  cost_euros: 0.0004,
  promise_ttft_ms: 200,
  promise_kept: true,
};

describe('a decision', () => {
  it('is read from what the gateway records', () => {
    const decision = readDecision(record);
    expect(decision).toMatchObject({ id: 'd-1-2-3', site: 'a', ttft_ms: 149.3, predicted_ttft_ms: 152, outcome: 'ok', broken: false });
    expect(decision.reason).toMatch(/^The plan sends/);
  });

  it('is broken when late, rejected or cut, and not when the client is at fault or left', () => {
    const broken = (change: object) => readDecision({ ...record, ...change }).broken;
    expect(broken({ promise_kept: false })).toBe(true);
    for (const outcome of ['rejected', 'upstream_error', 'cut']) expect(broken({ outcome, promise_kept: false })).toBe(true);
    for (const outcome of ['client_error', 'cancelled']) expect(broken({ outcome, promise_kept: false })).toBe(false);
    expect(readDecision({ ...record, promise_kept: false }).outcome).toBe('late');
  });

  it('names the gate that stopped what came closest', () => {
    const decision = readDecision({ ...record, reason: 'rejected', gate: 'path_residency', outcome: 'rejected', site: '' });
    expect(decision.predicted_ttft_ms).toBeNull();
    expect(decision.reason).toBe(
      'Nothing may serve it. What came closest was stopped by: a path the packets may take leaves the allowed jurisdictions.',
    );
  });

  it('takes milliseconds and sentences as they are', () => {
    expect(readDecision({ ttft_ms: 12, reason: 'It is near.' })).toMatchObject({ ttft_ms: 12, reason: 'It is near.' });
  });

  it('does not fail on anything', () => {
    for (const odd of [null, undefined, 7, [], { ttft_us: 'soon', gate: 4 }]) expect(readDecision(odd).ttft_ms).toBeNull();
  });
});

describe('its story', () => {
  it('prices candidates by the request’s tokens', () => {
    const why = readWhy({
      request: record,
      plan: 'plan-7',
      live_as_then: false,
      candidates: [
        { deployment: 'small@a', site: 'a', chosen: true, gate: 'none', round_trip_us: 1900, predicted_ttft_us: 152_000, cost_euros: 0.0004, plan_fraction: 0.7 },
        { deployment: 'small@b', site: 'b', chosen: false, gate: 'promise_ttft', round_trip_us: 9000, predicted_ttft_us: 260_000, cost_euros: 0.0003, plan_fraction: 0 },
      ],
    });
    expect(why.offset).toBe(812);
    expect(why.counts_are_of_now).toBe(true);
    expect(why.known).toMatchObject({ plan: 'plan-7', promise_ttft_ms: 200 });
    expect(why.candidates[0]).toMatchObject({ gate: null, cost_eur_per_million_tokens: 1, plan_fraction: 0.7, predicted_ttft_ms: 152 });
    expect(why.candidates[1]).toMatchObject({ gate: 'promise_ttft', detail: 'the first token would be late' });
  });
});
