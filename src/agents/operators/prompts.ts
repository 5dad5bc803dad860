import type { Purpose } from '../../domain/agent.ts';
import {
  type Architecture,
  canonicalText,
  type OwnPrimitive,
  parseArchitecture,
  parseInSpace,
  primitives,
  primitiveText,
  readArchitecture,
  type StackSpace,
} from '../../domain/architecture.ts';
import type { Space } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { Operator, View, ViewNode } from '../../domain/node.ts';
import type { Brief } from '../../domain/program.ts';
import type { Experiment } from '../../domain/search.ts';
import type { Passage } from '../tools/toolbox.ts';
import { lessonTokens, listForm, proposalForms, reasonTokens, type StatedProposal } from './answers.ts';
import { programPrompts } from './programPrompts.ts';
import { fill, jsonForm, quoted, shown } from './promptText.ts';
import {
  analysisPrompt,
  type CandidatePrompts,
  caps,
  defaultRole,
  experimentText,
  literature,
  longestQuestion,
  parentText,
  type Statement,
  sectionsOf,
  severalInstructions,
} from './sections.ts';

/**
 * The prompts of an agent: the choice by what its candidates are, and those for stacks of layers.
 *
 * Role: system prompts, questions, and what a stated proposal results in. Non-role: sections that all kinds share (sections.ts),
 * programs (programPrompts.ts), the forms of answers (answers.ts). A change of a template changes what is asked, and recordings are
 * found by it.
 */

/** What the questions of one agent share. */
interface PromptDeps {
  readonly task: string;
  readonly metric: string;
  readonly lowerIsBetter?: boolean | undefined;
  readonly space: Space;
  readonly primitives?: readonly OwnPrimitive[] | undefined;
  readonly brief?: Brief | undefined;
  readonly experiment?: Experiment | undefined;
  readonly role: string;
}

/** @throws TerminalError for a program space without a brief, and for a scale plan, which has no agents. */
export function promptsFor({ space, brief, lowerIsBetter = false, ...shared }: PromptDeps): CandidatePrompts {
  if (space.kind === 'stack') return stackPrompts({ ...shared, space });
  if (space.kind === 'scale') throw new TerminalError('space', 'a scale plan has no agents');
  if (!brief) throw new TerminalError('brief', 'a program space needs a brief');
  return programPrompts({ ...shared, space, brief, lowerIsBetter });
}

/** What all stack questions of a search share. */
interface StackPromptDeps {
  readonly task: string;
  readonly metric: string;
  readonly space: StackSpace;
  /** Manifest entries of the user's own primitives in the space. */
  readonly primitives?: readonly OwnPrimitive[] | undefined;
  readonly experiment?: Experiment | undefined;
  /** The agent's role, or ''. */
  readonly role: string;
  /** The rules of the tools that the model may use before it proposes; absent without tools. */
  readonly rules?: string | undefined;
}

/** Prompts for stacks of layers. */
function stackPrompts(deps: Omit<StackPromptDeps, 'rules'>): CandidatePrompts {
  const { space } = deps;
  const forms = proposalForms(space);
  return {
    system: (purpose, rules) => systemPrompt(purpose, { ...deps, rules }),
    question: proposalPrompt,
    analysis: analysisPrompt,
    longestQuestion,
    // A layer or its edit takes at most eight tokens.
    answerTokens: (purpose) => (purpose === 'analyze' ? lessonTokens : reasonTokens + 8 * space.layers),
    severalRules: severalInstructions.trim(),
    listForm: (operator) => listForm(forms[operator]),
    form(operator) {
      const { schema, wire } = forms[operator];
      const stated = schema.transform(
        (reasons): Statement => ({ reasons, candidate: (parents) => candidateOf(reasons, parents, space) }),
      );
      return { schema: stated, wire };
    },
  };
}

/** The candidate that a statement results in. @throws ArchitectureError; TerminalError for an edit outside the parent. */
function candidateOf({ architecture, edits }: StatedProposal, parents: readonly ViewNode[], space: StackSpace): string {
  if (architecture !== null)
    return canonicalText(parseArchitecture(architecture, [...primitives, ...space.primitives]));
  const [parent] = parents;
  if (!parent || !edits) throw new TerminalError('edit', 'there is no parent to edit: give a whole architecture');
  const layers = [...parseInSpace(parent.candidate, space)];
  for (const { layer, primitive } of edits) {
    if (!Number.isInteger(layer) || layer < 0 || layer >= layers.length) {
      throw new TerminalError('edit', `edit of layer ${layer}: the layers are 0 to ${layers.length - 1}`);
    }
    layers[layer] = primitive;
  }
  return canonicalText(layers satisfies Architecture);
}

/** The stable prefix of all questions with one purpose. */
export function systemPrompt(
  purpose: Purpose,
  { task, metric, space, primitives, experiment, role, rules }: StackPromptDeps,
): string {
  const what = instructions[purpose].trim();
  return fill(system, {
    role: role === '' ? defaultRole : role,
    task,
    metric,
    layers: String(space.layers),
    experiment: experimentText(task, experiment),
    form: jsonForm,
    primitives: space.primitives.map((each) => `- ${each}: ${primitiveText(each, primitives).hint}`).join('\n'),
    instructions: rules && purpose !== 'analyze' ? `${what}\n\n${rules}` : what,
  });
}

function layerByLayer(node: ViewNode): string {
  try {
    return readArchitecture(node.candidate)
      .map((layer, index) => `${index}:${layer}`)
      .join(' ');
  } catch {
    return '(not an architecture)';
  }
}

/** The question of an operator. Deterministic: equal inputs give equal bytes. */
export function proposalPrompt(
  operator: Operator,
  { view, parents, passages }: { view: View; parents: readonly ViewNode[]; passages: readonly Passage[] },
): string {
  const { attempts, siblings: near, lineage: ancestors } = sectionsOf(operator, view, parents);
  const [first] = parents;
  const read = literature(passages);
  const shown = parents.map((parent) => parentText(operator, parent)).join('\n');
  const layers = parents.map((parent) => `${parent.id}: ${layerByLayer(parent)}`).join('\n');
  switch (operator) {
    case 'draft':
      return fill(draft, { attempts, siblings: near, literature: read });
    case 'improve':
      return fill(improve, {
        attempts,
        parents: shown,
        layers,
        siblings: near,
        lineage: ancestors,
        literature: read,
      });
    case 'crossover':
      return fill(crossover, { attempts, parents: shown, layers, literature: read });
    case 'debug': {
      const output = quoted('trainer', first?.message ?? first?.reason ?? '', caps.output);
      return fill(debug, { parents: shown, layers, output, lineage: ancestors, literature: read });
    }
  }
}

/** The system prompt: identical for all questions about one operator, so that providers can cache it. */
const system = `
You are a researcher who searches for neural architectures by experiment. You propose architectures; they are trained and
measured for you. You never see or state scores of your own.

{{role}}

# Task

{{task}}: arrange {{layers}} layers, from input to output. Each layer is one of:

{{primitives}}

Write an architecture as tokens ("mA M mA M") or as runs ("2mA+5M+1mA"), {{layers}} layers in total. Its fitness is
{{metric}} on validation data after a short training; higher is better. Small differences in fitness may be training noise.
{{experiment}}
${shown}`;

/** Instructions per purpose; part of the system prompt. */
const instructions: Readonly<Record<Purpose, string>> = {
  draft: `
Propose one new architecture that follows one clear idea, different from the ideas of the attempts shown. Do not repeat an
earlier architecture. In "hypothesis", say why the idea should work; in "change", what characterises it.`,
  improve: `
Improve the parent. Change one thing for one reason, so that the result shows the effect: prefer a few "edits" to a whole
new "architecture", and use the lessons of earlier attempts on the same parent. Do not repeat an earlier architecture.`,
  crossover: `
Combine the two parents into one architecture that keeps the strengths of both: say in "hypothesis" what each contributes.
The result must differ from both parents and from every earlier architecture.`,
  debug: `
The candidate below gave no score. Fix it so that it trains: change as little as possible and keep its idea. In
"hypothesis", say what you think went wrong. Prefer "edits" to a whole new "architecture".`,
  analyze: `
For each result listed, state in one or two sentences what it teaches about this task: compare it with its parents and with
the expected fitness, name the layers or the proportion that you think made the difference, and say how certain this is. Do
not propose a new architecture. Use the id of the attempt as "node".`,
};

/** The user message: what differs between questions. */
const draft = `
# Attempts so far

{{attempts}}

# Earlier drafts

{{siblings}}

# Literature

{{literature}}

Propose the next draft.
`;

const improve = `
# Attempts so far

{{attempts}}

# Parent

{{parents}}

Layer by layer, counted from 0: {{layers}}

# Earlier changes to this parent

{{siblings}}

# Lineage of the parent

{{lineage}}

# Literature

{{literature}}

Propose an improvement of the parent.
`;

const crossover = `
# Attempts so far

{{attempts}}

# Parents

{{parents}}

Layer by layer, counted from 0: {{layers}}

# Literature

{{literature}}

Propose a crossover of the parents.
`;

const debug = `
# Candidate without a score

{{parents}}

Layer by layer, counted from 0: {{layers}}

Output of the trainer:

{{output}}

# Lineage of the candidate

{{lineage}}

# Literature

{{literature}}

Propose a candidate that trains.
`;
