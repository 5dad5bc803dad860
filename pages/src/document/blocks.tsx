import type { Block, Column, Section, Series, StepRow, TableRow, Text } from '../../../src/views/page.ts';
import { Chart, type Line } from '../parts/chart.tsx';
import { Forest } from '../parts/forest.tsx';
import { columnsOf } from '../parts/marks.ts';
import { Legend } from '../parts/strip.tsx';
import { Votes } from '../parts/votes.tsx';
import { TextView } from './text.tsx';
import { TreeChart } from './tree.tsx';

/** The sections of a report or a trace, block by block, with the parts of the live pages. */
export function SectionView({ section: { id, title, blocks } }: { section: Section }) {
  return (
    <section id={id}>
      <h2>{title}</h2>
      <Blocks blocks={blocks} />
    </section>
  );
}

export function Blocks({ blocks }: { blocks: readonly Block[] }) {
  return (
    <>
      {blocks.map((block, at) => (
        <BlockView key={at} block={block} />
      ))}
    </>
  );
}

function BlockView({ block }: { block: Block }) {
  switch (block.block) {
    case 'text':
      return (
        <p class={block.as}>
          <TextView text={block.text} />
        </p>
      );
    case 'heading':
      return (
        <h3>
          <TextView text={block.text} />
        </h3>
      );
    case 'claims':
      return (
        <div class="claims">
          {block.sentences.map((sentence) => (
            <p key={sentence} class="claim">
              {sentence}
            </p>
          ))}
        </div>
      );
    case 'list':
      return (
        <ul>
          {block.items.map((item, at) => (
            <li key={at}>
              <TextView text={item} />
            </li>
          ))}
        </ul>
      );
    case 'figures':
      return (
        <dl class="figures">
          {block.figures.map(({ label, value, note }) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>
                {value}
                {note && <small>{note}</small>}
              </dd>
            </div>
          ))}
        </dl>
      );
    case 'facts':
      return (
        <dl class="facts">
          {block.facts.map(([name, content], at) => [
            <dt key={`${at}`}>{name}</dt>,
            <dd key={`${at}=`}>{isBlocks(content) ? <Blocks blocks={content} /> : <TextView text={content} />}</dd>,
          ])}
        </dl>
      );
    case 'table':
      return <TableView columns={block.columns} rows={block.rows} />;
    case 'forest':
      return <Forest effects={block.effects} label={block.label} />;
    case 'chart':
      return <ChartView block={block} />;
    case 'legend':
      return <Legend primitives={block.primitives} />;
    case 'votes':
      return <Votes label={block.label} layers={block.layers} />;
    case 'tree':
      return <TreeChart tree={block.tree} />;
    case 'diff':
      return (
        <figure>
          <figcaption>
            <code>{block.name}</code>
          </figcaption>
          <pre class="code diff">
            {block.lines.map((line, at) => (
              <span key={at} class={signs[line[0] ?? ''] ?? 'line'}>
                {line}
              </span>
            ))}
          </pre>
          {block.more > 0 && <p class="note">{block.more} more lines differ.</p>}
        </figure>
      );
    case 'pre':
      return <pre class={block.record ? 'claim-record' : 'code'}>{block.text}</pre>;
    case 'columns':
      return (
        <div class="pair">
          {block.columns.map((blocks, at) => (
            <div key={at}>
              <Blocks blocks={blocks} />
            </div>
          ))}
        </div>
      );
    case 'fold':
      return (
        <details>
          <summary>
            <TextView text={block.summary} />
          </summary>
          <Blocks blocks={block.blocks} />
        </details>
      );
    case 'steps':
      return <Steps steps={block.steps} />;
  }
}

const signs: Readonly<Record<string, string>> = { '+': 'line added', '-': 'line removed', '@': 'line hunk' };

const isBlocks = (content: Text | readonly Block[]): content is readonly Block[] =>
  Array.isArray(content) && content.some((each) => typeof each === 'object' && 'block' in each);

function TableView({ columns, rows }: { columns: readonly Column[]; rows: readonly TableRow[] }) {
  const cells = (row: readonly Text[]) =>
    columns.map(({ kind }, at) => (
      <td key={at} class={kind}>
        <TextView text={row[at] ?? ''} />
      </td>
    ));
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {columns.map(({ head, kind, ends }, at) => (
              <th key={at} scope="col" class={kind}>
                {head}
                {ends && (
                  <span class="ends">
                    <span>{ends[0]}</span>
                    <span>{ends[1]}</span>
                  </span>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => {
            if ('group' in row) {
              return (
                <tr key={at} class="group">
                  <th scope="rowgroup" colSpan={columns.length}>
                    {row.group}
                  </th>
                </tr>
              );
            }
            return 'contest' in row ? (
              <tr key={at} class="contest">
                {cells(row.contest)}
              </tr>
            ) : (
              <tr key={at}>{cells(row)}</tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function ChartView({ block }: { block: Extract<Block, { block: 'chart' }> }) {
  const { series, levels = [], whole = false, percent = false, summary } = block;
  const { x, values, notes } = columnsOf(series.map(({ marks }) => marks));
  const lines = series.map(({ name, style, as, faint }: Series, at): Line => {
    const said = notes[at]?.some((note) => note !== null) ? { notes: notes[at] as (string | null)[] } : {};
    return {
      ...{ name, style, values: values[at] as (number | null)[], ...said },
      ...(as === 'line' && said.notes && { dots: true }),
      ...(as === 'stairs' && { steps: true }),
      ...(as === 'marks' && { loose: true }),
      ...(faint && { faint: true }),
    };
  });
  return (
    <Chart
      {...{ x, lines, levels, summary }}
      labelX={block.x}
      labelY={block.y}
      text={percent ? 'percent' : 'score'}
      textX={whole ? 'whole' : 'score'}
      height={300}
    />
  );
}

function Steps({ steps }: { steps: readonly StepRow[] }) {
  return (
    <>
      {steps.map(({ node, mark, operator, short, outcome, effect, blocks }) => (
        <details key={node} class="step" id={node}>
          <summary>
            <span class={`dot op-${mark}`} />
            <span>{node}</span>
            <span class="wide">{operator}</span>
            <span class="wide">{short}</span>
            <span class="number">{outcome}</span>
            <span class="number wide">
              <TextView text={effect} />
            </span>
          </summary>
          <Blocks blocks={blocks} />
        </details>
      ))}
    </>
  );
}
