import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import {
  probeSandbox,
  Sandbox,
  type SandboxOptions,
  type SandboxResult,
  type SandboxSpec,
} from '../../src/sandbox/index.ts';

export const python = '/usr/bin/python3';
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that everybody may enter, gone at the end of the test file. */
export function openFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'aira-sandbox-'));
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}

/** The launcher started by somebody who is not root, from a copy in a folder that everybody may enter. */
export async function ordinaryUser(program = python): Promise<SandboxOptions> {
  const capability = { ...(await probeSandbox({ python: program })), identity: 'own', groups: null } as const;
  if (process.getuid?.() !== 0) return { capability };
  const folder = openFolder();
  cpSync(dirname(capability.launcher), folder, { recursive: true });
  const copy = join(folder, basename(capability.launcher));
  const drop = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all'];
  return { capability, launcher: ['/usr/bin/setpriv', ...drop, program, '-I', '-S', '-B', copy] };
}

/** Runs a Python text and answers the result with what it has left. */
export async function runText(
  options: SandboxOptions,
  text: string,
  more: Partial<Omit<SandboxSpec, 'limits'>> & { limits?: Partial<SandboxSpec['limits']> } = {},
  signal?: AbortSignal,
): Promise<SandboxResult & { left: Record<string, string> }> {
  const directory = openFolder();
  const result = await new Sandbox(options).run(
    {
      argv: [python, '-I', '-S', '-c', text],
      readOnly: [],
      output: { directory, maxBytes: 2 ** 20, maxFiles: 50 },
      ...more,
      limits: { seconds: 20, memoryBytes: 200 * 2 ** 20, processes: 32, scratchBytes: 2 ** 22, ...more.limits },
    },
    signal,
  );
  const left = Object.fromEntries(result.files.map(({ path }) => [path, readFileSync(join(directory, path), 'utf8')]));
  return { ...result, left };
}
