import type { PlanDemand } from '../api/contract';
import { ordered, type Columns } from '../ui/order';

// By a column of the plan's demands; in the order of the plan, the blocked first and then the busiest, where `sort` names
// none. A demand that is answered nowhere has no time to first token.
export function orderedDemands<T extends { demand: PlanDemand }>(
  entries: readonly T[],
  sort: string | undefined,
  regionName: (id: string) => string,
): readonly T[] {
  const columns: Columns<T> = {
    tenant: ({ demand: d }) => d.tenant,
    region: ({ demand: d }) => regionName(d.region),
    model: ({ demand: d }) => d.model,
    rate: ({ demand: d }) => d.rate_per_s,
    ttft: ({ demand: d }) => (d.splits.length > 0 ? d.ttft_ms : null),
    promise: ({ demand: d }) => (d.ttft_promise_ms > 0 ? d.ttft_promise_ms : null),
    margin: ({ demand: d }) => (d.splits.length > 0 && d.ttft_ms !== null && d.ttft_promise_ms > 0 ? d.ttft_ms / d.ttft_promise_ms : null),
  };
  const planned = [...entries].sort(
    (a, b) => Number(!!b.demand.blocked_by) - Number(!!a.demand.blocked_by) || b.demand.rate_per_s - a.demand.rate_per_s,
  );
  return ordered(planned, sort, columns);
}
