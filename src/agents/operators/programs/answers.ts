import * as z from 'zod';
import { TerminalError } from '../../../domain/errors.ts';
import type { Operator } from '../../../domain/node.ts';
import type { Files } from '../../../domain/program.ts';
import { answerSchema } from '../../../llm/index.ts';
import { type AnswerForm, reasons } from '../answers.ts';

/** Longer than any program that a space allows; what is too long for the space is told with its limit. */
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
    .describe('Lines of the present file, copied exactly, with enough around them to stand in it only once.'),
  replace: z.string().max(longestText).describe('What takes their place.'),
});

const whole = z.strictObject({
  ...reasons,
  files: z.array(file).min(1).max(8).describe('Whole files; one that is not given stays as the baseline has it.'),
});

/** An improvement is a few edits where it can be: they leave alone what they do not name, and its effect has a cause. */
const changed = z.strictObject({
  ...reasons,
  edits: z
    .array(edit)
    .max(32)
    .nullable()
    .describe('Replacements in the parent, applied in order, or null when whole files are given.'),
  files: z
    .array(file)
    .max(8)
    .nullable()
    .describe('Whole files in place of the parent’s, or null when edits are given.'),
});

/** A program as a model states it: whole files, or edits of the parent's. */
export type StatedProgram = z.infer<typeof changed>;

const isGiven = (list: readonly unknown[] | null) => list !== null && list.length > 0;

const wholeForm: AnswerForm<StatedProgram> = {
  schema: whole.transform((stated) => ({ ...stated, edits: null })),
  wire: answerSchema('program', whole),
};
const changedForm: AnswerForm<StatedProgram> = {
  schema: changed.refine(({ edits, files }) => isGiven(edits) !== isGiven(files), {
    error: 'give either edits or files, and null for the other',
  }),
  wire: answerSchema('program_change', changed),
};

export const programForms: Readonly<Record<Operator, AnswerForm<StatedProgram>>> = {
  draft: wholeForm,
  improve: changedForm,
  crossover: wholeForm,
  debug: changedForm,
};

/** Longer than any program that a space allows: edits may not make a text grow without end before its size is looked at. */
const longestTextOfEdits = 200_000;

/** A piece of a file and what stands in its place afterwards. */
export interface Edit {
  readonly file: string;
  readonly search: string;
  readonly replace: string;
}

/** Thrown when an edit does not say where it applies. The message is what the author is told. */
export class EditError extends TerminalError {
  constructor(message: string) {
    super('edit', message);
  }
}

/** The first line of a piece, for a message. */
function named(piece: string): string {
  const [line = ''] = piece.trimStart().split('\n', 1);
  return `"${line.trimEnd().slice(0, 80)}"`;
}

/**
 * Applies edits in their order, each to what the ones before it have left.
 *
 * @throws EditError for a file that is not there, and for a piece that stands in it never, or more than once: which of
 * several places was meant is not guessed.
 */
export function applyEdits(files: Files, edits: readonly Edit[]): Files {
  const result: Record<string, string> = { ...files };
  for (const [index, { file, search, replace }] of edits.entries()) {
    const which = `edit ${index + 1}`;
    const text = result[file];
    if (text === undefined || !Object.hasOwn(result, file)) {
      throw new EditError(`${which} is for ${file.slice(0, 60)}; the files are ${Object.keys(files).join(', ')}`);
    }
    if (search === '') throw new EditError(`${which} searches for nothing: quote the lines that it replaces`);
    const { first, count } = findFragment(text, search);
    if (count === 0) {
      throw new EditError(
        `${which}: what it searches for, beginning with ${named(search)}, does not stand in ${file}; copy it exactly, with its spaces`,
      );
    }
    if (count > 1) {
      throw new EditError(
        `${which}: what it searches for, beginning with ${named(search)}, stands ${count} times in ${file}; quote more lines around it`,
      );
    }
    const length = text.length - search.length + replace.length;
    if (length > longestTextOfEdits) {
      throw new EditError(`${which} would give ${file} ${length} characters; at most ${longestTextOfEdits} are read`);
    }
    result[file] = text.slice(0, first) + replace + text.slice(first + search.length);
  }
  return result;
}

/** For each position of a piece: the length of the longest proper beginning that ends there. */
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
 * Where a piece first stands in a text, -1 where it does not, and how often. Overlapping places count too: each could be
 * meant. Knuth, Morris and Pratt's search: time grows with the lengths alone, while `indexOf` may take their product.
 */
export function findFragment(text: string, piece: string): { readonly first: number; readonly count: number } {
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
