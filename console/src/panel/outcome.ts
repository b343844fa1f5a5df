import type { Decision } from '../api/contract';

// Outcomes that mean the customer got what was promised, or that it is not yet known.
const good = new Set(['', 'ok', 'kept', 'served', 'answered', 'completed', 'pending', 'in_flight', 'streaming', 'routed']);

export const kept = (decision: Pick<Decision, 'outcome'>): boolean => good.has(decision.outcome ?? '');
