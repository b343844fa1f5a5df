import { reason } from '../api/client';

// A question that takes seconds, as a page holds it: the last report stays until the next is whole.
export class Asked<Report, Progress> {
  report = $state.raw<Report | undefined>();
  progress = $state.raw<Progress | undefined>();
  failure = $state<string | undefined>();
  running = $state.raw<AbortController | undefined>();

  // Whether a new report is there.
  async ask(work: (tell: (progress: Progress) => void, signal: AbortSignal) => Promise<Report>): Promise<boolean> {
    if (this.running) return false;
    const asking = new AbortController();
    this.running = asking;
    this.failure = undefined;
    this.progress = undefined;
    try {
      this.report = await work((progress) => (this.progress = progress), asking.signal);
      return true;
    } catch (cause) {
      if (!asking.signal.aborted) this.failure = reason(cause);
      return false;
    } finally {
      this.running = undefined;
    }
  }

  stop(): void {
    this.running?.abort();
  }
}
