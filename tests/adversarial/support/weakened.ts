import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainersDirectory } from '../../../src/platform/installation.ts';
import type { DesignPackage } from '../../../src/tasks/taskScripts.ts';

/** A line of our Python sources that is a defence, what stands in its place where it is left out, and an attack that then succeeds. */
export interface Weakening {
  readonly file: string;
  readonly line: string;
  readonly instead: string;
}

/** Runs `use` with a copy of the evaluator's sources without one defence. */
export async function weakened<T>(
  { file, line, instead }: Weakening,
  use: (design: DesignPackage) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'aira-weakened-'));
  try {
    const packages = ['aira_design', 'aira_workers'];
    for (const name of packages) cpSync(join(trainersDirectory, name), join(folder, name), { recursive: true });
    const text = readFileSync(join(folder, file), 'utf8');
    if (text.split(line).length !== 2) throw new Error(`${file} does not hold this line once: ${line}`);
    writeFileSync(join(folder, file), text.replace(line, instead));
    return await use({ folder, packages, module: 'aira_design', hosted: ['lra'], scripts: ['autoresearch'] });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
