import { type LocalModel, type Thought, think } from '../../src/agents/index.ts';
import { type Architecture, parseArchitecture } from '../../src/domain/architecture.ts';
import { candidateText } from '../../src/domain/candidate.ts';
import { BudgetError } from '../../src/domain/errors.ts';
import type { FailureReason, Job } from '../../src/domain/evaluation.ts';
import type { AgentName } from '../../src/domain/ids.ts';
import type { View } from '../../src/domain/node.ts';
import type { Rng } from '../../src/domain/rng.ts';
import type { SearchSpec } from '../../src/domain/search.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { measurement, resultOf } from '../support/specs.ts';

export interface CampaignSetting {
  readonly spec: SearchSpec;
  readonly models: Readonly<Record<string, LocalModel>>;
  /** What a training gives: a score, or why there is none. */
  readonly judge: (architecture: Architecture) => number | FailureReason;
  /** Decides who is next and which result arrives; no search may depend on it. */
  readonly schedule: Rng;
  /** Probability per step that everything is killed and restarted. */
  readonly deaths?: number;
}

export interface Campaign {
  readonly home: string;
  /** Thoughts that agents have had; each ends in a submission. */
  readonly thoughts: number;
  /** Why each agent ended. */
  readonly ends: ReadonlyMap<AgentName, string>;
}

/**
 * The screening of a search with a real ledger and real agents, in any order: agents and results take turns as the
 * schedule has it, and everything may be killed between two steps. Ends when every agent has ended.
 */
export async function campaign({ spec, models, judge, schedule, deaths = 0 }: CampaignSetting): Promise<Campaign> {
  const home = temporaryFolder();
  const clock = manualClock();
  let archive = Archive.open(home, clock);
  archive.handlers['search-open']({ spec, source: '' });
  const ends = new Map<AgentName, string>();
  const blocked = new Set<AgentName>();
  let queue: Job[] = [];
  let published = 0;
  let thoughts = 0;

  const train = (job: Job): void => {
    const verdict = judge(parseArchitecture(candidateText(job.candidate)));
    const outcome =
      typeof verdict === 'number'
        ? measurement(verdict)
        : ({ status: 'failed', reason: verdict, message: `it was ${verdict}`, seconds: 1, device: 'cpu' } as const);
    archive.handlers['job-claim']({ key: job.key, worker: resultOf(job, outcome).worker, attempt: 1 });
    archive.record(resultOf(job, outcome));
    blocked.clear();
  };
  const take = async (name: AgentName): Promise<void> => {
    const ask = archive.handlers;
    const { spec: self, space, seed, task, metric, next } = ask['agent-join']({ search: spec.id, agent: name });
    const reply = ask['agent-view']({ search: spec.id, agent: name, ordinal: next });
    if (reply.state === 'closed') {
      ends.set(name, reply.reason);
      return;
    }
    if (reply.state === 'waiting') {
      blocked.add(name);
      return;
    }
    const view: View = reply.view;
    let thought: Thought;
    try {
      thought = await think({ spec: self, view, space, seed, topic: { task, metric }, models });
    } catch (thrown) {
      if (!(thrown instanceof BudgetError)) throw thrown;
      ends.set(name, thrown.message);
      return;
    }
    thoughts += 1;
    ask['agent-submit']({ search: spec.id, agent: name, ordinal: next, ...thought });
  };

  for (;;) {
    if (schedule.float() < deaths) {
      archive.close();
      archive = Archive.open(home, clock);
      archive.handlers['search-open']({ spec, source: '' });
      blocked.clear();
    }
    for (const entry of archive.unsent(10_000)) {
      if (entry.seq <= published) continue;
      published = entry.seq;
      if (entry.kind === 'job') queue.push(entry.body);
    }
    const ready = spec.agents.map(({ name }) => name).filter((name) => !ends.has(name) && !blocked.has(name));
    const turn = schedule.below(ready.length + queue.length || 1);
    const agent = ready[turn];
    const job = queue[turn - ready.length];
    if (agent !== undefined) await take(agent);
    else if (job) {
      queue = queue.filter((each) => each !== job);
      train(job);
    } else break;
  }
  archive.close();
  return { home, thoughts, ends };
}

/** The nodes of a campaign, in the order of agents and attempts. */
export function nodesOf({ home }: Pick<Campaign, 'home'>, spec: SearchSpec) {
  const reader = readArchive(home);
  const nodes = reader.records.nodes(spec.id);
  reader.close();
  return nodes
    .map(({ id, agent, ordinal, origin, parents, candidate, verdict, rationale, evaluations }) => ({
      ...{ id, agent, ordinal, origin, parents, candidate, verdict, rationale },
      outcome: evaluations.map(({ status, validation, reason }) => ({ status, validation, reason })),
    }))
    .sort((a, b) => (a.agent < b.agent ? -1 : a.agent > b.agent ? 1 : a.ordinal - b.ordinal));
}
