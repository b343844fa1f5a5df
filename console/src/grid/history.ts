import type { Goodput } from '../api/contract';

// The last minutes of a few series on one clock, oldest first, in seconds since 1970 as uPlot wants them.
export class History {
  readonly at: number[] = [];
  readonly requests: (number | null)[] = [];
  readonly goodput: (number | null)[] = [];
  readonly ttft_p50: (number | null)[] = [];
  readonly ttft_p95: (number | null)[] = [];

  constructor(readonly span_s: number) {}

  push(at_s: number, sample: Goodput): void {
    const last = this.at[this.at.length - 1];
    if (last !== undefined && at_s <= last) return;
    // Nothing was heard for a while: leave a hole rather than draw a line across it.
    if (last !== undefined && at_s - last > 5) this.append(last + 1, null);
    this.append(at_s, sample);
    while (this.at.length > 0 && this.at[0]! < at_s - this.span_s) {
      for (const series of [this.at, this.requests, this.goodput, this.ttft_p50, this.ttft_p95]) series.shift();
    }
  }

  private append(at_s: number, sample: Goodput | null): void {
    this.at.push(at_s);
    this.requests.push(sample?.requests_per_s ?? null);
    this.goodput.push(sample?.goodput_fraction ?? null);
    this.ttft_p50.push(sample?.ttft_p50_ms ?? null);
    this.ttft_p95.push(sample?.ttft_p95_ms ?? null);
  }
}
