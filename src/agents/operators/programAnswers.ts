import * as z from 'zod';
import { TerminalError } from '../../domain/errors.ts';
import type { Operator } from '../../domain/node.ts';
import type { Files } from '../../domain/program.ts';
import { answerSchema } from '../../llm/index.ts';
import { type AnswerForm, listForm, reasons } from './answers.ts';

/**
 * How a model states a program, and what the program then is.
 *
 * Program text comes outside JSON: models write better programs where they need not escape them, and a broken escape costs the whole
 * answer. Reasons come as JSON, each file or change in a fenced block that names its file. Edits are applied to the parent's files.
 */

/** One fenced block: the words after its opening fence, and its text. */
interface Block {
  readonly info: string;
  readonly text: string;
}

/** Blocks in order. A fence closes at a line of at least as many backticks, so that a program may contain shorter ones. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { readonly ticks: number; readonly info: string; readonly lines: string[] } | null = null;
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    const ticks = /^ {0,3}(`{3,})([^`]*)$/.exec(line);
    if (open && ticks && (ticks[1]?.length ?? 0) >= open.ticks && (ticks[2] ?? '').trim() === '') {
      blocks.push({ info: open.info, text: `${open.lines.join('\n')}\n` });
      open = null;
    } else if (open) open.lines.push(line);
    else if (ticks) open = { ticks: ticks[1]?.length ?? 3, info: (ticks[2] ?? '').trim(), lines: [] };
  }
  return blocks;
}

/** The file that a block names: "python model.py", "model.py", "edit ./model.py". */
function fileOf(info: string): string | null {
  const named = info.split(/[\s:=]+/).find((word) => /^(\.\/)?[A-Za-z0-9_./-]+\.[a-z]{1,8}$/.test(word));
  return named?.replace(/^\.\//, '') ?? null;
}

/** The changes of a block, each between its marks. Linear in the length of the block. */
function changesIn(content: string): { search: string; replace: string }[] {
  const changes: { search: string; replace: string }[] = [];
  let side: 'none' | 'search' | 'replace' = 'none';
  let [search, replace]: [string[], string[]] = [[], []];
  for (const line of content.split('\n')) {
    if (side === 'none') {
      if (/^<{5,9} ?SEARCH\s{0,9}$/.test(line)) [side, search, replace] = ['search', [], []];
    } else if (side === 'search') {
      if (/^={5,9}\s{0,9}$/.test(line)) side = 'replace';
      else search.push(line);
    } else if (/^>{5,9} ?REPLACE\s{0,9}$/.test(line)) {
      changes.push({ search: search.join('\n'), replace: replace.join('\n') });
      side = 'none';
    } else replace.push(line);
  }
  return changes;
}

/** A block that names a file. */
interface ProgramBlock {
  readonly file: string;
  readonly content: string;
}

/** Stated reasons with the files and edits of their program blocks, as the schema of an answer describes them. */
function withBlocks(stated: object, programs: readonly ProgramBlock[]): object {
  const edits = programs.flatMap(({ file, content }) => changesIn(content).map((change) => ({ file, ...change })));
  const files = programs
    .filter(({ content }) => !/^<{5,9} ?SEARCH/m.test(content))
    .map(({ file, content }) => ({ name: file, text: content }));
  return { ...stated, edits: edits.length > 0 ? edits : null, files: files.length > 0 ? files : null };
}

/**
 * An answer with several programs, each after a block with its reasons, as the JSON of a list; any other answer unchanged.
 * Reasons that are not JSON leave an invalid proposal.
 */
function withFencedProposals(text: string): string {
  if (/^\s{0,100}\{/.test(text)) return text;
  const proposals: { readonly stated: object; readonly programs: ProgramBlock[] }[] = [];
  for (const { info, text: content } of blocksOf(text)) {
    const file = fileOf(info);
    if (file !== null) proposals.at(-1)?.programs.push({ file, content });
    else if (/^\s*\{/.test(content)) proposals.push({ stated: objectOr(content), programs: [] });
  }
  const complete = proposals.filter(({ programs }) => programs.length > 0);
  if (complete.length === 0) return text;
  return JSON.stringify({ proposals: complete.map(({ stated, programs }) => withBlocks(stated, programs)) });
}

/** The object that a text states; an empty one if it states none. */
function objectOr(text: string): object {
  try {
    return { ...(JSON.parse(text) as object) };
  } catch {
    return {};
  }
}

/**
 * An answer with fenced programs as the JSON that the schema describes; any other answer unchanged.
 *
 * The first JSON object outside the program blocks gives the reasons.
 */
export function withFencedPrograms(text: string): string {
  if (/^\s{0,100}\{/.test(text)) return text;
  const blocks = blocksOf(text);
  const programs = blocks.flatMap(({ info, text: content }) => {
    const file = fileOf(info);
    return file === null ? [] : [{ file, content }];
  });
  if (programs.length === 0) return text;
  const reasons = blocks.find(({ info, text: content }) => fileOf(info) === null && /^\s*\{/.test(content))?.text;
  let stated: unknown;
  try {
    stated = JSON.parse(reasons ?? bracesBefore(text));
  } catch {
    return text;
  }
  return JSON.stringify(withBlocks(stated as object, programs));
}

/** Reasons that were written without a fence, before the first block. */
function bracesBefore(text: string): string {
  const prose = text.slice(0, Math.max(0, text.search(/^ {0,3}`{3,}/m)));
  return prose.slice(prose.indexOf('{'), prose.lastIndexOf('}') + 1);
}

/** How the form of an answer is described in the system prompt. */
export const fencedForm = {
  files: `Answer with a JSON object of "hypothesis", "change", "expected_fitness" (a number or null) and "evidence" (a list of
ids), in a fenced block of its own. Then give each file whole, in a fenced block of four backticks that names it:

\`\`\`\`python model.py
the whole text of the file
\`\`\`\``,
  changes: `or, for edits, one block for each file with changes in this form:

\`\`\`\`edit model.py
<<<<<<< SEARCH
lines of the current file, copied exactly
=======
the replacement
>>>>>>> REPLACE
\`\`\`\``,
  several: `Where several candidates are asked for, give for each the block with its JSON object and then its files, one candidate after
the other.`,
} as const;

/**
 * Longer than any program that a space allows, whose own limit gives a better message. Also bounds the growth of a text by edits
 * before its size is checked.
 */
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
    if (length > longestText) {
      throw new EditError(`${which} would grow ${file} to ${length} characters; the limit is ${longestText}`);
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
