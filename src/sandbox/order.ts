/** What the launcher is told; `gpu-workers/aira_sandbox/launcher.py` is the other side, installed together with this one. */
import { bwrapArguments, stagedMounts } from './bwrapArguments.ts';
import type { SandboxCapability } from './capability.ts';
import type { Cgroup } from './cgroups.ts';
import type { Defences } from './defences.ts';
import { seccompFilter } from './seccomp.ts';
import {
  baseEnvironment,
  defaultFiles,
  defaultScratchBytes,
  outputFolder,
  type SandboxLimits,
  type SandboxSpec,
} from './spec.ts';

export interface LauncherOrder {
  /** Program and arguments; those that name one of `contents` become the number of a descriptor that holds it. */
  readonly command: readonly string[];
  readonly contents: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  /** The socket of a trusted process, which the program gets connected as descriptor 3; null without one. */
  readonly channel: string | null;
  /** Null: no namespaces of the launcher's own. */
  readonly stage: string | null;
  readonly sources: readonly { path: string; given: boolean }[];
  /** What is read are inodes of the program's own, as far as the kernel allows. */
  readonly privateFiles: boolean;
  /** Folders of the host that the program may write. */
  readonly writable: readonly { path: string; bytes: number }[];
  readonly scratch: readonly { name: string; bytes: number; inodes: number; exec: boolean }[];
  /** Root gives way to a user id of the program's own. */
  readonly dedicated: boolean;
  readonly groups: readonly string[];
  readonly closeDescriptors: boolean;
  readonly dieWithParent: boolean;
  /** Resident bytes above which the launcher ends the program; null where a control group bounds it. */
  readonly watchBytes: number | null;
  readonly export: { folder: string; maxBytes: number; maxFiles: number; strict: boolean };
}

/** File systems in memory hold this many entries beyond the files that are asked for. */
const scratchInodes = 10_000;

const writableFolders = ({ writable = [] }: SandboxSpec): LauncherOrder['writable'] =>
  writable.map(({ source, maxBytes }) => ({ path: source, bytes: maxBytes }));

const largestOutput = ({ output, writable = [] }: SandboxSpec): number =>
  Math.max(output.maxBytes, ...writable.map(({ maxBytes }) => maxBytes));

/** Limits of each process, which prlimit sets inside, where the count of processes is the program's own. */
function processLimits(limits: SandboxLimits, maxBytes: number, groups: boolean, defences: Defences): string[] {
  // One second beyond what is measured outside, so that a program that is killed for it has visibly used too much.
  const seconds = limits.cpuSeconds === undefined ? [] : [`--cpu=${Math.ceil(limits.cpuSeconds) + 1}`];
  const largest = Math.max(maxBytes, limits.scratchBytes ?? defaultScratchBytes);
  return [
    ...['--core=0', '--nofile=1024', '--memlock=8388608', ...seconds],
    ...(defences.has('file-size') ? [`--fsize=${largest}`] : []),
    ...(defences.has('processes') ? [`--nproc=${limits.processes}`] : []),
    // Without a control group, the only bound that holds between two looks of the launcher's watch.
    ...(!groups && defences.has('memory') ? [`--data=${limits.memoryBytes}`] : []),
  ];
}

/** @param stage an empty folder that everybody may enter; what is mounted on it is seen by the launcher alone. */
export function sandboxOrder(
  spec: SandboxSpec,
  stage: string,
  capability: SandboxCapability,
  group: Cgroup | null,
  defences: Defences,
): LauncherOrder {
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
      ...[capability.bwrap, '--json-status-fd', '@status', ...filter, '--args', 'aira:arguments', '--'],
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

/** The same program with this user's own rights. Paths inside become those of the host. */
export function unsafeOrder(
  spec: SandboxSpec,
  work: string,
  capability: SandboxCapability,
  group: Cgroup | null,
): LauncherOrder {
  const places = [
    ...[...spec.readOnly, ...(spec.writable ?? [])].map(({ source, target }) => [target, source] as const),
    [outputFolder, work] as const,
  ];
  const outside = (text: string): string => {
    for (const [inside, path] of places) {
      if (text === inside || text.startsWith(`${inside}/`)) return `${path}${text.slice(inside.length)}`;
      // A folder above what is given, where it lies above it outside as well.
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
      ...[capability.prlimit, ...processLimits(limits, largestOutput(spec), group !== null, every), '--'],
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
