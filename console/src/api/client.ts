import type { Decision, DecisionWhy, Grid, LinkDetail, LogPage, Plan, Preview, SiteDetail, State } from './contract';
import { readDecision, readWhy } from './decisions';
import { readComparison, type Comparison, type ReplayQuestion } from './replay';

// What the server answered instead of what was asked for, in its own words.
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly body: unknown = undefined, // what else it said, as far as it was JSON
  ) {
    super(message);
  }
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return text === '' ? {} : (JSON.parse(text) as unknown);
  } catch {
    throw new ApiError(response.status, `The server answered ${response.status} with something other than JSON.`);
  }
}

// GET, or as `init` says, of a path under /api/v1: an answer that is no error, its body still to be read.
export async function send(path: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, 'The server does not answer.');
  }
  if (response.ok) return response;
  const body = await readJson(response);
  const message = (body as { error?: { message?: string } }).error?.message;
  throw new ApiError(response.status, message ?? `The server answered ${response.status}.`, body);
}

// The same with its body, which is JSON.
export async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  return (await readJson(await send(path, init))) as T;
}

export const part = encodeURIComponent;
export const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
export type Kind = 'site' | 'link';

export const api = {
  grid: () => ask<Grid>('grid'),
  site: (id: string, signal?: AbortSignal) => ask<SiteDetail>(`sites/${part(id)}`, { signal }),
  link: (id: string, signal?: AbortSignal) => ask<LinkDetail>(`links/${part(id)}`, { signal }),
  plan: () => ask<Plan>('plan'),
  decisions: async (limit: number): Promise<Decision[]> =>
    (await ask<{ decisions: unknown[] }>(`decisions?limit=${limit}`)).decisions.map(readDecision),
  decision: async (id: string, signal?: AbortSignal): Promise<DecisionWhy> =>
    readWhy(await ask<unknown>(`decisions/${part(id)}`, { signal })),
  log: (from: number, limit: number, brief: boolean) => ask<LogPage>(`log?from=${from}&limit=${limit}&brief=${brief}`),
  replay: async (question: ReplayQuestion, signal?: AbortSignal): Promise<Comparison> =>
    readComparison(
      await ask<unknown>('replay', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(question),
        signal,
      }),
    ),
  preview: (kind: Kind, id: string, state: State, signal?: AbortSignal) =>
    ask<Preview>(`${kind}s/${part(id)}/preview?state=${state}`, { signal }),
  setState: (kind: Kind, id: string, state: State) =>
    ask<{ offset: number }>(`${kind}s/${part(id)}/state`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ state }),
    }),
};
