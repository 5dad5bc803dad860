import type { Extrapolation } from '../../aggregation/index.ts';
import { runLengthText } from '../../domain/architecture.ts';
import { runsMarkup } from '../candidate.ts';
import { strip } from '../charts/strip.ts';
import type { ReportData } from '../data.ts';
import { billions, count, mebibytes, millions } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { groupRow, section, table } from '../table.ts';

const ruleName: Readonly<Record<Extrapolation['rule'], string>> = {
  reference: 'Llama 3.2',
  stretch: 'stretched',
  stack: 'stacked',
};

function row(each: Extrapolation) {
  return [
    ruleName[each.rule],
    html`${strip(each.architecture)}${each.rule === 'reference' ? null : runsMarkup(each.architecture)}`,
    count(each.architecture.length),
    count(each.layers.M),
    count(each.layers.mA),
    count(each.layers.Mb),
    millions(each.parameters),
    billions(each.trainingFlopsPerToken),
    mebibytes(each.cacheBytes),
  ];
}

/** What the patterns become at sizes worth training, and what they would cost there. */
export function extrapolationSection(data: ReportData): Markup {
  if (data.extrapolations.length === 0) {
    return section('extrapolation', 'At full size', html`<p>There is no pattern to extrapolate.</p>`);
  }
  return section(
    'extrapolation',
    'At full size',
    html`${data.extrapolations.map(({ label, pattern, rows }) => {
      const sizes = [...new Set(rows.map(({ size }) => size))];
      return html`<h3>${label} <code>${runLengthText(pattern)}</code></h3>${table(
        [
          { head: 'rule', kind: 'name' },
          { head: 'architecture', kind: 'wide' },
          { head: 'layers', kind: 'number' },
          { head: 'M', kind: 'number' },
          { head: 'mA', kind: 'number' },
          { head: 'Mb', kind: 'number' },
          { head: 'params, M', kind: 'number' },
          { head: 'train GFLOP/token', kind: 'number' },
          { head: 'cache, MiB', kind: 'number' },
        ],
        sizes.flatMap((size) => [groupRow(9, size), ...rows.filter((each) => each.size === size).map(row)]),
      )}`;
    })}
<p class="note">Stretching lengthens every run; stacking repeats the pattern and stretches the remainder. Both aim at the non-embedding parameters of the Llama stack of that size and round layers up, so they come out somewhat larger. Training FLOPs and inference cache (bfloat16, one sequence) are for ${count(data.extrapolations[0]?.rows[0]?.context ?? 0)} tokens. Nothing here has been trained at these sizes.</p>`,
  );
}
