import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import type { ToolchainPaths } from '../../src/platform/installation.ts';
import { findNatsServer, findPython } from '../../src/platform/installation.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aira-toolchain-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A program that answers the probe: an interpreter of its own path, without the named modules. */
function python(path: string, missing: string[] = []): string {
  const file = join(root, path);
  mkdirSync(join(file, '..'), { recursive: true });
  const answer = JSON.stringify({ executable: `${file}-behind-the-shim`, missing });
  writeFileSync(file, `#!/bin/sh\necho '${answer}'\n`);
  chmodSync(file, 0o755);
  return file;
}

const places = (env: Record<string, string>, more: Partial<ToolchainPaths> = {}): ToolchainPaths => ({
  env,
  packageRoot: root,
  systemPython: [],
  systemNatsServer: [],
  ...more,
});

function record(value: unknown): void {
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(join(root, 'dist', 'toolchain.json'), typeof value === 'string' ? value : JSON.stringify(value));
}

describe('the Python that trains', () => {
  it('is the first that has torch and numpy, and the interpreter behind a shim', async () => {
    python('first/python3', ['torch']);
    const second = python('second/python3');
    const PATH = [join(root, 'first'), 'relative', join(root, 'nowhere'), join(root, 'second')].join(delimiter);
    expect(await findPython(places({ PATH }))).toBe(`${second}-behind-the-shim`);
  });

  it('is looked for in the record, then the virtual environment, then PATH, then the system', async () => {
    const system = python('system/python3');
    const all = { systemPython: [system] };
    expect(await findPython(places({}, all))).toContain('system');
    const onPath = python('path/python3');
    const env = { PATH: join(root, 'path') };
    expect(await findPython(places(env, all))).toContain('path');
    python('venv/bin/python3');
    const active = { ...env, VIRTUAL_ENV: join(root, 'venv') };
    expect(await findPython(places(active, all))).toContain('venv');
    record({ python: python('recorded/python3'), natsServer: onPath });
    expect(await findPython(places(active, all))).toContain('recorded');
    // A record of what has been removed since, or a damaged one, is passed over.
    record({ python: join(root, 'gone') });
    expect(await findPython(places(active, all))).toContain('venv');
    record('{"python": ');
    expect(await findPython(places(active, all))).toContain('venv');
  });

  it('named by AIRA_PYTHON is that one or an error, never another', async () => {
    python('path/python3');
    const env = { PATH: join(root, 'path') };
    const mine = python('mine/python3.12');
    expect(await findPython(places({ ...env, AIRA_PYTHON: mine }))).toContain('mine');
    const bare = python('mine/python3', ['torch', 'numpy']);
    await expect(findPython(places({ ...env, AIRA_PYTHON: bare }))).rejects.toThrow('which lacks torch and numpy');
    await expect(findPython(places({ ...env, AIRA_PYTHON: join(root, 'no') }))).rejects.toThrow(
      'which is not a program that can be run',
    );
    const cat = join(root, 'cat');
    writeFileSync(cat, '#!/bin/sh\necho meow\n', { mode: 0o755 });
    await expect(findPython(places({ AIRA_PYTHON: cat }))).rejects.toThrow('does not behave like Python');
  });

  it('that is missing is told with what was tried and the remedy', async () => {
    const bare = python('path/python3', ['torch']);
    const error = await findPython(places({ PATH: join(root, 'path') })).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PrerequisiteError);
    expect(error).toMatchObject({
      code: 'toolchain',
      message: `there is no Python with torch and numpy (${bare} lacks torch)`,
      remedy: 'run `npm run setup`',
    });
    await expect(findPython(places({}))).rejects.toThrow(/^there is no Python with torch and numpy$/);
  });

  it.each([
    ['kill -9 $$', 'cannot be run: it was killed by SIGKILL'],
    ['exit 7', 'cannot be run: it exited with 7'],
    ['echo "no such library" >&2; exit 1', 'cannot be run: no such library'],
  ])('that ends by `%s` is told as that, and not by the text of the question', async (script, problem) => {
    const file = python('bin/python3');
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    const said = await findPython(places({ PATH: join(root, 'bin') })).catch((thrown: Error) => thrown.message);
    expect(said).toBe(`there is no Python with torch and numpy (${file} ${problem})`);
  });

  it('is there on this machine', async () => {
    expect(await findPython()).toMatch(/^\//);
  });

  it('is asked without our keys', async () => {
    const spy = join(root, 'spy');
    writeFileSync(spy, `#!/bin/sh\nenv > ${root}/seen\necho '{"executable": "/spy", "missing": []}'\n`, {
      mode: 0o755,
    });
    await findPython(places({ AIRA_PYTHON: spy, OPENAI_API_KEY: 'sk-canary', PATH: '/usr/bin:/bin' }));
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(join(root, 'seen'), 'utf8')).toContain('PATH=');
    expect(readFileSync(join(root, 'seen'), 'utf8')).not.toContain('sk-canary');
  });
});

describe('the nats-server', () => {
  it('is looked for by its variable, in the record, on PATH, at the system’s place', () => {
    const make = (path: string) => python(path);
    const system = make('sbin/nats-server');
    const all = { systemNatsServer: [system] };
    expect(findNatsServer(places({}, all))).toBe(system);
    const onPath = make('path/nats-server');
    const env = { PATH: join(root, 'path') };
    expect(findNatsServer(places(env, all))).toBe(onPath);
    const written = make('recorded/nats-server');
    record({ natsServer: written });
    expect(findNatsServer(places(env, all))).toBe(written);
    const named = make('named/my-nats');
    expect(findNatsServer(places({ ...env, AIRA_NATS_SERVER: named }, all))).toBe(named);
    expect(() => findNatsServer(places({ ...env, AIRA_NATS_SERVER: 'no-such-nats' }, all))).toThrow(
      'AIRA_NATS_SERVER is no-such-nats, which is not a program that can be run',
    );
  });

  it('that is missing is told with the remedy', () => {
    expect(() => findNatsServer(places({}))).toThrow(PrerequisiteError);
  });
});
