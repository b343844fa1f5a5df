// An entity's history as stops on a slider: each stop is the entity after everything that one place of the log said.
import type { TimelineEvent } from '../api/inventory';

export interface Stop {
  offset: number;
  at_ms: number;
  events: TimelineEvent[];
  place: number; // 0..1 along the slider
}

// Stops in time's order. They stand where their time says, as far as they can be told apart: neighbours keep at least
// 1/(3 n) of the width, so that a burst of changes and the quiet years around it can both be reached by hand.
export function stopsOf(events: readonly TimelineEvent[], now_ms: number): Stop[] {
  const byOffset = new Map<number, TimelineEvent[]>();
  for (const event of events) {
    const group = byOffset.get(event.offset);
    if (group) group.push(event);
    else byOffset.set(event.offset, [event]);
  }
  const stops = [...byOffset]
    .sort(([a], [b]) => a - b)
    .map(([offset, group]): Stop => ({ offset, at_ms: Date.parse(group[0]!.at), events: group, place: 0 }));
  if (stops.length === 0) return stops;
  const first_ms = stops[0]!.at_ms;
  const span_ms = Math.max(now_ms - first_ms, 1);
  const gap = 1 / (3 * stops.length);
  let least = 0;
  for (const stop of stops) {
    stop.place = Math.max((stop.at_ms - first_ms) / span_ms, least);
    least = stop.place + gap;
  }
  // Pushed beyond the end, they are pushed back from there; the end itself is now.
  let most = 1 - gap;
  for (const stop of [...stops].reverse()) {
    stop.place = Math.max(Math.min(stop.place, most), 0);
    most = stop.place - gap;
  }
  return stops;
}

// The stop that is believed at `place`: the last at or before it; undefined before the first, which is never.
export function stopAt(stops: readonly Stop[], place: number): number {
  let nearest = 0;
  stops.forEach((stop, i) => {
    if (Math.abs(stop.place - place) < Math.abs(stops[nearest]!.place - place)) nearest = i;
  });
  // The right end belongs to now.
  const last = stops[stops.length - 1];
  return last && Math.abs(1 - place) < Math.abs(last.place - place) ? stops.length : nearest;
}

// Which stop an address names: an offset, or a time; stops.length for now.
export function stopOf(stops: readonly Stop[], as_of: string | undefined): number {
  if (as_of === undefined) return stops.length;
  const offset = /^\d+$/.test(as_of) ? Number(as_of) : undefined;
  const time_ms = offset === undefined ? Date.parse(as_of) : NaN;
  let found = -1;
  stops.forEach((stop, i) => {
    if (offset !== undefined ? stop.offset <= offset : stop.at_ms <= time_ms) found = i;
  });
  return found;
}
