/**
 * Who may say and hear what on the bus (I12).
 *
 * Role: the subjects of each role, as allow-lists for the server. Not here: keys and files (credentials), what a request of
 * an allowed kind may do (the archive).
 *
 * Invariants
 *  1. Only `archive` hears requests and results, publishes jobs and events, replies, and administers streams.
 *  2. A role hears replies below its own inbox prefix alone.
 *  3. Lists allow; none denies: nats-server has had defects in deny-lists and none known in these.
 */
import type { Verb } from '../domain/messages.ts';
import { deviceClasses } from '../domain/task.ts';
import { streamNames, subjects, workersDurable } from './subjects.ts';

/** `search` leads the life of a search: opens it, moves it along its ladder, adds the laboratory's own nodes. */
export const roles = ['archive', 'search', 'worker', 'agent', 'viewer'] as const;
export type Role = (typeof roles)[number];

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Below this a connection of the role receives its replies. */
export const inboxPrefix = (role: Role | undefined): string => (role === undefined ? '_INBOX' : `_INBOX.${role}`);

const verbs: Readonly<Record<Exclude<Role, 'archive'>, readonly Verb[]>> = {
  search: [
    ...(['search-open', 'search-name', 'search-spec', 'search-status', 'search-phase', 'search-ranking'] as const),
    ...(['search-tests', 'node-add', 'node-evaluate'] as const),
  ],
  worker: ['job-claim'],
  agent: ['agent-join', 'agent-view', 'agent-submit', 'agent-retire', 'call-reserve', 'call-settle'],
  viewer: ['search-status'],
};

/** An event watcher makes a consumer that the server removes by itself. */
const watching: readonly string[] = [
  `$JS.API.STREAM.INFO.${streamNames.events}`,
  `$JS.API.CONSUMER.CREATE.${streamNames.events}`,
  `$JS.API.CONSUMER.CREATE.${streamNames.events}.>`,
  `$JS.API.CONSUMER.MSG.NEXT.${streamNames.events}.*`,
  `$JS.API.CONSUMER.DELETE.${streamNames.events}.*`,
];

const publishing: Readonly<Record<Role, readonly string[]>> = {
  archive: [subjects.anyWork, subjects.anyEvent, '_INBOX.>', '$JS.API.>', '$JS.ACK.>'],
  search: [],
  worker: [
    subjects.result,
    subjects.restoreResults,
    subjects.anyWorkerSign,
    `$JS.ACK.${streamNames.work}.>`,
    ...deviceClasses.flatMap((device) => [
      `$JS.API.CONSUMER.INFO.${streamNames.work}.${workersDurable(device)}`,
      `$JS.API.CONSUMER.MSG.NEXT.${streamNames.work}.${workersDurable(device)}`,
    ]),
  ],
  agent: [subjects.anyAgentSign, ...watching],
  viewer: watching,
};

const hearing: Readonly<Record<Role, readonly string[]>> = {
  archive: [subjects.anyRequest, subjects.restoreResults],
  search: [subjects.anyWorkerSign, subjects.anyAgentSign],
  worker: [],
  agent: [],
  viewer: [subjects.anyWorkerSign, subjects.anyAgentSign],
};

export function permissionsOf(role: Role): Permissions {
  const asked = role === 'archive' ? [] : verbs[role].map(subjects.request);
  return {
    publish: [...asked, ...publishing[role]],
    subscribe: [...hearing[role], `${inboxPrefix(role)}.>`],
  };
}
