/**
 * A lab in virtual time: real ledger, real search and real agents; workers that take a stated time and no processor, and a
 * bus that is a function call. Minutes of a search pass in a second, so that every shipped file can be killed anywhere.
 */
import { createActor } from 'xstate';
import { agentMachine, type Think } from '../../src/actors/agent.ts';
import { searchMachine } from '../../src/actors/search.ts';
import type { Bus, Heartbeat } from '../../src/bus/index.ts';
import { candidateText, stackSpace } from '../../src/domain/candidate.ts';
import type { Job } from '../../src/domain/evaluation.ts';
import { type WorkerId, workerIdSchema } from '../../src/domain/ids.ts';
import type { LabEvent, ReplyOf, Verb } from '../../src/domain/messages.ts';
import { isScored } from '../../src/domain/node.ts';
import { programText } from '../../src/domain/program.ts';
import { rngFor } from '../../src/domain/rng.ts';
import type { RulingRequest, SearchSpec } from '../../src/domain/search.ts';
import type { Rung } from '../../src/domain/task.ts';
import { Archive } from '../../src/memory/archive.ts';
import type { Timers } from '../../src/platform/timers.ts';
import type { manualClock } from './home.ts';
import { measurement } from './specs.ts';

export interface Machine {
  /** When each worker is ready, in seconds after the lab was started. */
  readonly startUp: readonly number[];
  readonly seconds: Readonly<Record<Rung, number>>;
  /** How much longer the first training of a worker takes. */
  readonly warmUp: number;
}

interface Due {
  at: number;
  readonly action: () => void;
  readonly every: number | null;
  off: boolean;
}

/** Timers of a clock that stands still until the next of them is due. */
class VirtualTimers implements Timers {
  readonly #clock: ReturnType<typeof manualClock>;
  #due: Due[] = [];
  constructor(clock: ReturnType<typeof manualClock>) {
    this.#clock = clock;
  }
  #add(ms: number, action: () => void, every: number | null): () => void {
    const due = { at: this.#clock.now() + Math.round(ms), action, every, off: false };
    this.#due.push(due);
    return () => {
      due.off = true;
    };
  }
  after = (ms: number, action: () => void) => this.#add(ms, action, null);
  every = (ms: number, action: () => void) => this.#add(ms, action, ms);

  /** Goes to the next timer and fires it. */
  step(): void {
    this.#due = this.#due.filter(({ off }) => !off);
    const next = this.#due.reduce((first, each) => (each.at < first.at ? each : first));
    this.#clock.advance(Math.max(0, next.at - this.#clock.now()));
    if (next.every === null) next.off = true;
    else next.at += next.every;
    next.action();
  }
}

const score = (job: Job) => rngFor('score', candidateText(job.candidate), job.seed).float();

/** Proposes what depends on all that it is shown: a change of the best so far. */
const think: Think = async ({ spec, view, space, seed, topic }) => {
  const rng = rngFor(seed, spec.name, view.ordinal);
  const best = view.nodes.filter(isScored).toSorted((a, b) => b.fitness - a.fitness)[0];
  const rationale = { choice: 'best', change: 'at random', expected: null, retrieved: [], evidence: [] };
  const way = best ? { operator: 'improve' as const, parents: [best.id] } : { operator: 'draft' as const, parents: [] };
  if (space.kind === 'program') {
    const files = { ...(topic.brief?.baseline ?? {}) };
    const [name = ''] = Object.keys(files);
    const start = best ? (JSON.parse(best.candidate) as Record<string, string>) : files;
    return { ...way, candidate: programText({ ...start, [name]: `${start[name]}# ${rng.float()}\n` }), rationale };
  }
  const { layers, primitives } = stackSpace(space);
  const start = best ? best.candidate.split(' ') : Array.from({ length: layers }, () => rng.pick(primitives));
  start[rng.below(start.length)] = rng.pick(primitives);
  return { ...way, candidate: start.join(' '), rationale };
};

const quiet = { info() {}, warn() {}, error() {}, debug() {} } as never;

/** One process with all parts of a lab, on a home and a clock that outlast it. */
export class VirtualLab {
  readonly archive: Archive;
  readonly #clock: ReturnType<typeof manualClock>;
  readonly #timers: VirtualTimers;
  readonly #heartbeats: ((heartbeat: Heartbeat) => void)[] = [];
  readonly #watchers: ((event: LabEvent) => void)[] = [];
  readonly #queue: Job[] = [];
  readonly #search: { stop(): void; getSnapshot(): { status: string; value: unknown } };
  readonly #agents: { stop(): void }[];
  readonly #evaluator: string;
  #dead = false;

  constructor(home: string, spec: SearchSpec, machine: Machine, clock: ReturnType<typeof manualClock>) {
    this.#clock = clock;
    this.#timers = new VirtualTimers(clock);
    this.#evaluator = spec.evaluator;
    this.archive = Archive.open(home, clock);
    const bus = this.#bus();
    const parts = { bus, timers: this.#timers, log: quiet };
    const search = createActor(searchMachine({ spec, source: '', workers: machine.startUp.length, ...parts }));
    this.#search = search;
    search.start();
    this.#agents = spec.agents.map(({ name }) => {
      const agent = createActor(agentMachine({ search: spec.id, name, token: name, think, ...parts }));
      agent.start();
      return agent;
    });
    const tag = clock.now();
    for (const [index, seconds] of machine.startUp.entries()) {
      const worker = workerIdSchema.parse(`cpu-${index + 1}-w${tag}`);
      this.#timers.after(1000 * seconds, () => this.#work(worker, machine, 1));
    }
    // The archivist compares queue and ledger two seconds after its start.
    this.#timers.after(2000, () => {
      const queued = new Set(this.#queue.map(({ key }) => key));
      for (const { key } of this.archive.openJobs()) if (!queued.has(key)) this.archive.requeue(key);
      this.#pump();
    });
  }

  #bus(): Bus {
    return {
      ask: async (verb: Verb, request: never) => {
        await null;
        if (this.#dead) return new Promise(() => {});
        const reply = this.archive.handlers[verb](request);
        this.#pump();
        return reply;
      },
      watchHeartbeats: async (handler: (heartbeat: Heartbeat) => void) => {
        this.#heartbeats.push(handler);
        return { stop: async () => undefined };
      },
      consumeEvents: async (_: unknown, handler: (event: LabEvent) => void) => {
        this.#watchers.push(handler);
        return { stop: async () => undefined };
      },
      announceAgent: (state: never) => this.#tell({ kind: 'agent', state } as never),
      announceWorker: (state: never) => this.#tell({ kind: 'worker', state } as never),
    } as unknown as Bus;
  }

  #tell(heartbeat: Heartbeat): void {
    queueMicrotask(() => {
      if (!this.#dead) for (const handler of this.#heartbeats) handler(heartbeat);
    });
  }

  #pump(): void {
    for (const entry of this.archive.unsent(1000)) {
      if (entry.kind === 'job') this.#queue.push(entry.body);
      else
        queueMicrotask(() => {
          if (!this.#dead) for (const handler of this.#watchers) handler(entry.body);
        });
      this.archive.markSent([entry.seq]);
    }
  }

  /** A worker looks for a job, trains it, and looks again. */
  #work(worker: WorkerId, machine: Machine, attempt: number): void {
    const state = { worker, device: 'cpu', deviceName: '', evaluators: [this.#evaluator], key: null, progress: null };
    this.#tell({ kind: 'worker', state: { ...state, state: 'idle' } } as never);
    const job = this.#queue.shift();
    if (!job || !this.archive.handlers['job-claim']({ key: job.key, worker, attempt }).go) {
      this.#timers.after(job ? 1 : 100, () => this.#work(worker, machine, attempt));
      return;
    }
    const own = 0.8 + 0.4 * rngFor('seconds', job.key).float();
    const seconds = machine.seconds[job.rung] * own * (attempt === 1 ? machine.warmUp : 1);
    this.#timers.after(1000 * seconds, () => {
      const test = job.measure === 'test' ? score({ ...job, seed: job.seed + 1 }) : null;
      const outcome = measurement(score(job), { seconds, test });
      this.archive.record({ key: job.key, worker, evaluator: job.evaluator, attempt, outcome });
      this.#pump();
      this.#work(worker, machine, attempt + 1);
    });
  }

  /** A person rules. The archivist compares queue and ledger when a search is resumed. */
  rule(request: RulingRequest): ReplyOf<'search-rule'> {
    const reply = this.archive.handlers['search-rule'](request);
    if (request.kind === 'resume') for (const { key } of this.archive.openJobs()) this.archive.requeue(key);
    this.#pump();
    return reply;
  }

  get ended(): string | null {
    const { status, value } = this.#search.getSnapshot();
    return status === 'active' ? null : String(value);
  }

  /** Lets time pass until the search has ended, or to this moment of the clock. */
  async run(until = Number.POSITIVE_INFINITY): Promise<void> {
    while (this.ended === null && this.#clock.now() < until) {
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (this.ended === null) this.#timers.step();
    }
  }

  /** As SIGKILL does: nothing is said, and nothing is closed but the file. */
  kill(): void {
    this.#dead = true;
    this.#search.stop();
    for (const agent of this.#agents) agent.stop();
    this.archive.close();
  }
}
