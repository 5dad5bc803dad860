import { jobSchema, resultMessageSchema } from '../domain/evaluation.ts';
import type { AgentName, SearchId, WorkerId } from '../domain/ids.ts';
import { agentStateSchema, eventSchema, type LabEvent, type Verb, workerStateSchema } from '../domain/messages.ts';
import type { DeviceClass } from '../domain/task.ts';

/**
 * Every name on the bus, and the schema of what travels under it. Ids are slugs, so that none can carry a separator or
 * a wildcard into a subject.
 */

export const streamNames = { work: 'WORK', results: 'RESULTS', events: 'EVENTS' } as const;

/** Requests to the archivist are answered by one process of this queue group, however many listen. */
export const archiveQueue = 'archive';

export const subjects = {
  request: (verb: Verb) => `aira.archive.${verb}`,
  anyRequest: 'aira.archive.*',
  /** Nobody says anything there; whoever may listen to it may listen to requests. */
  separationProbe: 'aira.archive.separation-probe',
  /** Asked by a worker that finds the stream of results missing or broken, which it may not make itself. */
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

/** What the bodies are; requests and replies have theirs in the domain's `requests`. */
export const bodies = {
  work: jobSchema,
  result: resultMessageSchema,
  event: eventSchema,
  workerSign: workerStateSchema,
  agentSign: agentStateSchema,
} as const;

/** Each kind of device has a durable consumer of its own, because on a work queue filters must not overlap. */
export const workersDurable = (deviceClass: DeviceClass) => `workers-${deviceClass}`;

/** The verb or class that a subject ends in. */
export function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}
