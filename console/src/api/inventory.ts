// What the server says about the inventory: entities and their claims, history, branches, the ontology and SQL. Every
// read takes a branch and a time; absent ones mean main and now. Times are RFC 3339 in UTC.
import type { View } from '../place.svelte';
import { part } from './client';

export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };
export type Attributes = Record<string, Value>;
export type Standing = 'observed' | 'discovered' | 'intended';

export interface Item {
  kind: string;
  id: string;
  attributes: Attributes;
  created?: number;
  changed?: number;
}

export interface Page {
  offset: number;
  items: Item[]; // fewer than were asked for, even none, where many had to be looked at
  next: string | null; // the cursor of the page after it; null at the end
  total: number; // of the kind, whatever was asked for
}

export interface Entity {
  offset: number;
  kind: string;
  id: string;
  attributes: Attributes;
  created_at?: string;
  changed_at?: string;
  etag: string;
}

export interface Claim {
  attribute: string;
  source: string;
  standing: Standing;
  confidence: number; // 0..1
  valid_from: string;
  valid_to: string | null;
  recorded_at: string;
  offset: number;
  value: Value; // null: the source says that it is empty
  holds: boolean; // at the time that is looked at
  believed: boolean;
}

export interface Presence {
  source: string;
  first_seen: string;
  last_seen: string;
  unseen_since: string | null;
}

export interface Claims {
  claims: Claim[];
  presences: Presence[];
}

// One thing that was said, or, where `attribute` is null, that the entity came or went.
export interface TimelineEvent {
  offset: number;
  at: string;
  source: string;
  what: 'created' | 'said' | 'retracted';
  attribute: string | null;
  before: Value | undefined; // what the same source had said of it; undefined: nothing yet
  after: Value;
}

export interface Relation {
  attribute: string; // of the entity that names the other; empty: the server does not say
  kind: string;
  id: string;
}

export interface Relations {
  outgoing: Relation[];
  incoming: Relation[];
  truncated: boolean; // there are more than were asked for
}

export interface Found {
  kind: string;
  id: string;
  name: string;
  matched: string; // the attribute that matched
}

export interface Verification {
  action: string; // what to look at, and what each outcome means
  who: string; // to send
  place: string; // where at the site
  site: string; // id; empty where nobody has to travel
  latitude_deg: number | null;
  longitude_deg: number | null;
}

export interface Discrepancy {
  key: string; // tells it from the others of one answer
  type: string;
  kind: string; // of the entity it is about
  id: string;
  attribute: string | null;
  also: EntityName[]; // others that have part in it
  summary: string;
  since: string;
  offset: number; // of the youngest word of it
  evidence: { source: string; standing: Standing; attribute: string | null; value: Value; since: string; believed: boolean }[];
  verification: Verification;
}

export interface BranchEntry {
  name: string;
  parent: string; // empty: main
  purpose: string;
  author: string;
  created_at: string;
  base_offset: number; // of its parent as the branch sees it
  changed: number; // offset of the last event about it
  edits: number;
  children: string[];
}

export type Change = 'added' | 'changed' | 'removed';

export interface Difference {
  kind: string;
  id: string;
  what: Change;
  attributes: { name: string; before: Value; after: Value }[];
}

export interface Differences {
  differences: Difference[];
  base_offset: number;
  next: string | null; // there are more
}

export interface EntityName {
  kind: string;
  id: string;
}

// The parent has changed, since the branch began, what the branch has changed too.
export interface Conflict {
  what: 'both_changed' | 'removed_there' | 'removed_here';
  kind: string;
  id: string;
  attribute: string | null; // null: the entity as a whole
  base: Value; // as it was when the branch began
  ours: Value; // on the branch
  theirs: Value; // on the parent
  message: string;
  fix: string;
}

// What no inventory may hold, and the merged one would.
export interface Violation {
  kind: string;
  id: string;
  constraint: string;
  message: string;
  fix: string;
  others: EntityName[];
}

export interface Obstacles {
  clean: boolean; // a merge would be taken
  truncated: boolean;
  conflicts: Conflict[];
  violations: Violation[];
}

export interface Promised {
  demand: string;
  tenant: string;
  region: string;
  model: string;
  reason: string; // why it is broken; empty where it is mended
}

export interface Fullest {
  id: string;
  utilization: number; // of its capacity, the busier direction
}

// What the twin says of a branch if it were merged now and nothing planned anew.
export interface BranchVerdict {
  planned: boolean; // false: no plan is in force, and nothing is promised; the rest is then empty
  kept: number;
  kept_before: number;
  broken: number;
  mended: number;
  promises_broken: Promised[]; // the first of them
  promises_mended: Promised[];
  unplanned: number; // demands of the branch that no plan has seen
  worst: Fullest | null;
  worst_before: Fullest | null;
  cost_delta_eur_per_hour: number;
}

export interface AttributeSpec {
  name: string;
  type: string; // boolean integer number text choice reference record
  unit: string;
  list: boolean;
  required: boolean;
  minimum?: number;
  maximum?: number;
  above?: number; // a minimum that is itself not allowed
  below?: number;
  choices: string[];
  format: string; // of text: date, address, url …; empty: any
  absent?: Value; // what holds where nobody says anything
  personal: boolean;
  refers_to: string[]; // kinds; "any" for all of them
  description: string;
}

export interface RelationSpec {
  attribute: string; // of the entity that names the other; "anchors.node" in the records of one
  name: string; // "mounted_in"
  inverse: string; // "holds"
  targets: string[]; // kinds
  many: boolean;
  required: boolean;
  impact: string; // on_holder: what names the target fails with it; on_target: the other way round
  description: string;
}

export interface KindSpec {
  name: string;
  group: string; // "hardware"; empty where there is none
  description: string;
  attributes: AttributeSpec[];
  relations: RelationSpec[];
  incoming: { kind: string; attribute: string; name: string }[];
  constraints: string[]; // as sentences
  mappings: { system: string; name: string }[];
}

export interface KindCount {
  kind: string;
  count: number;
  description: string;
}

export interface Table {
  columns: string[];
  rows: Value[][];
  truncated: boolean;
  offset: number;
}

// What a branch takes: entities as they are to be, what it no longer says, which side stands in a conflict.
export interface BranchEdits {
  items?: (EntityName & { attributes: Attributes })[];
  take_back?: (EntityName & { attributes?: string[] })[];
  settle?: (EntityName & { take: 'ours' | 'theirs'; attributes?: string[] })[];
}

type Params = Record<string, string | number | undefined>;

// A path with what is asked after `?`, in the branch and at the time of `view`.
export function path(base: string, view: View, params: Params = {}): string {
  const all = { ...params, branch: view.branch, as_of: view.as_of };
  const kept = Object.entries(all).filter((e) => e[1] !== undefined && e[1] !== '') as [string, string | number][];
  return kept.length === 0 ? base : `${base}?${kept.map(([key, value]) => `${part(key)}=${part(value)}`).join('&')}`;
}
