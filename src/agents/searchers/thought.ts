import type { AgentSpec } from '../../domain/agent.ts';
import { canonicalCandidate, type Space } from '../../domain/candidate.ts';
import { CandidateError, TerminalError } from '../../domain/errors.ts';
import type { SearchId } from '../../domain/ids.ts';
import { contentHash, type Json } from '../../domain/json.ts';
import { byAge, parentsObjection, unusableAnswer, unusableText, type View } from '../../domain/node.ts';
import { rngFor } from '../../domain/rng.ts';
import type { LlmClient } from '../../llm/index.ts';
import type { Thought } from '../graph/attempt.ts';
import type { TaskDescription } from '../graph/proposers.ts';
import { type Claim, closest } from '../graph/steps.ts';
import { ownOf } from '../scaffolds/decision.ts';
import {
  type SearcherFailure,
  type SearcherProposal,
  type SearcherReply,
  searcherProtocol,
} from '../searcherProcess.ts';
import type { SearcherQuestion, Searchers } from './searchers.ts';

/** Attempts in a row without a usable reply after which the agent ends. */
export const mostFailures = 5;

export interface SearcherThinking {
  readonly spec: AgentSpec;
  readonly view: View;
  readonly space: Space;
  readonly seed: number;
  readonly topic: TaskDescription;
  readonly search?: SearchId | undefined;
  /** Records replies; absent in simulations, which are repeated as a whole. */
  readonly gateway?: Pick<LlmClient, 'recall'> | undefined;
  /** Absent where only recorded replies count. */
  readonly searchers?: Pick<Searchers, 'ask'> | undefined;
  /** For agents with `claims`. */
  readonly claim?: Claim | undefined;
  readonly signal: AbortSignal;
}

/** Why the latest attempts had no usable reply, newest first. */
function failuresInRow(view: View): string[] {
  const own = ownOf(view.nodes).sort(byAge).reverse();
  const end = own.findIndex(({ candidate, status }) => status !== 'rejected' || !unusableAnswer(candidate));
  return own.slice(0, end < 0 ? own.length : end).map(({ message = '' }) => message);
}

function questionOf({ spec, view, space, seed, topic, search }: SearcherThinking): SearcherQuestion {
  const { task, metric, lowerIsBetter = false, primitives, brief, experiment } = topic;
  const { name: agent, evaluations, pending, memory = 'own' } = spec;
  const { ordinal: attempt, remaining, left = {}, nodes } = view;
  return {
    open: {
      kind: 'open',
      protocol: searcherProtocol,
      ...(search === undefined ? {} : { search }),
      agent,
      task,
      metric,
      lowerIsBetter,
      space,
      ...(primitives ? { primitives: [...primitives] } : {}),
      ...(brief ? { brief } : {}),
      ...(experiment?.description === undefined ? {} : { description: experiment.description }),
      evaluations,
      pending,
      memory,
    },
    propose: { attempt, remaining, left, seed: rngFor(seed, agent, attempt, 'searcher').below(2 ** 31), nodes },
  };
}

/** The reply as recorded; without a record, that of the program, which is then recorded. */
async function replyTo(thinking: SearcherThinking): Promise<SearcherReply> {
  const { spec, view, gateway, searchers, signal } = thinking;
  const ask = async (): Promise<SearcherReply> => {
    if (!searchers) throw new TerminalError('searcher', `${spec.name} has no open program`);
    return searchers.ask(spec, questionOf(thinking), signal);
  };
  if (!gateway) return ask();
  const scope = { agent: spec.name, ordinal: view.ordinal, purpose: 'draft' as const, round: 0 };
  // The digest stands for the view, which the archive has: it grows with every attempt. What is left depends on the clock.
  const { left: _, ...known } = view;
  const lookup = { searcher: spec.program?.sha256 ?? '', view: contentHash(known as unknown as Json) };
  return (await gateway.recall(
    scope,
    lookup,
    async () => (await ask()) as unknown as Json,
  )) as unknown as SearcherReply;
}

/** A proposal that was compared with the view. */
interface Judged {
  readonly proposal: SearcherProposal;
  readonly candidate: string;
  /** `wrong`: its parents do not fit; `invalid`: not a candidate; `repeated`: a duplicate. */
  readonly verdict: 'new' | 'repeated' | 'invalid' | 'wrong';
  readonly why: string;
}

function judged(proposal: SearcherProposal, { spec, view, space }: SearcherThinking): Judged {
  const text = typeof proposal.candidate === 'string' ? proposal.candidate : JSON.stringify(proposal.candidate);
  const objection = parentsObjection(proposal.operator, proposal.parents, view.nodes);
  if (objection !== null) return { proposal, candidate: text, verdict: 'wrong', why: objection };
  try {
    const candidate = canonicalCandidate(text, space);
    const near = closest(candidate, view, spec);
    return { proposal, candidate, verdict: near ? 'repeated' : 'new', why: near?.id ?? '' };
  } catch (thrown) {
    if (!(thrown instanceof CandidateError)) throw thrown;
    return { proposal, candidate: text, verdict: 'invalid', why: thrown.message };
  }
}

function unusable({ problem, message }: Omit<SearcherFailure, 'kind'>): Thought {
  const change = `no usable reply (${problem}): ${message}`.slice(0, 2000);
  const rationale = { choice: 'chosen by its program', change, expected: null, retrieved: [], evidence: [] };
  return { operator: 'draft', parents: [], candidate: unusableText(problem, ''), rationale };
}

/** The first new candidate that no other agent is near to; undefined if there is none, or the agent makes no claims. */
async function firstUnclaimed(all: readonly Judged[], { spec, claim }: SearcherThinking): Promise<Judged | undefined> {
  if (!claim || !spec.claims) return undefined;
  for (const each of all.filter(({ verdict }) => verdict === 'new')) {
    if ((await claim(each.candidate)).state !== 'taken') return each;
  }
  return undefined;
}

/**
 * One attempt of an agent whose program proposes: a function of the view and of the recorded reply (I5).
 *
 * Of several proposals the first new one counts, else the first duplicate, else the first that is no candidate; the archive
 * records what was wrong. A program that crashes, is silent or breaks the protocol has made an attempt without a candidate (I8).
 *
 * @throws TerminalError `searcher` after `mostFailures` such attempts in a row.
 */
export async function searcherThought(thinking: SearcherThinking): Promise<Thought> {
  const { view, spec } = thinking;
  const failures = failuresInRow(view);
  if (failures.length >= mostFailures) {
    throw new TerminalError('searcher', `its program failed ${mostFailures} times in a row, at last: ${failures[0]}`);
  }
  const reply = await replyTo(thinking);
  if (reply.kind === 'failure') return unusable(reply);
  const all = reply.proposals.map((proposal) => judged(proposal, thinking));
  const order = ['new', 'repeated', 'invalid'] as const;
  const free = await firstUnclaimed(all, thinking);
  const taken = free ?? order.flatMap((verdict) => all.find((each) => each.verdict === verdict) ?? [])[0];
  if (!taken) return unusable({ problem: 'malformed', message: all[0]?.why ?? '' });
  const { operator, parents, change, choice, hypothesis, expected, evidence } = taken.proposal;
  const place = all.indexOf(taken);
  const passed =
    place === 0
      ? ''
      : `; alternative ${place + 1} of ${all.length}, the ones before it were not new or near to those of other agents`;
  const shown = new Map(view.nodes.map((node) => [node.id as string, node]));
  const lessons = reply.lessons.filter(({ node }) => {
    const about = shown.get(node);
    return about?.agent === spec.name && about.status !== 'pending';
  });
  return {
    operator,
    parents: [...parents],
    candidate: taken.candidate,
    rationale: {
      choice: `${choice ?? 'chosen by its program'}${passed}`.slice(0, 2000),
      change,
      expected,
      ...(hypothesis === undefined ? {} : { hypothesis }),
      retrieved: [],
      evidence: [...new Set(evidence)].filter((id) => shown.has(id)),
    },
    ...(lessons.length > 0 ? { lessons } : {}),
  };
}
