import * as z from 'zod';
import { CandidateError } from './errors.ts';
import { canonicalJson, contentHash, type JsonBounds, JsonError, parseJson } from './json.ts';

/** A file of a program: a name without folders, so all files are in one folder. */
export const fileNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}\.[a-z]{1,8}$/, 'use a name such as model.py: lower-case letters, digits, underscores');

/** Above this, messages with a program no longer fit the bus. */
const maxProgramBytes = 128 * 1024;

/**
 * A program travels as JSON text within JSON, where a quotation mark takes four bytes and a control character seven. With
 * its rationale it must fit into a message of 512 KiB.
 */
const maxWireBytes = 380_000;

/** The space of a Design task: exactly these files, each with a limit of UTF-8 bytes. */
export const programSpaceSchema = z.strictObject({
  kind: z.literal('program'),
  files: z
    .array(z.strictObject({ name: fileNameSchema, maxBytes: z.int().positive() }))
    .min(1)
    .refine((files) => new Set(files.map(({ name }) => name)).size === files.length, 'a file is listed twice')
    .refine(
      (files) => files.reduce((sum, { maxBytes }) => sum + maxBytes, 0) <= maxProgramBytes,
      `the files may have at most ${maxProgramBytes} bytes in total`,
    ),
});
export type ProgramSpace = z.infer<typeof programSpaceSchema>;

/** Source texts by file name. */
export const filesSchema = z.record(fileNameSchema, z.string());
export type Files = Readonly<Record<string, string>>;

/**
 * What authors of programs are shown in addition to the space. It determines no score; it is recorded with the search, so
 * that an agent on another machine needs no task files.
 */
export const briefSchema = z.strictObject({
  /** The task's description: what the files must define, and their limits. */
  contract: z.string(),
  /** The submission to beat: node 0. */
  baseline: filesSchema,
  /** Further submissions of the task, to start from or combine. */
  library: z.array(z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/), files: filesSchema })),
});
export type Brief = z.infer<typeof briefSchema>;

/** Thrown for a text that is not a program, or not one of the space. */
export class ProgramError extends CandidateError {
  constructor(message: string) {
    super('program', message);
  }
}

// Text that an editor would not show: NUL, and unpaired surrogates, which UTF-8 cannot encode.
const unwritable = /\0|\p{Cs}/u;

/** Bound before normalisation, which shortens line ends and removes trailing blanks. */
const maxInputChars = 2 * maxProgramBytes;

/** A program of `maxProgramBytes` as JSON with each byte escaped. */
const canonicalBounds: JsonBounds = { characters: 6 * maxProgramBytes + 4096, depth: 2, items: 4096 };

/** One form per text: LF line ends, exactly one at the end. */
function normalised(text: string): string {
  return `${text.replace(/\r\n?/g, '\n').trimEnd()}\n`;
}

/**
 * Normalises files into a program of this space.
 *
 * @throws ProgramError for a file that is missing, unexpected, empty, too long or not text.
 */
export function programInSpace(files: Files, space: ProgramSpace): Files {
  const limits = new Map(space.files.map(({ name, maxBytes }) => [name, maxBytes]));
  const unexpected = Object.keys(files).find((name) => !limits.has(name));
  if (unexpected !== undefined) {
    throw new ProgramError(
      `"${unexpected.slice(0, 60)}" is not a file of this task; the files are ${[...limits.keys()].join(', ')}`,
    );
  }
  const program = Object.fromEntries(
    [...limits].map(([name, maxBytes]) => {
      const input = files[name];
      if (input !== undefined && input.length > maxInputChars) {
        throw new ProgramError(`the file ${name} has ${input.length} characters; the limit is ${maxBytes} bytes`);
      }
      if (input === undefined || input.trim() === '') throw new ProgramError(`the file ${name} is missing or empty`);
      if (unwritable.test(input)) throw new ProgramError(`the file ${name} contains characters that are not text`);
      const text = normalised(input);
      const bytes = Buffer.byteLength(text);
      if (bytes > maxBytes) throw new ProgramError(`the file ${name} has ${bytes} bytes; the limit is ${maxBytes}`);
      return [name, text];
    }),
  );
  const bytes = Buffer.byteLength(JSON.stringify(programText(program)));
  if (bytes > maxWireBytes) {
    throw new ProgramError(`the program takes ${bytes} bytes as JSON; the limit is ${maxWireBytes}`);
  }
  return program;
}

/** Parses a program from its canonical text, or any JSON object of texts. @throws ProgramError */
export function parseProgram(text: string): Files {
  let value: unknown;
  try {
    value = parseJson(text, canonicalBounds);
  } catch (thrown) {
    if (!(thrown instanceof JsonError)) throw thrown;
    throw new ProgramError('a program is a JSON object of file names and texts; this is not valid JSON');
  }
  const parsed = filesSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ProgramError(`a program is a JSON object of file names and texts: ${parsed.error.issues[0]?.message}`);
}

/** Equal programs give equal bytes. */
export function programText(files: Files): string {
  return canonicalJson(files);
}

/** Short form for people: `model.py 84 lines #3f2a91c4`. */
export function shortProgram(files: Files): string {
  const sizes = Object.entries(files).map(([name, text]) => `${name} ${text.split('\n').length - 1} lines`);
  return `${sizes.join(', ')} #${contentHash(files).slice(0, 8)}`;
}
