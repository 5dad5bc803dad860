import { type ComponentChildren, Fragment } from 'preact';

/** Tables of figures: heading and cells of a column are one definition, so that they cannot drift apart. */
export interface Column<Row> {
  /** Its heading; a table without any has no row of headings. */
  readonly head?: string;
  /** The heading is only for screen readers. */
  readonly hidden?: true;
  readonly cell: (row: Row) => ComponentChildren;
  /** Figures: to the right, on one line. */
  readonly number?: boolean;
  /** Its cells name their rows. */
  readonly names?: true;
  /** Classes of its cells. */
  readonly class?: string | ((row: Row) => string);
  /** What stands before a cell where rows are stacked: the heading, or another word. */
  readonly label?: true | string;
  readonly title?: (row: Row) => string;
}

/**
 * Rows under their headings.
 *
 * @param box what scrolls a table that is too wide; null for a small one, which needs none.
 * @param stack on a narrow screen each row is a block of two columns instead.
 * @param after one more `<tr>` below a row, such as a mean over those above.
 */
export function Table<Row>({
  columns,
  rows,
  keyOf,
  stack = false,
  box = 'scroll',
  caption,
  after,
}: {
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row, index: number) => string | number;
  stack?: boolean;
  box?: 'scroll' | 'scroll narrow' | null;
  caption?: ComponentChildren;
  after?: (row: Row) => ComponentChildren;
}) {
  const table = (
    <table class={stack ? 'stack' : undefined}>
      {caption && <caption>{caption}</caption>}
      {columns.some(({ head }) => head !== undefined) && (
        <thead>
          <tr>
            {columns.map(({ head, hidden, number }, at) => (
              <th key={at} scope="col" class={number ? 'number' : undefined}>
                {hidden ? <span class="hidden">{head}</span> : head}
              </th>
            ))}
          </tr>
        </thead>
      )}
      <tbody>
        {rows.map((row, index) => (
          <Fragment key={keyOf(row, index)}>
            <tr>
              {columns.map((column, at) => (
                <Cell key={at} column={column} row={row} />
              ))}
            </tr>
            {after?.(row)}
          </Fragment>
        ))}
      </tbody>
    </table>
  );
  return box === null ? table : <div class={box}>{table}</div>;
}

function Cell<Row>({ column, row }: { column: Column<Row>; row: Row }) {
  const { head, cell, number, names, label, title } = column;
  const own = typeof column.class === 'function' ? column.class(row) : column.class;
  const shared = {
    class: [number && 'number', own].filter(Boolean).join(' ') || undefined,
    title: title?.(row) || undefined,
    'data-label': label === true ? head : label,
  };
  return names ? (
    <th scope="row" {...shared}>
      {cell(row)}
    </th>
  ) : (
    <td {...shared}>{cell(row)}</td>
  );
}
