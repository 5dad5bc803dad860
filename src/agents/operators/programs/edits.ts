import { TerminalError } from '../../../domain/errors.ts';
import type { Files } from '../../../domain/program.ts';
import { find } from './find.ts';

/** Longer than any program that a space allows: edits may not make a text grow without end before its size is looked at. */
const longestText = 200_000;

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
export function edited(files: Files, edits: readonly Edit[]): Files {
  const result: Record<string, string> = { ...files };
  for (const [index, { file, search, replace }] of edits.entries()) {
    const which = `edit ${index + 1}`;
    const text = result[file];
    if (text === undefined || !Object.hasOwn(result, file)) {
      throw new EditError(`${which} is for ${file.slice(0, 60)}; the files are ${Object.keys(files).join(', ')}`);
    }
    if (search === '') throw new EditError(`${which} searches for nothing: quote the lines that it replaces`);
    const { first, count } = find(text, search);
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
    if (length > longestText) {
      throw new EditError(`${which} would give ${file} ${length} characters; at most ${longestText} are read`);
    }
    result[file] = text.slice(0, first) + replace + text.slice(first + search.length);
  }
  return result;
}
