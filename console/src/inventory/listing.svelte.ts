// The rows of one kind, read page by page as they are scrolled to. Lists that were left are kept for the way back.
import { reason } from '../api/client';
import type { Item } from '../api/inventory';
import { inventory, type Wanted } from '../api/inventory_client';
import type { View } from '../place.svelte';

const page_rows = 500;
const kept_lists = 8;

interface Kept {
  items: Item[];
  next: string | null;
  total: number;
  scroll_px: number;
}

const kept = new Map<string, Kept>();

export class Listing {
  items = $state.raw<Item[]>([]);
  next = $state.raw<string | null | undefined>(undefined); // undefined: nothing has arrived yet
  total = $state(0); // of the kind
  error = $state('');
  reading = $state(false);
  scroll_px = $state(0);
  private key = '';
  private abort: AbortController | undefined;

  // Shows another list. What is on the screen stays until the first page of the new one is here.
  show(kind: string, view: View, wanted: Wanted): void {
    const key = JSON.stringify([kind, view, wanted]);
    if (key === this.key) return;
    this.keep();
    this.key = key;
    this.abort?.abort();
    this.reading = false;
    this.error = '';
    const before = kept.get(key);
    this.next = before?.next;
    this.scroll_px = before?.scroll_px ?? 0;
    if (before) {
      this.items = before.items;
      this.total = before.total;
    } else void this.read(kind, view, wanted, undefined);
  }

  more(kind: string, view: View, wanted: Wanted): void {
    if (this.reading || !this.next || this.error) return;
    void this.read(kind, view, wanted, this.next);
  }

  keep(): void {
    if (this.key === '' || this.next === undefined) return;
    kept.delete(this.key);
    kept.set(this.key, { items: this.items, next: this.next, total: this.total, scroll_px: this.scroll_px });
    const [oldest] = kept.keys();
    if (kept.size > kept_lists && oldest !== undefined) kept.delete(oldest);
  }

  private async read(kind: string, view: View, wanted: Wanted, cursor: string | undefined): Promise<void> {
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.reading = true;
    try {
      const page = await inventory.list(kind, view, { ...wanted, limit: page_rows, cursor }, signal);
      if (signal.aborted) return;
      this.items = cursor === undefined ? page.items : [...this.items, ...page.items];
      this.next = page.next;
      this.total = page.total;
      this.error = '';
    } catch (error) {
      if (signal.aborted) return;
      this.error = reason(error);
      if (cursor === undefined) this.items = [];
    } finally {
      if (!signal.aborted) this.reading = false;
    }
  }
}

// Something was written: lists that were read before it are no longer true.
export const forgetListings = (): void => kept.clear();
