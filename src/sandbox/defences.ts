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
