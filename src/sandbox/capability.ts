import type { CgroupPlace } from './cgroups.ts';
import type { SystemRoot } from './systemRoot.ts';

/** How programs can be run here. */
export interface SandboxCapability {
  /** `unsafe`: with this user's own rights, because a person has said so. */
  readonly mode: 'sandboxed' | 'unsafe';
  /** Whom the program is outside: a user id of its own (where the laboratory is root), or the laboratory's. */
  readonly identity: 'dedicated' | 'own';
  /** The interpreter that programs run with; the launcher too. */
  readonly python: string;
  readonly launcher: string;
  readonly bwrap: string;
  readonly prlimit: string;
  readonly root: SystemRoot;
  /** Where control groups can be made; null: limits per process and a watch on their sum. */
  readonly groups: CgroupPlace | null;
}

/** One line for people. */
export function describeSandbox({ mode, identity, groups }: SandboxCapability): string {
  if (mode === 'unsafe') return 'none: programs run with the rights of this user';
  const who = identity === 'dedicated' ? 'a user of its own' : 'this user, in a namespace';
  const memory = groups === null ? 'limits per process and a watch' : `control groups (version ${groups.version})`;
  return `bubblewrap, ${who}, seccomp, ${memory}`;
}
