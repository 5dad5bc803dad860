import { TerminalError } from '../../../domain/errors.ts';
import type { Files } from '../../../domain/program.ts';

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

function occurrences(text: string, piece: string): number {
  let count = 0;
  // Overlapping ones count, too: each is a place that could be meant.
  for (let at = text.indexOf(piece); at >= 0; at = text.indexOf(piece, at + 1)) count++;
  return count;
}

/** The first line of a piece, for a message. */
function named(piece: string): string {
  const [line = ''] = piece.split('\n').filter((each) => each.trim() !== '');
  return `"${line.trim().slice(0, 80)}"`;
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
    const count = occurrences(text, search);
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
    // A function, since $ in a replacement text would mean something.
    result[file] = text.replace(search, () => replace);
  }
  return result;
}
