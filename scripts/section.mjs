import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * Writes a section of a document anew: what stands between `<!-- name: begin -->` and `<!-- name: end -->`.
 *
 * @param {string} document path from the root of the project
 * @param {string} name
 * @param {string} text
 * @throws {Error} if the document has no such section
 */
export function rewriteSection(document, name, text) {
  const path = resolve(import.meta.dirname, '..', document);
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const [before, rest] = readFileSync(path, 'utf8').split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${document} has no section between ${begin} and ${end}`);
  writeFileSync(path, `${before}${begin}\n\n${text}\n\n${end}${after}`);
}
