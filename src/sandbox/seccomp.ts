/**
 * The system calls that untrusted code may not make. Everything else is allowed: torch and numpy use several hundred, and the
 * namespaces already contain the ordinary ones. Refused are calls that could bypass the namespaces (new namespaces, mounts,
 * other processes' memory, sockets of a family without network namespaces, such as vsock), frequent sources of kernel
 * vulnerabilities (bpf, io_uring, userfaultfd, performance events, keys), and calls that reveal other programs' use of a file
 * (inotify, fanotify, dnotify, leases). Locks are allowed: sqlite needs them, and they apply to private inodes.
 */
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';

/**
 * Numbers of the system calls in the filter, from the kernel's tables (`arch/x86/entry/syscalls/syscall_64.tbl` and
 * `include/uapi/asm-generic/unistd.h`). Null if the processor's table has no such call.
 */
export const syscalls = {
  clone: { x64: 56, arm64: 220 },
  clone3: { x64: 435, arm64: 435 },
  socket: { x64: 41, arm64: 198 },
  socketpair: { x64: 53, arm64: 199 },
  ioctl: { x64: 16, arm64: 29 },
  fcntl: { x64: 72, arm64: 25 },
  memfd_create: { x64: 319, arm64: 279 },
  shmget: { x64: 29, arm64: 194 },
  ptrace: { x64: 101, arm64: 117 },
  process_vm_readv: { x64: 310, arm64: 270 },
  process_vm_writev: { x64: 311, arm64: 271 },
  kcmp: { x64: 312, arm64: 272 },
  pidfd_getfd: { x64: 438, arm64: 438 },
  mount: { x64: 165, arm64: 40 },
  umount2: { x64: 166, arm64: 39 },
  pivot_root: { x64: 155, arm64: 41 },
  chroot: { x64: 161, arm64: 51 },
  setns: { x64: 308, arm64: 268 },
  unshare: { x64: 272, arm64: 97 },
  move_mount: { x64: 429, arm64: 429 },
  open_tree: { x64: 428, arm64: 428 },
  fsopen: { x64: 430, arm64: 430 },
  fsconfig: { x64: 431, arm64: 431 },
  fsmount: { x64: 432, arm64: 432 },
  fspick: { x64: 433, arm64: 433 },
  mount_setattr: { x64: 442, arm64: 442 },
  add_key: { x64: 248, arm64: 217 },
  request_key: { x64: 249, arm64: 218 },
  keyctl: { x64: 250, arm64: 219 },
  bpf: { x64: 321, arm64: 280 },
  perf_event_open: { x64: 298, arm64: 241 },
  userfaultfd: { x64: 323, arm64: 282 },
  io_uring_setup: { x64: 425, arm64: 425 },
  io_uring_enter: { x64: 426, arm64: 426 },
  io_uring_register: { x64: 427, arm64: 427 },
  name_to_handle_at: { x64: 303, arm64: 264 },
  open_by_handle_at: { x64: 304, arm64: 265 },
  init_module: { x64: 175, arm64: 105 },
  finit_module: { x64: 313, arm64: 273 },
  delete_module: { x64: 176, arm64: 106 },
  kexec_load: { x64: 246, arm64: 104 },
  kexec_file_load: { x64: 320, arm64: 294 },
  reboot: { x64: 169, arm64: 142 },
  swapon: { x64: 167, arm64: 224 },
  swapoff: { x64: 168, arm64: 225 },
  quotactl: { x64: 179, arm64: 60 },
  quotactl_fd: { x64: 443, arm64: 443 },
  clock_settime: { x64: 227, arm64: 112 },
  clock_adjtime: { x64: 305, arm64: 266 },
  adjtimex: { x64: 159, arm64: 171 },
  settimeofday: { x64: 164, arm64: 170 },
  mknod: { x64: 133, arm64: null },
  mknodat: { x64: 259, arm64: 33 },
  personality: { x64: 135, arm64: 92 },
  syslog: { x64: 103, arm64: 116 },
  acct: { x64: 163, arm64: 89 },
  lookup_dcookie: { x64: 212, arm64: 18 },
  vhangup: { x64: 153, arm64: 58 },
  iopl: { x64: 172, arm64: null },
  ioperm: { x64: 173, arm64: null },
  sethostname: { x64: 170, arm64: 161 },
  setdomainname: { x64: 171, arm64: 162 },
  fanotify_init: { x64: 300, arm64: 262 },
  fanotify_mark: { x64: 301, arm64: 263 },
  inotify_init: { x64: 253, arm64: null },
  inotify_init1: { x64: 294, arm64: 26 },
  inotify_add_watch: { x64: 254, arm64: 27 },
  memfd_secret: { x64: 447, arm64: 447 },
  uselib: { x64: 134, arm64: null },
  ustat: { x64: 136, arm64: null },
  sysfs: { x64: 139, arm64: null },
  modify_ldt: { x64: 154, arm64: null },
} as const satisfies Record<string, { readonly x64: number; readonly arm64: number | null }>;
export type Syscall = keyof typeof syscalls;

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

/** Calls of the x32 interface have this bit set and would bypass a list of numbers without it. */
const x32Bit = 0x40000000;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; clone does not support NEWTIME. */
const newNamespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;
const unixFamily = 1;
/** TIOCSTI and TIOCLINUX inject characters into the user's terminal. */
const terminalInput = [0x5412, 0x541c];

/** F_SETLEASE and F_NOTIFY of linux/fcntl.h. */
const fileWatches = [1024, 1026];
/** Memory that belongs to no process and no file system of the sandbox; allowed if a control group counts it. */
const uncountedMemory: readonly Syscall[] = ['memfd_create', 'shmget'];

/** Calls that depend on their arguments or on memory accounting; all others of the table are always refused. */
const conditional: ReadonlySet<Syscall> = new Set<Syscall>([
  'clone',
  'clone3',
  'socket',
  'socketpair',
  'ioctl',
  'fcntl',
  ...uncountedMemory,
]);
export const refused: readonly Syscall[] = (Object.keys(syscalls) as Syscall[]).filter(
  (name) => !conditional.has(name),
);

export interface FilterOptions {
  /** Memory is summed from outside, over processes and file systems, rather than by a control group. */
  readonly memoryWatched?: boolean;
}

/** The filter's instructions, the most frequent calls first. */
export function filterInstructions(processor: Processor, { memoryWatched = false }: FilterOptions = {}): Instruction[] {
  const number = (name: Syscall): number | null => syscalls[name][processor];
  const requiredNumber = (name: Syscall): number => {
    const value = number(name);
    if (value === null) throw new PrerequisiteError('seccomp', `${processor} has no call ${name}`, 'report this bug');
    return value;
  };
  return [
    load(offsets.architecture),
    jump('equal', auditArchitecture[processor], { yes: 'ours' }),
    returns(verdicts.killProcess),
    label('ours'),
    load(offsets.number),
    ...(processor === 'x64' ? [jump('atLeast', x32Bit, { no: 'native' }), returns(verdicts.errno(errnos.ENOSYS))] : []),
    label('native'),

    ...refuseArguments('ioctl', requiredNumber('ioctl'), terminalInput),
    ...refuseArguments('fcntl', requiredNumber('fcntl'), fileWatches),

    jump('equal', requiredNumber('clone'), { no: 'not-clone' }),
    load(offsets.argument(0)),
    jump('anyBit', newNamespaces, { no: 'plain-clone' }),
    returns(verdicts.errno(errnos.EPERM)),
    label('plain-clone'),
    returns(verdicts.allow),
    label('not-clone'),

    // Its flags are in memory, which a filter cannot read. The C library falls back to clone.
    jump('equal', requiredNumber('clone3'), { no: 'not-clone3' }),
    returns(verdicts.errno(errnos.ENOSYS)),
    label('not-clone3'),

    ...(['socket', 'socketpair'] as const).flatMap((name) => [
      jump('equal', requiredNumber(name), { no: `not-${name}` }),
      load(offsets.argument(0)),
      jump('equal', unixFamily, { yes: `unix-${name}` }),
      returns(verdicts.errno(errnos.EAFNOSUPPORT)),
      label(`unix-${name}`),
      returns(verdicts.allow),
      label(`not-${name}`),
    ]),

    ...(memoryWatched ? uncountedMemory : []).flatMap((name) => [
      jump('equal', requiredNumber(name), { no: `not-${name}` }),
      returns(verdicts.errno(errnos.ENOSYS)),
      label(`not-${name}`),
    ]),

    ...refused.flatMap((name) => {
      const value = number(name);
      if (value === null) return [];
      return [jump('equal', value, { no: `not-${name}` }), returns(verdicts.errno(errnos.EPERM)), label(`not-${name}`)];
    }),
    returns(verdicts.allow),
  ];
}

/** Refuses a call for some values of its second argument, and allows it for all others. */
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
 * The filter in the kernel's format.
 *
 * @throws PrerequisiteError `seccomp` for a processor whose system call table is unknown.
 */
export function seccompFilter(processor: string = process.arch, options: FilterOptions = {}): Buffer {
  if (processor !== 'x64' && processor !== 'arm64') {
    throw new PrerequisiteError(
      'seccomp',
      `no system call filter for ${processor} processors`,
      'run untrusted code on an x86-64 or ARM64 machine, or pass --unsafe',
    );
  }
  return assemble(filterInstructions(processor, options));
}

/**
 * The part of classic BPF that a seccomp filter needs: load a word of `struct seccomp_data`, compare, return.
 *
 * Encoding: `struct sock_filter { u16 code; u8 jt; u8 jf; u32 k; }`, little endian on both supported processors
 * (linux/filter.h). Jumps are written with labels and resolved here, because an off-by-one distance silently allows a call.
 */

export type Instruction =
  | { readonly op: 'load'; readonly offset: number }
  | {
      readonly op: 'jump';
      /** The test of the loaded word: equal, at least, or any bit in common. */
      readonly test: 'equal' | 'atLeast' | 'anyBit';
      readonly value: number;
      /** Jump targets; default: the next instruction. */
      readonly yes?: string;
      readonly no?: string;
    }
  | { readonly op: 'return'; readonly value: number }
  | { readonly op: 'label'; readonly name: string };

export const load = (offset: number): Instruction => ({ op: 'load', offset });
export const returns = (value: number): Instruction => ({ op: 'return', value });
export const label = (name: string): Instruction => ({ op: 'label', name });
export const jump = (
  test: 'equal' | 'atLeast' | 'anyBit',
  value: number,
  to: { readonly yes?: string; readonly no?: string },
): Instruction => ({ op: 'jump', test, value, ...to });

/** BPF_LD|BPF_W|BPF_ABS, BPF_RET|BPF_K, and BPF_JMP|BPF_K with JEQ, JGE and JSET. */
const codes = { load: 0x20, return: 0x06, equal: 0x15, atLeast: 0x35, anyBit: 0x45 } as const;
export const opcodes = codes;
export const instructionBytes = 8;
const furthestJump = 255;
/** BPF_MAXINSNS of the kernel. */
const longestProgram = 4096;

/** @throws TerminalError `bpf` for an unknown or backward label, a jump too far, or a program too long for the kernel. */
export function assemble(program: readonly Instruction[]): Buffer {
  const places = new Map<string, number>();
  let length = 0;
  for (const instruction of program) {
    if (instruction.op === 'label') places.set(instruction.name, length);
    else length += 1;
  }
  if (length > longestProgram) throw new TerminalError('bpf', `a filter of ${length} instructions is too long`);
  const bytes = Buffer.alloc(length * instructionBytes);
  let index = 0;
  const distance = (name: string | undefined): number => {
    if (name === undefined) return 0;
    const place = places.get(name);
    const steps = place === undefined ? -1 : place - index - 1;
    if (steps < 0 || steps > furthestJump) throw new TerminalError('bpf', `jump target "${name}" is out of reach`);
    return steps;
  };
  const put = (code: number, yes: number, no: number, value: number): void => {
    const at = index * instructionBytes;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(yes, at + 2);
    bytes.writeUInt8(no, at + 3);
    bytes.writeUInt32LE(value >>> 0, at + 4);
    index += 1;
  };
  for (const instruction of program) {
    if (instruction.op === 'load') put(codes.load, 0, 0, instruction.offset);
    else if (instruction.op === 'return') put(codes.return, 0, 0, instruction.value);
    else if (instruction.op === 'jump') {
      put(codes[instruction.test], distance(instruction.yes), distance(instruction.no), instruction.value);
    }
  }
  return bytes;
}
