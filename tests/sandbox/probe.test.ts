import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { describeSandbox, probeSandbox } from '../../src/sandbox/index.ts';
import { openFolder, python } from './support.ts';

/** A bubblewrap that does what `body` says, in place of the real one. */
function fakeBwrap(body: string): string {
  const path = join(openFolder(), 'bwrap');
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

const refusal = async (
  options: Partial<Parameters<typeof probeSandbox>[0]>,
  remedy = 'install bubblewrap and permit user namespaces, or pass --unsafe to run untrusted code with your own rights',
) => {
  const thrown: unknown = await probeSandbox({ python, ...options }).catch((error: unknown) => error);
  if (!(thrown instanceof PrerequisiteError)) throw thrown;
  expect(thrown.remedy).toBe(remedy);
  expect(thrown.message).toMatch(/^this machine cannot run untrusted code in a sandbox: [^\n]+$/);
  return thrown.message;
};

describe('a machine is asked whether it can run untrusted code', () => {
  it('and can, by one of the two identities', async () => {
    const capability = await probeSandbox({ python });
    expect(capability.mode).toBe('sandboxed');
    expect(capability.identity).toBe(process.getuid?.() === 0 ? 'dedicated' : 'own');
    expect(describeSandbox(capability)).toMatch(/^bubblewrap, .*, seccomp, /);
  });

  it('and cannot without bubblewrap', async () => {
    expect(await refusal({ bwrap: null })).toContain('bubblewrap is not installed');
  });

  it('and cannot where the kernel gives no namespaces, with the words of bubblewrap', async () => {
    const said = 'bwrap: No permissions to create new namespace';
    expect(await refusal({ bwrap: fakeBwrap(`echo '${said}' >&2; exit 1`) })).toContain(said);
  });

  it('and is not believed where something starts the program without closing a door', async () => {
    // Starts the command that follows the first lone `--`, with no namespace at all.
    const open = fakeBwrap('while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
    expect(await refusal({ bwrap: open })).toMatch(/cannot run untrusted code/);
  });

  it('and needs a Python that is one', async () => {
    const message = await refusal({ python: fakeBwrap('echo nonsense') }, 'run `npm run setup`');
    expect(message).toContain('does not behave like Python');
  });

  it('and is not asked where a person has said so', async () => {
    const capability = await probeSandbox({ python, unsafe: true, bwrap: null });
    expect(capability.mode).toBe('unsafe');
    expect(describeSandbox(capability)).toContain('rights of this user');
  });
});
