import type { ReportData } from '../data.ts';
import { count, duration, percent } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { section, table } from '../table.ts';

/** Cents are too coarse for single calls. */
const money = (dollars: number): string => `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`;

/** A bar of the share spent. */
function meter(share: number): Markup {
  const width = Math.min(100, Math.max(0, 100 * share)).toFixed(1);
  return html`<svg class="meter" viewBox="0 0 100 8" width="100" height="8" preserveAspectRatio="none" aria-hidden="true"><rect class="trough" width="100" height="8"/><rect class="fill" width="${width}" height="8"/></svg>`;
}

function savedSentence({ budget: { saved } }: ReportData): string {
  const { evaluations, deviceSeconds } = saved;
  if (evaluations === 0) return 'No evaluation was answered from earlier results.';
  const what = evaluations === 1 ? 'evaluation was' : 'evaluations were';
  return `${count(evaluations)} ${what} answered from earlier results, which had taken ${duration(deviceSeconds)} of training.`;
}

/** Whether agents kept the devices at work. */
function devicesSentence({ devices }: ReportData): string {
  if (!devices) return '';
  const { count: of, busy } = devices;
  const who = of === 1 ? 'One worker trained; it was' : `${count(of)} workers trained; they were`;
  return ` ${who} busy for ${percent(busy)} of the time from the first training to the last.`;
}

/** What the search was allowed, what it took, and what it did not have to pay. */
export function budgetSection(data: ReportData): Markup {
  const { limit, spent } = data.budget;
  const lines = [
    { what: 'evaluations of proposals', used: spent.evaluations, limit: limit.evaluations, text: count },
    {
      what: 'wall time',
      used: spent.minutes * 60,
      limit: limit.minutes === undefined ? undefined : limit.minutes * 60,
      text: duration,
    },
    { what: 'training time, all devices', used: spent.deviceSeconds, limit: limit.deviceSeconds, text: duration },
    ...(spent.calls.calls === 0
      ? []
      : [
          {
            what: `${count(spent.calls.calls)} calls of language models`,
            used: spent.calls.dollars,
            limit: limit.dollars,
            text: money,
          },
          { what: 'their tokens, read and written', used: spent.calls.tokens, limit: limit.tokens, text: count },
        ]),
  ];
  const total = data.phases.reduce((sum, { seconds }) => sum + seconds, 0);
  return section(
    'budget',
    'Budget',
    html`<div class="pair"><div>${table(
      [
        { head: 'what', kind: 'name' },
        { head: 'spent', kind: 'number' },
        { head: 'limit', kind: 'number' },
        { head: 'share', kind: 'number' },
        { head: '' },
      ],
      lines.map(({ what, used, limit: most, text }) => [
        what,
        text(used),
        most === undefined ? 'none' : text(most),
        most === undefined ? '' : percent(used / most),
        most === undefined ? '' : meter(used / most),
      ]),
    )}
<p>${savedSentence(data)}${devicesSentence(data)}</p></div>
<div>${
      data.phases.length === 0
        ? null
        : table(
            [
              { head: 'phase', kind: 'name' },
              { head: 'took', kind: 'number' },
              { head: 'share', kind: 'number' },
              { head: '' },
            ],
            data.phases.map(({ phase, seconds }) => [
              phase,
              duration(seconds),
              total > 0 ? percent(seconds / total) : '–',
              total > 0 ? meter(seconds / total) : '',
            ]),
          )
    }</div></div>`,
  );
}
