/**
 * What bubblewrap is told. It is a toolkit: the protection is wholly decided here, and the order of the options counts, since
 * each is carried out after the other.
 */
import { readdirSync } from 'node:fs';
import type { Defences } from './defences.ts';
import { gpuArguments, gpuEnvironment } from './gpu.ts';
import { baseEnvironment, outputFolder, type SandboxSpec } from './spec.ts';
import type { SystemRoot } from './systemRoot.ts';

/** Top-level folders that are the sandbox's own whatever else is shown. */
const ownFolders = ['proc', 'dev', 'tmp', 'box'];

/** The user inside; which one it is outside is the launcher's affair. */
const innerUser = '1000';

/**
 * @param stage where the launcher has put what is to be bound, in its own mount namespace.
 *
 * Options only; the command follows apart. Strings may hold anything but NUL, since they travel NUL-separated.
 */
export function bwrapArguments(spec: SandboxSpec, root: SystemRoot, stage: string, defences: Defences): string[] {
  const when = (defence: Parameters<Defences['has']>[0], ...options: string[]) =>
    defences.has(defence) ? options : [];
  const environment = { ...baseEnvironment, ...(spec.gpu === undefined ? {} : gpuEnvironment), ...spec.env };
  const visible = defences.has('chosen-root')
    ? [
        ...root.binds.flatMap((path) => ['--ro-bind', path, path]),
        ...root.links.flatMap(([target, path]) => ['--symlink', target, path]),
      ]
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
    ...visible,
    ...['--proc', '/proc', '--dev', '/dev', '--bind', `${stage}/shm`, '/dev/shm'],
    ...(spec.gpu === undefined ? [] : gpuArguments(spec.gpu)),
    ...when('sealed-root', '--remount-ro', '/dev'),
    ...['--bind', `${stage}/tmp`, '/tmp'],
    ...spec.readOnly.flatMap(({ target }, index) => [
      defences.has('read-only-inputs') ? '--ro-bind' : '--bind',
      `${stage}/in${index}`,
      target,
    ]),
    ...['--bind', `${stage}/out`, outputFolder, '--chdir', outputFolder],
    ...when('sealed-root', '--remount-ro', '/'),
  ];
}
