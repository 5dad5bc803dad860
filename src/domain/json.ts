import { TerminalError } from './errors.ts';

/** How large a JSON text may be before anything is built from it. */
export interface JsonBounds {
  /** UTF-16 units. */
  readonly characters: number;
  /** Objects and lists within each other. */
  readonly depth: number;
  /** Values in all lists and objects together. */
  readonly items: number;
}

/** Thrown for a text that is not JSON, or exceeds its bounds. The message is short and safe to repeat to its author. */
export class JsonError extends TerminalError {
  constructor(message: string, options?: ErrorOptions) {
    super('json', message, options);
  }
}

const code = { quote: 34, comma: 44, openList: 91, backslash: 92, closeList: 93, openObject: 123, closeObject: 125 };

/** One pass over the characters. Up to the first syntax error, where parsing stops, it counts what the parser would build. */
function excess(text: string, bounds: JsonBounds): string | null {
  let depth = 0;
  let items = 1;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === code.quote) {
      for (at++; at < text.length; at++) {
        const inside = text.charCodeAt(at);
        if (inside === code.quote) break;
        if (inside === code.backslash) at++;
      }
    } else if (unit === code.openList || unit === code.openObject) {
      items++;
      if (++depth > bounds.depth) return `it is nested more than ${bounds.depth} deep`;
    } else if (unit === code.closeList || unit === code.closeObject) depth--;
    else if (unit === code.comma) items++;
    if (items > bounds.items) return `it holds more than ${bounds.items} values`;
  }
  return null;
}

/**
 * Parses JSON written by someone else: size first, then depth and number of values in one linear pass, then the parser. Deep
 * or wide texts cost the parser and everything after it far more than their length suggests.
 *
 * @throws JsonError
 */
export function parseJson(text: string, bounds: JsonBounds): unknown {
  if (text.length > bounds.characters) {
    throw new JsonError(`it has ${text.length} characters, and at most ${bounds.characters} are read`);
  }
  const problem = excess(text, bounds);
  if (problem !== null) throw new JsonError(problem);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JsonError((cause as Error).message.slice(0, 200), { cause });
  }
}
