import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { AgentSpec, SearcherFile } from '../domain/agent.ts';
import { canonicalCandidate, type Space } from '../domain/candidate.ts';
import { CandidateError, PrerequisiteError, TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import { isProgram, type ModelName, programFile } from '../domain/model.ts';
import { byAge, parentsObjection, unusableAnswer, unusableText, type View } from '../domain/node.ts';
import { rngFor } from '../domain/rng.ts';
import type { LlmClient } from '../llm/index.ts';
import { isExecutable, type Timers, whyNot } from '../platform/index.ts';
import type { TaskDescription } from './graph/proposers.ts';
import { type Claim, closest } from './graph/steps.ts';
import type { Thought } from './graph/thoughts.ts';
import type { PythonOptions } from './models/bayes.ts';
import { ownOf } from './scaffolds/decision.ts';
import {
  defaultReplySeconds,
  type OpenMessage,
  type ProposeMessage,
  type SearcherFailure,
  SearcherProcess,
  type SearcherProposal,
  type SearcherReply,
  searcherProtocol,
} from './searcherProcess.ts';

/**
 * Agents whose program proposes: the programs that may run here, and one attempt.
 *
 * Role: one process per agent, started with its first question and again with the first one after its end; judging replies, recording
 * them (the gateway). Non-role: the protocol and the process (searcherProcess.ts).
 *
 * SEA-1. A new process gets the whole view with each question, so nothing is lost with the one before (I5).
 * SEA-2. A program is started only if its file is the one that the search started with.
 * SEA-3. A specification starts no program by itself: it may come from the bus, and what it names is any file of this machine. The
 *     paths are given here, from the local search file or an option (I12).
 */

/** A question of an agent: what its program is opened with, and the view of one attempt. */
interface SearcherQuestion {
  readonly open: OpenMessage;
  readonly propose: Omit<ProposeMessage, 'kind' | 'id' | 'ended'>;
}

/** Largest file of a program that is read for its digest. */
const maxProgramBytes = 64 * 1024 * 1024;

function digestOf(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > maxProgramBytes) {
      throw new PrerequisiteError(
        'searcher',
        `${path} is larger than ${maxProgramBytes} bytes`,
        'use a smaller program',
      );
    }
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    const remedy = 'restore the file, or correct its path, which is relative to the search file';
    throw new PrerequisiteError('searcher', `the program ${path} ${whyNot(thrown)}`, remedy);
  }
}

/** An executable file runs by itself, one in Python by Aira's Python. */
function commandOf(path: string, python: string): readonly [string, ...string[]] {
  if (isExecutable(path)) return [path];
  if (extname(path) === '.py') return [python, path];
  const remedy = `make it executable (chmod +x ${path}), or write it in Python as a .py file`;
  throw new PrerequisiteError('searcher', `the program ${path} is not executable`, remedy);
}

/**
 * The files of the `program/` models of a search or study file in `folder`.
 *
 * @throws PrerequisiteError `searcher` for one that is missing or cannot be run.
 */
export function searcherFiles(models: readonly ModelName[], folder: string): Map<ModelName, SearcherFile> {
  const files = new Map<ModelName, SearcherFile>();
  for (const model of models) {
    if (!isProgram(model) || files.has(model)) continue;
    const given = resolve(folder, programFile(model));
    const sha256 = digestOf(given);
    commandOf(given, '');
    files.set(model, { path: realpathSync(given), sha256 });
  }
  return files;
}

/** @throws PrerequisiteError `searcher-changed` if the file is not the one that the search started with. */
export function requireSameSearcher({ name, program }: Pick<AgentSpec, 'name' | 'program'>): void {
  if (!program || digestOf(program.path) === program.sha256) return;
  const message = `${program.path}, the program of ${name}, has changed since the search started`;
  throw new PrerequisiteError('searcher-changed', message, 'restore the file, or launch a new search');
}

/** The programs of the agents of one search that run in this process. */
export class Searchers {
  readonly #helpers: PythonOptions;
  readonly #timers: Timers;
  readonly #allowed: ReadonlySet<string>;
  readonly #running = new Map<string, SearcherProcess>();
  #closed = false;

  /** @param allowed real paths of the programs that may be started. */
  constructor(helpers: PythonOptions, timers: Timers, allowed: Iterable<string>) {
    this.#helpers = helpers;
    this.#timers = timers;
    this.#allowed = new Set(allowed);
  }

  /** @throws PrerequisiteError if the program cannot be run, the signal's reason on abort. */
  async ask(spec: AgentSpec, { open, propose }: SearcherQuestion, signal: AbortSignal): Promise<SearcherReply> {
    if (this.#closed) throw new TerminalError('searcher-closed', `the program of ${spec.name} was closed`);
    const before = this.#running.get(spec.name);
    const process = before && !before.isOver ? before : this.#start(spec);
    return process.propose(open, propose, signal);
  }

  #start(spec: AgentSpec): SearcherProcess {
    const { name, program, replySeconds = defaultReplySeconds } = spec;
    if (!program) throw new TerminalError('searcher', `the specification of ${name} names no program`);
    if (!this.#allowed.has(program.path)) {
      const message = `the search names the program ${program.path} for ${name}, which nothing on this machine allows`;
      throw new PrerequisiteError('searcher-unknown', message, `give --program ${program.path} if it is yours`);
    }
    requireSameSearcher(spec);
    const { python, env } = this.#helpers;
    const { path } = program;
    const command = commandOf(path, python);
    const process = new SearcherProcess({ command, path, env, replyMs: 1000 * replySeconds, timers: this.#timers });
    this.#running.set(name, process);
    return process;
  }

  /** Ends all programs, which have two seconds to end by themselves; questions asked later are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running.values()].map((process) => process.close()));
    this.#running.clear();
  }
}

/** Attempts in a row without a usable reply after which the agent ends. */
export const mostFailures = 5;

interface SearcherThinking {
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
