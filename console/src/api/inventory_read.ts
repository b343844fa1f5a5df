// What the server says about kinds, branches and discrepancies, read into the shapes of inventory.ts. What is missing
// is empty, so that an older or newer server leaves a gap in a page and not an empty page.
import type {
  Attributes,
  AttributeSpec,
  BranchEntry,
  Change,
  Difference,
  Discrepancy,
  Found,
  Item,
  KindCount,
  KindSpec,
  Obstacle,
  Page,
  Relation,
  Relations,
  RelationSpec,
  Standing,
  Value,
} from './inventory';

type Raw = Record<string, unknown>;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : typeof value === 'string' ? [value] : []);
const list = (value: unknown): Raw[] => (Array.isArray(value) ? value.filter((v): v is Raw => typeof v === 'object' && v !== null) : []);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const record = (value: unknown): Raw => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {});

export const readCount = (raw: Raw): KindCount => ({
  kind: text(raw.kind),
  count: number(raw.entities) ?? number(raw.count) ?? 0,
  description: text(raw.description),
});

export function readPage(raw: Raw, kind: string): Page {
  const items = list(raw.items).map((i): Item => ({
    kind,
    id: text(i.id),
    attributes: record(i.attributes) as Attributes,
    ...(number(i.changed) === undefined ? {} : { changed: i.changed as number }),
  }));
  return { offset: number(raw.offset) ?? 0, items, next: text(raw.next) || null, total: number(raw.total) ?? items.length };
}

export const readFound = (raw: Raw): Found => ({
  kind: text(raw.kind),
  id: text(raw.id),
  name: text(raw.name),
  matched: text(raw.matched) || text(raw.match),
});

export function readRelations(raw: Raw): Relations {
  const relation = (r: Raw): Relation => ({ attribute: text(r.attribute) || text(r.relation), kind: text(r.kind), id: text(r.id) });
  return {
    outgoing: list(raw.refers_to ?? raw.outgoing).map(relation),
    incoming: list(raw.referred_by ?? raw.incoming).map(relation),
    truncated: raw.truncated === true,
  };
}

function readRelation(raw: Raw): RelationSpec {
  const field = text(raw.field);
  return {
    attribute: field ? `${text(raw.attribute)}.${field}` : text(raw.attribute),
    name: text(raw.name),
    inverse: text(raw.inverse),
    targets: texts(raw.targets),
    many: raw.many === true,
    required: raw.required === true,
    impact: text(raw.impact),
    description: text(raw.description),
  };
}

function readAttribute(raw: Raw, relations: readonly RelationSpec[]): AttributeSpec {
  const name = text(raw.name);
  const relation = relations.find((r) => r.attribute === name);
  return {
    name,
    type: text(raw.type) || 'text',
    unit: text(raw.unit),
    list: raw.list === true,
    required: raw.required === true,
    ...Object.fromEntries(['minimum', 'maximum', 'above', 'below'].filter((key) => number(raw[key]) !== undefined).map((key) => [key, raw[key]])),
    choices: texts(raw.choices),
    format: text(raw.format),
    ...(raw.absent === undefined || raw.absent === null ? {} : { absent: raw.absent as Value }),
    personal: raw.personal === true,
    refers_to: relation?.targets ?? texts(raw.refers_to),
    description: text(raw.description),
  };
}

const systems: [key: string, system: string][] = [
  ['sid', 'TM Forum SID'],
  ['tmf', 'TM Forum API'],
  ['netbox', 'NetBox'],
  ['yang', 'OpenConfig, IETF'],
];

export function readKind(raw: Raw): KindSpec {
  const relations = list(raw.relations).map(readRelation);
  const mapping = record(raw.mappings);
  const tmf = record(mapping.tmf);
  const names = (key: string): string[] => (key === 'tmf' ? [`${text(tmf.api)} ${text(tmf.type)}`.trim()] : texts(mapping[key])).filter(Boolean);
  return {
    name: text(raw.kind) || text(raw.name),
    group: text(raw.group),
    description: text(raw.description),
    attributes: list(raw.attributes).map((a) => readAttribute(a, relations)),
    relations,
    incoming: list(raw.incoming).map((i) => ({ kind: text(i.kind), attribute: text(i.attribute), name: text(i.name) })),
    constraints: list(raw.constraints).map((c) => text(c.text)),
    mappings: systems.flatMap(([key, system]) => names(key).map((name) => ({ system, name }))),
  };
}

export const readBranch = (raw: Raw): BranchEntry => ({
  name: text(raw.name),
  parent: text(raw.parent),
  created_at: text(raw.created_at),
  created_by: text(raw.created_by),
  edits: number(raw.edits) ?? 0,
});

const changes: Record<string, Change> = { added: 'added', changed: 'changed', removed: 'removed' };

export const readDifferences = (raw: Raw): Difference[] =>
  list(raw.differences ?? raw.items).map((d) => ({
    kind: text(d.kind),
    id: text(d.id),
    change: changes[text(d.change)] ?? 'changed',
    attributes: list(d.attributes).map((a) => ({ attribute: text(a.attribute), before: (a.before ?? null) as Value, after: (a.after ?? null) as Value })),
  }));

const entities = (raw: Raw): { kind: string; id: string }[] => {
  const named = list(raw.entities).map((e) => ({ kind: text(e.kind), id: text(e.id) }));
  return named.length > 0 ? named : text(raw.id) ? [{ kind: text(raw.kind), id: text(raw.id) }] : [];
};

function readObstacle(raw: Raw, what: Obstacle['what']): Obstacle {
  return {
    what,
    message: text(raw.message),
    fix: text(raw.fix),
    entities: entities(raw),
    attribute: text(raw.attribute) || null,
    ...('expected' in raw ? { expected: raw.expected as Value } : {}),
    ...('found' in raw ? { found: raw.found as Value } : {}),
    ...('wanted' in raw ? { wanted: raw.wanted as Value } : {}),
  };
}

// What a branch would be refused for: what others changed meanwhile, then what no inventory may hold.
export const readObstacles = (raw: Raw): Obstacle[] => [
  ...list(raw.conflicts).map((c) => readObstacle(c, 'conflict')),
  ...list(raw.violations).map((v) => readObstacle(v, 'violation')),
];

export const readDiscrepancies = (raw: Raw): Discrepancy[] =>
  list(raw.discrepancies ?? raw.items).map((d, i) => {
    const verification = record(d.verification);
    const place = record(verification.place ?? verification);
    const latitude = number(place.latitude_deg);
    const longitude = number(place.longitude_deg);
    return {
      key: `${text(d.type)}/${text(d.kind)}/${text(d.id)}/${i}`,
      type: text(d.type),
      kind: text(d.kind),
      id: text(d.id),
      attribute: text(d.attribute) || null,
      summary: text(d.summary),
      since: text(d.since),
      evidence: list(d.evidence).map((e) => ({
        source: text(e.source),
        standing: (text(e.standing) || 'observed') as Standing,
        value: (e.value ?? null) as Value,
        at: text(e.at) || text(e.recorded_at),
      })),
      verification: {
        what: text(verification.what) || text(d.verification),
        ...(text(verification.who) ? { who: text(verification.who) } : {}),
        ...(latitude === undefined || longitude === undefined ? {} : { latitude_deg: latitude, longitude_deg: longitude }),
      },
    };
  });
