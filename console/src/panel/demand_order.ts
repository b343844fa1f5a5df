import type { PlanDemand } from '../api/contract';

// What a plan's demands are sorted by. Where a demand has no such value (it is answered nowhere), it comes last.
const columns: Record<string, (demand: PlanDemand, regionName: (id: string) => string) => string | number | null> = {
  tenant: (d) => d.tenant,
  region: (d, regionName) => regionName(d.region),
  model: (d) => d.model,
  rate: (d) => d.rate_per_s,
  ttft: (d) => (d.splits.length > 0 ? d.ttft_ms : null),
  promise: (d) => (d.ttft_promise_ms > 0 ? d.ttft_promise_ms : null),
  margin: (d) => (d.splits.length > 0 && d.ttft_ms !== null && d.ttft_promise_ms > 0 ? d.ttft_ms / d.ttft_promise_ms : null),
};

// By `sort` (`rate`, or `-rate` from the largest down); in the order of the plan, the blocked first and then the busiest,
// where it names no column.
export function orderedDemands<T extends { demand: PlanDemand }>(
  entries: readonly T[],
  sort: string | undefined,
  regionName: (id: string) => string,
): T[] {
  const down = sort?.startsWith('-') ?? false;
  const valueOf = columns[sort?.replace(/^-/, '') ?? ''];
  if (!valueOf)
    return [...entries].sort(
      (a, b) => Number(!!b.demand.blocked_by) - Number(!!a.demand.blocked_by) || b.demand.rate_per_s - a.demand.rate_per_s,
    );
  const collator = new Intl.Collator('en', { numeric: true });
  const keyed = entries.map((entry) => ({ entry, value: valueOf(entry.demand, regionName) }));
  keyed.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    const order =
      typeof a.value === 'number' && typeof b.value === 'number' ? a.value - b.value : collator.compare(String(a.value), String(b.value));
    return down ? -order : order;
  });
  return keyed.map((k) => k.entry);
}
