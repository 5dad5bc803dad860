/**
 * What bubblewrap is told. It is a toolkit: the protection is wholly decided here, and the order of the options counts, since
 * each is carried out after the other.
 */
import { readdirSync } from 'node:fs';
import type { Defences } from './defences.ts';
import { gpuArguments, gpuEnvironment } from './gpu.ts';
import { baseEnvironment, outputFolder, type ReadOnlyMount, type SandboxSpec } from './spec.ts';
import type { SystemRoot } from './systemRoot.ts';

/** Top-level folders that are the sandbox's own whatever else is shown. */
const ownFolders = ['proc', 'dev', 'tmp', 'box'];

/** The user inside; which one it is outside is the launcher's affair. */
const innerUser = '1000';

const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

export interface StagedMount extends ReadOnlyMount {
  /** Meant for the program, which can read it whoever its owner is; the system's own files stay as they are. */
  readonly given: boolean;
}

/** What the launcher puts below its stage, as `in0`, `in1` and so on. */
export const stagedMounts = (spec: SandboxSpec, { binds, interpreter }: SystemRoot): readonly StagedMount[] => [
  ...binds.map((path) => ({ source: path, target: path, given: false })),
  ...interpreter.binds.map((path) => ({ source: path, target: path, given: true })),
  ...spec.readOnly.map((each) => ({ ...each, given: true })),
];

/**
 * @param stage where the launcher has put what is to be bound, in its own mount namespace.
 *
 * Options only; the command follows apart. Strings may hold anything but NUL, since they travel NUL-separated.
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
    ...['--unshare-user', '--unshare-cgroup-try', '--uid', innerUser, '--gid', innerUser, '--new-session'],
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
    // Process 1 is bubblewrap's own and runs as the same user: its memory and descriptors would be the program's.
    ...['--proc', '/proc', ...when('hidden-init', '--ro-bind', `${stage}/empty`, '/proc/1')],
    ...['--dev', '/dev', '--bind', `${stage}/shm`, '/dev/shm'],
    ...devices.flatMap((name) => ['--dev-bind', `${stage}/dev/${name}`, `/dev/${name}`]),
    ...(spec.gpu === undefined ? [] : gpuArguments(spec.gpu)),
    ...when('sealed-root', '--remount-ro', '/dev'),
    ...['--bind', `${stage}/tmp`, '/tmp'],
    // A Python may lie below /tmp or /dev/shm, which are the program's own.
    ...when('chosen-root', ...link(root.interpreter.links), ...bind('--ro-bind', staged.slice(ownAt, inputsAt))),
    ...bind(defences.has('read-only-inputs') ? '--ro-bind' : '--bind', staged.slice(inputsAt)),
    ...(spec.writable ?? []).flatMap(({ target }, index) => ['--bind', `${stage}/rw${index}`, target]),
    ...['--bind', `${stage}/out`, outputFolder, '--chdir', spec.directory ?? outputFolder],
    ...when('sealed-root', '--remount-ro', '/'),
  ];
}
