// A day planned in periods: POST /api/v1/schedule, of the grid as it is; GET, that by which it runs.
import { ask } from './client';
import type { Turn } from './contract';
import { askDesk } from './desk';
import { fields, list, number, text } from './fields';

export interface ScheduleQuestion {
  periods: number;
  time_limit_ms: number;
}

export interface ScheduleProgress {
  doing: string;
  plans: number; // made so far
  eur_per_day: number; // of the best so far; 0 until there is one
}

export interface DayDeployment {
  id: string;
  model: string;
  pool: string;
  site: string;
  replicas: number;
}

export interface MissedDemand {
  demand: string;
  rejected: number; // of its requests, 0..1
  blocked_by: string;
}

export interface Period {
  from_hour: number; // UTC, 0..23
  to_hour: number; // 1..24; not above `from_hour` where it goes on over midnight
  hours: number;
  eur_per_hour: number; // without moves
  moves: number; // replicas started or stopped when it begins
  replicas: number;
  power_kw: number;
  demands: number;
  demands_missed: number;
  missed: MissedDemand[];
  deployments: DayDeployment[];
}

export interface DayCost {
  eur: number; // of a day, moves included
  moves: number;
  energy_kwh: number;
  replicas_max: number;
}

export interface Schedule {
  answer: unknown; // as it came
  offset: number;
  in_force: string; // its id, where the grid runs by it; empty: it was only asked for
  now: Turn | null; // of what is in force
  complete: boolean;
  day: DayCost;
  bound_eur: number;
  gap: number;
  move_eur: number;
  peak_all_day: DayCost;
  kept_all_day: DayCost;
  ignoring_moves: DayCost;
  periods: Period[];
}

function readCost(value: unknown): DayCost {
  const of = fields(value);
  return { eur: number(of.cost_eur_per_day), moves: number(of.moves), energy_kwh: number(of.energy_kwh), replicas_max: number(of.replicas_max) };
}

function readPeriod(value: unknown): Period {
  const of = fields(value);
  return {
    from_hour: number(of.from_hour),
    to_hour: number(of.to_hour),
    hours: number(of.hours),
    eur_per_hour: number(of.cost_eur_per_hour),
    moves: number(of.moves),
    replicas: number(of.replicas),
    power_kw: number(of.power_kw),
    demands: number(of.demands),
    demands_missed: number(of.demands_missed),
    missed: list(of.missed).map((row) => {
      const one = fields(row);
      return { demand: text(one.demand), rejected: number(one.rejected), blocked_by: text(one.blocked_by) };
    }),
    deployments: list(of.deployments).map((row) => {
      const one = fields(row);
      return { id: text(one.id), model: text(one.model), pool: text(one.pool), site: text(one.site), replicas: number(one.replicas) };
    }),
  };
}

export function readSchedule(value: unknown): Schedule {
  const of = fields(value);
  const in_force = text(of.schedule_id);
  return {
    answer: value,
    offset: number(of.offset),
    in_force,
    now: in_force === '' ? null : ((of.now ?? null) as Turn | null),
    complete: of.complete === true || in_force !== '',
    day: readCost(of),
    bound_eur: number(of.bound_eur_per_day),
    gap: number(of.gap),
    move_eur: number(of.move_penalty_eur),
    peak_all_day: readCost(of.peak_all_day),
    kept_all_day: readCost(of.kept_all_day),
    ignoring_moves: readCost(of.ignoring_moves),
    periods: list(of.periods).map(readPeriod),
  };
}

const clock = (hour: number): string => `${String(hour % 24).padStart(2, '0')}:00`;
// "08:00–17:00"
export const spanOf = ({ from_hour, to_hour, hours }: Pick<Period, 'from_hour' | 'to_hour' | 'hours'>): string =>
  hours === 24 ? 'all day' : `${clock(from_hour)}–${to_hour === 24 ? '24:00' : clock(to_hour)}`;

// Where the periods lie from 0 to 24 h, by the time: one that goes on over midnight has a piece at each end.
export interface Piece {
  period: number;
  from: number;
  to: number;
}
export function piecesOf(periods: Period[]): Piece[] {
  return periods
    .flatMap(({ from_hour, hours }, period): Piece[] => {
      const to = from_hour + hours;
      return to <= 24
        ? [{ period, from: from_hour, to }]
        : [{ period, from: from_hour, to: 24 }, { period, from: 0, to: to - 24 }];
    })
    .sort((a, b) => a.from - b.from);
}

export interface Row {
  name: string;
  replicas: number[]; // by period
  most: number;
}
// Replicas over the day by what a deployment belongs to, those with most first.
export function rowsBy(periods: Period[], groupOf: (deployment: DayDeployment) => string): Row[] {
  const rows = new Map<string, number[]>();
  periods.forEach(({ deployments }, i) => {
    for (const deployment of deployments) {
      const name = groupOf(deployment);
      const row = rows.get(name) ?? periods.map(() => 0);
      row[i]! += deployment.replicas;
      rows.set(name, row);
    }
  });
  return [...rows]
    .map(([name, replicas]) => ({ name, replicas, most: Math.max(...replicas) }))
    .sort((a, b) => b.most - a.most || a.name.localeCompare(b.name));
}

export interface Move {
  id: string; // of the deployment
  model: string;
  pool: string;
  site: string;
  before: number;
  after: number;
}
// What starts and stops as a period begins, the largest first. Each day is like the other: before the first is the last.
export function movesInto(periods: Period[], at: number): Move[] {
  const now = periods[at];
  const earlier = periods[(at + periods.length - 1) % periods.length];
  if (!now || !earlier || now === earlier) return [];
  const moves = new Map<string, Move>();
  for (const { id, model, pool, site, replicas } of earlier.deployments) moves.set(id, { id, model, pool, site, before: replicas, after: 0 });
  for (const { id, model, pool, site, replicas } of now.deployments)
    moves.set(id, { ...(moves.get(id) ?? { id, model, pool, site, before: 0 }), after: replicas });
  return [...moves.values()]
    .filter((move) => move.before !== move.after)
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before) || a.model.localeCompare(b.model) || a.pool.localeCompare(b.pool));
}

const readProgress = (value: unknown): ScheduleProgress => {
  const of = fields(value);
  return { doing: text(of.doing), plans: number(of.plans), eur_per_day: number(of.eur_per_day) };
};

export const askSchedule = async (question: ScheduleQuestion, tell: (progress: ScheduleProgress) => void, signal: AbortSignal): Promise<Schedule> =>
  readSchedule(await askDesk('schedule', question, (progress) => tell(readProgress(progress)), signal));

// Without periods where no schedule is in force.
export const scheduleInForce = async (signal: AbortSignal): Promise<Schedule> => readSchedule(await ask<unknown>('schedule', { signal }));
