/** A folder or file of the host, and where the program finds it: an absolute path below `box`. */

export interface ReadOnlyMount {
  readonly source: string;
  readonly target: string;
}

/** A folder of the host that the program may write. What it leaves there that is no plain file or folder is taken away. */
export interface WritableMount {
  readonly source: string;
  readonly target: string;
  /** What may lie in it before the program is ended; measured five times a second. */
  readonly maxBytes: number;
}

export interface SandboxLimits {
  /** Wall-clock time of the program, from its start to the last of its processes. */
  readonly seconds: number;
  /** Processor seconds of any one process; without it, none beyond what `seconds` and the cores give. */
  readonly cpuSeconds?: number;
  /** Of all processes together, files in memory included. */
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly processes: number;
  /** Whole cores the processes may keep busy together; without it, all. */
  readonly cores?: number;
  /** What it may write to its output streams before it is stopped. */
  readonly logBytes?: number;
  /** Files in memory below /tmp and /dev/shm, each. */
  readonly scratchBytes?: number;
}

/** One untrusted program: what it may see, where it may write, how much it may take. */
export interface SandboxSpec {
  /** Program and arguments. Paths are those inside. */
  readonly argv: readonly [program: string, ...args: string[]];
  readonly readOnly: readonly ReadOnlyMount[];
  /** For scripts whose output is too large for memory. */
  readonly writable?: readonly WritableMount[];
  /** Where it starts; `outputFolder` otherwise. */
  readonly directory?: string;
  /** What it leaves in `outputFolder` is copied to `directory`, which must exist and be empty. */
  readonly output: { readonly directory: string; readonly maxBytes: number; readonly maxFiles?: number };
  readonly limits: SandboxLimits;
  /** All of its environment, beside `baseEnvironment`. */
  readonly env?: Readonly<Record<string, string>>;
  /** The GPU it may use, by index; none where it is left out. */
  readonly gpu?: number;
  /**
   * A Unix socket of the host, in a folder that only this user can enter, on which a trusted process listens. The program gets
   * one connection to it as descriptor 3 and cannot make another.
   */
  readonly channel?: string;
}

/** Everything of ours lies below it inside. */
export const box = '/box';
/** Where the program starts and may leave files. */
export const outputFolder = `${box}/out`;

export const defaultLogBytes = 64 * 2 ** 20;
export const defaultScratchBytes = 256 * 2 ** 20;
export const defaultFiles = 2000;

/** Set for every program: no user's settings, no bytecode written, hashing that repeats, one thread unless it says so. */
export const baseEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/bin:/bin',
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  PYTHONHASHSEED: '0',
  PYTHONDONTWRITEBYTECODE: '1',
  OMP_NUM_THREADS: '1',
  OPENBLAS_NUM_THREADS: '1',
  HF_HUB_OFFLINE: '1',
};

/** How a program ended. */
export type SandboxEnd =
  | 'exited' // by itself, whatever its exit code
  | 'timeout'
  | 'oom'
  | 'flooded' // wrote more to its output streams than is read
  | 'full' // wrote more into a folder of the host than it may
  | 'cancelled';

export interface SandboxResult {
  readonly end: SandboxEnd;
  /** Null unless it exited by itself; 128 and more where a signal ended it. */
  readonly exitCode: number | null;
  /** The first and last of what it wrote. Text of an untrusted program: never read for results. */
  readonly stdout: string;
  readonly stderr: string;
  /** Wall-clock and processor time, measured outside. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMemoryBytes: number;
  /** What lies in the output directory now. Empty unless it exited by itself. */
  readonly files: readonly OutputFile[];
  /** Entries that were left behind: links, devices, names or sizes that are not allowed. */
  readonly strange: readonly RejectedEntry[];
  /** It ran with the rights of this user, without a sandbox. */
  readonly unsafe: boolean;
}

export interface OutputFile {
  readonly path: string;
  readonly bytes: number;
}

export interface RejectedEntry {
  readonly path: string;
  readonly kind: 'link' | 'fifo' | 'socket' | 'device' | 'linked' | 'large' | 'deep' | 'name' | 'other';
}

/**
 * The defences by name. All of them stand wherever the laboratory runs untrusted code; that a defence can be left out serves
 * one purpose: the attack suite leaves out each in turn and shows that an attack then gets through, so that none is there for
 * show and no test passes by luck.
 */
export const defences = [
  'chosen-root', // a root that holds what Python needs, and not the host's
  'network-namespace',
  'process-namespace',
  'ipc-namespace',
  'host-name',
  'nested-namespaces', // no user namespace can be made inside
  'system-calls', // the filter
  'capabilities', // none are kept
  'empty-environment',
  'closed-descriptors',
  'sealed-root', // the root and /dev cannot be written
  'read-only-inputs',
  'private-files', // no inode that is read is shared with the machine or with another program
  'hidden-init', // the first process of the namespace cannot be reached by /proc
  'bounded-bytes', // every place that can be written has a size
  'bounded-inodes',
  'file-size',
  'memory',
  'processes',
  'deadline',
  'strict-export', // files leave without following links
  'bounded-log',
  'die-with-parent',
  'own-user', // where the laboratory runs as root
] as const;
export type Defence = (typeof defences)[number];
export type Defences = ReadonlySet<Defence>;

export const everyDefence: Defences = new Set(defences);

/** All defences but these. */
export const without = (...left: readonly Defence[]): Defences =>
  new Set(defences.filter((each) => !left.includes(each)));
