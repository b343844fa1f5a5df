// What tables are sorted by: of a column, the value of a row; null where it has none, which comes last either way.
export type Columns<T> = Record<string, (row: T) => string | number | null>;

const collator = new Intl.Collator('en', { numeric: true });

// By `sort` (`rate`, or `-rate` from the largest down); as they are where it names no column.
export function ordered<T>(rows: readonly T[], sort: string | undefined, columns: Columns<T>): readonly T[] {
  const down = sort?.startsWith('-') ?? false;
  const valueOf = columns[sort?.replace(/^-/, '') ?? ''];
  if (!valueOf) return rows;
  const keyed = rows.map((row) => ({ row, value: valueOf(row) }));
  keyed.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    const order = typeof a.value === 'number' && typeof b.value === 'number' ? a.value - b.value : collator.compare(String(a.value), String(b.value));
    return down ? -order : order;
  });
  return keyed.map((k) => k.row);
}
