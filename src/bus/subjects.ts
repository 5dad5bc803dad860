/**
 * All subjects of the bus, the schemas of their messages, and which role may publish and hear which (I12).
 *
 * Role: names, and allow-lists for the server. Non-role: keys and files (credentials), authorisation of single requests (the
 * archive). Ids are slugs, so none can add a separator or wildcard to a subject.
 *
 *   ROL-1  Only `archive` receives requests and results, publishes jobs and events, replies, and administers streams.
 *   ROL-2  A role receives replies below its own inbox prefix only.
 *   ROL-3  Lists allow; none denies: nats-server has had defects in deny-lists and none known in these.
 */
import { jobSchema, resultMessageSchema } from '../domain/evaluation.ts';
import type { AgentName, SearchId, WorkerId } from '../domain/ids.ts';
import { agentStateSchema, eventSchema, type LabEvent, type Verb, workerStateSchema } from '../domain/messages.ts';
import { type DeviceClass, deviceClasses } from '../domain/task.ts';

export const streamNames = { work: 'WORK', results: 'RESULTS', events: 'EVENTS' } as const;

/** Requests to the archivist are answered by one process of this queue group. */
export const archiveQueue = 'archive';

export const subjects = {
  request: (verb: Verb) => `aira.archive.${verb}`,
  anyRequest: 'aira.archive.*',
  /** Unused subject; a connection that may subscribe to it may also receive requests. */
  separationProbe: 'aira.archive.separation-probe',
  /** Request of a worker that finds the stream of results missing or broken, which it may not create. */
  restoreResults: 'aira.restore.results',
  work: (deviceClass: DeviceClass) => `aira.work.${deviceClass}`,
  anyWork: 'aira.work.*',
  result: 'aira.result',
  event: (event: Pick<LabEvent, 'search' | 'kind'>) => `aira.event.${event.search}.${event.kind}`,
  eventsOf: (search: SearchId) => `aira.event.${search}.*`,
  anyEvent: 'aira.event.*.*',
  workerSign: (worker: WorkerId) => `aira.sign.worker.${worker}`,
  anyWorkerSign: 'aira.sign.worker.*',
  agentSign: (search: SearchId, agent: AgentName) => `aira.sign.agent.${search}.${agent}`,
  anyAgentSign: 'aira.sign.agent.*.*',
} as const;

/** Message bodies; requests and replies are in the domain's `requests`. */
export const bodies = {
  work: jobSchema,
  result: resultMessageSchema,
  event: eventSchema,
  workerSign: workerStateSchema,
  agentSign: agentStateSchema,
} as const;

/** Each device class has its own durable consumer, because filters on a work queue must not overlap. */
export const workersDurable = (deviceClass: DeviceClass) => `workers-${deviceClass}`;

/** The last token of a subject: a verb or class. */
export function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

// Roles.

/**
 * `search` runs a search: opens it, moves it up its ladder, adds references and the aggregate. `person` rules about one, from a
 * dashboard; it proposes as an agent.
 */
export const roles = ['archive', 'search', 'worker', 'agent', 'viewer', 'person'] as const;

export type Role = (typeof roles)[number];

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** A user of the embedded server. */
export interface BusUser extends Permissions {
  /** Public nkey. */
  readonly nkey: string;
}

/** @param inbox prefix of the replies that this key may hear. */
export function permissionsOf(role: Role, inbox = inboxPrefix(role)): Permissions {
  const requestSubjects = role === 'archive' ? [] : verbs[role].map(subjects.request);
  return {
    publish: [...requestSubjects, ...publishing[role]],
    subscribe: [...hearing[role], `${inbox}.>`],
  };
}

/** Prefix of the reply subjects of a role's connections. */
export const inboxPrefix = (role: Role | undefined): string => (role === undefined ? '_INBOX' : `_INBOX.${role}`);

/** Prefix of the reply subjects of one key; not below any role's prefix, so that the role's other keys cannot hear it. */
export const ownInbox = (nkey: string): string => `_INBOX.${nkey}`;

const verbs: Readonly<Record<Exclude<Role, 'archive'>, readonly Verb[]>> = {
  search: [
    'search-open',
    'search-name',
    'search-spec',
    'search-status',
    'search-phase',
    'search-ranking',
    'search-evaluations',
    'search-tests',
    'node-add',
    'node-evaluate',
  ],
  worker: ['job-claim', 'job-checkpoint', 'job-release', 'worker-hello'],
  agent: [
    'agent-join',
    'agent-view',
    'agent-submit',
    'agent-retire',
    'agent-away',
    'idea-claim',
    'insight-post',
    'call-reserve',
    'call-settle',
    'rehearsal-reserve',
    'rehearsal-settle',
    'search-status',
  ],
  viewer: ['search-status'],
  person: ['search-rule'],
};

/** An event subscription creates a consumer that the server removes when idle. */
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
  person: [],
};

const hearing: Readonly<Record<Role, readonly string[]>> = {
  archive: [subjects.anyRequest, subjects.restoreResults],
  search: [subjects.anyWorkerSign, subjects.anyAgentSign],
  worker: [],
  agent: [],
  viewer: [subjects.anyWorkerSign, subjects.anyAgentSign],
  person: [],
};
