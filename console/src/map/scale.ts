// The scale of utilisation: viridis (van der Walt and Smith, 2015), perceptually even and readable with any colour
// vision. Each theme takes the part that stands out from its ground and runs it so that a busier link always stands
// out more: towards yellow on dark, towards purple on light.

const viridis: [number, number, number][] = [
  [68, 1, 84],
  [71, 45, 123],
  [59, 82, 139],
  [44, 114, 142],
  [33, 145, 140],
  [40, 174, 128],
  [94, 201, 98],
  [173, 220, 48],
  [253, 231, 37],
];

export type Theme = 'light' | 'dark';

const spans: Record<Theme, [calm: number, busy: number]> = { dark: [0.26, 1], light: [0.74, 0] };

export function viridisAt(t: number): [number, number, number] {
  const position = Math.min(Math.max(t, 0), 1) * (viridis.length - 1);
  const index = Math.min(Math.floor(position), viridis.length - 2);
  const [from, to] = [viridis[index]!, viridis[index + 1]!];
  return [0, 1, 2].map((c) => Math.round(from[c]! + (to[c]! - from[c]!) * (position - index))) as [number, number, number];
}

export function utilizationColor(utilization: number, theme: Theme): string {
  const [calm, busy] = spans[theme];
  const at = Math.min(Math.max(utilization, 0), 1);
  return `rgb(${viridisAt(calm + (busy - calm) * at).join(',')})`;
}

// Stops for an interpolation or a gradient, `count` of them evenly from 0 to 1.
export function utilizationStops(theme: Theme, count = 11): [number, string][] {
  return Array.from({ length: count }, (_, i) => [i / (count - 1), utilizationColor(i / (count - 1), theme)]);
}

// Link width in pixels at the scale where the whole grid is seen; a decade of capacity adds 1.1 px.
export function linkWidth(capacity_gbps: number): number {
  if (!(capacity_gbps > 0)) return 1;
  return Math.min(Math.max(1 + 1.1 * Math.log10(capacity_gbps / 10 + 1), 1), 5);
}

// Site size as a factor of the largest icon: area grows with the accelerators, and nothing is too small to click.
export function siteSize(accelerators: number, accelerators_max: number): number {
  const share = accelerators_max > 0 ? Math.max(accelerators, 0) / accelerators_max : 0;
  return 0.34 + 0.66 * Math.sqrt(Math.min(share, 1));
}

// One dash stands for this many requests: the smallest 1, 2 or 5 × 10^n at which the busiest flow still shows its dashes
// apart. Dashes move at `speed_px_s` and are at least `spacing_px` from each other.
export function requestsPerDash(rate_max_per_s: number, speed_px_s: number, spacing_px: number): number {
  const densest_per_s = speed_px_s / spacing_px;
  const wanted = Math.max(rate_max_per_s / densest_per_s, 1e-3);
  const decade = 10 ** Math.floor(Math.log10(wanted));
  for (const step of [1, 2, 5]) if (step * decade >= wanted * (1 - 1e-9)) return step * decade;
  return 10 * decade;
}
