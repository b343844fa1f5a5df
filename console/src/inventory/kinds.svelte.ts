// How many entities of each kind there are, in the branch and at the time that is looked at.
import { inventory } from '../api/inventory_client';
import { live } from '../grid/live.svelte';
import { Polled } from '../grid/polled.svelte';
import { place } from '../place.svelte';
import { words } from '../ui/format';
import { ontology } from './ontology.svelte';

export interface KindEntry {
  kind: string;
  label: string;
  count: number;
  description: string;
}

export interface KindGroup {
  name: string;
  kinds: KindEntry[];
}

// A sentence begins with a capital, unless with an identifier.
export const capital = (text: string): string => (/^\w*[_\d]/.test(text) ? text : text.replace(/^./, (c) => c.toUpperCase()));
const letters = new Set(['vnf', 'upf', 'vlan', 'vrf']); // said letter by letter
export const kindLabel = (kind: string): string => (letters.has(kind) ? kind.toUpperCase() : capital(words(kind)));

// Call while a component is made: it asks again as long as that lives.
export function countedKinds() {
  const counts = new Polled(
    () => `kinds/${place.branch ?? ''}`,
    () => {
      void live.turn;
      const view = { branch: place.branch, as_of: place.as_of };
      return (signal) => inventory.kinds(view, signal);
    },
    5000,
  );
  return {
    get error() {
      return counts.value ? '' : counts.error;
    },
    get ready() {
      return counts.value !== undefined;
    },
    // In the ontology's groups; kinds it does not know last.
    get groups(): KindGroup[] {
      const groups = new Map<string, KindEntry[]>();
      for (const { kind, count, description } of counts.value ?? []) {
        const spec = ontology.kind(kind);
        const group = capital(words(spec?.group || 'other'));
        const entry = { kind, label: kindLabel(kind), count, description: spec?.description || description };
        const entries = groups.get(group);
        if (entries) entries.push(entry);
        else groups.set(group, [entry]);
      }
      const last = (name: string) => Number(name === 'Other');
      return [...groups].map(([name, kinds]) => ({ name, kinds })).sort((a, b) => last(a.name) - last(b.name) || (a.name < b.name ? -1 : 1));
    },
  };
}
