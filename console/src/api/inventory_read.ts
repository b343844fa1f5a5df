// What the server says about kinds, branches and discrepancies, read into the shapes of inventory.ts. What is missing
// is empty, so that an older or newer server leaves a gap in a page and not an empty page.
import type {
  Attributes,
  AttributeSpec,
  BranchEntry,
  BranchVerdict,
  Change,
  Claims,
  Conflict,
  Differences,
  Discrepancy,
  EntityName,
  Found,
  Fullest,
  Item,
  KindCount,
  KindSpec,
  Obstacles,
  Page,
  Promised,
  Relation,
  Relations,
  TimelineEvent,
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
  purpose: text(raw.purpose),
  author: text(raw.author),
  created_at: text(raw.created_at),
  base_offset: number(raw.base_offset) ?? 0,
  changed: number(raw.changed) ?? 0,
  edits: number(raw.edits) ?? 0,
  children: texts(raw.children),
});

export const readDifferences = (raw: Raw): Differences => ({
  differences: list(raw.differences).map((d) => ({
    kind: text(d.kind),
    id: text(d.id),
    what: (text(d.what) || 'changed') as Change,
    attributes: list(d.attributes).map((a) => ({ name: text(a.name), before: (a.before ?? null) as Value, after: (a.after ?? null) as Value })),
  })),
  base_offset: number(raw.base_offset) ?? 0,
  next: text(raw.next) || null,
});

const names = (value: unknown): EntityName[] => list(value).map((e) => ({ kind: text(e.kind), id: text(e.id) }));

export const readObstacles = (raw: Raw): Obstacles => ({
  clean: raw.clean === true,
  truncated: raw.truncated === true,
  conflicts: list(raw.conflicts).map((c) => ({
    what: text(c.what) as Conflict['what'],
    kind: text(c.kind),
    id: text(c.id),
    attribute: text(c.attribute) || null,
    base: (c.base ?? null) as Value,
    ours: (c.ours ?? null) as Value,
    theirs: (c.theirs ?? null) as Value,
    message: text(c.message),
    fix: text(c.fix),
  })),
  violations: list(raw.violations).map((v) => ({
    kind: text(v.kind),
    id: text(v.id),
    constraint: text(v.constraint),
    message: text(v.message),
    fix: text(v.fix),
    others: names(v.others),
  })),
});

export function readVerdict(raw: Raw): BranchVerdict {
  const promised = (p: Raw): Promised => ({ demand: text(p.demand), tenant: text(p.tenant), region: text(p.region), model: text(p.model), reason: text(p.reason) });
  const fullest = (value: unknown): Fullest | null => (text(record(value).id) ? { id: text(record(value).id), utilization: number(record(value).utilization) ?? 0 } : null);
  return {
    planned: text(raw.plan_id) !== '',
    kept: number(raw.promises_kept) ?? 0,
    kept_before: number(raw.promises_kept_before) ?? 0,
    broken: number(raw.broken) ?? 0,
    mended: number(raw.mended) ?? 0,
    promises_broken: list(raw.promises_broken).map(promised),
    promises_mended: list(raw.promises_mended).map(promised),
    unplanned: number(raw.unplanned) ?? 0,
    worst: fullest(raw.worst_link),
    worst_before: fullest(raw.worst_link_before),
    cost_delta_eur_per_hour: number(raw.cost_eur_per_hour_delta) ?? 0,
  };
}

export const readClaims = (raw: Raw): Claims => ({
  claims: list(raw.claims).map((c) => ({
    attribute: text(c.attribute),
    source: text(c.source),
    standing: (text(c.standing) || 'observed') as Standing,
    confidence: number(c.confidence) || 1, // 0: it did not say
    valid_from: text(c.valid_from),
    valid_to: text(c.valid_to) || null,
    recorded_at: text(c.recorded_at) || text(c.valid_from),
    offset: number(c.offset) ?? 0,
    value: (c.value ?? null) as Value,
    holds: c.holds !== false,
    believed: c.believed === true,
  })),
  presences: list(raw.presences).map((p) => ({
    source: text(p.source),
    first_seen: text(p.first_seen),
    last_seen: text(p.last_seen),
    unseen_since: text(p.unseen_since) || null,
  })),
});

// What is recorded at one offset, split by attribute, the oldest first.
export function readTimeline(raw: readonly Raw[]): TimelineEvent[] {
  const said = new Map<string, Value>();
  const events: TimelineEvent[] = [];
  for (const e of [...raw].sort((a, b) => (number(a.offset) ?? 0) - (number(b.offset) ?? 0))) {
    const what = (text(e.what) || 'said') as TimelineEvent['what'];
    const common = { offset: number(e.offset) ?? 0, at: text(e.at), source: text(e.source), what };
    if (what !== 'said') events.push({ ...common, attribute: null, before: undefined, after: null });
    for (const [attribute, after] of Object.entries(record(e.attributes) as Attributes)) {
      const voice = `${common.source}\n${text(e.standing)}\n${attribute}`;
      events.push({ ...common, attribute, before: said.get(voice), after });
      said.set(voice, after);
    }
  }
  return events;
}

export const readDiscrepancies = (raw: Raw): Discrepancy[] =>
  list(raw.discrepancies).map((d) => {
    const about = record(d.about);
    const verification = record(d.verification);
    return {
      key: text(d.id),
      type: text(d.type) || text(d.kind), // the entity's kind stands in `about`
      kind: text(about.kind),
      id: text(about.id),
      also: names(d.also),
      attribute: text(d.attribute) || null,
      summary: text(d.summary),
      since: text(d.since),
      offset: number(d.offset) ?? 0,
      evidence: list(d.evidence).map((e) => ({
        source: text(e.source),
        standing: (text(e.standing) || 'observed') as Standing,
        attribute: text(e.attribute) || null,
        value: (e.value ?? null) as Value,
        since: text(e.since),
        believed: e.believed === true,
      })),
      verification: {
        action: text(verification.action),
        who: text(verification.who),
        place: text(verification.place),
        site: text(verification.site),
        latitude_deg: number(verification.latitude_deg) ?? null,
        longitude_deg: number(verification.longitude_deg) ?? null,
      },
    };
  });
