import { join } from 'node:path';
import { expect } from 'vitest';
import { type Contents, contentsOf } from '../support/ledger.ts';
import { Program } from '../support/program.ts';

/** Runs the search of a file alone, in one process and to its end: what a disturbed one is compared with. */
export async function undisturbed(folder: string, file: string, search: string): Promise<Contents> {
  const home = join(folder, 'undisturbed');
  const { code, stderr } = await new Program(['launch', file, '--name', search, '--home', home, '--json'], {}).ended;
  expect(code, stderr).toBe(0);
  const contents = contentsOf(home, search);
  // A search in which nothing happened would compare well with any other.
  expect(contents.nodes.length).toBeGreaterThan(3);
  expect(contents.evaluations.length).toBeGreaterThan(contents.nodes.length);
  return contents;
}
