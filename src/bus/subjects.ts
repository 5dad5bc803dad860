import { jobSchema, resultMessageSchema } from '../domain/evaluation.ts';
import type { AgentName, SearchId, WorkerId } from '../domain/ids.ts';
import { agentStateSchema, eventSchema, type LabEvent, type Verb, workerStateSchema } from '../domain/messages.ts';
import type { DeviceClass } from '../domain/task.ts';

/** All subjects, and the schemas of their messages. Ids are slugs, so none can add a separator or wildcard to a subject. */

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
