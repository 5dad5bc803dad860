import type { Purpose } from '../../domain/agent.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { ViewNode } from '../../domain/node.ts';
import { type Brief, type Files, type ProgramSpace, parseProgram, programText } from '../../domain/program.ts';
import type { Experiment } from '../../domain/search.ts';
import { hunksOf } from '../../platform/index.ts';
import { lessonTokens, reasonTokens, tokensOf } from './answers.ts';
import {
  applyEdits,
  EditError,
  fencedForm,
  programForms,
  programListForm,
  type StatedProgram,
} from './programAnswers.ts';
import { fill, jsonForm, quoted, quotedCode, shown, trimmed } from './promptText.ts';
import {
  analysisPrompt,
  type CandidatePrompts,
  caps,
  defaultRole,
  experimentText,
  literature,
  longestContract,
  longestQuestion,
  parentText,
  type Statement,
  sectionsOf,
  severalInstructions,
} from './sections.ts';

interface ProgramPromptDeps {
  readonly task: string;
  readonly metric: string;
  readonly lowerIsBetter: boolean;
  readonly space: ProgramSpace;
  readonly brief: Brief;
  readonly experiment?: Experiment | undefined;
  /** The agent's role, or ''. */
  readonly role: string;
}

function filesOf(node: ViewNode): Files | null {
  try {
    return parseProgram(node.candidate);
  } catch {
    return null;
  }
}

/** Source files as data, each in its own frame: the text is untrusted. */
function code(source: string, files: Files | null): string {
  if (files === null) return '(no program)';
  return Object.entries(files)
    .map(([name, text]) => quotedCode(`${source} ${name}`, text))
    .join('\n');
}

/** The files that a statement results in. @throws EditError; TerminalError if there is nothing to edit. */
function resolveFiles(stated: StatedProgram, parents: readonly ViewNode[], { baseline }: Brief): Files {
  const [parent] = parents;
  const base = parent ? filesOf(parent) : null;
  if (stated.edits && stated.edits.length > 0) {
    if (!base) throw new TerminalError('edit', 'there is no program to edit: give whole files');
    return applyEdits(base, stated.edits);
  }
  const wholeFiles = Object.fromEntries(
    (stated.files ?? []).map(({ name, text }) => [name.replace(/^\.\//, ''), text]),
  );
  const unknown = Object.keys(wholeFiles).find((name) => !Object.hasOwn(baseline, name));
  if (unknown !== undefined) {
    throw new EditError(
      `"${unknown.slice(0, 60)}" is not a file of this task; the files are ${Object.keys(baseline).join(', ')}`,
    );
  }
  return { ...(base ?? baseline), ...wholeFiles };
}

/** Lessons are JSON; programs travel outside it. */
function formOf(purpose: Purpose): string {
  if (purpose === 'analyze') return jsonForm;
  const mayEdit = purpose === 'improve' || purpose === 'debug';
  return mayEdit ? `${fencedForm.files}\n\n${fencedForm.changes}` : fencedForm.files;
}

/** Maximum characters of a diff in an analysis. */
const longestDiff = 3000;

/** The diff of a program against its parent. */
function fileChanges(node: ViewNode, parent: ViewNode): string {
  const [after, before] = [filesOf(node), filesOf(parent)];
  if (!after || !before) return '  changed lines: unknown';
  const lines = Object.keys({ ...before, ...after }).flatMap((name) => {
    const hunks = hunksOf(name, before[name] ?? '', after[name] ?? '', 1);
    return hunks.length === 0 ? [] : [name, ...hunks.flatMap((hunk) => [`@@ line ${hunk.newStart} @@`, ...hunk.lines])];
  });
  return quoted(`diff of ${node.id} against ${parent.id}`, lines.join('\n') || 'no difference', longestDiff);
}

/** Prompts for programs. */
export function programPrompts(deps: ProgramPromptDeps): CandidatePrompts {
  const { task, metric, lowerIsBetter, space, brief, experiment, role } = deps;
  const bytes = space.files.reduce((sum, { maxBytes }) => sum + maxBytes, 0);
  return {
    // Two parents at their maximum size.
    longestQuestion: longestQuestion + 2 * bytes,

    system(purpose, rules) {
      const what = instructions[purpose].trim();
      return fill(system, {
        role: role === '' ? defaultRole : role,
        task,
        files: space.files.map(({ name, maxBytes }) => `${name} (at most ${maxBytes} bytes)`).join(', '),
        contract: quoted(`description of ${task}`, brief.contract, longestContract),
        experiment: experimentText(task, experiment),
        form: formOf(purpose),
        fitness: lowerIsBetter ? `the negated ${metric}` : metric,
        instructions: rules && purpose !== 'analyze' ? `${what}\n\n${rules}` : what,
      });
    },

    question(operator, { view, parents, passages }) {
      const [first] = parents;
      const { attempts, siblings: near, lineage: ancestors } = sectionsOf(operator, view, parents);
      const read = literature(passages);
      const shown = parents.map((parent) => parentText(operator, parent)).join('\n');
      const sources = parents.map((parent) => code(parent.id, filesOf(parent))).join('\n');
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
            attempts,
            parents: shown,
            code: sources,
            siblings: near,
            lineage: ancestors,
            literature: read,
          });
        case 'crossover':
          return fill(crossover, { attempts, parents: shown, code: sources, literature: read });
        case 'debug': {
          const output = quoted('sandbox', trimmed(first?.message ?? first?.reason ?? '', caps.output), caps.output);
          return fill(debug, { parents: shown, code: sources, output, lineage: ancestors, literature: read });
        }
      }
    },

    analysis: (view, results) => analysisPrompt(view, results, fileChanges),

    answerTokens(purpose, parents) {
      if (purpose === 'analyze') return lessonTokens;
      const bases =
        parents.length === 0 ? [brief.baseline] : parents.map((parent) => filesOf(parent) ?? brief.baseline);
      const bytes = bases
        .flatMap((files) => Object.values(files))
        .reduce((sum, text) => sum + Buffer.byteLength(text), 0);
      // A draft may be twice as long as the baseline; a change may rewrite its parent.
      return reasonTokens + tokensOf(purpose === 'draft' ? Math.max(2 * bytes, 12_000) : bytes + 6000);
    },

    severalRules: `${severalInstructions.replace(', in the list "proposals"', '').trim()} ${fencedForm.several}`,
    listForm: programListForm,
    form(operator) {
      const { schema, wire, jsonOf } = programForms[operator];
      const stated = schema.transform(
        (reasons): Statement => ({
          reasons,
          candidate: (parents) => programText(resolveFiles(reasons, parents, brief)),
        }),
      );
      return { schema: stated, wire, jsonOf };
    },
  };
}

/** Identical for all questions about one operator, so that providers can cache it. */
const system = `
You are a researcher who searches for better learning programs by experiment. You write source files. They run in a sandbox
without a network and are scored on how well they predict data that they have not seen. You never see or state scores of
your own, and what a program prints has no effect on its score.

{{role}}

# Task

{{task}}: write {{files}}.

{{contract}}

The fitness of a program is {{fitness}} on validation data after a short training; higher is better. Small differences in
fitness may be training noise: count only differences larger than that.
{{experiment}}
${shown}`;

const instructions: Readonly<Record<Purpose, string>> = {
  draft: `
Write one new program that follows one clear idea, different from the ideas of the attempts shown. The baseline below is
valid: keep its interface. In "hypothesis", say why the idea should work; in "change", what characterises it. Give whole
"files"; a file that you omit stays as in the baseline.`,
  improve: `
Improve the parent. Change one thing for one reason, so that the result shows the effect: prefer a few "edits" to whole
"files", and use the lessons of earlier attempts on the same parent. The text of "search" must occur exactly once in the
parent's file, spaces included. Do not repeat a program from the list of attempts.`,
  crossover: `
Combine the two parents into one program that keeps the strengths of both: say in "hypothesis" what each contributes. Give
whole "files". The result must differ from both parents and from every earlier program.`,
  debug: `
The program below gave no score. Fix it so that it runs: change as little as possible and keep its idea. In "hypothesis",
say what you think went wrong. Prefer "edits" to whole "files"; the text of "search" must occur exactly once.`,
  analyze: `
For each result listed, state in one or two sentences what it teaches about this task: compare it with its parents and with
the expected fitness, name the change that you think made the difference, and say how certain this is. Do not propose a new
program. Use the id of the attempt as "node".`,
};

const draft = `
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

const improve = `
# Attempts so far

{{attempts}}

# Parent

{{parents}}

{{code}}

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

{{code}}

# Literature

{{literature}}

Propose a crossover of the parents.
`;

const debug = `
# Program without a score

{{parents}}

{{code}}

Output of the run:

{{output}}

# Lineage of the program

{{lineage}}

# Literature

{{literature}}

Propose a program that runs.
`;
