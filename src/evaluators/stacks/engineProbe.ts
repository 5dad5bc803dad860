import { join } from 'node:path';
import { type Environment, print } from '../../platform/childProcess.ts';
import { trainersDirectory } from '../../platform/packageRoot.ts';
import { printable } from '../../platform/printable.ts';
import { declineNative, engineFor } from './engine.ts';

/** Compiling takes 300 s at most, which the builder sees to itself. */
const longestMs = 330_000;

/** Without the package, which imports torch: the builder needs the standard library alone. */
const load = `
import ctypes, runpy, sys
build = runpy.run_path(sys.argv[1])
try:
    ctypes.CDLL(str(build["library"](build["best_variant"](build["cpu_flags"]()))))
except (build["Unavailable"], OSError) as error:
    sys.exit(str(error))
`;

/**
 * Whether the engine that set-up chose can be loaded by this user, here and now: the cache folder may be another one than
 * set-up's, not writable, or on a file system from which nothing may be run. Where it cannot, CPU workers of this process
 * train with torch, and `engineFor` says why.
 */
export async function probeEngine(python: string, env: Environment = process.env): Promise<void> {
  if (env.AIRA_ENGINE || engineFor('cpu').engine !== 'native') return;
  const builder = join(trainersDirectory, 'aira_workers', 'native', 'build.py');
  const { ok, stderr } = await print(python, ['-I', '-c', load, builder], env, longestMs);
  if (ok) return;
  const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 300 });
  declineNative(
    `the compiled engine cannot be used: ${last}; set XDG_CACHE_HOME to a folder that can be written and run from`,
  );
}
