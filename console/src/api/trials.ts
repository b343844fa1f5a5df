// GET /api/v1/trials: shadows and canaries, and how both sides of each do.
import { fields, known, list, number, text } from './fields';

export type Measure =
  | 'failed_fraction'
  | 'ttft_ms_p50'
  | 'ttft_ms_p95'
  | 'tpot_ms_p50'
  | 'tpot_ms_p95'
  | 'output_tokens_per_answer'
  | 'eur_per_answer';

export interface Difference {
  measure: Measure;
  base: number | null; // in the measure's unit; null: nothing was measured
  candidate: number | null;
  difference: number | null; // candidate - base
  low: number | null; // of its 95 % interval; null: too few requests
  high: number | null;
  told_apart: boolean; // the interval leaves no difference out
}

export interface Side {
  requests: number;
  failed: number;
  dropped: number; // copies that were not sent: no place was free
}

export interface Trial {
  id: string;
  mode: 'shadow' | 'canary';
  model: string;
  to_model: string;
  to_site: string; // empty: any
  share: number; // [0, 1] of the model's clients
  base: Side;
  candidate: Side;
  comparison: Difference[];
}

export const measureNames: Record<Measure, string> = {
  failed_fraction: 'Failed',
  ttft_ms_p50: 'First token p50',
  ttft_ms_p95: 'First token p95',
  tpot_ms_p50: 'A token p50',
  tpot_ms_p95: 'A token p95',
  output_tokens_per_answer: 'Output tokens an answer',
  eur_per_answer: 'Cost an answer',
};

// What more of it is called, and less of it.
const directions: Record<Measure, [more: string, less: string]> = {
  failed_fraction: ['fails more', 'fails less'],
  ttft_ms_p50: ['slower', 'faster'],
  ttft_ms_p95: ['slower', 'faster'],
  tpot_ms_p50: ['slower', 'faster'],
  tpot_ms_p95: ['slower', 'faster'],
  output_tokens_per_answer: ['longer', 'shorter'],
  eur_per_answer: ['dearer', 'cheaper'],
};

// A time to first token, or from one to the next, is known of streamed answers alone.
const isTime = (measure: Measure): boolean => measure.startsWith('ttft') || measure.startsWith('tpot');

// What the candidate is, against the base, as far as the requests seen can say.
export function verdict(of: Difference): string {
  if (of.base === null || of.candidate === null || of.difference === null)
    return isTime(of.measure) ? 'not measured: no streamed answers' : 'not measured: no answers';
  if (of.low === null) return 'too few requests';
  if (!of.told_apart) return 'cannot be told from noise';
  return directions[of.measure][of.difference > 0 ? 0 : 1];
}

const isMeasure = (name: string): name is Measure => name in measureNames;

const readSide = (value: unknown): Side => {
  const of = fields(value);
  return { requests: number(of.requests), failed: number(of.failed), dropped: number(of.dropped) };
};

function readDifference(value: unknown): Difference[] {
  const of = fields(value);
  const measure = text(of.measure);
  if (!isMeasure(measure)) return [];
  return [
    {
      measure,
      base: known(of.base),
      candidate: known(of.candidate),
      difference: known(of.difference),
      low: known(of.difference_low),
      high: known(of.difference_high),
      told_apart: of.told_apart === true,
    },
  ];
}

export const readTrials = (value: unknown): Trial[] =>
  list(fields(value).trials).map((one): Trial => {
    const of = fields(one);
    return {
      id: text(of.id),
      mode: of.mode === 'canary' ? 'canary' : 'shadow',
      model: text(of.model),
      to_model: text(of.to_model),
      to_site: text(of.to_site),
      share: number(of.share_fraction),
      base: readSide(of.base),
      candidate: readSide(of.candidate),
      comparison: list(of.comparison).flatMap(readDifference),
    };
  });
