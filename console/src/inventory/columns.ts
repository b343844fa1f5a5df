// The columns of a table of one kind: which are shown, in what order, how wide.
import type { AttributeSpec, Item, KindSpec, Value } from '../api/inventory';
import { words } from '../ui/format';
import { attributeLabel, textWithUnit, unitOf, valueText } from './values';

export interface Column {
  key: string;
  title: string;
  unit: string;
  numeric: boolean;
  width_px: number;
  spec: AttributeSpec | undefined;
  description: string;
}

const padding_px = 28;
const character_px = 7.4; // where nothing can be measured
const narrowest_px = 64;
const widest_px = 300;
const sampled_rows = 200;

const canvas = typeof document === 'undefined' ? undefined : document.createElement('canvas').getContext('2d');

// As wide as the widest of these texts, within limits.
export function widthOf(texts: Iterable<string>): number {
  if (canvas) {
    const { fontSize, fontFamily } = getComputedStyle(document.body);
    canvas.font = `${fontSize} ${fontFamily}`;
  }
  let widest = 0;
  for (const text of texts) widest = Math.max(widest, canvas ? canvas.measureText(text).width : text.length * character_px);
  return Math.ceil(Math.min(Math.max(widest + padding_px, narrowest_px), widest_px));
}

// Columns in the ontology's order, what it does not know after it by name; those that nothing stands in are left out
// unless `chosen` names them.
export function columnsOf(kind: KindSpec | undefined, items: readonly Item[], chosen: readonly string[] | undefined): Column[] {
  const present = new Set(items.slice(0, 1000).flatMap((item) => Object.keys(item.attributes)));
  const known = kind?.attributes.map((a) => a.name) ?? [];
  const others = [...present].filter((name) => !known.includes(name)).sort();
  // The name is what people look for, and a sentence what they read last.
  const rank = (name: string): number => (name === 'name' ? 0 : name === 'description' ? 2 : 1);
  const order = [...known, ...others].sort((a, b) => rank(a) - rank(b));
  const shown = chosen ? order.filter((name) => chosen.includes(name)) : order.filter((name) => present.has(name));
  return shown.map((name) => columnOf(name, kind, items));
}

function columnOf(name: string, kind: KindSpec | undefined, items: readonly Item[]): Column {
  const spec = kind?.attributes.find((a) => a.name === name);
  const sample = items.slice(0, sampled_rows).map((item) => item.attributes[name]);
  const said = sample.filter((value): value is Value => value !== undefined && value !== null);
  const numeric = spec ? (spec.type === 'integer' || spec.type === 'number') && !spec.list : said.length > 0 && said.every((v) => typeof v === 'number');
  const title = attributeLabel(name);
  const unit = unitOf(name, spec);
  const texts = [unit ? `${title} ${unit}` : title, ...said.map((value) => valueText(name, value))];
  return { key: name, title, unit, numeric, width_px: widthOf(texts), spec, description: spec?.description ?? words(name) };
}

// The columns of an answer in SQL: names as they came, numbers by what stands in them.
export function sqlColumns(names: readonly string[], rows: readonly (readonly Value[])[]): (Column & { at: number })[] {
  const sample = rows.slice(0, sampled_rows);
  return names.map((name, at) => {
    const said = sample.map((row) => row[at] ?? null).filter((v) => v !== null);
    return {
      key: `${at}:${name}`,
      title: name,
      unit: '',
      numeric: said.length > 0 && said.every((v) => typeof v === 'number'),
      width_px: widthOf([name, ...said.map((v) => textWithUnit('', v))]),
      spec: undefined,
      description: name,
      at,
    };
  });
}

// Rows in the order of one attribute ("-name" the other way round): numbers by size, text as people count ("eth2" before
// "eth10"), what is empty last either way.
export function sortedBy(items: readonly Item[], sort: string): Item[] {
  const [sign, name] = sort.startsWith('-') ? [-1, sort.slice(1)] : [1, sort];
  const valueOf = (item: Item): Value => (name === 'id' ? item.id : (item.attributes[name] ?? null));
  const collator = new Intl.Collator('en', { numeric: true });
  const keyed = items.map((item) => ({ item, value: valueOf(item) }));
  keyed.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    if (typeof a.value === 'number' && typeof b.value === 'number') return sign * (a.value - b.value);
    return sign * collator.compare(valueText(name, a.value), valueText(name, b.value));
  });
  return keyed.map((k) => k.item);
}
