/** This installation of Aira: its version and commit, and `aira setup`, which installs what is missing on the machine. */
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { constants as system } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import * as z from 'zod';
import { PrerequisiteError } from '../../domain/errors.ts';
import { evaluatorVersion, versionFor } from '../../evaluators/index.ts';
import { childEnvironment, exec, isCheckout, packageRoot } from '../../platform/index.ts';
import { option, withOptions } from '../options.ts';

const manifestSchema = z.object({ version: z.string() });
export const airaVersion = manifestSchema.parse(
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')),
).version;

const recordSchema = z.object({ commit: z.string().regex(/^[0-9a-f]{7,40}(\+changes)?$/) });

/** The commit of a checkout, as git describes it; null if git cannot. */
export async function checkoutCommit(root = packageRoot): Promise<string | null> {
  const args = ['-C', root, 'describe', '--always', '--abbrev=12', '--exclude=*', '--dirty=+changes'];
  const { code, stdout } = await exec('git', args, { env: childEnvironment(process.env), timeoutMs: 10_000 });
  const parsed = recordSchema.safeParse({ commit: stdout.trim() });
  return code === 0 && parsed.success ? parsed.data.commit : null;
}

/** The commit that packing recorded (`scripts/commit.mjs`); null if it was unknown. */
function packedCommit(root: string): string | null {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(join(root, 'dist', 'commit.json'), 'utf8'))).commit;
  } catch {
    return null;
  }
}

/** `aira 0.1.0, commit 0123456789ab, evaluator native-0123456789ab (CPU), population-0123456789ab (GPU)`. */
export async function versionLine(root = packageRoot, checkout = isCheckout): Promise<string> {
  const commit = (checkout ? await checkoutCommit(root) : packedCommit(root)) ?? 'unknown';
  const gpu = evaluatorVersion('population');
  return `aira ${airaVersion}, commit ${commit}, evaluator ${versionFor('stack', 'cpu')} (CPU), ${gpu} (GPU)`;
}

const script = join(packageRoot, 'scripts', 'setup.mjs');
const record = join(packageRoot, 'dist', 'toolchain.json');

/** Runs set-up with this user's environment, and returns its exit status. What it says goes to stderr. */
function runSetUp(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal ? system.signals[signal] : 0)));
  });
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs set-up once before the first search of an installed package, as `npm start` does in a checkout. Skipped where another
 * user owns the installation: programs are then looked for on PATH, and CPU workers train with torch.
 *
 * @throws PrerequisiteError `setup` if it needs something that must be done by hand.
 */
export async function ensureSetUp(): Promise<void> {
  if (isCheckout || existsSync(record) || !existsSync(script) || !isWritable(join(packageRoot, 'dist'))) return;
  process.stderr.write('aira: first start: looking for Python, nats-server and a compiler\n');
  const code = await runSetUp([]);
  if (code === 0) return;
  throw new PrerequisiteError('setup', 'set-up did not finish', 'do what the lines above say, then start again');
}

export function setupCommand(done: (code: number) => void): Command {
  const command = new Command('setup')
    .description('install what is missing on this machine: nats-server, torch, the compiled engine')
    .action(async ({ python }: { python?: string }) => {
      if (!isWritable(join(packageRoot, 'dist'))) {
        const remedy = 'run it as their owner, or install Aira into a folder of your own';
        throw new PrerequisiteError('setup', `the files of Aira in ${packageRoot} belong to another user`, remedy);
      }
      done(await runSetUp(python === undefined ? [] : ['--python', python]));
    });
  return withOptions(
    command,
    option('--python <which>', 'the Python that trains (default: as last time, auto at first)').choices([
      'auto',
      'venv',
      'debian',
      'none',
    ]),
  );
}
