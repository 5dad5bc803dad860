import * as z from 'zod';
import { canonicalJson, contentHash } from './canonical.ts';
import { CandidateError } from './errors.ts';

/** A file of a program: a name without folders, so that it can only lie beside the others. */
export const fileNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}\.[a-z]{1,8}$/, 'use a name such as model.py: lower-case letters, digits, underscores');

/** More than this and messages that carry a program and what belongs to it no longer fit the bus. */
const mostBytes = 128 * 1024;

/**
 * A program travels as a JSON text within JSON: each quotation mark takes four bytes there, each control character seven.
 * Together with its rationale it has to fit into a message of 512 KiB.
 */
const mostWireBytes = 380_000;

/** What a task lets an agent write: these files, all of them, each of at most so many bytes of UTF-8. */
export const programSpaceSchema = z.strictObject({
  kind: z.literal('program'),
  files: z
    .array(z.strictObject({ name: fileNameSchema, maxBytes: z.int().positive() }))
    .min(1)
    .refine((files) => new Set(files.map(({ name }) => name)).size === files.length, 'a file is named twice')
    .refine(
      (files) => files.reduce((sum, { maxBytes }) => sum + maxBytes, 0) <= mostBytes,
      `the files may have at most ${mostBytes} bytes in all`,
    ),
});
export type ProgramSpace = z.infer<typeof programSpaceSchema>;

/** Texts of source files by name. */
export const filesSchema = z.record(fileNameSchema, z.string());
export type Files = Readonly<Record<string, string>>;

/**
 * What the author of a program is told beside its space. It decides no score; it is recorded with the search so that an
 * agent on another machine needs no file of the task.
 */
export const briefSchema = z.strictObject({
  /** The task's description: what the files have to define, and what they are allowed. */
  contract: z.string(),
  /** The submission to beat: node 0. */
  baseline: filesSchema,
  /** The task's own further submissions, to start from or to pick among. */
  library: z.array(z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/), files: filesSchema })),
});
export type Brief = z.infer<typeof briefSchema>;

/** Thrown when a text is not a program, or not one of the space. */
export class ProgramError extends CandidateError {
  constructor(message: string) {
    super('program', message);
  }
}

// What an editor would refuse to show is refused: NUL, and halves of surrogate pairs, which UTF-8 cannot carry.
const unwritable = /\0|\p{Cs}/u;

/** One form per text: line feeds alone, and exactly one at the end. */
function normalised(text: string): string {
  return `${text.replace(/\r\n?/g, '\n').trimEnd()}\n`;
}

/**
 * Takes files as a program of this space.
 *
 * @throws ProgramError for a file that is missing, not asked for, empty, too long or not text.
 */
export function programInSpace(files: Files, space: ProgramSpace): Files {
  const wanted = new Map(space.files.map(({ name, maxBytes }) => [name, maxBytes]));
  const stranger = Object.keys(files).find((name) => !wanted.has(name));
  if (stranger !== undefined) {
    throw new ProgramError(
      `"${stranger.slice(0, 60)}" is no file of this task; it takes ${[...wanted.keys()].join(', ')}`,
    );
  }
  const program = Object.fromEntries(
    [...wanted].map(([name, maxBytes]) => {
      const given = files[name];
      if (given === undefined || given.trim() === '') throw new ProgramError(`the file ${name} is missing or empty`);
      if (unwritable.test(given)) throw new ProgramError(`the file ${name} holds characters that are no text`);
      const text = normalised(given);
      const bytes = Buffer.byteLength(text);
      if (bytes > maxBytes) throw new ProgramError(`the file ${name} has ${bytes} bytes; it may have ${maxBytes}`);
      return [name, text];
    }),
  );
  const bytes = Buffer.byteLength(JSON.stringify(programText(program)));
  if (bytes > mostWireBytes) {
    throw new ProgramError(`the program takes ${bytes} bytes as JSON; it may take ${mostWireBytes}`);
  }
  return program;
}

/** Reads a program from its canonical text, or any other JSON object of texts. @throws ProgramError */
export function parseProgram(text: string): Files {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProgramError('a program is a JSON object of file names and texts, and this is no JSON');
  }
  const parsed = filesSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ProgramError(`a program is a JSON object of file names and texts: ${parsed.error.issues[0]?.message}`);
}

/** Equal programs give equal bytes. */
export function programText(files: Files): string {
  return canonicalJson(files);
}

/** The form printed for people: `model.py 84 lines #3f2a91c4`. */
export function shortProgram(files: Files): string {
  const sizes = Object.entries(files).map(([name, text]) => `${name} ${text.split('\n').length - 1} lines`);
  return `${sizes.join(', ')} #${contentHash(files).slice(0, 8)}`;
}
