// Where the values stand that have neither a neighbour before nor one after, and so no line.
export function alone(values: ArrayLike<number | null | undefined>): number[] {
  const is = (i: number): boolean => i >= 0 && i < values.length && values[i] != null;
  return Array.from({ length: values.length }, (_, i) => i).filter((i) => is(i) && !is(i - 1) && !is(i + 1));
}
