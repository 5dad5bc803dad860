import { createHash } from 'node:crypto';
import { TerminalError } from './errors.ts';

/** JSON of others, read within bounds, and the one text and hash of a value. */

/** Bounds on a JSON text, checked before parsing. */
export interface JsonBounds {
  /** UTF-16 units. */
  readonly characters: number;
  /** Nesting of objects and lists. */
  readonly depth: number;
  /** Values in all lists and objects. */
  readonly items: number;
}

/** Thrown for a text that is not JSON or exceeds its bounds. The message is short and safe to show to the text's author. */
export class JsonError extends TerminalError {
  constructor(message: string, options?: ErrorOptions) {
    super('json', message, options);
  }
}

const code = { quote: 34, comma: 44, openList: 91, backslash: 92, closeList: 93, openObject: 123, closeObject: 125 };

/** One pass over the text; counts what the parser would build, up to the first syntax error. */
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
      if (++depth > bounds.depth) return `nesting is deeper than ${bounds.depth}`;
    } else if (unit === code.closeList || unit === code.closeObject) depth--;
    else if (unit === code.comma) items++;
    if (items > bounds.items) return `it has more than ${bounds.items} values`;
  }
  return null;
}

/**
 * Parses untrusted JSON: checks the length, then depth and number of values in one linear pass, then parses. Deep or wide
 * texts cost the parser far more than their length suggests.
 *
 * @throws JsonError
 */
export function parseJson(text: string, bounds: JsonBounds): unknown {
  if (text.length > bounds.characters) {
    throw new JsonError(`it has ${text.length} characters; the limit is ${bounds.characters}`);
  }
  const problem = excess(text, bounds);
  if (problem !== null) throw new JsonError(problem);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JsonError((cause as Error).message.slice(0, 200), { cause });
  }
}

/** Values that JSON represents without loss. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * One text per value: object keys sorted by code unit, no spaces. Equal values give equal bytes on every machine, so a hash
 * identifies them.
 *
 * @throws TypeError for a number that is not finite, which JSON would silently turn into null.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError(`${value} is not finite and has no canonical JSON`);
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const record = value as { readonly [key: string]: Json };
  const entries = Object.keys(record)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(record[key] as Json)}`);
  return `{${entries.join(',')}}`;
}

/** SHA-256 of the canonical text, as 64 hexadecimal digits. */
export function contentHash(value: Json): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}
