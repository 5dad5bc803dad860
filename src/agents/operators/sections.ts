import type { Purpose } from '../../domain/agent.ts';
import { readArchitecture } from '../../domain/architecture.ts';
import type { Operator, View, ViewNode } from '../../domain/node.ts';
import type { Experiment } from '../../domain/search.ts';
import type { Passage } from '../tools/toolbox.ts';
import type { AnswerForm } from './answers.ts';
import {
  fill,
  lineage,
  nodeDetails,
  nodeLine,
  nodeList,
  notShown,
  oneLine,
  outcome,
  quoted,
  siblings,
} from './promptText.ts';

/**
 * What prompts share, whatever the candidate is: their contract, sections with caps, and the questions that are the same for all.
 * Deterministic: equal inputs give equal bytes.
 */

/** What every proposal states in addition to its candidate. */
interface Reasons {
  readonly hypothesis: string;
  readonly change: string;
  readonly expected_fitness: number | null;
  readonly evidence: string[];
}

/** A stated proposal and how to resolve it. */
export interface Statement {
  readonly reasons: Reasons;
  /** The candidate's text. @throws TerminalError if the statement is invalid, with a message that the model can act on. */
  candidate(parents: readonly ViewNode[]): string;
}

/** Prompts and answer schemas for one kind of candidate. */
export interface CandidatePrompts {
  /** The stable prefix of all questions with one purpose. @param rules of the tools, if there are any. */
  system(purpose: Purpose, rules?: string): string;
  /** Deterministic: equal inputs give equal bytes. */
  question(
    operator: Operator,
    shown: { view: View; parents: readonly ViewNode[]; passages: readonly Passage[] },
  ): string;
  form(operator: Operator): AnswerForm<Statement>;
  /** Of an answer with several statements; each is read by `form`. */
  listForm(operator: Operator): AnswerForm<readonly unknown[]>;
  /** Added to the system prompt where questions ask for several candidates. */
  readonly severalRules: string;
  analysis(view: View, results: readonly ViewNode[]): string;
  /** Tokens of an answer to this question, its thought apart. */
  answerTokens(purpose: Purpose, parents: readonly ViewNode[]): number;
  /** Maximum characters of a question. */
  readonly longestQuestion: number;
}

/** Maximum characters of each section; together they bound every prompt. */
export const caps = {
  attempts: 9000,
  siblings: 4000,
  lineage: 3000,
  output: 5000,
  passage: 1500,
  literature: 8000,
} as const;

/** Maximum characters of a question: the sections of the longest operator and the text between them. */
export const longestQuestion = 28_000;

export const defaultRole = 'Work carefully: one idea at a time, with reasons that a result can falsify.';

/** Maximum characters of a task's description. */
export const longestContract = 14_000;

/** The description as published, budgets as numbers, and the references; empty where nothing of the search is known. */
export function experimentText(task: string, experiment: Experiment | undefined): string {
  if (!experiment) return '';
  const { description, profile, deviceClass, trainingSeconds, budget, agents, evaluations, pending, references } =
    experiment;
  const limits = [
    `${budget.evaluations} evaluations for ${agents} ${agents === 1 ? 'agent' : 'agents'}, ${evaluations} of them yours`,
    ...(budget.minutes === undefined ? [] : [`${budget.minutes} minutes`]),
    ...(budget.deviceSeconds === undefined ? [] : [`${budget.deviceSeconds} device seconds`]),
    ...(budget.dollars === undefined ? [] : [`$${budget.dollars} for calls of language models`]),
    ...(budget.tokens === undefined ? [] : [`${budget.tokens} tokens`]),
  ];
  const described = description
    ? [
        '',
        'The task as published. It is written for people who have its files; here your answer is the submission.',
        '',
        quoted(`description of ${task}`, description, longestContract),
      ]
    : [];
  return [
    ...described,
    '',
    '# Experiment',
    '',
    `- Profile ${profile}, device class ${deviceClass}; a training takes about ${trainingSeconds} core-seconds.`,
    `- Budget of the search: ${limits.join('; ')}.`,
    `- A decision may lack the results of the ${pending} latest proposals.`,
    ...references.map(({ name, candidate }) => `- Reference ${name}: ${oneLine(candidate, 200)}`),
    '',
  ].join('\n');
}

export function literature(passages: readonly Passage[]): string {
  if (passages.length === 0) return '(none)';
  let room: number = caps.literature;
  const shown: string[] = [];
  for (const { id, title, text } of passages) {
    const frame = quoted(`${id}: ${title}`, text, caps.passage);
    if (frame.length > room) break;
    room -= frame.length;
    shown.push(frame);
  }
  return shown.join('\n');
}

/** A parent with its figures. The output of a failed one has a section of its own in a debug question. */
export function parentText(operator: Operator, parent: ViewNode): string {
  const { message: _, ...rest } = parent;
  return [nodeLine(operator === 'debug' ? rest : parent), ...nodeDetails(operator === 'debug' ? rest : parent)].join(
    '\n',
  );
}

/** The lists of a question. Each attempt is in one of them: a line that is repeated costs twice and says nothing more. */
export function sectionsOf(operator: Operator, view: View, parents: readonly ViewNode[]) {
  const [first] = parents;
  const near = operator === 'draft' || operator === 'improve' ? notShown(siblings(view, parents), parents) : [];
  const ancestors =
    first && (operator === 'improve' || operator === 'debug')
      ? notShown(lineage(view, first), [...parents, ...near])
      : [];
  const others = operator === 'debug' ? [] : notShown(view.nodes, [...parents, ...near, ...ancestors]);
  return {
    attempts: nodeList(others, caps.attempts),
    siblings: nodeList(near, operator === 'draft' ? caps.attempts : caps.siblings),
    lineage: nodeList(ancestors, caps.lineage),
  };
}

/** @param changeOf what a result changed relative to its first parent, in the terms of its space. */
export function analysisPrompt(
  view: View,
  results: readonly ViewNode[],
  changeOf: (node: ViewNode, parent: ViewNode) => string = layerChanges,
): string {
  const byId = new Map(view.nodes.map((node) => [node.id as string, node]));
  const described = results.map((node) => {
    const parent = byId.get(node.parents[0] ?? '');
    const against = parent ? [`  parent ${parent.id}: ${outcome(parent)}`, changeOf(node, parent)] : [];
    return [nodeLine(node), ...nodeDetails(node), ...against].join('\n');
  });
  return fill(analyze, {
    attempts: nodeList(notShown(view.nodes, results), caps.attempts),
    results: described.join('\n'),
  });
}

/** The layers that differ. */
function layerChanges(node: ViewNode, parent: ViewNode): string {
  try {
    const [after, before] = [readArchitecture(node.candidate), readArchitecture(parent.candidate)];
    const changes = after.flatMap((layer, index) => {
      const was = before[index];
      return layer === was ? [] : [`${index}: ${was ?? 'none'} to ${layer}`];
    });
    return `  changed layers: ${changes.join(', ') || 'none'}`;
  } catch {
    return '  changed layers: unknown';
  }
}

export const repairPrompt = (problem: string) => fill(repair, { problem: quoted('check', problem, 2000) });

export const shorterPrompt = () => fill(shorter, {});

/** The remaining budget, rounded, for a sense of scale. Depends on the time of the call, see `Question.remainingBudget`. */
export function remainingBudgetText({ remaining, left }: View): string {
  const parts = [
    `${remaining} evaluations`,
    ...(left?.minutes === undefined
      ? []
      : [`${left.minutes < 10 ? left.minutes.toFixed(1) : Math.round(left.minutes)} minutes`]),
    ...(left?.dollars === undefined ? [] : [`$${left.dollars.toPrecision(3)} for LLM calls`]),
  ];
  return `Remaining budget: ${parts.join(', ')}.`;
}

/** Added to the system prompt of agents whose thoughts give several candidates. */
export const severalInstructions = `
Give as many candidates as the question asks for, in the list "proposals", the most promising first. What is said above of one
candidate holds for each of them. Each follows an idea of its own, with its own hypothesis, change and expectation; none repeats
another or an earlier attempt. All of them are trained.
`;

/** The end of a question that asks for several candidates. */
export const severalPrompt = (count: number): string => `\n\nGive ${count} candidates, each different from the others.`;

const analyze = `
# Attempts so far

{{attempts}}

# Results to learn from

{{results}}

State the lesson of each.
`;

/** After an unusable answer. */
const repair = `
That answer is not usable: {{problem}}

Answer the same question again in the requested form.
`;

/** After a truncated answer; the answer itself is not repeated. */
const shorter = `
Your last answer was cut off at the length limit. Answer again: think and write less.
`;
