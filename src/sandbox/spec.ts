/** A folder or file of the host, and its absolute path inside, below `box`. */

export interface ReadOnlyMount {
  readonly source: string;
  readonly target: string;
}

/** A host folder that the program may write. Entries that are neither regular files nor folders are deleted afterwards. */
export interface WritableMount {
  readonly source: string;
  readonly target: string;
  /** Maximum size before the program is killed; measured five times per second. */
  readonly maxBytes: number;
}

export interface SandboxLimits {
  /** Wall-clock time of the program, from its start to the end of its last process. */
  readonly seconds: number;
  /** Processor seconds per process; default: limited by `seconds` and the cores only. */
  readonly cpuSeconds?: number;
  /** Sum over all processes, files in memory included. */
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly processes: number;
  /** Whole cores for all processes together; default: all. */
  readonly cores?: number;
  /** Output stream bytes before the program is killed. */
  readonly logBytes?: number;
  /** Size of each file system in memory: /tmp and /dev/shm. */
  readonly scratchBytes?: number;
}

/** One untrusted program: what it sees, where it may write, and its limits. */
export interface SandboxSpec {
  /** Program and arguments, with paths inside the sandbox. */
  readonly argv: readonly [program: string, ...args: string[]];
  readonly readOnly: readonly ReadOnlyMount[];
  /** For scripts whose output is too large for memory. */
  readonly writable?: readonly WritableMount[];
  /** Working directory; default: `outputFolder`. */
  readonly directory?: string;
  /** Files in `outputFolder` are copied to `directory`, which must exist and be empty. */
  readonly output: { readonly directory: string; readonly maxBytes: number; readonly maxFiles?: number };
  readonly limits: SandboxLimits;
  /** The complete environment, in addition to `baseEnvironment`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Index of the GPU that it may use; default: none. */
  readonly gpu?: number;
  /**
   * A Unix socket of the host, in a folder that only this user can enter, on which a trusted process listens. The program gets
   * one connection to it as descriptor 3 and cannot open another.
   */
  readonly channel?: string;
}

/** Root of all of Aira's paths inside. */
export const box = '/box';
/** The program's working directory, where it may write files. */
export const outputFolder = `${box}/out`;

export const defaultLogBytes = 64 * 2 ** 20;
export const defaultScratchBytes = 256 * 2 ** 20;
export const defaultFiles = 2000;

/** Set for every program: no user settings, no bytecode, reproducible hashing, one thread by default. */
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
  | 'exited' // by itself, with any exit code
  | 'timeout'
  | 'oom'
  | 'flooded' // exceeded the limit of its output streams
  | 'full' // exceeded the size limit of a host folder
  | 'cancelled';

export interface SandboxResult {
  readonly end: SandboxEnd;
  /** Null unless it exited by itself; 128 and more if a signal killed it. */
  readonly exitCode: number | null;
  /** The beginning and end of its output. Untrusted text: never parsed for results. */
  readonly stdout: string;
  readonly stderr: string;
  /** Wall-clock and processor time, measured outside. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMemoryBytes: number;
  /** Files in the output directory. Empty unless it exited by itself. */
  readonly files: readonly OutputFile[];
  /** Entries that were not copied: links, devices, disallowed names or sizes. */
  readonly strange: readonly RejectedEntry[];
  /** It ran without a sandbox, with this user's rights. */
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
 * The defences by name. Aira always uses all of them for untrusted code. They can be disabled for one purpose: the attack suite
 * disables each in turn and shows that an attack then succeeds, which proves that every defence is effective.
 */
export const defences = [
  'chosen-root', // a root with what Python needs, not the host's
  'network-namespace',
  'process-namespace',
  'ipc-namespace',
  'host-name',
  'nested-namespaces', // no user namespace can be created inside
  'system-calls', // the filter
  'capabilities', // all are dropped
  'empty-environment',
  'closed-descriptors',
  'sealed-root', // the root and /dev are read-only
  'read-only-inputs',
  'private-files', // no readable inode is shared with the machine or with another program
  'hidden-init', // the first process of the namespace is not accessible through /proc
  'bounded-bytes', // every writable place has a size limit
  'bounded-inodes',
  'file-size',
  'memory',
  'processes',
  'deadline',
  'strict-export', // files are copied without following links
  'bounded-log',
  'die-with-parent',
  'own-user', // if Aira runs as root
] as const;
export type Defence = (typeof defences)[number];
export type Defences = ReadonlySet<Defence>;

export const everyDefence: Defences = new Set(defences);

/** All defences except these. */
export const without = (...left: readonly Defence[]): Defences =>
  new Set(defences.filter((each) => !left.includes(each)));
