/**
 * A machine to set up: a small repository, a file system root, and a PATH on which every program is a script that
 * writes down that it was called. Set-up itself runs unchanged and starts these programs for real.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const repository = dirname(dirname(import.meta.dirname));

export interface Host {
  root: string;
  systemRoot: string;
  env: Record<string, string>;
  platform: string;
  uid: number;
  execPath: string;
  dev: boolean;
  python?: string;
  say: (line: string) => void;
}

/** Loads one of set-up's modules, which are plain JavaScript: the caller states the part of its shape that it uses. */
export async function setupModule<Shape>(name: string): Promise<Shape> {
  return (await import(join(repository, 'scripts/setup', name))) as Shape;
}

const { reportingErrors } = await setupModule<{ reportingErrors: (host: Host) => Promise<number> }>('program.mjs');

/** A Python with nothing but its standard library, to build interpreters with chosen modules on. */
const barePython = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();

const LOCK = {
  lockfileVersion: 3,
  packages: {
    '': { name: 'sample' },
    'node_modules/left': { version: '1.0.0', integrity: 'sha512-left' },
    'node_modules/other-platform': { version: '1.0.0', integrity: 'sha512-other', optional: true },
  },
};

export interface Outcome {
  code: number;
  /** What was said, one entry a line. */
  said: string[];
  /** The programs that were started, in order, with their arguments. */
  calls: string[];
}

export class Machine {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'aira-setup-')));
  readonly root = join(this.folder, 'repository');
  readonly system = join(this.folder, 'system');
  readonly bin = join(this.folder, 'bin');
  readonly log = join(this.folder, 'calls');
  /** What the npm of this machine leaves in node_modules. */
  private readonly npmRecord = join(this.folder, 'hidden-lock.json');
  readonly distPackages = join(this.system, 'usr/lib/python3/dist-packages');
  readonly env: Record<string, string>;
  uid = 0;
  platform = 'linux';

  /** A Debian with a repository, Node's packages and nothing else that Aira needs. */
  constructor() {
    for (const folder of ['etc/alternatives', 'usr/bin', 'usr/sbin', 'var/lib/apt/lists']) {
      mkdirSync(join(this.system, folder), { recursive: true });
    }
    mkdirSync(this.bin);
    this.write(join(this.system, 'etc/debian_version'), '12.11\n');
    this.write(join(this.system, 'var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_Packages'), '');
    this.env = { PATH: `${this.bin}:${join(this.system, 'usr/bin')}`, HOME: this.folder, LOG: this.log };

    this.program('npm', this.npmScript());
    this.program('apt-get', this.aptScript());
    this.program('bwrap');
    for (const tool of ['g++', 'make']) this.program(tool);
    this.program('update-alternatives', `ln -sfn "$3" '${this.system}'/etc/alternatives/"$2"`);
    for (const tool of ['env', 'mkdir', 'touch', 'ln', 'chmod', 'cp', 'cat']) {
      symlinkSync(execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(), join(this.bin, tool));
    }

    this.write(
      join(this.root, 'package.json'),
      JSON.stringify({ name: 'sample', type: 'module', engines: { node: '>=20.19' } }),
    );
    this.write(join(this.root, 'package-lock.json'), JSON.stringify(LOCK));
    this.write(join(this.root, 'src/cli/main.ts'), 'export const answer: number = 42;\n');
    for (const name of ['tsconfig.json', 'tsconfig.build.json']) cpSync(join(repository, name), join(this.root, name));
    this.engineCheck('print(\'{"engine": "native", "reason": null}\')');
    this.write(join(this.root, 'gpu-workers/engine/norm.hpp'), '');
    this.write(join(this.root, 'gpu-workers/aira_workers/native/build.py'), '');
    for (const name of ['torch.txt', 'torch-cuda12.txt', 'tests.txt'])
      this.write(join(this.root, 'requirements', name), `# ${name}\n`);
    this.write(this.npmRecord, this.hiddenLock());
    this.installNodeModules();
  }

  /** What the trainers of this machine answer when they are asked whether the engine can be used. */
  engineCheck(source: string): void {
    this.write(join(this.root, 'gpu-workers/aira_workers/__main__.py'), `${source}\n`);
  }

  /** Everything there: nats-server, Debian's Python with all modules, OpenBLAS selected. */
  static complete(): Machine {
    const machine = new Machine();
    machine.installNatsServer();
    machine.systemPython('numpy', 'torch', 'sklearn', 'yaml', 'pytest', 'xdist');
    machine.selectBlas('openblas-pthread');
    return machine;
  }

  write(path: string, text: string): string {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /**
   * A program that writes down that it was called, by default its name and arguments, then runs `body` (POSIX shell).
   */
  script(path: string, body: string, name = path, logged = `${name} $*`): string {
    this.write(path, `#!/bin/sh\necho "${logged}" >> '${this.log}'\n${body}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  program(name: string, body = ''): string {
    return this.script(join(this.bin, name), body, name);
  }

  removeProgram(name: string): void {
    rmSync(join(this.bin, name));
  }

  installNatsServer(): string {
    return this.script(join(this.system, 'usr/sbin/nats-server'), '', 'nats-server');
  }

  /**
   * An interpreter at `path` that sees the modules in `folder` and the standard library; `-S` leaves out all others.
   */
  python(path: string, folder: string, ...modules: string[]): string {
    for (const module of modules) this.module(folder, module);
    mkdirSync(folder, { recursive: true });
    return this.script(
      path,
      `PYTHONPATH="\${PYTHONPATH:+$PYTHONPATH:}${folder}" exec '${barePython}' -S -B "$@"`,
      path,
      `python ${path}`,
    );
  }

  module(folder: string, name: string, source = ''): void {
    this.write(join(folder, name, '__init__.py'), source);
  }

  systemPython(...modules: string[]): string {
    return this.python(join(this.system, 'usr/bin/python3'), this.distPackages, ...modules);
  }

  /** A torch that says which CUDA it was built for and how many devices it can use. */
  torch(
    folder: string,
    { version = '2.14.1', cuda = '13.0', gpus = 0 }: { version?: string; cuda?: string | null; gpus?: number } = {},
  ): void {
    this.module(
      folder,
      'torch',
      `from types import SimpleNamespace as Names
__version__ = ${JSON.stringify(version)}
version = Names(cuda=${cuda === null ? 'None' : JSON.stringify(cuda)})
cuda = Names(is_available=lambda: ${gpus > 0 ? 'True' : 'False'}, device_count=lambda: ${gpus})
`,
    );
  }

  /** NVIDIA's kernel module with devices of one kind. */
  nvidia({ driver = '580.65.06', count = 1 } = {}): void {
    const folder = join(this.system, 'proc/driver/nvidia');
    this.write(
      join(folder, 'version'),
      `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  ${driver}  Release Build\n`,
    );
    for (let index = 0; index < count; index += 1)
      this.write(join(folder, `gpus/0000:0${index}:00.0/information`), 'Model: \t\t NVIDIA H200\nIRQ: 12\n');
  }

  /**
   * Lets an environment be made at `folder`, by uv or by a Python of this machine with pip, with a torch that can use `gpus`
   * devices. What either installs is written down in the calls.
   */
  makesEnvironments(
    by: 'uv' | 'pip',
    { gpus = 1, base = join(this.bin, 'python3'), folder = join(this.root, '.venv') } = {},
  ): string {
    const packages = join(this.folder, 'index');
    for (const module of ['numpy', 'sklearn', 'yaml', 'pytest', 'xdist']) this.module(packages, module);
    this.torch(packages, { gpus });
    const python = join(this.folder, 'environment-python');
    this.python(python, join(folder, 'site-packages'));
    const start = `mkdir -p '${folder}/bin' '${folder}/site-packages' && touch '${folder}/pyvenv.cfg' && cp '${python}' '${folder}/bin/python'`;
    const install = `cp -r '${packages}'/. '${folder}/site-packages'`;
    if (by === 'uv') {
      this.program('uv', `case "$1" in venv) ${start} ;; pip) ${install} ;; esac`);
    } else {
      const pip = `case "$2" in pip) echo "pip $*" >> '${this.log}'; ${install}; exit 0 ;; esac`;
      this.script(
        python,
        `${pip}\nPYTHONPATH="\${PYTHONPATH:+$PYTHONPATH:}${folder}/site-packages" exec '${barePython}' -S -B "$@"`,
      );
      this.script(base, `case "$2" in venv) ${start}; exit 0 ;; esac\nexec '${barePython}' -S -B "$@"`, 'base');
    }
    return join(folder, 'bin/python');
  }

  /** A virtual environment at `folder` with the given modules; returns its interpreter. */
  virtualEnvironment(folder: string, ...modules: string[]): string {
    this.write(join(folder, 'pyvenv.cfg'), '');
    return this.python(join(folder, 'bin/python'), join(folder, 'site-packages'), ...modules);
  }

  get blasLink(): string {
    return `libblas.so.3-${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch as 'x64' | 'arm64']}-linux-gnu`;
  }

  blasLibrary(kind: 'blas' | 'openblas-pthread'): string {
    return join(this.system, 'usr/lib', this.blasLink.slice('libblas.so.3-'.length), kind, 'libblas.so.3');
  }

  selectBlas(kind: 'blas' | 'openblas-pthread'): void {
    const library = this.write(this.blasLibrary(kind), '');
    const link = join(this.system, 'etc/alternatives', this.blasLink);
    rmSync(link, { force: true });
    symlinkSync(library, link);
  }

  selectedBlas(): string {
    return realpathSync(join(this.system, 'etc/alternatives', this.blasLink));
  }

  /** What npm records after an installation: the lock without the optional packages of other platforms. */
  private hiddenLock(): string {
    const lock = JSON.parse(readFileSync(join(this.root, 'package-lock.json'), 'utf8')) as typeof LOCK;
    const installed = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && !('optional' in entry));
    return JSON.stringify({ ...lock, packages: Object.fromEntries(installed) });
  }

  installNodeModules(): void {
    const modules = join(this.root, 'node_modules');
    this.write(join(modules, '.package-lock.json'), this.hiddenLock());
    this.write(join(modules, 'left/package.json'), '{}');
    // The real compiler. By a link, so that it finds its binary for this platform beside itself.
    for (const name of ['typescript', '@types']) {
      if (!existsSync(join(modules, name))) symlinkSync(join(repository, 'node_modules', name), join(modules, name));
    }
  }

  /** What set-up knows of this machine; what it says is added to `said`. */
  host({ dev = false, python }: { dev?: boolean; python?: string } = {}, said: string[] = []): Host {
    const { root, system: systemRoot, env, platform, uid } = this;
    const say = (line: string) => said.push(line);
    const chosen = python === undefined ? {} : { python };
    return { root, systemRoot, env, platform, uid, dev, ...chosen, execPath: process.execPath, say };
  }

  /** As `npm start` and, with `dev`, `npm test` begin. */
  async setUp(options: { dev?: boolean; python?: string } = {}): Promise<Outcome> {
    rmSync(this.log, { force: true });
    this.write(this.npmRecord, this.hiddenLock());
    const said: string[] = [];
    const code = await reportingErrors(this.host(options, said));
    return { code, said, calls: this.calls() };
  }

  calls(): string[] {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8').trimEnd().split('\n') : [];
  }

  toolchain(): unknown {
    return JSON.parse(readFileSync(join(this.root, 'dist/toolchain.json'), 'utf8'));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** `npm ci` and `npm config get nodedir`, with the effects that set-up looks for. */
  private npmScript(): string {
    const modules = join(this.root, 'node_modules');
    return `
      case "$1" in
        ci) mkdir -p '${modules}/left' && echo '{}' > '${modules}/left/package.json'
            ln -sfn '${repository}/node_modules/typescript' '${modules}/typescript'
            ln -sfn '${repository}/node_modules/@types' '${modules}/@types'
            cp '${this.npmRecord}' '${modules}/.package-lock.json' ;;
        config) echo undefined ;;
      esac`;
  }

  /** `apt-get install` puts each package's files where Debian does, and OpenBLAS selects itself. */
  private aptScript(): string {
    const nats = join(this.system, 'usr/sbin/nats-server');
    const python = join(this.system, 'usr/bin/python3');
    const openblas = this.blasLibrary('openblas-pthread');
    return `
      [ "$1" = install ] || exit 0
      for package in "$@"; do
        case "$package" in
          nats-server) touch '${nats}' && chmod 755 '${nats}' ;;
          python3-*) module="\${package#python3-}"; module="\${module#pytest-}"
            mkdir -p '${this.distPackages}'/"$module"
            touch '${this.distPackages}'/"$module"/__init__.py
            [ -e '${python}' ] || cat > '${python}' <<'END'
#!/bin/sh
PYTHONPATH='${this.distPackages}' exec '${barePython}' -S -B "$@"
END
            chmod 755 '${python}' ;;
          bubblewrap) touch '${join(this.bin, 'bwrap')}' && chmod 755 '${join(this.bin, 'bwrap')}' ;;
          g++ | make) touch '${this.bin}'/"$package" && chmod 755 '${this.bin}'/"$package" ;;
          libopenblas0-pthread) mkdir -p '${dirname(openblas)}' && touch '${openblas}'
            ln -sfn '${openblas}' '${this.system}/etc/alternatives/${this.blasLink}' ;;
        esac
      done`;
  }
}
