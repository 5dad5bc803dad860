/**
 * Which system calls untrusted code may not make. Everything else is allowed: torch and numpy use several hundred, and the
 * namespaces have taken away what the ordinary ones could reach. Refused is what would give code a way round the
 * namespaces (new namespaces, mounts, other processes' memory, sockets of a family that knows no network namespace, such as
 * vsock), what has often been a way into the kernel (bpf, io_uring, userfaultfd, performance events, keys), and what tells of other
 * programs' use of a file (inotify, fanotify, dnotify, leases). Locks stay: sqlite needs them, and they are taken on private inodes.
 */
import { PrerequisiteError } from '../domain/errors.ts';
import { assemble, type Instruction, jump, label, load, returns } from './bpf.ts';
import { type Syscall, syscalls } from './syscalls.ts';

export type Processor = 'x64' | 'arm64';

/** AUDIT_ARCH_* of linux/audit.h. */
export const auditArchitecture: Readonly<Record<Processor, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** SECCOMP_RET_* of linux/seccomp.h. */
export const verdicts = {
  allow: 0x7fff0000,
  killProcess: 0x80000000,
  errno: (code: number): number => 0x00050000 | code,
} as const;

export const errnos = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 } as const;

/** Offsets in `struct seccomp_data`; an argument's low word comes first. */
const offsets = { number: 0, architecture: 4, argument: (index: number): number => 16 + 8 * index } as const;

/** Calls of the x32 interface carry this bit and would pass a list of numbers without it. */
const x32Bit = 0x40000000;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; clone cannot ask for NEWTIME. */
const newNamespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;
const unixFamily = 1;
/** TIOCSTI and TIOCLINUX put characters into the terminal of whoever started the laboratory. */
const terminalInput = [0x5412, 0x541c];

/** F_SETLEASE and F_NOTIFY of linux/fcntl.h. */
const fileWatches = [1024, 1026];
/** Memory that belongs to no process and to no file system of ours; permitted where a control group counts it. */
const uncountedMemory: readonly Syscall[] = ['memfd_create', 'shmget'];

/** Judged by their arguments, or by who counts memory; all others of the table are refused whatever they ask. */
const judged: ReadonlySet<Syscall> = new Set<Syscall>([
  ...(['clone', 'clone3', 'socket', 'socketpair', 'ioctl', 'fcntl'] as const),
  ...uncountedMemory,
]);
export const refused: readonly Syscall[] = (Object.keys(syscalls) as Syscall[]).filter((name) => !judged.has(name));

export interface FilterOptions {
  /** Memory is added up from outside, over processes and file systems, rather than by a control group. */
  readonly memoryWatched?: boolean;
}

/** What the filter says of a call, as instructions; the order is that of frequency. */
export function filterInstructions(processor: Processor, { memoryWatched = false }: FilterOptions = {}): Instruction[] {
  const number = (name: Syscall): number | null => syscalls[name][processor];
  const given = (name: Syscall): number => {
    const found = number(name);
    if (found === null) throw new PrerequisiteError('seccomp', `${processor} has no call ${name}`, 'report this');
    return found;
  };
  return [
    load(offsets.architecture),
    jump('equal', auditArchitecture[processor], { yes: 'ours' }),
    returns(verdicts.killProcess),
    label('ours'),
    load(offsets.number),
    ...(processor === 'x64' ? [jump('atLeast', x32Bit, { no: 'native' }), returns(verdicts.errno(errnos.ENOSYS))] : []),
    label('native'),

    ...refuseArguments('ioctl', given('ioctl'), terminalInput),
    ...refuseArguments('fcntl', given('fcntl'), fileWatches),

    jump('equal', given('clone'), { no: 'not-clone' }),
    load(offsets.argument(0)),
    jump('anyBit', newNamespaces, { no: 'plain-clone' }),
    returns(verdicts.errno(errnos.EPERM)),
    label('plain-clone'),
    returns(verdicts.allow),
    label('not-clone'),

    // Its flags lie in memory, which no filter can read. The C library falls back to clone.
    jump('equal', given('clone3'), { no: 'not-clone3' }),
    returns(verdicts.errno(errnos.ENOSYS)),
    label('not-clone3'),

    ...(['socket', 'socketpair'] as const).flatMap((name) => [
      jump('equal', given(name), { no: `not-${name}` }),
      load(offsets.argument(0)),
      jump('equal', unixFamily, { yes: `unix-${name}` }),
      returns(verdicts.errno(errnos.EAFNOSUPPORT)),
      label(`unix-${name}`),
      returns(verdicts.allow),
      label(`not-${name}`),
    ]),

    ...(memoryWatched ? uncountedMemory : []).flatMap((name) => [
      jump('equal', given(name), { no: `not-${name}` }),
      returns(verdicts.errno(errnos.ENOSYS)),
      label(`not-${name}`),
    ]),

    ...refused.flatMap((name) => {
      const found = number(name);
      if (found === null) return [];
      return [jump('equal', found, { no: `not-${name}` }), returns(verdicts.errno(errnos.EPERM)), label(`not-${name}`)];
    }),
    returns(verdicts.allow),
  ];
}

/** Refuses a call for some values of its second argument, and permits it for all others. */
function refuseArguments(name: string, number: number, values: readonly number[]): Instruction[] {
  return [
    jump('equal', number, { no: `not-${name}` }),
    load(offsets.argument(1)),
    ...values.flatMap((value) => [
      jump('equal', value, { no: `${name}-is-not-${value}` }),
      returns(verdicts.errno(errnos.EPERM)),
      label(`${name}-is-not-${value}`),
    ]),
    returns(verdicts.allow),
    label(`not-${name}`),
  ];
}

/**
 * The filter as the kernel takes it.
 *
 * @throws PrerequisiteError `seccomp` for a processor whose table of calls is not known here.
 */
export function seccompFilter(processor: string = process.arch, options: FilterOptions = {}): Buffer {
  if (processor !== 'x64' && processor !== 'arm64') {
    throw new PrerequisiteError(
      'seccomp',
      `there is no filter of system calls for ${processor} processors`,
      'run untrusted code on an x86-64 or ARM64 machine, or pass --unsafe',
    );
  }
  return assemble(filterInstructions(processor, options));
}
