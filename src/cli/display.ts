/**
 * What a terminal, a log or a script sees of a search or a scale plan while it runs: line by line for people, or one JSON object
 * per line. The block that is redrawn in place is in `liveDisplay.ts`; the display of a study is in `study.ts`.
 */
import type { ScaleProgress } from '../actors/index.ts';
import { endingText } from '../domain/ending.ts';
import { plateauText } from '../domain/ideas.ts';
import { referenceNode } from '../domain/ids.ts';
import { trainings } from '../domain/ladder.ts';
import type { AgentState, LabEvent, SearchStatus, WorkerState } from '../domain/messages.ts';
import { chatArms } from '../domain/model.ts';
import { scaffoldLabel } from '../domain/scaffold.ts';
import type { ScalePoint } from '../domain/scale.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue, type Rung, rungs } from '../domain/task.ts';
import { type Clock, jsonLine, printable } from '../platform/index.ts';
import type { Result } from '../report/index.ts';
import { duration } from '../scale/index.ts';
import { proposalText, type ReportEnding } from '../views/index.ts';

/** How a search ended, for its display. */
export interface Ending {
  readonly how: 'finished' | 'stopped' | 'failed';
  readonly searchStatus: SearchStatus | null;
  /** Path of the report; null if none was written. */
  readonly report: string | null;
  /** Searches, rungs and agents that ended before their work was done. */
  readonly endings: readonly ReportEnding[];
  /** A few lines for the terminal. */
  readonly summary: string | null;
  /** What may be concluded, in sentences, with the floors; null without a report. */
  readonly result: Result | null;
}

/** Shows a search while it runs. */
export interface Display {
  started(spec: SearchSpec, resumed: boolean): void;
  event(event: LabEvent): void;
  agent(state: AgentState): void;
  worker(state: WorkerState): void;
  searchStatus(searchStatus: SearchStatus): void;
  /** A sentence about something outside the search: a drain, a wait. */
  notice(sentence: string): void;
  /** The address of a dashboard of this search, with its token. */
  dashboard(url: string): void;
  ended(ending: Ending): void;
}

/** `3:07` for 187 000 ms. */
export function clockTime(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const rest = `${Math.floor(seconds / 60) % 60}`.padStart(seconds >= 3600 ? 2 : 1, '0');
  const text = `${rest}:${`${seconds % 60}`.padStart(2, '0')}`;
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${text}` : text;
}

export const score = (value: number | null | undefined): string => (value == null ? '  –  ' : value.toFixed(3));

/** A fitness converted to the task's metric. */
export function metricText(fitness: number | null | undefined, { lowerIsBetter }: Pick<SearchSpec, 'lowerIsBetter'>) {
  return score(fitness == null ? fitness : metricValue(fitness, lowerIsBetter));
}

/**
 * The cost of language models so far, and at the end if the remaining proposals cost as much on average. Null without
 * calls.
 */
export function spending({ budget, agents }: SearchSpec, { spend, agents: rows }: SearchStatus): string | null {
  if (spend.calls === 0) return null;
  const callers = agents.filter(({ model }) => chatArms(model).length > 0);
  const done = rows.filter(({ agent }) => callers.some(({ name }) => name === agent));
  const proposed = done.reduce((sum, row) => sum + row.proposed, 0);
  const all = callers.reduce((sum, agent) => sum + agent.evaluations, 0);
  const atEnd =
    proposed > 0 ? Math.min((spend.dollars / proposed) * all, budget.dollars ?? Number.POSITIVE_INFINITY) : null;
  const of = budget.dollars === undefined ? '' : ` of $${budget.dollars}`;
  const end = atEnd === null ? '' : `, about $${Math.max(atEnd, spend.dollars).toFixed(2)} at the end`;
  return `$${spend.dollars.toFixed(3)}${of} for ${spend.calls} calls and ${spend.tokens} tokens${end}`;
}

/** The rung that a phase trains on. */
const rungOf: Readonly<Partial<Record<SearchStatus['phase'], Rung>>> = {
  screening: 'screen',
  confirming: 'confirm',
  aggregating: 'screen',
  finalising: 'final',
};

/** Trainings on each rung: ended, and planned as far as it is known; and the rung of the phase. */
export function rungText(spec: SearchSpec, status: SearchStatus): string {
  const { proposed, rejected, duplicate } = status.proposals;
  const screened = status.phase === 'screening' ? spec.budget.evaluations : proposed - rejected - duplicate;
  const planned = trainings(screened, spec.references.length, spec.ladder);
  const now = rungOf[status.phase];
  const parts = rungs.map((rung) => {
    const all = Math.max(planned[rung], status.doneOn[rung] + status.pendingOn[rung]);
    const text = `${rung} ${status.doneOn[rung]} of ${all}`;
    return rung === now ? `on the rung ${text}` : text;
  });
  return parts.join(', ');
}

/** A component that sent no heartbeat for this long is not there. Components send one every few seconds. */
const silentMs = 30_000;
/** Components of a launch need this long to appear. */
const startUpMs = 5000;

/** Who takes part in a search, from heartbeats. */
export class Crew {
  readonly #clock: Clock;
  readonly #agents = new Map<string, { readonly state: AgentState; readonly at: number }>();
  readonly #workers = new Map<string, { readonly state: WorkerState; readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  agent(state: AgentState): void {
    this.#agents.set(state.agent, { state, at: this.#clock.monotonic() });
  }

  worker(state: WorkerState): void {
    this.#workers.set(state.worker, { state, at: this.#clock.monotonic() });
  }

  #isHere = ({ at }: { readonly at: number }): boolean => this.#clock.monotonic() - at < silentMs;

  /** The last that an agent reported; undefined if it is silent. */
  stateOf(name: string): AgentState | undefined {
    const heard = this.#agents.get(name);
    return heard && this.#isHere(heard) ? heard.state : undefined;
  }

  workers(): WorkerState[] {
    return [...this.#workers.values()]
      .filter((heard) => heard.state.state !== 'stopped' && this.#isHere(heard))
      .map(({ state }) => state);
  }

  /** Whom the search waits for, in sentences: parts of a distributed launch that have not appeared, or are gone. */
  missing(spec: SearchSpec, status: SearchStatus): string[] {
    if (status.elapsedMs < startUpMs || status.phase === 'finished' || status.phase === 'stopped') return [];
    const silent = spec.agents
      .map(({ name }) => name)
      .filter((name) => {
        const row = status.agents.find(({ agent }) => agent === name);
        return row?.end == null && row?.done !== true && this.stateOf(name) === undefined;
      });
    const waits: string[] = [];
    if (this.workers().length === 0) waits.push('waiting for a worker; start one with: aira worker');
    if (status.phase === 'screening' && silent.length > 0) {
      waits.push(`waiting for ${silent.length === 1 ? 'the agent' : 'agents'} ${silent.join(', ')}`);
    }
    return waits;
  }
}

/** Interval between progress lines. */
const progressEveryMs = 15_000;
/** The message of a failed program may have thousands of characters; `aira trace` shows more. */
const maxLineChars = 1000;

/** One line per event, for logs and pipes. */
export function plainDisplay(write: (line: string) => void, clock: Clock): Display {
  const crew = new Crew(clock);
  let waits = '';
  let spec: SearchSpec | null = null;
  let last: SearchStatus | null = null;
  let lastPrintedMs = Number.NEGATIVE_INFINITY;
  const say = (text: string): void =>
    write(`[${clockTime(last?.elapsedMs ?? 0)}] ${printable(text, { width: maxLineChars })}\n`);
  return {
    started(started, resumed) {
      spec = started;
      const { minutes, evaluations } = started.budget;
      const budget = `${evaluations} evaluations${minutes === undefined ? '' : `, ${minutes} minutes`}`;
      say(`${resumed ? 'resuming' : 'search'} ${started.id}: ${started.task}, profile ${started.profile}, ${budget}`);
    },
    event(event) {
      if (event.kind === 'node-submitted') {
        say(`${event.node} ${event.operator} ${event.short}`);
      } else if (event.kind === 'node-evaluated') {
        const how = event.saved ? 'cache hit' : `${event.seconds.toFixed(1)} s`;
        say(
          `${event.node} ${event.rung} seed ${event.seed}: ${spec ? metricText(event.validation, spec) : ''} (${how})`,
        );
      } else if (event.kind === 'node-failed') {
        say(`${event.node} ${event.rung} seed ${event.seed} failed: ${event.reason}: ${event.message}`);
      } else if (event.kind === 'node-refused') {
        say(`${event.agent}: rejected as ${event.reason}: ${event.message}`);
      } else if (event.kind === 'ended-early') {
        say(endingText(event));
      } else if (event.kind === 'agent-plateaued') {
        say(plateauText(event));
      } else if (event.kind === 'ruled') {
        say(event.sentence);
      } else {
        say(`now ${event.phase}`);
      }
    },
    agent: (state) => crew.agent(state),
    worker: (state) => crew.worker(state),
    searchStatus(searchStatus) {
      last = searchStatus;
      const missing = spec ? crew.missing(spec, searchStatus).join('; ') : '';
      if (missing !== waits && missing !== '') say(missing);
      waits = missing;
      if (searchStatus.elapsedMs - lastPrintedMs < progressEveryMs) return;
      lastPrintedMs = searchStatus.elapsedMs;
      const minutes = spec?.budget.minutes;
      const left =
        minutes === undefined ? '' : `, ${clockTime(minutes * 60_000 - searchStatus.elapsedMs)} of the budget left`;
      const best = searchStatus.best
        ? `, best ${spec ? metricText(searchStatus.best.validation, spec) : ''} on the ${searchStatus.best.rung} rung: ${searchStatus.best.short}`
        : '';
      say(
        `${proposalText(searchStatus.proposals)}; ${searchStatus.trainings.done} trainings done${spec ? ` (${rungText(spec, searchStatus)})` : ''}${best}${left}`,
      );
      const paid = spec && spending(spec, searchStatus);
      if (paid) say(paid);
    },
    notice: say,
    dashboard: (url) => say(`dashboard: ${url}`),
    ended({ how, report, summary }) {
      if (summary !== null) write(summary);
      if (how === 'stopped') say(`stopped; resume with: aira launch --resume ${spec?.id}`);
      if (report !== null) say(`report: ${report}`);
    },
  };
}

/** Version of the lines; incremented when a line changes its meaning. */
export const eventVersion = 2;

/** One JSON object per line on stdout; the last one is `finished`. */
export function jsonDisplay(write: (line: string) => void): Display {
  let search = '';
  let lowerIsBetter = false;
  const metric = (fitness: number | null) => (fitness === null ? null : metricValue(fitness, lowerIsBetter));
  const say = (event: string, body: object): void => write(`${jsonLine({ event, v: eventVersion, ...body })}\n`);
  return {
    started(spec, resumed) {
      search = spec.id;
      lowerIsBetter = spec.lowerIsBetter;
      const { task, profile, evaluator, deviceClass, seed, budget } = spec;
      const agents = spec.agents.map(({ name, model, scaffold }) => ({
        name,
        model,
        scaffold: scaffoldLabel(scaffold),
      }));
      say('started', { search, resumed, task, profile, evaluator, deviceClass, seed, budget, agents });
    },
    event({ kind, ...body }) {
      say(kind, 'validation' in body ? { ...body, validation: metric(body.validation) } : body);
    },
    agent() {},
    worker() {},
    searchStatus() {},
    notice: (sentence) => say('notice', { search, message: sentence }),
    dashboard: (url) => say('dashboard', { search, url }),
    ended({ how, searchStatus, report, endings, result }) {
      const best = searchStatus?.best;
      say(how, {
        search,
        ...searchStatus?.proposals,
        trainings: searchStatus?.trainings ?? null,
        spend: searchStatus?.spend ?? null,
        best: best
          ? {
              node: best.node,
              architecture: best.short,
              validation: metric(best.validation),
              rung: best.rung,
            }
          : null,
        agents: (searchStatus?.agents ?? []).map(({ agent, best: _, done: __, ...row }) => ({ agent, ...row })),
        /** The search, rungs and agents that ended before their work was done. */
        endings,
        /** The sentences of the report, and per rung and test set what its rows yield without what the task asks for. */
        verdict: result?.verdict ?? [],
        floors: result?.floors ?? {},
        report,
      });
    },
  };
}

const maxPlanLineChars = 500;

export interface ScaleDisplay {
  started(spec: SearchSpec, known: number): void;
  progress(progress: ScaleProgress): void;
  worker(state: WorkerState): void;
  /** Seconds that are left by the measured pace; null before there is one. */
  secondsLeft(): number | null;
}

/**
 * One line per outcome, and one about progress and time left, for people or as JSON. Time left: what the plan estimates for the
 * trainings that are missing, times measured over estimated seconds of those that this plan has trained, over the workers.
 */
export function scaleDisplay(write: (line: string) => void, json: boolean, workers: number): ScaleDisplay {
  let spec: SearchSpec | null = null;
  let last: ScaleProgress | null = null;
  let lastPrintedMs = Number.NEGATIVE_INFINITY;
  const shown = new Set<string>();
  const shares = new Map<string, number>();
  const points = new Map<string, ScalePoint>();
  const planned = () => [...points.values()].reduce((sum, { seeds }) => sum + seeds, 0);

  const say = (text: string): void =>
    write(`[${clockTime(last?.status.elapsedMs ?? 0)}] ${printable(text, { width: maxPlanLineChars })}\n`);

  const pace = (): number | null => {
    let measured = 0;
    let estimated = 0;
    for (const { node, seconds, status } of last?.evaluations ?? []) {
      if (status !== 'ok' || seconds === null) continue;
      measured += seconds;
      estimated += points.get(node)?.resources.seconds ?? 0;
    }
    return estimated > 0 ? measured / estimated : null;
  };

  const secondsLeft = (): number | null => {
    const factor = pace();
    if (factor === null || !last) return null;
    const ended = new Map<string, number>();
    for (const { node, status } of last.evaluations) {
      if (status !== 'pending') ended.set(node, (ended.get(node) ?? 0) + 1);
    }
    let missing = 0;
    for (const [node, { seeds, resources }] of points) missing += (seeds - (ended.get(node) ?? 0)) * resources.seconds;
    for (const { key, node } of last.evaluations) {
      missing -= (shares.get(key) ?? 0) * (points.get(node)?.resources.seconds ?? 0);
    }
    return (Math.max(0, missing) * factor) / Math.max(1, workers);
  };

  return {
    started(started, known) {
      spec = started;
      for (const point of started.scale?.points ?? []) points.set(referenceNode(point.reference), point);
      if (json) return write(`${jsonLine({ event: 'started', search: started.id, trainings: planned(), known })}\n`);
      say(
        `plan ${started.id}: ${planned()} trainings${known > 0 ? `, ${known} known` : ''}; resume it with the same command`,
      );
    },
    progress(progress) {
      last = progress;
      const ended = progress.evaluations.filter(({ status }) => status !== 'pending');
      for (const { node, key, seed, status, validation, reason, message, seconds } of ended) {
        const point = points.get(node);
        if (shown.has(key + node) || !point) continue;
        shown.add(key + node);
        shares.delete(key);
        const { run, architecture, family, size, budget } = point;
        const loss = validation === null ? null : -validation;
        if (json) {
          write(
            `${jsonLine({ event: 'trained', architecture, family, size, budget, seed, status, loss, reason, message, seconds, key })}\n`,
          );
          continue;
        }
        const what = `${shown.size}/${planned()} ${run}, ${budget}, seed ${seed}`;
        if (status === 'ok') say(`${what}: loss ${loss?.toFixed(4)} (${duration(seconds ?? 0)})`);
        else say(`${what}: no loss: ${reason}: ${message}`);
      }
      if (json || progress.status.elapsedMs - lastPrintedMs < progressEveryMs) return;
      lastPrintedMs = progress.status.elapsedMs;
      const left = secondsLeft();
      const running = [...shares.values()].map((share) => `${Math.floor(100 * share)} %`).join(', ');
      say(
        `${ended.length} of ${planned()} trained; ${progress.status.training} training${running ? ` (${running})` : ''}` +
          `${left === null ? '' : `; about ${duration(left)} left`}`,
      );
    },
    worker({ state, key, progress }) {
      if (spec && key !== null && state === 'training' && progress !== null) shares.set(key, progress);
    },
    secondsLeft,
  };
}
