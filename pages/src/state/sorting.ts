/**
 * Tables of a finished page, sorted by a click on a heading: once up, once down, and a third time in their first order. A table
 * with rows that belong to others, or with one row, stays as it is.
 */

/** Units that amounts on a page have: times in seconds, the prefixes of numbers and bytes. */
const units: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ ms: 1e-3, s: 1, min: 60, h: 3600, d: 86_400 },
    ...{ k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  }),
);

const amount = /^(\d[\d.]*(?:e[-+]?\d+)?)\s?([A-Za-z]*)\s*/;

/** What a cell is sorted by: the amount that it begins with, such as `3 min 20 s` or `−0.01`; else its words; null for none. */
export function sortKey(text: string): number | string | null {
  const plain = text
    .replaceAll('\u2212', '-')
    .replaceAll(/(\d),(?=\d{3})/g, '$1')
    .trim();
  if (plain === '' || plain === '–') return null;
  const [, sign = '', body = ''] = /^[[<$\s]*([-+]?)\$?(\d.*)$/s.exec(plain) ?? [];
  let sum = 0;
  let rest = body;
  for (let match = amount.exec(rest); match; match = amount.exec(rest)) {
    const unit = match[2] ?? '';
    sum += Number(match[1]) * (units.get(unit.replace(/B$/, '')) ?? 1);
    // Only times go on: `3 min 20 s`.
    if (!['h', 'd', 'min'].includes(unit)) break;
    rest = rest.slice(match[0].length);
  }
  return body === '' ? plain.toLowerCase() : sign === '-' ? -sum : sum;
}

/** Numbers before words; what is missing is last in either direction. */
export function compareKeys(a: ReturnType<typeof sortKey>, b: ReturnType<typeof sortKey>, sign = 1): number {
  if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
  if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return sign * (a < b ? -1 : a > b ? 1 : 0);
}

export function sortTables(page: Document): void {
  for (const table of page.querySelectorAll('table')) {
    const heads = [...table.querySelectorAll<HTMLElement>('thead th')];
    const body = table.tBodies[0];
    const rows = [...(body?.rows ?? [])];
    if (!body || heads.length < 2 || rows.length < 2 || table.tBodies.length > 1) continue;
    if (rows.some(({ cells }) => cells.length !== heads.length)) continue;
    for (const [column, head] of heads.entries()) {
      const words = head.textContent ?? '';
      if (words === '') continue;
      const button = page.createElement('button');
      button.type = 'button';
      button.className = 'plain';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const next = { none: 'ascending', ascending: 'descending', descending: 'none' } as const;
        const order = next[(head.ariaSort as keyof typeof next | null) ?? 'none'];
        for (const other of heads) other.removeAttribute('aria-sort');
        if (order !== 'none') head.setAttribute('aria-sort', order);
        const sign = order === 'descending' ? -1 : 1;
        const key = (row: HTMLTableRowElement) => sortKey(row.cells[column]?.textContent ?? '');
        body.append(...(order === 'none' ? rows : rows.toSorted((a, b) => compareKeys(key(a), key(b), sign))));
      });
    }
  }
}
