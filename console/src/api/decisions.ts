import type { Candidate, Decision, DecisionWhy } from './contract';

// Decisions as the gateways record them, in the console's words and units. Times on the wire are in microseconds
// (`ttft_us`) or milliseconds (`ttft_ms`); a story nests its record under `request`.

type Row = Record<string, unknown>;

const text = (row: Row, name: string): string => (typeof row[name] === 'string' ? row[name] : '');
const number = (row: Row, name: string): number | null => {
  const value = row[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
};
const ms = (row: Row, name: string): number | null => {
  const us = number(row, `${name}_us`);
  return number(row, `${name}_ms`) ?? (us === null ? null : us / 1000);
};

// Codes of the routing table; anything else is already a sentence.
const reasons: Record<string, string> = {
  plan_split: 'The plan sends a share of these requests there, and it passed every gate.',
  cheapest: 'The plan has no share for these requests, and it costs least among what passed every gate.',
  promise_at_risk: 'Nothing keeps the promise now; it is the fastest that passed every other gate.',
  rejected: 'Nothing may serve it.',
  warm_prefix: 'It holds the beginning of the prompt, and answers no later than where the request would go else.',
  baseline: 'Another policy was followed, as the server was started with --policy.',
  fallback: 'What was asked for cannot keep the promise; this model may serve in its place.',
};

const gates: Record<string, { name: string; detail: string }> = {
  model: { name: 'Model', detail: 'no replica of the model there' },
  tenant_model: { name: 'Not allowed', detail: 'the tenant may not use this model' },
  residency: { name: 'Residency', detail: 'the site is outside the allowed jurisdictions' },
  down: { name: 'Down', detail: 'site, node or pool is down' },
  unreachable: { name: 'Unreachable', detail: 'no path from the region' },
  path_residency: { name: 'Path residency', detail: 'a path the packets may take leaves the allowed jurisdictions' },
  unhealthy: { name: 'Unhealthy', detail: 'taken out after failures' },
  health: { name: 'Unhealthy', detail: 'taken out after failures' },
  excluded: { name: 'Tried', detail: 'failed for this request already' },
  capacity: { name: 'Capacity', detail: 'no slot is free and the queue is full' },
  promise: { name: 'Promise', detail: 'the answer would be late' },
  promise_ttft: { name: 'Promise', detail: 'the first token would be late' },
  promise_tpot: { name: 'Promise', detail: 'tokens would come too slowly' },
  plan: { name: 'Plan', detail: 'the plan turns this share of the requests away' },
};

export const gateName = (gate: string): string => gates[gate]?.name ?? gate.replace(/_/g, ' ');
const gateOf = (row: Row): string | null => {
  const gate = text(row, 'gate');
  return gate === '' || gate === 'none' ? null : gate;
};

// Outcomes in which the operator owes the customer something. Who sends a faulty request or leaves is owed nothing.
const broken = new Set(['rejected', 'upstream_error', 'cut', 'failed', 'late']);

export function readDecision(wire: unknown): Decision {
  const row = (wire ?? {}) as Row;
  const reason = text(row, 'reason');
  const gate = gateOf(row);
  const recorded = text(row, 'outcome');
  const late = recorded === 'ok' && row.promise_kept === false;
  const why = reasons[reason] ?? reason;
  return {
    id: text(row, 'id'),
    at: text(row, 'at'),
    tenant: text(row, 'tenant'),
    region: text(row, 'region'),
    model: text(row, 'model'),
    site: text(row, 'site'),
    deployment: text(row, 'deployment'),
    ttft_ms: ms(row, 'ttft'),
    duration_ms: ms(row, 'duration'),
    // Nothing was predicted where no site was chosen.
    predicted_ttft_ms: recorded === 'rejected' ? null : ms(row, 'predicted_ttft'),
    reason: gate ? `${why} What came closest was stopped by: ${gates[gate]?.detail ?? gateName(gate)}.` : why,
    outcome: late ? 'late' : recorded,
    broken: late || broken.has(recorded),
  };
}

function readCandidate(wire: unknown, tokens: number): Candidate {
  const row = (wire ?? {}) as Row;
  const gate = gateOf(row);
  const euros = number(row, 'cost_euros');
  return {
    site: text(row, 'site'),
    deployment: text(row, 'deployment'),
    chosen: row.chosen === true,
    gate,
    detail: text(row, 'detail') || (gate ? (gates[gate]?.detail ?? null) : null),
    cost_eur_per_million_tokens:
      number(row, 'cost_eur_per_million_tokens') ?? (euros !== null && tokens > 0 ? (euros / tokens) * 1e6 : null),
    round_trip_us: number(row, 'round_trip_us'),
    predicted_ttft_ms: ms(row, 'predicted_ttft'),
    plan_fraction: number(row, 'plan_fraction') ?? 0,
  };
}

// What of a record tells what the gateway knew, besides what has a place of its own.
const known_fields = [
  'promise_ttft_ms',
  'promise_tpot_ms',
  'prompt_tokens',
  'output_tokens',
  'tpot_us',
  'duration_us',
  'overhead_us',
  'cost_euros',
  'attempts',
  'status',
];

export function readWhy(wire: unknown): DecisionWhy {
  const story = (wire ?? {}) as Row;
  const row = (typeof story.request === 'object' && story.request !== null ? story.request : story) as Row;
  const tokens = (number(row, 'prompt_tokens') ?? 0) + (number(row, 'output_tokens') ?? 0);
  const known: Record<string, unknown> = { ...(typeof story.known === 'object' ? story.known : {}) };
  for (const name of known_fields) if (row[name] !== undefined && row[name] !== null) known[name] = row[name];
  if (typeof story.plan === 'string' && story.plan !== '') known.plan = story.plan;
  const candidates = Array.isArray(story.candidates) ? story.candidates : [];
  return {
    ...readDecision(row),
    offset: number(story, 'offset') ?? number(row, 'offset') ?? 0,
    known,
    counts_are_of_now: story.live_as_then === false,
    candidates: candidates.map((candidate) => readCandidate(candidate, tokens)),
  };
}
