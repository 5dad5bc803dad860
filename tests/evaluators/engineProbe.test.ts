/** A compiled engine that cannot be loaded here: the launch continues with torch, and one line says why. */
import { expect, it } from 'vitest';
import { engineFor, probeEngine } from '../../src/evaluators/stacks/engine.ts';
import { findPython } from '../../src/platform/installation.ts';

// Where set-up chose torch there is nothing to fall back from.
it.skipIf(engineFor('cpu').engine !== 'native')('falls back to torch if the cache folder is not usable', async () => {
  const python = await findPython();
  await probeEngine(python);
  expect(engineFor('cpu')).toMatchObject({ engine: 'native' });
  await probeEngine(python, { ...process.env, XDG_CACHE_HOME: '/proc/nowhere' });
  const { engine, reason } = engineFor('cpu');
  expect(engine).toBe('torch');
  expect(reason).toMatch(/cannot load the compiled engine: .*cannot be written.*set XDG_CACHE_HOME/);
});
