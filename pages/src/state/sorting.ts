/**
 * Tables of a finished page, sorted by a click on a heading: once up, once down, and a third time in their first order. A table
 * with rows that belong to others, or with one row, stays as it is.
 */

/** What a cell is sorted by: its first number, or its words. */
export function sortKey(text: string): number | string {
  const plain = text.replaceAll('\u2212', '-').replaceAll(',', '').trim();
  const number = /^[-+$]*\d[\d.]*(e[-+]?\d+)?/i.exec(plain);
  return number ? Number.parseFloat(number[0].replace(/[+$]/g, '')) : plain.toLowerCase();
}

/** Numbers before words, missing values last. */
export function compareKeys(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
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
        body.append(...(order === 'none' ? rows : rows.toSorted((a, b) => sign * compareKeys(key(a), key(b)))));
      });
    }
  }
}
