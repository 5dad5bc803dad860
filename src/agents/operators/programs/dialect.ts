import { TerminalError } from '../../../domain/errors.ts';
import type { ViewNode } from '../../../domain/node.ts';
import { type Brief, type Files, type ProgramSpace, parseProgram, programText } from '../../../domain/program.ts';
import type { Dialect, Statement } from '../dialect.ts';
import { lineage, nodeLine, nodeList, siblings } from '../memory.ts';
import { analysisPrompt, caps, literature, longestQuestion, readingRules, usualRole } from '../prompts.ts';
import { quoted, quotedCode, trimmed } from '../quote.ts';
import { fill } from '../template.ts';
import { edited, programForms, type StatedProgram } from './answers.ts';
import * as templates from './templates.ts';

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
    return edited(base, stated.edits);
  }
  const given = Object.fromEntries((stated.files ?? []).map(({ name, text }) => [name, text]));
  return { ...(base ?? baseline), ...given };
}

/** How programs are talked about. */
export function programDialect(topic: ProgramTopic): Dialect {
  const { task, metric, lowerIsBetter, space, brief, role } = topic;
  const bytes = space.files.reduce((sum, { maxBytes }) => sum + maxBytes, 0);
  return {
    // The most that two parents can take.
    longestQuestion: longestQuestion + 2 * bytes,

    system(purpose, tools) {
      const what = templates.instructions[purpose].trim();
      return fill(templates.system, {
        role: role === '' ? usualRole : role,
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
          return fill(templates.draft, {
            attempts,
            siblings: near,
            code: code('baseline', brief.baseline),
            literature: read,
          });
        case 'improve':
          return fill(templates.improve, {
            ...{ attempts, parents: shown, code: sources },
            ...{ siblings: near, lineage: ancestors, literature: read },
          });
        case 'crossover':
          return fill(templates.crossover, { attempts, parents: shown, code: sources, literature: read });
        case 'debug': {
          const output = quoted('sandbox', trimmed(first?.message ?? first?.reason ?? '', caps.output), caps.output);
          return fill(templates.debug, { parents: shown, code: sources, output, lineage: ancestors, literature: read });
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
