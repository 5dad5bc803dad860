import type { Purpose } from '../../../domain/call.ts';
import { TerminalError } from '../../../domain/errors.ts';
import type { ViewNode } from '../../../domain/node.ts';
import { type Brief, type Files, type ProgramSpace, parseProgram, programText } from '../../../domain/program.ts';
import type { CandidatePrompts, Statement } from '../candidatePrompts.ts';
import { lineage, nodeLine, nodeList, siblings } from '../nodeText.ts';
import { analysisPrompt, caps, defaultRole, literature, longestQuestion, readingRules } from '../prompts.ts';
import { quoted, quotedCode, trimmed } from '../quote.ts';
import { fill, shown } from '../template.ts';
import { applyEdits, programForms, type StatedProgram } from './answers.ts';

/** Most characters of a task's own description. */
const longestContract = 14_000;

export interface ProgramTopic {
  readonly task: string;
  readonly metric: string;
  readonly lowerIsBetter: boolean;
  readonly space: ProgramSpace;
  readonly brief: Brief;
  /** The agent's own role, or an empty text. */
  readonly role: string;
}

function filesOf(node: ViewNode): Files | null {
  try {
    return parseProgram(node.candidate);
  } catch {
    return null;
  }
}

/** Source files as data, each in a frame of its own: it was written by somebody else, whoever that was. */
function code(source: string, files: Files | null): string {
  if (files === null) return '(no program)';
  return Object.entries(files)
    .map(([name, text]) => quotedCode(`${source} ${name}`, text))
    .join('\n');
}

/** The files that a statement means. @throws EditError; TerminalError where there is nothing to edit. */
function filesMeant(stated: StatedProgram, parents: readonly ViewNode[], { baseline }: Brief): Files {
  const [parent] = parents;
  const base = parent ? filesOf(parent) : null;
  if (stated.edits && stated.edits.length > 0) {
    if (!base) throw new TerminalError('edit', 'there is no program to edit: give whole files');
    return applyEdits(base, stated.edits);
  }
  const given = Object.fromEntries((stated.files ?? []).map(({ name, text }) => [name, text]));
  return { ...(base ?? baseline), ...given };
}

/** How programs are talked about. */
export function programPrompts(topic: ProgramTopic): CandidatePrompts {
  const { task, metric, lowerIsBetter, space, brief, role } = topic;
  const bytes = space.files.reduce((sum, { maxBytes }) => sum + maxBytes, 0);
  return {
    // The most that two parents can take.
    longestQuestion: longestQuestion + 2 * bytes,

    system(purpose, tools) {
      const what = instructions[purpose].trim();
      return fill(system, {
        role: role === '' ? defaultRole : role,
        task,
        files: space.files.map(({ name, maxBytes }) => `${name} (at most ${maxBytes} bytes)`).join(', '),
        contract: quoted(`description of ${task}`, brief.contract, longestContract),
        fitness: lowerIsBetter ? `the negated ${metric}` : metric,
        instructions: tools && purpose !== 'analyze' ? `${what}\n\n${readingRules(tools)}` : what,
      });
    },

    question(operator, { view, parents, passages }) {
      const [first] = parents;
      const attempts = nodeList(view.nodes, caps.attempts);
      const read = literature(passages);
      const shown = parents.map(nodeLine).join('\n');
      const sources = parents.map((parent) => code(parent.id, filesOf(parent))).join('\n');
      const ancestors = first ? nodeList(lineage(view, first), caps.lineage) : '';
      const near = nodeList(siblings(view, parents), caps.siblings);
      switch (operator) {
        case 'draft':
          return fill(draft, {
            attempts,
            siblings: near,
            code: code('baseline', brief.baseline),
            literature: read,
          });
        case 'improve':
          return fill(improve, {
            ...{ attempts, parents: shown, code: sources },
            ...{ siblings: near, lineage: ancestors, literature: read },
          });
        case 'crossover':
          return fill(crossover, { attempts, parents: shown, code: sources, literature: read });
        case 'debug': {
          const output = quoted('sandbox', trimmed(first?.message ?? first?.reason ?? '', caps.output), caps.output);
          return fill(debug, { parents: shown, code: sources, output, lineage: ancestors, literature: read });
        }
      }
    },

    analysis: analysisPrompt,

    form(operator) {
      const { schema, wire } = programForms[operator];
      const stated = schema.transform(
        (reasons): Statement => ({
          reasons,
          candidate: (parents) => programText(filesMeant(reasons, parents, brief)),
        }),
      );
      return { schema: stated, wire };
    },
  };
}

/** The same for all questions about one operator, so that providers can cache it. */
export const system = `
You are a researcher in a laboratory that looks for better learning programs by experiment. You write source files; the
laboratory runs them in a sandbox, without a network, and scores what they predict for data that they have not seen. You
never see or state a score of your own making, and what a program prints decides nothing.

{{role}}

# Task

{{task}}: write {{files}}.

{{contract}}

The fitness of a program is {{fitness}} on validation data after a short training; higher is better. Small differences
between fitnesses may be noise of the training: only what exceeds it counts.

${shown}`;

export const instructions: Readonly<Record<Purpose, string>> = {
  draft: `
Write one new program that follows one clear idea, and an idea that differs from those of the attempts shown. The baseline
below is valid: keep to its interface. Say in "hypothesis" why the idea should work and in "change" what characterises it.
Give whole "files"; one that you do not give stays as the baseline has it.`,
  improve: `
Improve the parent. Change one thing for one reason, so that the effect can be told from the result: prefer a few "edits" to
whole "files", and use the lessons of earlier attempts on the same parent. The text of "search" has to stand exactly once in
the parent's file, spaces included. Do not repeat a program that was tried.`,
  crossover: `
Combine the two parents into one program that keeps what makes each of them good: say in "hypothesis" which part of which
parent does what. Give whole "files". The result must differ from both and from every program that was tried.`,
  debug: `
The program below gave no score. Mend it so that it runs, changing as little as possible and keeping its idea. Say in
"hypothesis" what you think went wrong. Prefer "edits" to whole "files"; the text of "search" has to stand exactly once.`,
  analyze: `
For each result listed, state in one or two sentences what it teaches about this task: compare it with its parents and with
what was expected, name the change that you think made the difference, and say how sure one can be. Do not propose a new
program. Use the id of the attempt as "node".`,
};

export const draft = `
# Attempts so far

{{attempts}}

# Earlier drafts

{{siblings}}

# The baseline

{{code}}

# Literature

{{literature}}

Propose the next draft.
`;

export const improve = `
# Attempts so far

{{attempts}}

# Parent

{{parents}}

{{code}}

# Earlier changes to this parent

{{siblings}}

# How the parent came about

{{lineage}}

# Literature

{{literature}}

Propose an improvement of the parent.
`;

export const crossover = `
# Attempts so far

{{attempts}}

# Parents

{{parents}}

{{code}}

# Literature

{{literature}}

Propose a crossover of the parents.
`;

export const debug = `
# Program without a score

{{parents}}

{{code}}

What running it gave:

{{output}}

# How the program came about

{{lineage}}

# Literature

{{literature}}

Propose a program that runs.
`;
