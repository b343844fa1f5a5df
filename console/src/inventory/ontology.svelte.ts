// The ontology, read once: it is part of the server and changes only with it.
import type { AttributeSpec, KindSpec } from '../api/inventory';
import { inventory } from '../api/inventory_client';
import { reason } from '../api/client';

class Ontology {
  kinds = $state.raw<KindSpec[]>([]);
  error = $state('');
  readonly byName = $derived(new Map(this.kinds.map((kind) => [kind.name, kind])));
  private reading = false;

  // Called by every page that needs it; the answer arrives in `kinds`.
  load(): void {
    if (this.reading || this.kinds.length > 0) return;
    this.reading = true;
    inventory
      .ontology()
      .then((kinds) => {
        this.kinds = kinds;
        this.error = '';
      })
      .catch((error: unknown) => {
        this.error = reason(error);
        setTimeout(() => this.load(), 3000);
      })
      .finally(() => (this.reading = false));
  }

  kind(name: string): KindSpec | undefined {
    return this.byName.get(name);
  }

  attribute(kind: string, name: string): AttributeSpec | undefined {
    return this.byName.get(kind)?.attributes.find((a) => a.name === name);
  }

  readonly isKind = (name: string): boolean => this.byName.has(name);
}

export const ontology = new Ontology();
