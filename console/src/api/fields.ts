// What an answer holds, read without trusting it: what is not of the kind asked for reads as nothing.

export type Fields = Record<string, unknown>;

export const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
export const texts = (value: unknown): string[] => list(value).map(text);
export const known = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);
export const number = (value: unknown): number => known(value) ?? 0;
