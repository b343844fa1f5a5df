// What people type above a table: words that must occur, and conditions on attributes:
// "core status=active height_u>=2 name=\"Bad Homburg\" rack!=r1"

export interface Filter {
  text: string; // the words
  conditions: Record<string, string>; // as the API takes them: attribute, or attribute[comparison], to value
}

const comparisons: Record<string, string> = { '=': '', '!=': '[ne]', '<': '[lt]', '<=': '[lte]', '>': '[gt]', '>=': '[gte]', '^=': '[prefix]' };

export function parseFilter(typed: string): Filter {
  const conditions: Record<string, string> = {};
  const words: string[] = [];
  for (const match of typed.matchAll(/([a-z][a-z0-9_]*)(!=|<=|>=|\^=|=|<|>)(?:"([^"]*)"|(\S*))|(\S+)/g)) {
    const [, name, sign, quoted, plain, word] = match;
    if (name !== undefined && sign !== undefined) {
      const value = quoted ?? plain ?? '';
      if (value !== '') conditions[`${name}${comparisons[sign]}`] = value;
    } else if (word !== undefined) words.push(word);
  }
  return { text: words.join(' '), conditions };
}
