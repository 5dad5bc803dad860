import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { evaluatorVersion, versionFor } from '../evaluators/index.ts';
import { childEnvironment, exec, isCheckout, packageRoot } from '../platform/index.ts';

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
