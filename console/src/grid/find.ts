// Search by what people type: every word must occur; a match at the start of a name, then of a word, then anywhere,
// comes first, and shorter names before longer ones. Accents do not matter.

export const folded = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase();

export interface Findable {
  text: string; // folded: what is searched
  rank: number; // kinds of equal match order by this, small first
}

export function find<T extends Findable>(items: readonly T[], query: string, limit: number): T[] {
  const terms = folded(query).split(/\s+/).filter(Boolean);
  if (terms.length === 0) return items.slice(0, limit);
  const hits: { item: T; score: number }[] = [];
  for (const item of items) {
    let score = item.rank * 0.5 + item.text.length * 0.01;
    let missed = false;
    for (const term of terms) {
      const at = item.text.indexOf(term);
      if (at < 0) {
        missed = true;
        break;
      }
      if (at > 0) score += /[\s\-_./]/.test(item.text[at - 1]!) ? 1 : 3;
    }
    if (!missed) hits.push({ item, score });
  }
  hits.sort((a, b) => a.score - b.score);
  return hits.slice(0, limit).map((h) => h.item);
}
