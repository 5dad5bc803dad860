import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';

const root = resolve(import.meta.dirname, '../..');

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of an installed Aira: `dist/`, trainers and tasks as they were when the run began. */
    installation: string;
  }
}

/**
 * Builds Aira once per run, into a folder of its own: what the tests run can then neither be stale nor change under
 * them, and a test that wants a defect can plant one in a copy.
 */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'aira-installation-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    // Types are checked by `npm run typecheck`.
    const options = ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist'), '--noCheck'];
    execFileSync(process.execPath, [compiler, ...options], { stdio: ['ignore', 'inherit', 'inherit'] });
    const pages = [join(root, 'scripts/pages.mjs'), join(folder, 'dist')];
    execFileSync(process.execPath, pages, { stdio: ['ignore', 'inherit', 'inherit'] });
    for (const name of ['package.json', 'BENCHMARKS.md']) copyFileSync(join(root, name), join(folder, name));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const isSource = (path: string) => !['.venv', '__pycache__', '.pytest_cache'].includes(basename(path));
    for (const shipped of [
      'bench',
      'scripts',
      'prices',
      'corpus',
      'searches',
      'studies',
      'gpu-workers',
      'tasks',
      'primitives',
      'templates',
    ]) {
      cpSync(join(root, shipped), join(folder, shipped), { recursive: true, filter: isSource });
    }
    // What set-up found on this machine; without the engine every training would be torch's, and five times as long.
    for (const record of ['toolchain.json', 'engine.json']) {
      const path = join(root, 'dist', record);
      if (existsSync(path)) copyFileSync(path, join(folder, 'dist', record));
    }
  } catch (thrown) {
    remove();
    throw thrown;
  }
  project.provide('installation', folder);
  return remove;
}
