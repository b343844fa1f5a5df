import { api } from '../api/client';
import type { Decision, Flow, Goodput, LogEvent, PlanDelta } from '../api/contract';
import { follow } from '../api/stream';
import { History } from './history';
import { applyLoad, applyState, GridModel, type StateChanges } from './model';

export interface Toast {
  text: string;
  tone: 'plain' | 'bad';
  undo?: () => void;
}

// What the map listens to: deltas by index, so that it repaints only what changed.
export interface MapListener {
  state(changes: StateChanges): void;
  load(changed: number[]): void;
  flows(flows: Flow[]): void;
}

const decisions_kept = 200;
const log_kept = 500;
const history_span_s = 15 * 60;

// The live picture, followed over the stream. Large things are kept out of deep reactivity: `model` is replaced when the
// topology is read again, and `beat` counts the deltas applied to it in place.
class Live {
  model = $state.raw<GridModel | undefined>();
  beat = $state(0);
  // Counts changes of state and of plan: what was said about a site, link or failure must be asked again.
  turn = $state(0);
  connected = $state(false);
  heard_ms = $state(0);
  failure = $state('');
  goodput = $state.raw<Goodput | undefined>();
  flows = $state.raw<Flow[]>([]);
  decisions = $state.raw<Decision[]>([]);
  plan = $state.raw<PlanDelta | undefined>();
  tail = $state.raw<LogEvent[]>([]);
  // What is being searched for; undefined while nobody searches.
  search = $state<string | undefined>();
  toast = $state.raw<Toast | undefined>();
  now_ms = $state(Date.now());
  painted = new Float32Array(0);
  readonly history = new History(history_span_s);
  readonly listeners = new Set<MapListener>();
  private pending: Decision[] = [];
  private reading = false;
  private stale = false;

  // Begins to follow, once for the life of the page.
  start(): void {
    void this.read();
    setInterval(() => (this.now_ms = Date.now()), 1000);
    // Decisions arrive up to twenty a second; people read a list that moves a few times a second.
    setInterval(() => this.flush(), 400);
    follow({
      connected: (open) => {
        this.connected = open;
        if (open) void this.read();
      },
      grid: () => void this.read(),
      state: (delta) => {
        this.heard_ms = Date.now();
        if (!this.model) return;
        const changes = applyState(this.model, delta);
        if (changes.unknown > 0) void this.read();
        if (changes.sites.length + changes.links.length === 0) return;
        for (const listener of this.listeners) listener.state(changes);
        this.beat++;
        this.turn++;
      },
      load: (delta) => {
        this.heard_ms = Date.now();
        this.history.push(Date.now() / 1000, delta.goodput);
        this.goodput = delta.goodput;
        this.flows = delta.flows;
        if (!this.model) return;
        const changed = applyLoad(this.model, delta, this.painted);
        for (const listener of this.listeners) {
          listener.load(changed);
          listener.flows(delta.flows);
        }
        this.beat++;
      },
      decision: (decision) => {
        this.pending.push(decision);
        if (this.pending.length > decisions_kept) this.pending.shift();
      },
      plan: (delta) => {
        this.plan = delta;
        this.turn++;
      },
      log: (event) => {
        this.tail = [...this.tail.slice(1 - log_kept), event];
        if (this.model && event.offset > this.model.offset) this.model.offset = event.offset;
      },
    });
  }

  // Reads everything again: at the start, after the stream was lost, and when the topology changed.
  private async read(): Promise<void> {
    if (this.reading) {
      this.stale = true;
      return;
    }
    this.reading = true;
    try {
      const [grid, recent, plan] = await Promise.all([api.grid(), api.decisions(50), api.plan()]);
      const model = new GridModel(grid);
      this.painted = Float32Array.from(model.links, (l) => model.utilization(l));
      this.model = model;
      const seen = new Set(recent.map((d) => d.id));
      this.decisions = [...this.decisions.filter((d) => !seen.has(d.id)), ...recent]
        .sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0))
        .slice(0, decisions_kept);
      const { offset, plan_id, cost_eur_per_hour, bound_eur_per_hour, gap, moves, totals } = plan;
      if (plan_id && cost_eur_per_hour !== undefined && bound_eur_per_hour !== undefined && gap !== undefined)
        this.plan = {
          offset, plan_id, cost_eur_per_hour, bound_eur_per_hour, gap,
          penalties_eur_per_hour: totals?.penalties_eur_per_hour ?? 0, moves: moves ?? 0,
        };
      this.failure = '';
      this.beat++;
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
      // What was shown stays; the next opening of the stream or this timer reads again.
      if (!this.model) setTimeout(() => void this.read(), 2000);
    } finally {
      this.reading = false;
      if (this.stale) {
        this.stale = false;
        void this.read();
      }
    }
  }

  private flush(): void {
    if (this.pending.length === 0) return;
    const seen = new Set(this.pending.map((d) => d.id));
    this.decisions = [...this.pending.reverse(), ...this.decisions.filter((d) => !seen.has(d.id))].slice(0, decisions_kept);
    this.pending = [];
  }

  say(toast: Toast): void {
    this.toast = toast;
    setTimeout(() => {
      if (this.toast === toast) this.toast = undefined;
    }, 8000);
  }
}

export const live = new Live();
