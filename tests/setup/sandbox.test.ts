import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './machine.ts';

const install = 'apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=600 bubblewrap';

describe('a machine without bubblewrap', () => {
  let machine: Machine;
  const apt = (calls: string[]) => calls.filter((call) => call.startsWith('apt-get'));
  beforeEach(() => {
    machine = Machine.complete();
    machine.removeProgram('bwrap');
  });
  afterEach(() => machine.remove());

  it('gets it, as root', async () => {
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(apt(calls)).toEqual([install]);
    expect(said).toContain('installing Debian package bubblewrap: programs that agents write are run in a sandbox');
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('goes on without it where it cannot be installed, says so once, and does not try again', async () => {
    machine.program('apt-get', "echo 'E: no network' >&2; exit 100");
    const { code, said } = await machine.setUp();
    expect(code).toBe(0);
    expect(said.at(-2)).toMatch(
      /^programs that agents write cannot be run here, since there is no bubblewrap \(apt-get/,
    );
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('goes on without it for a user without rights', async () => {
    machine.uid = 1000;
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(apt(calls)).toEqual([]);
    expect(said.at(-2)).toContain('this is not root, and there is no sudo');
  });

  it('needs none on a system that is no Debian', async () => {
    machine.platform = 'darwin';
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(apt(calls)).toEqual([]);
  });
});
