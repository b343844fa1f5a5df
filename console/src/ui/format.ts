// Numbers and times as people read them: three significant digits, one unit, thin grouping.

const grouping = /\B(?=(\d{3})+(?!\d))/g;

// Three significant digits, never an exponent below 10^15, integers above 1,000 grouped: 0.00123, 1.23, 12.3, 1,230.
export function significant(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const rounded = Number(value.toPrecision(digits));
  const shifted = Math.floor(Math.log10(Math.abs(rounded)));
  const decimals = Math.min(Math.max(digits - 1 - Math.max(magnitude, shifted), 0), 20);
  const [whole = '', fraction] = Math.abs(rounded).toFixed(decimals).split('.');
  const text = whole.replace(grouping, ',') + (fraction ? `.${fraction}` : '');
  return rounded < 0 ? `−${text}` : text;
}

// Counts and offsets are exact: all their digits, grouped.
export function whole(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  return Math.round(value).toFixed(0).replace(grouping, ',').replace('-', '−');
}

export interface Quantity {
  value: string;
  unit: string;
}

interface Step {
  from: number;
  scale: number;
  unit: string;
}

// Nothing at all is in the smallest unit, unless `ofZero` says in which.
function stepped(steps: Step[], ofZero = steps[steps.length - 1]!.unit): (value: number | null | undefined) => Quantity {
  return (value) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return { value: '–', unit: '' };
    const size = Math.abs(Number(value.toPrecision(3)));
    const step = steps.find((s) => size >= s.from) ?? steps[steps.length - 1]!;
    return { value: significant(value / step.scale), unit: size === 0 ? ofZero : step.unit };
  };
}

export const fromUs = stepped([
  { from: 1e6, scale: 1e6, unit: 's' },
  { from: 1e3, scale: 1e3, unit: 'ms' },
  { from: 0, scale: 1, unit: 'µs' },
]);
export const fromMs = stepped([
  { from: 1e4, scale: 1e3, unit: 's' },
  { from: 0, scale: 1, unit: 'ms' },
]);
export const fromGbps = stepped([
  { from: 1e3, scale: 1e3, unit: 'Tb/s' },
  { from: 1, scale: 1, unit: 'Gb/s' },
  { from: 1e-3, scale: 1e-3, unit: 'Mb/s' },
  { from: 0, scale: 1e-6, unit: 'kb/s' },
]);
export const fromWatts = stepped([
  { from: 1e6, scale: 1e6, unit: 'MW' },
  { from: 1e3, scale: 1e3, unit: 'kW' },
  { from: 0, scale: 1, unit: 'W' },
]);

export const fromBytes = stepped([
  { from: 0.995 * 2 ** 30, scale: 2 ** 30, unit: 'GiB' },
  { from: 0.995 * 2 ** 20, scale: 2 ** 20, unit: 'MiB' },
  { from: 0.995 * 2 ** 10, scale: 2 ** 10, unit: 'KiB' },
  { from: 0, scale: 1, unit: 'B' },
]);
// A cost that may be a millionth of a euro: in m€ or µ€ there, for digits after many zeros are not read.
export const fromEuros = stepped(
  [
    { from: 1e-2, scale: 1, unit: '€' },
    { from: 1e-3, scale: 1e-3, unit: 'm€' },
    { from: 0, scale: 1e-6, unit: 'µ€' },
  ],
  '€',
);

export const joined = (q: Quantity): string => (q.unit ? `${q.value} ${q.unit}` : q.value);

export function percent(fraction: number | null | undefined): string {
  if (fraction === null || fraction === undefined || !Number.isFinite(fraction)) return '–';
  const shown = fraction * 100;
  // 99.96 % must not read as 100 %: a promise broken once in a while is the thing to see.
  if (shown < 100 && shown > 99.9) return `${Math.floor(shown * 100) / 100} %`;
  return `${significant(shown)} %`;
}

// How full something is: what is hardly used needs no digits.
export const fullness = (fraction: number): string => (fraction > 0 && fraction < 0.0005 ? '< 0.1 %' : percent(fraction));

// A change with its sign, for what an action would cost or save.
export function signed(value: number): string {
  const text = significant(value);
  return value > 0 ? `+${text}` : text;
}

// "4 s", "3 min", "2 h", "5 d" ago; the future is "in 4 s".
export function relative(at_ms: number, now_ms: number): string {
  if (!Number.isFinite(at_ms)) return '–';
  const seconds = (now_ms - at_ms) / 1000;
  const size = Math.abs(seconds);
  const text =
    size < 60
      ? `${Math.floor(size)} s`
      : size < 3600
        ? `${Math.floor(size / 60)} min`
        : size < 86400
          ? `${Math.floor(size / 3600)} h`
          : `${Math.floor(size / 86400)} d`;
  if (size < 1) return 'now';
  return seconds >= 0 ? `${text} ago` : `in ${text}`;
}

// The full moment, in the reader's own time zone, to the millisecond.
export function absolute(at_ms: number): string {
  if (!Number.isFinite(at_ms)) return 'unknown time';
  const date = new Date(at_ms);
  const two = (n: number) => String(n).padStart(2, '0');
  const zone = -date.getTimezoneOffset();
  const offset = `${zone < 0 ? '−' : '+'}${two(Math.floor(Math.abs(zone) / 60))}:${two(Math.abs(zone) % 60)}`;
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.` +
    `${String(date.getMilliseconds()).padStart(3, '0')} UTC${offset}`
  );
}

// A text with its times to the second: nobody reads the nanoseconds that the log keeps.
export const withoutFractions = (text: string): string => text.replace(/(T\d\d:\d\d:\d\d)\.\d+Z/g, '$1Z');

// RFC 3339 with any number of fraction digits to milliseconds since 1970; NaN when it is not one.
export const parseTime = (text: string): number => Date.parse(text.replace(/(\.\d{3})\d+/, '$1'));

export const tierName: Record<string, string> = {
  device: 'Device',
  far_edge: 'Far edge',
  near_edge: 'Near edge',
  core: 'Core',
  cloud: 'Cloud',
};

export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${whole(n)} ${n === 1 ? one : many}`;

// What keeps a demand from a site, as plans name it.
const gateNames: Record<string, string> = {
  promise_ttft: 'the promised first token',
  promise_tpot: 'the promised time per token',
  path_residency: 'the residency of the way',
};
export const gateName = (gate: string): string => gateNames[gate] ?? words(gate);

export const words = (identifier: string): string => identifier.replace(/_/g, ' ');
