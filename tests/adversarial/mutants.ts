import type { SandboxResult } from '../../src/sandbox/index.ts';
import type { Defence } from '../../src/sandbox/spec.ts';
import type { Weakening } from './support/weakened.ts';

/** A defence, and an attack that is contained with it and gets through without it. */
export interface Mutant {
  readonly without: Defence;
  readonly attack: string;
  /** Further lines of defence that would stop the attack as well; they are left out in both runs. */
  readonly behind?: readonly Defence[];
  /** Only where the laboratory runs as root. */
  readonly needs?: 'root';
  /** Takes seconds; left to the long suite. */
  readonly long?: true;
  /** How to see that it got through; the attack's own word where nothing is given. */
  readonly through?: (result: SandboxResult) => boolean;
}

/** The same for defences of the evaluator itself: lines of its sources. `attacks.ts` has the attacks. */
export const weakenings: readonly (Weakening & { readonly attack: string; readonly long?: true })[] = [
  ...['interpret_listops', 'read_the_turn', 'look_terms_up'].map((attack, index) => ({
    file: 'aira_design/lra/host.py',
    line: 'start = int(stream("lra-start", seed, secret).integers(2**62))',
    instead: 'start = seed',
    attack,
    ...(index === 0 ? {} : { long: true as const }),
  })),
];

export const saysSo = ({ stderr }: SandboxResult): boolean => stderr.includes('ESCAPED');

export const mutants: readonly Mutant[] = [
  { without: 'chosen-root', attack: 'read_labels_from_disk' },
  { without: 'own-user', attack: 'read_private_files', behind: ['chosen-root'], needs: 'root' },
  { without: 'network-namespace', attack: 'abstract_socket' },
  { without: 'network-namespace', attack: 'network', behind: ['system-calls'] },
  { without: 'process-namespace', attack: 'other_processes' },
  { without: 'ipc-namespace', attack: 'find_what_was_planted' },
  { without: 'host-name', attack: 'host_name' },
  { without: 'nested-namespaces', attack: 'new_namespaces', behind: ['system-calls'] },
  { without: 'system-calls', attack: 'system_calls' },
  { without: 'system-calls', attack: 'socket_families' },
  { without: 'system-calls', attack: 'new_namespaces', behind: ['nested-namespaces'] },
  { without: 'capabilities', attack: 'privileges', behind: ['own-user'] },
  { without: 'empty-environment', attack: 'keys_in_the_environment' },
  { without: 'closed-descriptors', attack: 'inherited_descriptors' },
  { without: 'sealed-root', attack: 'write_everywhere' },
  { without: 'read-only-inputs', attack: 'own_limits', behind: ['own-user', 'private-files'] },
  { without: 'private-files', attack: 'locks_on_shared_files' },
  { without: 'private-files', attack: 'watch_the_machine', behind: ['system-calls'] },
  { without: 'system-calls', attack: 'watch_the_machine', behind: ['private-files'] },
  { without: 'hidden-init', attack: 'write_to_init' },
  { without: 'bounded-bytes', attack: 'fill_with_many_files', long: true },
  { without: 'bounded-inodes', attack: 'a_million_files', long: true },
  { without: 'file-size', attack: 'sparse_predictions' },
  { without: 'memory', attack: 'memory_bomb', long: true },
  { without: 'processes', attack: 'fork_bomb' },
  { without: 'deadline', attack: 'overtime', long: true, through: ({ end }) => end === 'exited' },
  {
    without: 'strict-export',
    attack: 'predictions_by_link',
    through: ({ files }) => files.some(({ path }) => path === 'predictions.f32'),
  },
  { without: 'bounded-log', attack: 'flood_the_log', long: true, through: ({ end }) => end === 'exited' },
];
