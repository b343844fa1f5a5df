// GET /api/v1/predictive-models, and the Open Inference Protocol at /v2.
import { ApiError } from './client';
import { fields, known, list, number, text } from './fields';

export interface TensorSpec {
  name: string;
  datatype: string;
  shape: number[]; // -1: free
}

export type ModelState = 'waiting' | 'loading' | 'ready' | 'evicted' | 'failed';

export interface PredictiveModel {
  model: string;
  version: number;
  state: ModelState;
  reason: string; // of `failed`
  memory_bytes: number;
  predictions: number; // rows answered since the start
  errors: number; // since the start
  evictions: number;
  // Of the last one to two minutes.
  predictions_per_s: number;
  recent_errors: number;
  rows_per_batch: number | null;
  answer_ms_p50: number | null;
  answer_ms_p99: number | null;
  max_batch: number;
  inputs: TensorSpec[]; // known once it has been loaded
  outputs: TensorSpec[];
}

export interface PredictiveModels {
  site: string; // empty: not said
  memory_bytes: number;
  memory_bytes_max: number;
  models: PredictiveModel[];
}

const states: ModelState[] = ['waiting', 'loading', 'ready', 'evicted', 'failed'];

const readTensor = (value: unknown): TensorSpec => {
  const of = fields(value);
  return { name: text(of.name), datatype: text(of.datatype), shape: list(of.shape).map(number) };
};

function readModel(value: unknown): PredictiveModel {
  const of = fields(value);
  const recent = fields(of.recent);
  return {
    model: text(of.model),
    version: number(of.version),
    state: states.find((state) => state === of.state) ?? 'waiting',
    reason: text(of.reason),
    memory_bytes: number(of.memory_bytes),
    predictions: number(of.predictions),
    errors: number(of.errors),
    evictions: number(of.evictions),
    predictions_per_s: number(recent.predictions_per_s),
    recent_errors: number(recent.errors),
    rows_per_batch: known(recent.rows_per_batch),
    answer_ms_p50: known(recent.answer_ms_p50),
    answer_ms_p99: known(recent.answer_ms_p99),
    max_batch: number(of.max_batch),
    inputs: list(of.inputs).map(readTensor),
    outputs: list(of.outputs).map(readTensor),
  };
}

export function readPredictiveModels(value: unknown): PredictiveModels {
  const of = fields(value);
  return {
    site: text(of.site),
    memory_bytes: number(of.memory_bytes),
    memory_bytes_max: number(of.memory_bytes_max),
    models: list(of.models).map(readModel),
  };
}

export const shapeText = (shape: readonly number[]): string => `[${shape.map((d) => (d < 0 ? 'any' : d)).join(' × ')}]`;

export const modelPath = (of: Pick<PredictiveModel, 'model' | 'version'>): string =>
  `/v2/models/${encodeURIComponent(of.model)}/versions/${of.version}`;

const example_values_max = 4096; // more is not typed by hand

// A request of one row of zeros, as JSON to begin with; nothing where a row is too large for that.
export function exampleRequest(inputs: readonly TensorSpec[]): string | undefined {
  const tensors = inputs.map(({ name, datatype, shape }) => {
    const sized = shape.map((d) => (d < 0 ? 1 : d));
    const values = sized.reduce((product, d) => product * d, 1);
    const zero = datatype === 'BOOL' ? false : 0;
    return { name, datatype, shape: sized, data: values > example_values_max ? undefined : Array.from({ length: values }, () => zero) };
  });
  if (tensors.some((t) => t.data === undefined)) return undefined;
  const lines = tensors.map((t) => `    ${JSON.stringify(t)}`).join(',\n');
  return `{\n  "inputs": [\n${lines}\n  ]\n}`;
}

// Sends a prediction with a tenant's key: {status, text of the answer}.
export async function predict(path: string, key: string, body: string, signal: AbortSignal): Promise<{ status: number; body: string }> {
  try {
    const response = await fetch(`${path}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body,
      signal,
    });
    return { status: response.status, body: await response.text() };
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, 'The server does not answer.');
  }
}

// An answer as it is read: JSON with a line a member, its tensors on one line each.
export function answerText(body: string): string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return body;
  }
  const error = text(fields(value).error);
  if (error) return error;
  const member = ([name, of]: [string, unknown]): string =>
    Array.isArray(of) && of.length > 0
      ? `  ${JSON.stringify(name)}: [\n${of.map((one) => `    ${JSON.stringify(one)}`).join(',\n')}\n  ]`
      : `  ${JSON.stringify(name)}: ${JSON.stringify(of)}`;
  return `{\n${Object.entries(fields(value)).map(member).join(',\n')}\n}`;
}
