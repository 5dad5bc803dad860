/** Pythons in the places where people keep them, each with the torch of /usr/bin/python3. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { python as systemPython } from './support.ts';

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** A home with private files, which only its owner can enter. */
export function privateHome(parent: string, owner?: number): string {
  const home = mkdtempSync(join(parent, 'aira-places-'));
  made.push(home);
  writeFileSync(join(home, 'secret.txt'), 'secret');
  mkdirSync(join(home, '.ssh'));
  writeFileSync(join(home, '.ssh', 'id'), 'secret');
  chmodSync(home, 0o700);
  if (owner !== undefined) chownSync(home, owner, owner);
  return home;
}

/** Below /home where this user can make one, else below his own. */
export const homes = (): string => (process.getuid?.() === 0 ? '/home' : homedir());

const ask = (python: string, text: string): string =>
  execFileSync(python, ['-I', '-c', text], { encoding: 'utf8' }).trim();

const packagesOf = (python: string): string => ask(python, 'import site; print(site.getsitepackages()[0])');

/** `python3 -m venv`, which sees the packages of the system. Answers its Python. */
export function venv(folder: string, base = systemPython): string {
  execFileSync(base, ['-m', 'venv', '--system-site-packages', '--without-pip', folder], { stdio: 'ignore' });
  writeFileSync(join(folder, '.env'), 'secret');
  return join(folder, 'bin', 'python3');
}

const copied = (path: string): boolean => !/\/(test|tests|__pycache__|idlelib|lib2to3)$/.test(path);

/** A standalone Python, as conda, uv and pyenv install it: no pyvenv.cfg, found by the library next to it. */
export function ownInstallation(prefix: string): string {
  const program = realpathSync(systemPython);
  const version = basename(program);
  for (const folder of ['bin', 'lib']) mkdirSync(join(prefix, folder), { recursive: true });
  cpSync(program, join(prefix, 'bin', version));
  cpSync(ask(systemPython, 'import os; print(os.path.dirname(os.__file__))'), join(prefix, 'lib', version), {
    recursive: true,
    dereference: true,
    filter: copied,
  });
  symlinkSync(version, join(prefix, 'bin', 'python3'));
  const python = join(prefix, 'bin', 'python3');
  borrowPackages(python);
  return python;
}

/** Lets a Python see the system's packages, by a .pth file. */
function borrowPackages(python: string): void {
  const packages = packagesOf(python);
  mkdirSync(packages, { recursive: true });
  const torch = ask(systemPython, 'import importlib.util as u; print(u.find_spec("torch").origin)');
  writeFileSync(join(packages, 'system.pth'), `${torch.replace(/\/torch\/__init__\.py$/, '')}\n`);
}

/** Makes packages of a Python links to a cache elsewhere, in place of those that it borrows. */
export function linkPackages(python: string, cache: string): void {
  const packages = packagesOf(python);
  rmSync(join(packages, 'system.pth'));
  for (const name of ['torch', 'numpy']) {
    mkdirSync(join(cache, name), { recursive: true });
    writeFileSync(join(cache, name, '__init__.py'), '');
    symlinkSync(join(cache, name), join(packages, name));
  }
}

/** A virtual environment as uv makes it: its Python is a link to an installation elsewhere below the home. */
export function uvLike(home: string): string {
  const base = ownInstallation(join(home, '.local', 'share', 'uv', 'python', 'cpython-3-linux'));
  const folder = join(home, 'work', '.venv');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  symlinkSync(base, join(folder, 'bin', 'python'));
  symlinkSync('python', join(folder, 'bin', 'python3'));
  writeFileSync(join(folder, 'pyvenv.cfg'), `home = ${join(base, '..')}\ninclude-system-site-packages = false\n`);
  const python = join(folder, 'bin', 'python3');
  borrowPackages(python);
  return python;
}

/** A link to a link to a folder whose Python is a link with a relative target that leaves the folder. */
export function behindLinks(home: string): string {
  ownInstallation(join(home, 'store', 'base'));
  const folder = join(home, 'store', 'env');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  symlinkSync('../../base/bin/python3', join(folder, 'bin', 'python3'));
  writeFileSync(join(folder, 'pyvenv.cfg'), `home = ${join(home, 'store', 'base', 'bin')}\n`);
  borrowPackages(join(folder, 'bin', 'python3'));
  mkdirSync(join(home, 'links'));
  symlinkSync('../store/env', join(home, 'links', 'one'));
  symlinkSync(join(home, 'links', 'one'), join(home, 'current'));
  return join(home, 'current', 'bin', 'python3');
}

/** As under a umask of 077. */
export function closed(python: string): string {
  execFileSync('chmod', ['-R', 'go-rwx', dirname(dirname(python))]);
  return python;
}

/** A folder that is a project and a virtual environment at once. */
export function inProject(home: string): string {
  const folder = join(home, 'project');
  const python = venv(folder);
  mkdirSync(join(folder, 'data'));
  writeFileSync(join(folder, 'data', 'labels.csv'), 'secret');
  return python;
}

/** A prefix that is the home itself, as `./configure --prefix=$HOME` makes it. */
export function homeAsPrefix(home: string): string {
  const python = ownInstallation(home);
  mkdirSync(join(home, 'share'));
  writeFileSync(join(home, 'share', 'keyring'), 'secret');
  writeFileSync(join(home, 'bin', 'deploy'), 'secret');
  return python;
}

/** All files below a home that hold its secret. */
export const secretFiles = (home: string): string[] =>
  readdirSync(home, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(^|\/)(secret\.txt|id|\.env|labels\.csv|keyring|deploy)$/.test(path))
    .map((path) => join(home, path));
