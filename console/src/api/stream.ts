import type { Decision, LoadDelta, LogEvent, PlanDelta, StateDelta } from './contract';
import { readDecision } from './decisions';

export interface StreamHandlers {
  state(delta: StateDelta): void;
  load(delta: LoadDelta): void;
  decision(decision: Decision): void;
  plan(delta: PlanDelta): void;
  log(event: LogEvent): void;
  // The topology itself changed: read the grid again.
  grid(): void;
  // Called with true each time the stream opens, also after a loss: what was missed must be read again.
  connected(open: boolean): void;
}

// Follows the server's event stream and reopens it when it is lost. Returns how to stop.
export function follow(handlers: StreamHandlers, url = '/api/v1/stream'): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;

  const open = () => {
    source = new EventSource(url);
    const on = <T>(name: string, handle: (data: T) => void) =>
      source!.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data) as T));
    source.onopen = () => handlers.connected(true);
    source.onerror = () => {
      handlers.connected(false);
      // The browser retries by itself unless the server answered with something that is not a stream.
      if (source!.readyState === EventSource.CLOSED && !stopped) retry = setTimeout(open, 1000);
    };
    on<StateDelta>('state', handlers.state);
    on<LoadDelta>('load', handlers.load);
    on<unknown>('decision', (data) => handlers.decision(readDecision(data)));
    on<PlanDelta>('plan', handlers.plan);
    on<LogEvent>('log', handlers.log);
    on('grid', () => handlers.grid());
  };
  open();
  return () => {
    stopped = true;
    clearTimeout(retry);
    source?.close();
  };
}
