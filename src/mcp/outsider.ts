import { ownResults, readOf } from '../agents/index.ts';
import type { Bus, BusSubscription } from '../bus/index.ts';
import { canonicalCandidate, type Space } from '../domain/candidate.ts';
import type { AgentEnd } from '../domain/ending.ts';
import { CandidateError, errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../domain/errors.ts';
import { type AgentName, type NodeId, nodeId, type SearchId } from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import type { OpenRetriever, Retriever } from '../domain/literature.ts';
import type { AgentState, LabEvent, ReplyOf, RequestOf, SearchStatus, Verb } from '../domain/messages.ts';
import { isOutside } from '../domain/model.ts';
import { type Lesson, mergeNodes, type Operator, parentsObjection, type View, type ViewNode } from '../domain/node.ts';
import type { Logger, Timers } from '../platform/index.ts';

interface OutsiderDeps {
  readonly search: SearchId;
  readonly name: AgentName;
  /** Proves that this process joined as the agent. */
  readonly token: string;
  readonly bus: Bus;
  readonly openRetriever: OpenRetriever;
  readonly timers: Timers;
  readonly log: Logger;
}

/** A proposal of the client. */
interface Submission {
  /** The same key never submits twice. */
  readonly key: string;
  /** The attempt whose view the client decided on. */
  readonly ordinal: number;
  readonly operator: Operator;
  readonly parents: readonly NodeId[];
  readonly candidate: string;
  readonly hypothesis: string;
  readonly change: string;
  readonly choice: string;
  readonly expected: number | null;
  readonly evidence: readonly string[];
  readonly lessons: readonly Lesson[];
}

interface Submitted {
  readonly reply: ReplyOf<'agent-submit'>;
  readonly evaluationsLeft: number;
}

type ViewReply = { state: 'ready'; view: View } | Exclude<ReplyOf<'agent-view'>, { state: 'ready' }>;

type Joined = ReplyOf<'agent-join'>;

/** Tries of a request before the client learns that the lab does not answer; well within its limit of a minute per tool. */
const attempts = 3;

/** When to ask again for what is not ready, in milliseconds. */
export const retryMs = 5000;

/** How long the end of the session waits for its record. */
const leaveMs = 2000;

/**
 * An agent from outside: one client of `aira mcp`, as an actor of the search.
 *
 * Role: joins, fetches views, submits, follows the outcomes of its own nodes, announces its end. Non-role: choosing (the
 * client), storing (the archive), the protocol and the form of answers (tools.ts).
 *
 * OUT-1. The view decides the attempt: a submission counts for the view that it names, once. A repetition of the same
 *     submission gets the same reply, also by a new process; another one for a used view is refused.
 * OUT-2. It shows nothing that an agent of ours could not know: nodes of its view, and outcomes of its own nodes on the
 *     screening rung. Validation scores only (I4).
 * OUT-3. Views and submissions are handled one after the other; none waits for a training.
 * OUT-4. Each call of a tool is a sign of life, silence is none: the search continues without a silent agent (SRC-4).
 */
export class Outsider {
  readonly #deps: OutsiderDeps;
  readonly #ending = new AbortController();
  #joining: Promise<Joined> | undefined;
  #view: View | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #reading: { readonly ordinal: number; readonly retriever: Retriever } | undefined;
  #events: BusSubscription | undefined;
  #ended: AgentEnd | null = null;
  /** What was sent for an attempt, so that a repetition is recognised while its view is not ready. */
  readonly #sent = new Map<number, string>();
  readonly #byKey = new Map<string, string>();
  readonly #own = new Map<NodeId, ViewNode>();
  readonly #outcomes = new Map<string, Partial<ViewNode>>();
  readonly #waiting = new Set<() => void>();

  constructor(deps: OutsiderDeps) {
    this.#deps = deps;
  }

  get search(): SearchId {
    return this.#deps.search;
  }

  get name(): AgentName {
    return this.#deps.name;
  }

  /** A sign of life, for the search and for displays. */
  announce(state: AgentState['state'], note: string): void {
    const { bus, search, name } = this.#deps;
    if (this.#ended === null) bus.announceAgent({ search, agent: name, state, note: note.slice(0, 200) });
  }

  #ask<V extends Verb>(verb: V, request: RequestOf<V>): Promise<ReplyOf<V>> {
    const { bus, token } = this.#deps;
    return bus.ask(verb, request, { token, attempts, signal: this.#ending.signal });
  }

  /** The agent as recorded. @throws RetryableError before the search exists; PrerequisiteError for an agent of ours. */
  joined(): Promise<Joined> {
    this.#joining ??= this.#join().catch((thrown) => {
      this.#joining = undefined;
      throw thrown;
    });
    return this.#joining;
  }

  async #join(): Promise<Joined> {
    const { search, name, bus } = this.#deps;
    const joined = await this.#ask('agent-join', { search, agent: name });
    if (!isOutside(joined.spec.model)) {
      const remedy = 'connect to an agent with model: outside/mcp, or add one to the search file';
      throw new PrerequisiteError('not-outside', `"${name}" of "${search}" uses ${joined.spec.model}`, remedy);
    }
    this.#events ??= await bus.consumeEvents({ search, from: 'all' }, (event) => this.#learn(event));
    return joined;
  }

  /** The next attempt, by the ledger: another process may have submitted for this agent. */
  async #next(): Promise<number> {
    await this.joined();
    const { search, name } = this.#deps;
    return (await this.#ask('agent-join', { search, agent: name })).next;
  }

  #learn(event: LabEvent): void {
    if (event.kind !== 'node-evaluated' && event.kind !== 'node-failed') return;
    if (event.agent !== this.name || event.rung !== 'screen') return;
    const outcome =
      event.kind === 'node-evaluated'
        ? ({ status: 'evaluated', fitness: event.validation } as const)
        : ({ status: 'failed', reason: event.reason, message: event.message } as const);
    this.#outcomes.set(event.node, outcome);
    for (const wake of [...this.#waiting]) wake();
  }

  /** Runs an action after those before it, whatever became of them. */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** The view of the next attempt, or why there is none now. */
  view(): Promise<ViewReply> {
    return this.#inTurn(() => this.#fetchView());
  }

  async #fetchView(): Promise<ViewReply> {
    const ordinal = await this.#next();
    const { search, name } = this.#deps;
    const known = this.#view;
    const since = known ? { since: known.ordinal } : {};
    const changed: ViewNode[] = [];
    for (;;) {
      const request = { search, agent: name, ordinal, ...since, from: changed.length };
      const reply = await this.#ask('agent-view', request);
      if (reply.state === 'closed') await this.#end({ code: reply.code, reason: reply.reason });
      // A stopped search was resumed: its agent is heard again.
      else this.#ended = null;
      if (reply.state !== 'ready') return reply;
      changed.push(...reply.view.nodes);
      if (reply.more) continue;
      this.#view = { ...reply.view, nodes: mergeNodes(known?.nodes ?? [], changed) };
      return { state: 'ready', view: this.#view };
    }
  }

  /** A node that this agent may know, with the latest outcome of its own ones; undefined for any other. */
  node(id: string): ViewNode | undefined {
    const shown = this.#view?.nodes.find((node) => node.id === id) ?? this.#own.get(id as NodeId);
    return shown && (shown.status === 'pending' ? { ...shown, ...this.#outcomes.get(id) } : shown);
  }

  /** All nodes that this agent may know. */
  nodes(): ViewNode[] {
    const merged = mergeNodes([...this.#own.values()], this.#view?.nodes ?? []);
    return merged.map((node) => this.node(node.id) ?? node);
  }

  /**
   * The retriever of the next attempt, with one reading budget per attempt; what it finds is recorded with the submission.
   *
   * @throws TerminalError `reading`; RetryableError while the view is not ready.
   */
  retriever(): Promise<Retriever> {
    return this.#inTurn(() => this.#openRetriever());
  }

  async #openRetriever(): Promise<Retriever> {
    const { spec } = await this.joined();
    if (!spec.literature) throw new TerminalError('reading', `${this.name} may not read: its entry has no literature`);
    const view = await this.#viewOf(await this.#next());
    if (this.#reading?.ordinal !== view.ordinal) {
      const { sources, searches, reads, items } = spec.literature;
      const budget = { searches, reads, itemsPerSearch: items };
      const retriever = this.#deps.openRetriever({ sources, budget, results: ownResults(view) });
      this.#reading = { ordinal: view.ordinal, retriever };
    }
    return this.#reading.retriever;
  }

  /** @throws TerminalError for a submission that cannot count: nothing of it is recorded then. */
  submit(submission: Submission): Promise<Submitted> {
    return this.#inTurn(() => this.#submit(submission));
  }

  async #submit(submission: Submission): Promise<Submitted> {
    const { key, ordinal, operator, parents, candidate } = submission;
    const digest = contentHash(submission as unknown as Json);
    const before = this.#byKey.get(key);
    if (before !== undefined && before !== digest) {
      throw new TerminalError('key-reused', `the key "${key}" belongs to another submission: choose a new one`);
    }
    const next = await this.#next();
    if (ordinal > next) throw new TerminalError('view-unknown', `there is no view v${ordinal} yet: call get_view`);
    if (ordinal < next && this.#sent.get(ordinal) !== digest) await this.#requireSame(ordinal, candidate);
    if (ordinal === next) this.#check(submission, await this.#viewOf(ordinal));
    const { hypothesis, change, choice, expected, evidence, lessons } = submission;
    const { retrieved, readings } =
      this.#reading?.ordinal === ordinal ? this.#reading.retriever : { retrieved: [], readings: [] };
    const read = readOf({ retrieved: [...retrieved], readings: [...readings] });
    this.#sent.set(ordinal, digest);
    const reply = await this.#ask('agent-submit', {
      search: this.search,
      agent: this.name,
      ordinal,
      operator,
      parents: [...parents],
      candidate,
      rationale: { choice, change, expected, hypothesis, ...read, evidence: [...evidence] },
      ...(lessons.length > 0 ? { lessons: [...lessons] } : {}),
    });
    if (reply.node !== null) {
      this.#byKey.set(key, digest);
      await this.#remember(reply.node, submission, reply);
    } else if (reply.verdict === 'refused') {
      // If its evaluations are used the archive knows that without this record.
      await this.#end({ code: 'search-closed', reason: reply.message });
    }
    return { reply, evaluationsLeft: (await this.status()).evaluationsLeft };
  }

  /** The view that a submission names. @throws RetryableError while it is not ready; TerminalError when there is none. */
  async #viewOf(ordinal: number): Promise<View> {
    if (this.#view?.ordinal === ordinal) return this.#view;
    const reply = await this.#fetchView();
    if (reply.state === 'ready') return reply.view;
    if (reply.state === 'closed') throw new TerminalError('closed', `no more proposals: ${reply.reason}`);
    const awaited = [...reply.nodes, ...reply.agents].join(', ');
    throw new RetryableError('view-waiting', `the view v${ordinal} waits for ${awaited}`, retryMs);
  }

  /** @throws TerminalError unless the attempt was submitted with this candidate (OUT-1). */
  async #requireSame(ordinal: number, candidate: string): Promise<void> {
    const id = nodeId(this.name, ordinal);
    if (!this.node(id)) await this.#viewOf(await this.#next());
    const recorded = this.node(id)?.candidate;
    const { space } = await this.joined();
    if (recorded !== undefined && recorded === canonicalOrRaw(candidate, space)) return;
    throw new TerminalError('view-used', `the view v${ordinal} was used for ${id}: call get_view for the next one`);
  }

  /** @throws TerminalError for parents, evidence or lessons that do not fit. */
  #check({ operator, parents, evidence, lessons, ordinal }: Submission, view: View): void {
    const refuse = (message: string) => new TerminalError('submission', message);
    // Outcomes that the client has waited for count, even where the view shows them as pending.
    const current = view.nodes.map((node) => this.node(node.id) ?? node);
    const objection = parentsObjection(operator, parents, current);
    if (objection !== null) throw refuse(`${objection} (view v${ordinal})`);
    const known = new Set(view.nodes.map(({ id }) => id as string));
    const retrieved = this.#reading?.ordinal === ordinal ? this.#reading.retriever.retrieved : [];
    const shown = new Set<string>([...known, ...retrieved.map(({ id }) => id)]);
    const uncited = evidence.find((id) => !shown.has(id));
    if (uncited !== undefined) throw refuse(`the evidence "${uncited}" was not shown to ${this.name} in this attempt`);
    for (const { node: id } of lessons) {
      const about = this.node(id);
      if (about?.agent !== this.name || about.status === 'pending') {
        throw refuse(`a lesson is about a node of ${this.name} with an outcome; ${id} is none`);
      }
    }
  }

  async #remember(id: NodeId, submission: Submission, reply: Submitted['reply']): Promise<void> {
    const { space } = await this.joined();
    const refused = reply.verdict === 'refused' ? reply : null;
    this.#own.set(id, {
      id,
      agent: this.name,
      ordinal: submission.ordinal,
      operator: submission.operator,
      parents: [...submission.parents],
      candidate: canonicalOrRaw(submission.candidate, space),
      status: refused ? (refused.reason === 'duplicate' ? 'duplicate' : 'rejected') : 'pending',
      reason: refused ? (refused.reason === 'duplicate' ? 'duplicate' : 'invalid') : null,
      fitness: null,
      change: submission.change,
      ...(refused ? { message: refused.message.slice(0, 2000) } : {}),
    });
  }

  /** Claims an idea for the next attempt. */
  claim(candidate: string): Promise<ReplyOf<'idea-claim'>> {
    return this.#inTurn(async () => {
      const ordinal = await this.#next();
      return this.#ask('idea-claim', { search: this.search, agent: this.name, ordinal, candidate });
    });
  }

  /** Writes an insight and returns its id. @throws TerminalError for evidence that this agent was not shown. */
  postInsight(insight: RequestOf<'insight-post'>['insight']): Promise<string> {
    return this.#inTurn(async () => {
      const ordinal = await this.#next();
      const unseen = insight.evidence.find((id) => !this.node(id));
      if (unseen !== undefined) throw new TerminalError('insight', `${unseen} is not in your view; call get_view`);
      const { id } = await this.#ask('insight-post', { search: this.search, agent: this.name, ordinal, insight });
      return id;
    });
  }

  /**
   * The outcome of one of its own nodes, after at most `ms` milliseconds; undefined while it is pending.
   *
   * @throws TerminalError for a node that is not its own.
   */
  async outcome(id: string, ms: number, signal: AbortSignal): Promise<Partial<ViewNode> | undefined> {
    const next = await this.#next();
    const ordinal = Number(/-(\d{1,9})$/.exec(id)?.[1] ?? 0);
    if (ordinal < 1 || ordinal >= next || id !== nodeId(this.name, ordinal)) {
      throw new TerminalError('unknown-node', `"${id}" is not an attempt of ${this.name}`);
    }
    const known = () => {
      const node = this.node(id);
      return node === undefined ? this.#outcomes.get(id) : node.status === 'pending' ? undefined : node;
    };
    const ends = AbortSignal.any([signal, this.#ending.signal]);
    if (!known() && !ends.aborted) {
      await new Promise<void>((resolve) => {
        const finish = () => {
          cancel();
          this.#waiting.delete(check);
          ends.removeEventListener('abort', finish);
          resolve();
        };
        const check = () => {
          if (known()) finish();
        };
        const cancel = this.#deps.timers.after(ms, finish);
        this.#waiting.add(check);
        ends.addEventListener('abort', finish, { once: true });
      });
    }
    return known();
  }

  /** Where the search and this agent stand. */
  async status(): Promise<{ search: SearchStatus; own: SearchStatus['agents'][number]; evaluationsLeft: number }> {
    const { spec } = await this.joined();
    const search = await this.#ask('search-status', { search: this.search });
    const own = search.agents.find(({ agent }) => agent === this.name);
    if (!own) throw new TerminalError('unknown-agent', `"${this.name}" is not an agent of "${this.search}"`);
    const accepted = own.proposed - own.rejected - own.duplicate;
    return { search, own, evaluationsLeft: Math.max(0, spec.evaluations - accepted) };
  }

  /** Records and announces that this agent proposes no more; once. */
  async #end(end: AgentEnd): Promise<void> {
    if (this.#ended !== null) return;
    const { bus, search, name, token, log } = this.#deps;
    const request = { search, agent: name, ...end, reason: end.reason.slice(0, 500) };
    await bus.ask('agent-retire', request, { token, attempts: 1, timeoutMs: leaveMs }).catch((thrown) => {
      log.warn({ agent: name, error: errorMessage(thrown) }, 'the end of the agent was not recorded');
    });
    this.announce('finished', end.reason);
    this.#ended = end;
  }

  /** Ends the session: the search continues without the agent until a client returns. */
  async leave(reason: string): Promise<void> {
    // A client that has called no tool has not joined.
    if (this.#joining !== undefined) await this.#end({ code: 'stopped', reason });
    this.#ending.abort();
    await this.#events?.stop();
  }
}

/** The form in which the archive stores a candidate. */
function canonicalOrRaw(candidate: string, space: Space): string {
  try {
    return canonicalCandidate(candidate, space);
  } catch (thrown) {
    if (thrown instanceof CandidateError) return candidate;
    throw thrown;
  }
}
