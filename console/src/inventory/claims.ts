// What the sources say of one entity, arranged for reading: what is believed and by whose word, and where they differ.
import type { Claim, Standing } from '../api/inventory';
import { same } from './values';

// One column of the comparison: a source in one of its standings.
export interface Voice {
  source: string;
  standing: Standing;
}

export interface Fact {
  attribute: string;
  believed: Claim | undefined;
  current: Claim[]; // one of each voice: what it says now; the believed one first, then the freshest
  past: Claim[]; // said before, newest first
  disputed: boolean; // two voices say different things now
}

const voiceKey = (c: Voice): string => `${c.standing}\n${c.source}`;

// A voice says what it recorded last among those that hold.
export function factsOf(claims: readonly Claim[]): Fact[] {
  const byAttribute = new Map<string, Claim[]>();
  for (const claim of claims) {
    const group = byAttribute.get(claim.attribute);
    if (group) group.push(claim);
    else byAttribute.set(claim.attribute, [claim]);
  }
  return [...byAttribute].map(([attribute, group]) => {
    const current = new Map<string, Claim>();
    for (const claim of group) {
      if (!claim.holds && !claim.believed) continue;
      const said = current.get(voiceKey(claim));
      if (!said || claim.believed || (!said.believed && said.offset <= claim.offset)) current.set(voiceKey(claim), claim);
    }
    const believed = group.find((c) => c.believed);
    const speaking = [...current.values()].sort((a, b) => Number(b.believed) - Number(a.believed) || b.offset - a.offset);
    const past = group.filter((c) => !speaking.includes(c)).sort((a, b) => b.offset - a.offset);
    const disputed = speaking.some((c) => !same(c.value, speaking[0]!.value));
    return { attribute, believed, current: speaking, past, disputed };
  });
}

const standingOrder: Standing[] = ['intended', 'discovered', 'observed'];

export interface Comparison {
  voices: Voice[];
  rows: { attribute: string; cells: (Claim | undefined)[] }[];
}

// The attributes that are disputed against the voices that speak about any of them.
export function comparisonOf(facts: readonly Fact[]): Comparison {
  const disputed = facts.filter((f) => f.disputed);
  const voices = new Map<string, Voice>();
  for (const fact of disputed) for (const { source, standing } of fact.current) voices.set(voiceKey({ source, standing }), { source, standing });
  const columns = [...voices.values()].sort(
    (a, b) => standingOrder.indexOf(a.standing) - standingOrder.indexOf(b.standing) || (a.source < b.source ? -1 : 1),
  );
  const rows = disputed.map((fact) => ({
    attribute: fact.attribute,
    cells: columns.map((voice) => fact.current.find((c) => c.source === voice.source && c.standing === voice.standing)),
  }));
  return { voices: columns, rows };
}

// The name first, then the facts in the ontology's order, what it does not know last by name.
export function inOrder<T extends { attribute: string }>(facts: readonly T[], order: readonly string[]): T[] {
  const place = new Map([...order.map((name, i): [string, number] => [name, i]), ['name', -1]]);
  const at = (f: T): number => place.get(f.attribute) ?? order.length;
  return [...facts].sort((a, b) => at(a) - at(b) || (a.attribute < b.attribute ? -1 : 1));
}
