import { operators } from '../../domain/node.ts';
import { differenceText } from '../../studies/difference.ts';
import { candidateMarkup } from '../candidate.ts';
import { agentEndText, count, score, shortened, signed } from '../format.ts';
import { html, type Markup, section } from '../markup.ts';
import type { AgentStory, Mention, Step, Story } from './story.ts';
import { explorationChart, operatorMark, operatorTable, treeChart } from './tree.ts';

const row = (name: string, content: Markup | string | null): Markup | null =>
  content === null || content === '' ? null : html`<dt>${name}</dt><dd>${content}</dd>`;

const effectMarkup = ({ effect, improved }: Step): Markup | null =>
  effect === null ? null : html`<span class="${improved ? 'up' : 'down'}">${signed(effect)}</span>`;

const mention = ({ node, screen }: Mention) => html`${node} (${score(screen)})`;

function differenceMarkup({ difference }: Step): Markup | null {
  if (difference === null) return null;
  if (difference.kind === 'layers') return html`${differenceText(difference)}`;
  return html`${difference.files.map(
    ({ name, added, removed, patch }) =>
      html`<div>${name}: +${count(added)} −${count(removed)} lines</div><pre>${shortened(patch, 20_000)
        .split('\n')
        .map((text) => {
          const sign = text.startsWith('+') ? 'plus' : text.startsWith('-') ? 'minus' : '';
          return html`<span class="${sign}">${text}</span>
`;
        })}</pre>`,
  )}`;
}

function readingMarkup({ readings, evidence, works }: Step): Markup | null {
  if (readings.length === 0 && evidence.length === 0) return null;
  const known = new Map(works.map((work) => [work.id as string, work]));
  const item = (id: string) => {
    const cited = evidence.includes(id);
    const title = known.get(id)?.title;
    const text = title === undefined ? id : `${id} (${shortened(title, 90)})`;
    return cited ? html`<strong>${text}</strong>` : html`${text}`;
  };
  const list = (ids: readonly string[]) => ids.map((id, index) => html`${index > 0 ? ', ' : null}${item(id)}`);
  const results = evidence.filter((id) => !id.includes(':'));
  const failure = (failed: string | undefined) => (failed === undefined ? null : html`; failed: ${failed}`);
  return html`${readings.map(({ how, query, found, failed }) =>
    how === 'read'
      ? html`<div>read ${found.length > 0 ? list(found) : `${shortened(query, 200)}, an unknown id`}${failure(failed)}</div>`
      : html`<div>${how.replace('-', ' ')} “${shortened(query, 200)}”: ${found.length > 0 ? list(found) : 'nothing found'}${failure(failed)}</div>`,
  )}${results.length > 0 ? html`<div>cites results ${results.join(', ')}</div>` : null}`;
}

function outcome(step: Step): Markup {
  const { measured, predicted, effect, reason, message, status } = step;
  if (measured.screen === null) {
    return html`${status}${reason && reason !== status ? ` (${reason})` : null}${message ? html`: ${shortened(message, 500)}` : null}`;
  }
  const more = [
    ...(predicted === null ? [] : [`predicted ${score(predicted)}`]),
    ...(measured.confirm.length > 0 ? [`confirm ${measured.confirm.map(score).join(', ')}`] : []),
    ...(measured.final.length > 0 ? [`final ${measured.final.map(score).join(', ')}`] : []),
  ];
  return html`${score(measured.screen)}${effect === null ? null : html`, ${effectMarkup(step)} against the parent`}${more.map((text) => `; ${text}`)}`;
}

function stepMarkup(step: Step): Markup {
  const { node, operator, view, choice, parents, hypothesis, change, lesson, taken, calls, measured } = step;
  const { className } = operatorMark[operator] ?? { className: '' };
  const best = view.best ? html`; the best, ${mention(view.best)}` : null;
  const others = view.others > 0 ? `, ${count(view.others)} by other agents` : '';
  return html`<details class="step" id="${node}"><summary><i class="${className}"></i><span>${node}</span><span class="wide">${operator}</span><span class="wide">${step.short}</span><span class="number">${measured.screen === null ? step.status : score(measured.screen)}</span><span class="number wide">${effectMarkup(step)}</span></summary>
<dl class="told">
${row('view', html`${count(view.known)} results and ${count(view.pending)} pending${others}${best}`)}
${row('choice', choice)}
${row('model', step.model)}
${row('parents', parents.length === 0 ? null : html`${parents.map((parent, index) => html`${index > 0 ? ' and ' : null}${mention(parent)}`)}`)}
${row('reading', readingMarkup(step))}
${row('hypothesis', hypothesis)}
${row('change', change)}
${row('difference', differenceMarkup(step))}
${row('candidate', candidateMarkup(step.candidate))}
${row('outcome', outcome(step))}
${row('lesson', lesson === null ? null : html`${lesson.text} <small>before attempt ${count(lesson.learnedBefore)}</small>`)}
${row('taken', taken.length === 0 ? null : taken.map(({ node: other, how }) => `${other} (${how})`).join(', '))}
${row('cost', calls.calls === 0 ? null : `${count(calls.calls)} calls, ${count(calls.tokens)} tokens, $${calls.dollars.toFixed(4)}`)}
</dl></details>`;
}

/** One agent: its tree, its operators, how far it explored, and its attempts one by one. */
export function agentStorySection(story: AgentStory, { lowerIsBetter }: Story): Markup {
  const { agent, model, scaffold, reads, steps, end, spend } = story;
  const anchor = `agent-${agent}`;
  const used = operators.filter((operator) => steps.some((step) => step.operator === operator));
  const keys = html`<p class="keys">${used.map((operator) => html`<span><i class="${operatorMark[operator]?.className ?? ''}"></i>${operator}</span>`)}<span><i class="dashed"></i>no score</span><span><i class="ring"></i>best of the agent</span><span>larger is better; numbers are attempts</span></p>`;
  const facts = html`<p class="facts">${model}, ${scaffold}${reads === null ? null : `, reads ${reads}`}${spend.calls === 0 ? null : `; ${count(spend.calls)} calls, $${spend.dollars.toFixed(4)}`}</p>${end === null ? null : html`<p>Ended: ${agentEndText(end)}.</p>`}`;
  if (steps.length === 0) return section(anchor, agent, html`${facts}<p>No attempt.</p>`);
  return section(
    anchor,
    agent,
    html`${facts}
${keys}${treeChart(story, lowerIsBetter)}
<div class="pair"><div>${operatorTable(story)}</div><figure>${explorationChart(story)}</figure></div>
<h3>Attempt by attempt</h3>
${steps.map(stepMarkup)}`,
  );
}
