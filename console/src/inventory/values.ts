// Values of the inventory as people read them: a number with its unit, a reference as a link, a list by its items.
import type { AttributeSpec, Value } from '../api/inventory';
import { significant, whole, words } from '../ui/format';

// How the end of a name is read as a unit, where the ontology does not say; longest first.
const units: [suffix: string, unit: string][] = [
  ['_eur_per_million_tokens', '€/M tok'],
  ['_eur_per_hour', '€/h'],
  ['_eur_per_kwh', '€/kWh'],
  ['_eur_per_gb', '€/GB'],
  ['_g_per_kwh', 'g/kWh'],
  ['_per_s', '/s'],
  ['_euros', '€'],
  ['_eur', '€'],
  ['_gbps', 'Gb/s'],
  ['_mbps', 'Mb/s'],
  ['_kwh', 'kWh'],
  ['_kw', 'kW'],
  ['_w', 'W'],
  ['_celsius', '°C'],
  ['_bytes', 'B'],
  ['_days', 'd'],
  ['_m2', 'm²'],
  ['_thz', 'THz'],
  ['_mhz', 'MHz'],
  ['_km', 'km'],
  ['_mm', 'mm'],
  ['_nm', 'nm'],
  ['_ghz', 'GHz'],
  ['_dbm', 'dBm'],
  ['_db', 'dB'],
  ['_kg', 'kg'],
  ['_gb', 'GB'],
  ['_deg', '°'],
  ['_ms', 'ms'],
  ['_us', 'µs'],
  ['_s', 's'],
  ['_m', 'm'],
  ['_u', 'U'],
];

const shortUnits: Record<string, string> = { 'Gbit/s': 'Gb/s', 'Mbit/s': 'Mb/s', us: 'µs', EUR: '€', deg: '°', rack_units: 'U' };

export function unitOf(name: string, spec?: AttributeSpec): string {
  const suffix = units.find(([end]) => name.endsWith(end));
  if (suffix) return suffix[1];
  return spec ? (shortUnits[spec.unit] ?? spec.unit) : '';
}

// "capacity_gbps" is read as "capacity", with the unit beside the value.
export function attributeLabel(name: string): string {
  const suffix = units.find(([end]) => name.endsWith(end));
  return words(suffix ? name.slice(0, -suffix[0].length) : name);
}

export interface Reference {
  kind: string;
  id: string;
}

// What a value names, where it names an entity: by the ontology's word, or written as KIND/ID.
export function referenceOf(value: Value, spec: AttributeSpec | undefined, isKind: (name: string) => boolean): Reference | undefined {
  if (typeof value !== 'string' || value === '' || spec?.type !== 'reference') return undefined;
  const slash = value.indexOf('/');
  const only = spec.refers_to.length === 1 && spec.refers_to[0] !== 'any' ? spec.refers_to[0] : undefined;
  if (only !== undefined) return { kind: only, id: value };
  return slash > 0 && isKind(value.slice(0, slash)) ? { kind: value.slice(0, slash), id: value.slice(slash + 1) } : undefined;
}

// Facts are shown as they were said, to six digits: a length of 331.8 km is not rounded to 332. From 10,000 on they are
// grouped, save what only names: a VLAN, an AS, a year.
const naming = /(^|_)(id|sid|vlan|vid|asn|port|year|offset)$/;

export function numberText(name: string, value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (name.endsWith('_deg')) return String(Number(value.toFixed(5))); // a metre
  if (Number.isInteger(value)) return Math.abs(value) < 10_000 || naming.test(name) ? String(value) : whole(value);
  return Math.abs(value) < 1e-6 ? significant(value) : String(Number(value.toPrecision(6)));
}

// A value in one line, without its unit.
export function valueText(name: string, value: Value | undefined): string {
  if (value === null || value === undefined) return 'empty';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return numberText(name, value);
  if (typeof value === 'string') return value === '' ? 'empty' : value;
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map((item) => valueText(name, item)).join(', ');
  return Object.entries(value)
    .map(([key, item]) => `${attributeLabel(key)} ${textWithUnit(key, item)}`)
    .join(', ');
}

export function textWithUnit(name: string, value: Value | undefined, spec?: AttributeSpec): string {
  const unit = value === null || value === undefined || typeof value === 'boolean' ? '' : unitOf(name, spec);
  return unit ? `${valueText(name, value)} ${unit}` : valueText(name, value);
}

// Compared by what they say: the order of keys in an object does not matter.
export function same(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b))
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i]));
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && same(a[key], b[key]));
}

// What someone typed as the value of an attribute: the value, or what is wrong with it. Empty text takes the value back.
export function parseTyped(text: string, spec: AttributeSpec): { value: Value } | { problem: string } {
  const typed = text.trim();
  if (typed === '') return { value: null };
  if (!spec.list) return parseOne(typed, spec);
  if (spec.type === 'record') return parseJson(typed, Array.isArray, 'a JSON list');
  const values: Value[] = [];
  for (const piece of typed.split(',').map((p) => p.trim()).filter(Boolean)) {
    const parsed = parseOne(piece, spec);
    if ('problem' in parsed) return parsed;
    values.push(parsed.value);
  }
  return { value: values };
}

function parseJson(typed: string, right: (value: unknown) => boolean, wanted: string): { value: Value } | { problem: string } {
  try {
    const value = JSON.parse(typed) as Value;
    return right(value) ? { value } : { problem: `This must be ${wanted}.` };
  } catch {
    return { problem: `This must be ${wanted}.` };
  }
}

function parseOne(typed: string, spec: AttributeSpec): { value: Value } | { problem: string } {
  switch (spec.type) {
    case 'boolean':
      if (/^(yes|true)$/i.test(typed)) return { value: true };
      return /^(no|false)$/i.test(typed) ? { value: false } : { problem: 'This is yes or no.' };
    case 'integer':
    case 'number': {
      const number = Number(typed.replace(/,(?=\d{3}\b)/g, ''));
      if (!Number.isFinite(number)) return { problem: 'This must be a number.' };
      if (spec.type === 'integer' && !Number.isInteger(number)) return { problem: 'This must be a whole number.' };
      if (spec.minimum !== undefined && number < spec.minimum) return { problem: `At least ${spec.minimum}.` };
      if (spec.maximum !== undefined && number > spec.maximum) return { problem: `At most ${spec.maximum}.` };
      if (spec.above !== undefined && number <= spec.above) return { problem: `More than ${spec.above}.` };
      if (spec.below !== undefined && number >= spec.below) return { problem: `Less than ${spec.below}.` };
      return { value: number };
    }
    case 'choice':
      return spec.choices.includes(typed) ? { value: typed } : { problem: `One of ${spec.choices.join(', ')}.` };
    case 'record':
      return parseJson(typed, (v) => typeof v === 'object' && v !== null && !Array.isArray(v), 'a JSON object');
    default:
      return { value: typed };
  }
}

// The other way: what stands in the field before anyone types.
export function typedText(value: Value | undefined, spec: AttributeSpec): string {
  if (value === null || value === undefined) return '';
  if (spec.type === 'record') return JSON.stringify(value);
  if (Array.isArray(value)) return value.map(String).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

// What an entity is called: its name where it has one.
export const nameOf = (attributes: Record<string, Value>, id: string): string =>
  typeof attributes.name === 'string' && attributes.name !== '' ? attributes.name : id;
