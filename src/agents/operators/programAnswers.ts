import * as z from 'zod';
import { TerminalError } from '../../domain/errors.ts';
import type { Operator } from '../../domain/node.ts';
import type { Files } from '../../domain/program.ts';
import { answerSchema } from '../../llm/index.ts';
import { type AnswerForm, listForm, reasons } from './answers.ts';
import { withFencedPrograms, withFencedProposals } from './programs/fences.ts';

/** Longer than any program that a space allows; the space's own limit gives a better message. */
const longestText = 200_000;

const file = z.strictObject({
  name: z.string().max(60).describe('The name of the file.'),
  text: z.string().max(longestText).describe('The whole text of the file.'),
});

const edit = z.strictObject({
  file: z.string().max(60).describe('The name of the file.'),
  search: z
    .string()
    .max(longestText)
    .describe('Lines of the current file, copied exactly, with enough context to occur only once.'),
  replace: z.string().max(longestText).describe('The replacement text.'),
});

const whole = z.strictObject({
  ...reasons,
  files: z.array(file).min(1).max(8).describe('Whole files; a file that you omit stays as in the baseline.'),
});

/** Prefer edits for improvements: they leave everything else unchanged, so that the effect has an identifiable cause. */
const changed = z.strictObject({
  ...reasons,
  edits: z
    .array(edit)
    .max(32)
    .nullable()
    .describe('Replacements in the parent, applied in order, or null if you give whole files.'),
  files: z.array(file).max(8).nullable().describe('Whole files that replace the parent’s, or null if you give edits.'),
});

/** A program as a model states it: whole files, or edits of the parent's files. */
export type StatedProgram = z.infer<typeof changed>;

const isGiven = (list: readonly unknown[] | null) => list !== null && list.length > 0;

const jsonOf = withFencedPrograms;

const wholeForm: AnswerForm<StatedProgram> = {
  schema: whole.transform((stated) => ({ ...stated, edits: null })),
  wire: answerSchema('program', whole),
  jsonOf,
};
const changedForm: AnswerForm<StatedProgram> = {
  schema: changed.refine(({ edits, files }) => isGiven(edits) !== isGiven(files), {
    error: 'give either edits or files, and null for the other',
  }),
  wire: answerSchema('program_change', changed),
  jsonOf,
};

export const programForms: Readonly<Record<Operator, AnswerForm<StatedProgram>>> = {
  draft: wholeForm,
  improve: changedForm,
  crossover: wholeForm,
  debug: changedForm,
};

export const programListForm = (operator: Operator): AnswerForm<readonly unknown[]> =>
  listForm(programForms[operator], withFencedProposals);

/** Longer than any program that a space allows: bounds the growth of a text by edits before its size is checked. */
const longestTextOfEdits = 200_000;

/** A fragment of a file and its replacement. */
interface Edit {
  readonly file: string;
  readonly search: string;
  readonly replace: string;
}

/** Thrown for an edit that does not apply. The message goes to the model. */
export class EditError extends TerminalError {
  constructor(message: string) {
    super('edit', message);
  }
}

/** The first line of a fragment, for messages. */
function named(piece: string): string {
  const [line = ''] = piece.trimStart().split('\n', 1);
  return `"${line.trimEnd().slice(0, 80)}"`;
}

/**
 * Applies edits in order, each to the result of the previous ones.
 *
 * @throws EditError for an unknown file, and for a fragment that does not occur exactly once: ambiguity is not guessed away.
 */
export function applyEdits(files: Files, edits: readonly Edit[]): Files {
  const result: Record<string, string> = { ...files };
  for (const [index, { file, search, replace }] of edits.entries()) {
    const which = `edit ${index + 1}`;
    const text = result[file];
    if (text === undefined || !Object.hasOwn(result, file)) {
      throw new EditError(
        `${which} names the unknown file ${file.slice(0, 60)}; the files are ${Object.keys(files).join(', ')}`,
      );
    }
    if (search === '') throw new EditError(`${which} has an empty "search": quote the lines to replace`);
    const { first, count } = findFragment(text, search);
    if (count === 0) {
      throw new EditError(
        `${which}: the "search" text beginning with ${named(search)} does not occur in ${file}; copy it exactly, including spaces`,
      );
    }
    if (count > 1) {
      throw new EditError(
        `${which}: the "search" text beginning with ${named(search)} occurs ${count} times in ${file}; quote more lines around it`,
      );
    }
    const length = text.length - search.length + replace.length;
    if (length > longestTextOfEdits) {
      throw new EditError(`${which} would grow ${file} to ${length} characters; the limit is ${longestTextOfEdits}`);
    }
    result[file] = text.slice(0, first) + replace + text.slice(first + search.length);
  }
  return result;
}

/** Failure function: for each position of a fragment, the length of the longest proper prefix that ends there. */
function borders(piece: string): Int32Array {
  const table = new Int32Array(piece.length);
  let length = 0;
  for (let at = 1; at < piece.length; at++) {
    const unit = piece.charCodeAt(at);
    while (length > 0 && piece.charCodeAt(length) !== unit) length = table[length - 1] as number;
    if (piece.charCodeAt(length) === unit) length++;
    table[at] = length;
  }
  return table;
}

/**
 * First position of a fragment in a text (-1 if absent) and its number of occurrences, overlapping ones included.
 * Knuth-Morris-Pratt: linear in the sum of the lengths, where `indexOf` may take their product.
 */
function findFragment(text: string, piece: string): { readonly first: number; readonly count: number } {
  if (piece === '' || piece.length > text.length) return { first: -1, count: 0 };
  const table = borders(piece);
  let [first, count, length] = [-1, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    while (length > 0 && piece.charCodeAt(length) !== unit) length = table[length - 1] as number;
    if (piece.charCodeAt(length) === unit) length++;
    if (length < piece.length) continue;
    if (count === 0) first = at - piece.length + 1;
    count++;
    length = table[length - 1] as number;
  }
  return { first, count };
}
