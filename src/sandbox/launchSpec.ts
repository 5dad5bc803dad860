/** The launcher's input; `gpu-workers/aira_sandbox/launcher.py` is the other side, installed together with this one. */

import { existsSync, readdirSync } from 'node:fs';
import type { Cgroup } from './cgroups.ts';
import { seccompFilter } from './seccomp.ts';
import {
  baseEnvironment,
  type Defences,
  defaultFiles,
  defaultScratchBytes,
  outputFolder,
  type ReadOnlyMount,
  type SandboxLimits,
  type SandboxSpec,
} from './spec.ts';
import type { SandboxCapability, SystemRoot } from './systemRoot.ts';

export interface LaunchSpec {
  /** Program and arguments; an argument that names one of `contents` is replaced by the number of a descriptor with it. */
  readonly command: readonly string[];
  readonly contents: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  /** The socket of a trusted process, connected as descriptor 3 of the program; null without one. */
  readonly channel: string | null;
  /** Null: no namespaces created by the launcher. */
  readonly stage: string | null;
  readonly sources: readonly { path: string; given: boolean }[];
  /** Files that the program reads get private inodes, as far as the kernel allows. */
  readonly privateFiles: boolean;
  /** Host folders that the program may write. */
  readonly writable: readonly { path: string; bytes: number }[];
  readonly scratch: readonly { name: string; bytes: number; inodes: number; exec: boolean }[];
  /** Root switches to a dedicated user id for the program. */
  readonly dedicated: boolean;
  readonly groups: readonly string[];
  readonly closeDescriptors: boolean;
  readonly dieWithParent: boolean;
  /** Resident bytes above which the launcher kills the program; null if a control group limits it. */
  readonly watchBytes: number | null;
  readonly export: { folder: string; maxBytes: number; maxFiles: number; strict: boolean };
}

/** File systems in memory have this many inodes in addition to the requested files. */
const scratchInodes = 10_000;

const writableFolders = ({ writable = [] }: SandboxSpec): LaunchSpec['writable'] =>
  writable.map(({ source, maxBytes }) => ({ path: source, bytes: maxBytes }));

const largestOutput = ({ output, writable = [] }: SandboxSpec): number =>
  Math.max(output.maxBytes, ...writable.map(({ maxBytes }) => maxBytes));

/** Limits per process, which prlimit sets inside the sandbox, where the program has its own process count. */
function processLimits(limits: SandboxLimits, maxBytes: number, groups: boolean, defences: Defences): string[] {
  // One second above the limit measured outside, so that a program killed by it has verifiably exceeded that limit.
  const seconds = limits.cpuSeconds === undefined ? [] : [`--cpu=${Math.ceil(limits.cpuSeconds) + 1}`];
  const largest = Math.max(maxBytes, limits.scratchBytes ?? defaultScratchBytes);
  return [
    '--core=0',
    '--nofile=1024',
    '--memlock=8388608',
    ...seconds,
    ...(defences.has('file-size') ? [`--fsize=${largest}`] : []),
    ...(defences.has('processes') ? [`--nproc=${limits.processes}`] : []),
    // Without a control group, the only limit between two checks of the launcher's watch.
    ...(!groups && defences.has('memory') ? [`--data=${limits.memoryBytes}`] : []),
  ];
}

/** @param stage an empty folder that everyone may enter; its mounts are visible to the launcher only. */
export function sandboxLaunchSpec(
  spec: SandboxSpec,
  stage: string,
  capability: SandboxCapability,
  group: Cgroup | null,
  defences: Defences,
): LaunchSpec {
  const { limits, output } = spec;
  const maxFiles = output.maxFiles ?? defaultFiles;
  const scratchBytes = limits.scratchBytes ?? defaultScratchBytes;
  const bytes = (size: number) => (defences.has('bounded-bytes') ? size : 0);
  const inodes = (count: number) => (defences.has('bounded-inodes') ? count : 0);
  const filter = defences.has('system-calls') ? ['--seccomp', 'aira:seccomp'] : [];
  const limited = [capability.prlimit, ...processLimits(limits, largestOutput(spec), group !== null, defences), '--'];
  const filterText = seccompFilter(process.arch, { memoryWatched: group === null }).toString('base64');
  const options = bwrapArguments(spec, capability.root, stage, defences);
  return {
    command: [
      capability.bwrap,
      '--json-status-fd',
      '@status',
      ...filter,
      '--args',
      'aira:arguments',
      '--',
      ...limited,
      ...spec.argv,
    ],
    contents: {
      'aira:arguments': Buffer.from(options.map((option) => `${option}\0`).join('')).toString('base64'),
      ...(defences.has('system-calls') ? { 'aira:seccomp': filterText } : {}),
    },
    environment: defences.has('empty-environment') ? {} : environmentOf(process.env),
    directory: '/',
    channel: spec.channel ?? null,
    stage,
    sources: stagedMounts(spec, capability.root).map(({ source, given }) => ({ path: source, given })),
    privateFiles: defences.has('private-files'),
    writable: writableFolders(spec),
    scratch: [
      { name: 'out', bytes: bytes(output.maxBytes), inodes: inodes(maxFiles + 2), exec: false },
      { name: 'tmp', bytes: bytes(scratchBytes), inodes: inodes(scratchInodes), exec: true },
      { name: 'shm', bytes: bytes(scratchBytes), inodes: inodes(scratchInodes), exec: false },
    ],
    dedicated: capability.identity === 'dedicated' && defences.has('own-user'),
    groups: group?.entrances ?? [],
    closeDescriptors: defences.has('closed-descriptors'),
    dieWithParent: defences.has('die-with-parent'),
    watchBytes: group !== null || !defences.has('memory') ? null : limits.memoryBytes,
    export: {
      folder: `${stage}/out`,
      maxBytes: output.maxBytes,
      maxFiles,
      strict: defences.has('strict-export'),
    },
  };
}

const environmentOf = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** The same program with this user's rights. Paths inside become those of the host. */
export function unsafeLaunchSpec(
  spec: SandboxSpec,
  work: string,
  capability: SandboxCapability,
  group: Cgroup | null,
): LaunchSpec {
  const places = [
    ...[...spec.readOnly, ...(spec.writable ?? [])].map(({ source, target }) => [target, source] as const),
    [outputFolder, work] as const,
  ];
  const outside = (text: string): string => {
    for (const [inside, path] of places) {
      if (text === inside || text.startsWith(`${inside}/`)) return `${path}${text.slice(inside.length)}`;
      // A folder above a mounted one, if it is above it outside as well.
      const rest = inside.startsWith(`${text}/`) ? inside.slice(text.length) : null;
      if (rest !== null && path.endsWith(rest)) return path.slice(0, path.length - rest.length);
    }
    return text;
  };
  const { limits, output } = spec;
  const every = new Set(['file-size', 'memory'] as const) as Defences;
  const environment = { ...baseEnvironment, ...spec.env };
  return {
    command: [
      capability.prlimit,
      ...processLimits(limits, largestOutput(spec), group !== null, every),
      '--',
      ...spec.argv.map(outside),
    ],
    contents: {},
    environment: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, outside(value)])),
    directory: spec.directory === undefined ? work : outside(spec.directory),
    channel: spec.channel ?? null,
    stage: null,
    sources: [],
    privateFiles: false,
    writable: writableFolders(spec),
    scratch: [],
    dedicated: false,
    groups: group?.entrances ?? [],
    closeDescriptors: true,
    dieWithParent: true,
    watchBytes: group === null ? limits.memoryBytes : null,
    export: { folder: work, maxBytes: output.maxBytes, maxFiles: output.maxFiles ?? defaultFiles, strict: true },
  };
}

/**
 * Arguments of bubblewrap. It is a toolkit: the protection depends entirely on these options, and on their order, because they
 * are applied one after the other.
 */

/** Top-level folders that the sandbox provides itself. */
const ownFolders = ['proc', 'dev', 'tmp', 'box'];

/** The user id inside; the launcher determines the one outside. */
const innerUser = '1000';

const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

export interface StagedMount extends ReadOnlyMount {
  /** For the program, readable by it under any owner; the system's own files keep their permissions. */
  readonly given: boolean;
}

/** The mounts that the launcher puts below its stage, as `in0`, `in1` and so on. */
export const stagedMounts = (spec: SandboxSpec, { binds, interpreter }: SystemRoot): readonly StagedMount[] => [
  ...binds.map((path) => ({ source: path, target: path, given: false })),
  ...interpreter.binds.map((path) => ({ source: path, target: path, given: true })),
  ...spec.readOnly.map((each) => ({ ...each, given: true })),
];

/**
 * Options only; the command follows separately. Strings may contain anything but NUL, because they are NUL-separated.
 *
 * @param stage where the launcher has put the mounts, in its own mount namespace.
 */
export function bwrapArguments(spec: SandboxSpec, root: SystemRoot, stage: string, defences: Defences): string[] {
  const when = (defence: Parameters<Defences['has']>[0], ...options: string[]) =>
    defences.has(defence) ? options : [];
  const environment = { ...baseEnvironment, ...(spec.gpu === undefined ? {} : gpuEnvironment), ...spec.env };
  const staged = stagedMounts(spec, root).map(({ target }, index) => [`${stage}/in${index}`, target] as const);
  const ownAt = root.binds.length;
  const inputsAt = ownAt + root.interpreter.binds.length;
  const bind = (option: string, mounts: readonly (readonly [string, string])[]) =>
    mounts.flatMap(([source, target]) => [option, source, target]);
  const link = (links: SystemRoot['links']) => links.flatMap(([target, path]) => ['--symlink', target, path]);
  const system = defences.has('chosen-root')
    ? [...bind('--ro-bind', staged.slice(0, ownAt)), ...link(root.links)]
    : readdirSync('/')
        .filter((name) => !ownFolders.includes(name))
        .flatMap((name) => ['--ro-bind', `/${name}`, `/${name}`]);
  return [
    '--unshare-user',
    '--unshare-cgroup-try',
    '--uid',
    innerUser,
    '--gid',
    innerUser,
    '--new-session',
    ...when('network-namespace', '--unshare-net'),
    ...when('process-namespace', '--unshare-pid'),
    ...when('ipc-namespace', '--unshare-ipc'),
    ...when('host-name', '--unshare-uts', '--hostname', 'sandbox'),
    ...when('nested-namespaces', '--disable-userns', '--assert-userns-disabled'),
    ...when('capabilities', '--cap-drop', 'ALL'),
    ...when('die-with-parent', '--die-with-parent'),
    ...when('empty-environment', '--clearenv'),
    ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
    ...system,
    // Process 1 is bubblewrap's own and runs as the same user: the program could access its memory and descriptors.
    '--proc',
    '/proc',
    ...when('hidden-init', '--ro-bind', `${stage}/empty`, '/proc/1'),
    '--dev',
    '/dev',
    '--bind',
    `${stage}/shm`,
    '/dev/shm',
    ...devices.flatMap((name) => ['--dev-bind', `${stage}/dev/${name}`, `/dev/${name}`]),
    ...(spec.gpu === undefined ? [] : gpuArguments(spec.gpu)),
    ...when('sealed-root', '--remount-ro', '/dev'),
    '--bind',
    `${stage}/tmp`,
    '/tmp',
    // A Python may be below /tmp or /dev/shm, which the program has its own of.
    ...when('chosen-root', ...link(root.interpreter.links), ...bind('--ro-bind', staged.slice(ownAt, inputsAt))),
    ...bind(defences.has('read-only-inputs') ? '--ro-bind' : '--bind', staged.slice(inputsAt)),
    ...(spec.writable ?? []).flatMap(({ target }, index) => ['--bind', `${stage}/rw${index}`, target]),
    '--bind',
    `${stage}/out`,
    outputFolder,
    '--chdir',
    spec.directory ?? outputFolder,
    ...when('sealed-root', '--remount-ro', '/'),
  ];
}

/**
 * Bubblewrap options for one NVIDIA GPU; they must follow the one that creates /dev.
 *
 * The nodes are bound as devices, because a plain bind mounts without devices and the driver then reports "insufficient
 * permissions". The driver reads /sys at start. Only the node of this GPU is bound; it becomes number 0 inside. Weaker than a
 * sandbox without a GPU: the driver's interface is large, and no control group limits a GPU's memory.
 */
export function gpuArguments(index: number, exists: (path: string) => boolean = existsSync): string[] {
  const needed = ['/dev/nvidiactl', '/dev/nvidia-uvm', `/dev/nvidia${index}`];
  const optional = ['/dev/nvidia-uvm-tools', '/dev/nvidia-modeset', '/dev/nvidia-caps'].filter(exists);
  return [...needed, ...optional].flatMap((node) => ['--dev-bind', node, node]).concat(['--ro-bind', '/sys', '/sys']);
}

/** Caches of compiled kernels are in a folder that the program may write, and are deleted with it. */
export const gpuEnvironment: Readonly<Record<string, string>> = {
  CUDA_VISIBLE_DEVICES: '0',
  CUDA_CACHE_PATH: '/tmp/cuda',
  TORCHINDUCTOR_CACHE_DIR: '/tmp/inductor',
  TRITON_CACHE_DIR: '/tmp/triton',
};
