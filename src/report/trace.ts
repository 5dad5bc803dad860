import { plateauText } from '../domain/ideas.ts';
import { type Colours, printable } from '../platform/index.ts';
import { type Attribution, differenceText } from '../studies/index.ts';
import {
  type AgentStory,
  agentEndText,
  attributionSentence,
  type Confrontation,
  changeVerdict,
  confrontationNote,
  confrontationRows,
  costText,
  differenceFigures,
  type Exchange,
  exchangeFacts,
  exchangeTexts,
  exchangeTitle,
  type FullTrace,
  type Step,
  type Story,
  score,
  signed,
  thoughtText,
  timelineLines,
  tracePage,
  triedText,
} from '../views/index.ts';
import { pageHtml } from './document.ts';

/** The trace of a search as one HTML file. @throws PrerequisiteError `pages-not-built` */
export const storyHtml = (
  story: Story,
  attribution: Attribution | null = null,
  { full = null, against = null }: { full?: FullTrace | null; against?: Confrontation | null } = {},
): Promise<string> => pageHtml(tracePage(story, attribution, full, against));

const maxChars = 600;
const line = (text: string): string => printable(text, { width: maxChars });
const percent = (share: number | null) => (share === null ? '–' : `${Math.round(100 * share)} %`);

function viewText({ view }: Step): string {
  const best = view.best ? `, the best ${view.best.node} with ${score(view.best.screen)}` : '';
  const others = view.others > 0 ? `, ${view.others} of them by other agents` : '';
  return `${view.known} ${view.known === 1 ? 'result' : 'results'} and ${view.pending} pending${others}${best}`;
}

function readingText({ readings, evidence }: Step): string[] {
  const rows = readings.map(({ how, query, found, failed }) => {
    const cited = found.filter((id) => evidence.includes(id));
    const what =
      how === 'read' ? `read ${query}` : `${how.replace('-', ' ')} "${query}": ${found.join(', ') || 'nothing'}`;
    const text = failed === undefined ? what : `${what}; failed: ${failed}`;
    return cited.length > 0 && how !== 'read' ? `${text}; cites ${cited.join(', ')}` : text;
  });
  const results = evidence.filter((id) => !id.includes(':'));
  return [...rows, ...(results.length > 0 ? [`cites results ${results.join(', ')}`] : [])];
}

function outcomeText(step: Step): string {
  const { status, measured, effect, predicted, reason, message } = step;
  if (status === 'pending') return 'no result yet';
  if (measured.screen === null)
    return `${status}${reason && reason !== status ? ` (${reason})` : ''}: ${message ?? ''}`;
  const parts = [
    `measured ${score(measured.screen)}`,
    ...(predicted === null ? [] : [`predicted ${score(predicted)}`]),
    ...(effect === null ? [] : [`${signed(effect)} against its parent`]),
    ...(measured.confirm.length > 0 ? [`confirm ${measured.confirm.map(score).join(', ')}`] : []),
    ...(measured.final.length > 0 ? [`final ${measured.final.map(score).join(', ')}`] : []),
  ];
  return parts.join(', ');
}

/** A message with all its lines, such as a traceback. */
const wholeLines = (text: string): string[] =>
  printable(text, { lines: true })
    .split('\n')
    .map((each) => `    ${each}`);

/** The exchanges of one attempt for a terminal, whole. */
function exchangeLines(exchanges: readonly Exchange[], colours: Colours): string[] {
  return exchanges.flatMap((exchange) => [
    `  ${colours.bold(exchangeTitle(exchange))} ${colours.dim(printable(exchangeFacts(exchange)))}`,
    ...exchangeTexts(exchange).flatMap(([name, text]) => [
      `  ${colours.dim(name)}`,
      ...printable(text, { lines: true })
        .split('\n')
        .map((each) => `    ${each}`),
    ]),
  ]);
}

function stepText(step: Step, colours: Colours, full: FullTrace | null): string[] {
  const exchanges = full?.exchanges.get(step.node) ?? [];
  const { node, operator, parents, choice, hypothesis, change, difference, distance, lesson, calls, taken } = step;
  const of =
    parents.length > 0 ? ` of ${parents.map((each) => `${each.node} (${score(each.screen)})`).join(' and ')}` : '';
  const label = (name: string, text: string) => `  ${colours.dim(name.padEnd(10))} ${line(text)}`;
  const good = step.improved === true;
  const thought = thoughtText(step);
  return [
    colours.bold(line(`${node}  ${operator}${of}`)),
    label('view', viewText(step)),
    label('choice', choice),
    ...(thought === null ? [] : [label('thought', thought)]),
    ...(step.model === null ? [] : [label('model', step.model)]),
    ...readingText(step).map((text) => label('reading', text)),
    ...triedText(step).map((text) => label('tried', text)),
    ...(hypothesis === null ? [] : [label('hypothesis', hypothesis)]),
    label('change', change),
    ...(difference === null ? [] : [label('differs', `${differenceText(difference)} (${percent(distance.parent)})`)]),
    label('candidate', step.short),
    label('outcome', good ? colours.green(outcomeText(step)) : outcomeText(step)),
    ...(lesson === null ? [] : [label('lesson', `${lesson.text} (before attempt ${lesson.learnedBefore})`)]),
    ...taken.map(({ node: other, how }) => label('reuse', `${other}: ${how}`)),
    ...step.claims.filter(({ state }) => state !== 'granted').map(({ text }) => label('claim', text)),
    ...(calls.calls === 0 ? [] : [label('cost', costText(step))]),
    ...exchangeLines(exchanges, colours),
    ...(full && step.message !== null ? wholeLines(step.message) : []),
  ];
}

function agentText(
  { agent, model, scaffold, reads, steps, end, spend, plateaus, insights }: AgentStory,
  colours: Colours,
  full: FullTrace | null,
): string[] {
  const head = `${agent}: ${model}, ${scaffold}${reads === null ? '' : `, reads ${reads}`}`;
  return [
    colours.bold(colours.underline(line(head))),
    ...(end === null ? [] : [line(`ended: ${agentEndText(end)}`)]),
    ...plateaus.map((plateau) => line(plateauText(plateau))),
    ...insights.map(({ id, verdict, hypothesis, supersededBy }) =>
      line(
        `insight ${id} (${verdict}${supersededBy === null ? '' : `, superseded by ${supersededBy}`}): ${hypothesis}`,
      ),
    ),
    ...(spend.calls === 0
      ? []
      : [line(`spent: ${spend.calls} calls, ${spend.tokens} tokens, $${spend.dollars.toFixed(4)}`)]),
    ...(steps.length === 0 ? ['no attempts'] : []),
    '',
    ...(full ? ['timeline (UTC)', ...timelineLines(full.timelines.get(agent) ?? []), ''] : []),
    ...steps.flatMap((step) => [...stepText(step, colours, full), '']),
  ];
}

/** The trace of a search's agents for a terminal, attempt by attempt. */
export function storyText(story: Story, colours: Colours, full: FullTrace | null = null): string {
  const head = `${story.search}: ${story.task}, ${story.metric}${story.lowerIsBetter ? ' (lower is better)' : ''}`;
  return [line(head), '', ...story.agents.flatMap((each) => agentText(each, colours, full))].join('\n');
}

/** Two columns for a terminal. */
export function confrontationText(confrontation: Confrontation): string {
  const all = [['', ...confrontation.sides.map(({ name }) => name)], ...confrontationRows(confrontation)];
  const width = (at: number, most: number) => Math.min(most, Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const [name, left] = [width(0, 24), width(1, 60)];
  const lines = all.map((row) =>
    `${(row[0] ?? '').padEnd(name)}  ${(row[1] ?? '').padEnd(left)}  ${row[2] ?? ''}`.trimEnd(),
  );
  return [...lines, '', confrontationNote(confrontation)].join('\n');
}

/** An attribution for a terminal. */
export function attributionText(attribution: Attribution): string {
  const width = Math.min(60, Math.max(...attribution.changes.map(({ label }) => label.length)));
  const rows = attribution.changes.map(
    (change) =>
      `  ${change.label.padEnd(width)}  ${changeVerdict(change).padEnd(19)}  ${change.failed !== null && change.comparison.kind === 'unmeasured' ? change.failed.slice(0, 100) : differenceFigures(change.comparison)}`,
  );
  return [attributionSentence(attribution), ...rows, `  trained as ${attribution.trainedAs}`].join('\n');
}
