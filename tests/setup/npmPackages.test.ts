import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine, repository } from './machine.ts';

describe('npm packages', () => {
  let machine: Machine;
  beforeEach(async () => {
    machine = Machine.complete();
    expect((await machine.setUp()).code).toBe(0);
  });
  afterEach(() => machine.remove());
  const npm = (calls: string[]) => calls.filter((call) => call.startsWith('npm') && !call.startsWith('npm config'));

  function editLock(change: (packages: Record<string, Record<string, unknown>>) => void): void {
    const path = join(machine.root, 'package-lock.json');
    const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Record<string, unknown>> };
    change(lock.packages);
    writeFileSync(path, JSON.stringify(lock));
  }

  it('are installed when there are none, with the compiler even under NODE_ENV=production', async () => {
    rmSync(join(machine.root, 'node_modules'), { recursive: true });
    machine.env.NODE_ENV = 'production';
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(npm(calls)).toEqual(['npm ci --include=dev --no-audit --no-fund --loglevel=http']);
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('are installed again when package-lock.json wants another version', async () => {
    editLock((packages) => {
      packages['node_modules/left'] = { version: '2.0.0', integrity: 'sha512-newer' };
    });
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(npm(calls)).toHaveLength(1);
    expect(said[0]).toContain('node_modules/left');
  });

  it('are installed again when a folder was removed by hand', async () => {
    rmSync(join(machine.root, 'node_modules/left'), { recursive: true });
    expect(npm((await machine.setUp()).calls)).toHaveLength(1);
  });

  it('are not installed again because package-lock.json was merely touched', async () => {
    editLock(() => undefined);
    expect(npm((await machine.setUp()).calls)).toEqual([]);
  });

  it('leave the last lines of a failed npm on the screen', async () => {
    rmSync(join(machine.root, 'node_modules'), { recursive: true });
    machine.program('npm', '[ "$1" = config ] || { echo "npm error code ENOTFOUND" >&2; exit 1; }');
    const { code, said } = await machine.setUp();
    expect(code).toBe(1);
    expect(said).toContain('npm error code ENOTFOUND');
  });

  it('are compiled again when the native one was made for another Node', async () => {
    // The real better-sqlite3 with a compiled part that is no library; `npm rebuild` puts the real one in its place.
    const modules = join(repository, 'node_modules');
    const real = join(modules, 'better-sqlite3');
    const copy = join(machine.root, 'node_modules/better-sqlite3');
    const addon = 'build/Release/better_sqlite3.node';
    for (const part of ['package.json', 'lib']) cpSync(join(real, part), join(copy, part), { recursive: true });
    mkdirSync(dirname(join(copy, addon)), { recursive: true });
    writeFileSync(join(copy, addon), 'made for another machine');
    for (const name of ['bindings', 'file-uri-to-path'].filter((each) => existsSync(join(modules, each)))) {
      symlinkSync(join(modules, name), join(machine.root, 'node_modules', name));
    }
    editLock((packages) => {
      packages['node_modules/better-sqlite3'] = { version: '12.11.1', integrity: 'sha512-native' };
    });
    machine.installNodeModules();
    machine.program('npm', `[ "$1" = rebuild ] && cp '${join(real, addon)}' '${join(copy, addon)}'; exit 0`);

    const { code, said, calls } = await machine.setUp();
    expect(npm(calls)).toEqual(['npm rebuild better-sqlite3']);
    expect(said[0]).toMatch(/^compiling better-sqlite3 again: /);
    expect(code).toBe(0);
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });
});

describe("Node's headers", () => {
  let machine: Machine;
  let seen: string;
  beforeEach(() => {
    machine = Machine.complete();
    rmSync(join(machine.root, 'node_modules'), { recursive: true });
    seen = join(machine.folder, 'nodedir');
  });
  afterEach(() => machine.remove());

  const prefix = dirname(dirname(process.execPath));
  const hasHeaders = (() => {
    try {
      const text = readFileSync(join(prefix, 'include/node/node_version.h'), 'utf8');
      return text.includes(`#define NODE_MODULE_VERSION ${process.versions.modules}`);
    } catch {
      return false;
    }
  })();

  /** npm that answers `configured` for nodedir and writes down the variable it was started with. */
  async function nodedirSeen(configured: string): Promise<string> {
    machine.program('npm', `[ "$1" = config ] && echo '${configured}' || printf %s "$npm_config_nodedir" > '${seen}'`);
    await machine.setUp();
    return readFileSync(seen, 'utf8');
  }

  it('beside this Node are named to node-gyp, if they are there', async () => {
    expect(await nodedirSeen('undefined')).toBe(hasHeaders ? prefix : '');
  });

  it('are not named over those that npm is configured with', async () => {
    expect(await nodedirSeen('/opt/headers')).toBe('');
  });

  it('are not named over those in the environment', async () => {
    machine.env.npm_config_nodedir = '/opt/headers';
    expect(await nodedirSeen('/opt/headers')).toBe('/opt/headers');
  });
});
