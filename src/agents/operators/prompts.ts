import { type Primitive, parseArchitecture, type StackSpace } from '../../domain/architecture.ts';
import type { Purpose } from '../../domain/call.ts';
import type { Operator, View, ViewNode } from '../../domain/node.ts';
import type { LiteratureSpec } from '../../domain/reading.ts';
import type { Passage } from '../reading/state.ts';
import { lineage, nodeLine, nodeList, siblings } from './memory.ts';
import { quoted } from './quote.ts';
import { fill } from './template.ts';
import { instructions, readingInstructions } from './templates/instructions.ts';
import * as question from './templates/question.ts';
import { system } from './templates/system.ts';

/** Most characters of each section; together they bound every prompt. */
export const caps = {
  attempts: 9000,
  siblings: 4000,
  lineage: 3000,
  output: 5000,
  passage: 1500,
  literature: 8000,
} as const;

/** Most characters of a question: the sections of the longest operator, and what stands between them. */
export const longestQuestion = 28_000;

const meanings: Readonly<Record<Primitive, string>> = {
  M: 'M: a gated multi-layer perceptron (SwiGLU); mixes channels of one position, sees no other position',
  mA: 'mA: causal multi-head attention; looks up any earlier position exactly, at quadratic cost',
  Mb: 'Mb: a Mamba-2 block; carries a compressed state along the sequence, at linear cost',
};

export const usualRole = 'Work carefully: one idea at a time, and reasons that a result can prove wrong.';

/** What all questions of a search have in common. */
export interface Topic {
  readonly task: string;
  readonly metric: string;
  readonly space: StackSpace;
  /** The agent's own role, or an empty text. */
  readonly role: string;
  /** What it may read by tools before it proposes; absent where it has none. */
  readonly tools?: LiteratureSpec | undefined;
}

export function readingRules({ searches, reads }: LiteratureSpec): string {
  const most = [`${searches} searches`, ...(reads > 0 ? [`${reads} texts read in full`] : [])].join(' and ');
  return fill(readingInstructions, { most });
}

/** The stable prefix of all questions with one purpose. */
export function systemPrompt(purpose: Purpose, { task, metric, space, role, tools }: Topic): string {
  const what = instructions[purpose].trim();
  return fill(system, {
    role: role === '' ? usualRole : role,
    task,
    metric,
    layers: String(space.layers),
    primitives: space.primitives.map((primitive) => `- ${meanings[primitive]}`).join('\n'),
    instructions: tools && purpose !== 'analyze' ? `${what}\n\n${readingRules(tools)}` : what,
  });
}

function layerByLayer(node: ViewNode): string {
  try {
    return parseArchitecture(node.candidate)
      .map((layer, index) => `${index}:${layer}`)
      .join(' ');
  } catch {
    return '(not an architecture)';
  }
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

/** The question of an operator. Same view, same parents, same passages: same bytes. */
export function proposalPrompt(
  operator: Operator,
  { view, parents, passages }: { view: View; parents: readonly ViewNode[]; passages: readonly Passage[] },
): string {
  const [first] = parents;
  const attempts = nodeList(view.nodes, caps.attempts);
  const read = literature(passages);
  const shown = parents.map(nodeLine).join('\n');
  const layers = parents.map((parent) => `${parent.id}: ${layerByLayer(parent)}`).join('\n');
  const ancestors = first ? nodeList(lineage(view, first), caps.lineage) : '';
  const near = nodeList(siblings(view, parents), caps.siblings);
  switch (operator) {
    case 'draft':
      return fill(question.draft, { attempts, siblings: near, literature: read });
    case 'improve':
      return fill(question.improve, {
        attempts,
        parents: shown,
        layers,
        siblings: near,
        lineage: ancestors,
        literature: read,
      });
    case 'crossover':
      return fill(question.crossover, { attempts, parents: shown, layers, literature: read });
    case 'debug': {
      const output = quoted('trainer', first?.message ?? first?.reason ?? '', caps.output);
      return fill(question.debug, { parents: shown, layers, output, lineage: ancestors, literature: read });
    }
  }
}

export function analysisPrompt(view: View, results: readonly ViewNode[]): string {
  return fill(question.analyze, {
    attempts: nodeList(view.nodes, caps.attempts),
    results: results.map(nodeLine).join('\n'),
  });
}

export const repairPrompt = (problem: string) => fill(question.repair, { problem: quoted('check', problem, 2000) });
export const shorterPrompt = () => fill(question.shorter, {});

/** What is left of the budget, rounded: for the model's sense of proportion. Depends on the moment, see `Question.standing`. */
export function standingText({ remaining, left }: View): string {
  const parts = [
    `${remaining} evaluations`,
    ...(left?.minutes === undefined
      ? []
      : [`${left.minutes < 10 ? left.minutes.toFixed(1) : Math.round(left.minutes)} minutes`]),
    ...(left?.dollars === undefined ? [] : [`$${left.dollars.toPrecision(3)} for questions like this one`]),
  ];
  return `Left of the budget: ${parts.join(', ')}.`;
}
