/**
 * Notices of a search to people who are not looking.
 *
 * Role: decides from the status of a search what is worth a notice, and delivers each to every target: a web address that gets a
 * POST, or a shell command that gets standard input. Non-role: what is shown on the terminal.
 *
 * - NTC-1 A notice never disturbs a search: nothing here throws or is waited for while it runs. A target that fails is named once
 *   on the terminal, without its address.
 * - NTC-2 Each budget and each stall is announced once; new bests at most once a minute, the newest one, and with the end.
 * - NTC-3 Notices reach a target one after the other, in order. At most `mostWaiting` wait: a new best is dropped before that.
 * - NTC-4 The end waits for its own notice, but no longer than `longestEndMs`.
 */
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { expectedSeconds } from '../domain/ladder.ts';
import type { SearchStatus } from '../domain/messages.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue } from '../domain/task.ts';
import {
  type Clock,
  childEnvironment,
  type Environment,
  exec,
  jsonLine,
  printable,
  readTextFile,
  type Timers,
} from '../platform/index.ts';
import type { Ending } from './display.ts';

/** Version of the body; incremented when a field changes its meaning. */
const noticeVersion = 1;

/** Share of a budget at which it is announced. */
const budgetShare = 0.8;
const betweenBestsMs = 60_000;
/** A search in which nothing happens for this long, and for three of its longest trainings, stalls. */
const leastStallMs = 600_000;
const mostWaiting = 20;
const longestEndMs = 20_000;

interface NamedSend {
  readonly name: string;
  readonly send: Send;
}

/** The first entry is on its way. */
interface Queue {
  readonly target: NamedSend;
  readonly waiting: { readonly kind: string; readonly body: string }[];
  /** Its last notice did not arrive. */
  failed: boolean;
}

interface NoticesOptions {
  readonly targets: readonly NamedSend[];
  readonly clock: Clock;
  readonly timers: Timers;
  /** Tells a person at the terminal that a target does not work. */
  readonly warn: (sentence: string) => void;
}

/** Budgets of which a search has used a share: name, used, limit, in the unit of the search file. */
function budgets({ budget }: SearchSpec, status: SearchStatus): { of: string; used: number; limit: number }[] {
  const { proposals } = status;
  const used = {
    evaluations: proposals.proposed - proposals.rejected - proposals.duplicate,
    minutes: status.elapsedMs / 60_000,
    deviceSeconds: status.deviceSeconds,
    dollars: status.spend.dollars,
    tokens: status.spend.tokens,
  };
  return Object.entries(used).flatMap(([of, amount]) => {
    const limit = budget[of as keyof typeof used];
    return limit === undefined || limit === 0 ? [] : [{ of, used: amount, limit }];
  });
}

const amount = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(2));

/** Watches one search. */
export class Notices {
  readonly #options: NoticesOptions;
  readonly #queues: readonly Queue[];
  readonly #running = new Set<Promise<void>>();
  readonly #announced = new Set<string>();
  #spec: SearchSpec | null = null;
  #status: SearchStatus | null = null;
  #bestSeen = '';
  #bestSentAt = Number.NEGATIVE_INFINITY;
  #progress = '';
  #progressAt = 0;
  #resumed = false;

  constructor(options: NoticesOptions) {
    this.#options = options;
    this.#queues = options.targets.map((target) => ({ target, waiting: [], failed: false }));
  }

  /** A resumed search does not repeat what its earlier session announced: the state at its first status counts as known. */
  started(spec: SearchSpec, resumed: boolean): void {
    this.#spec = spec;
    this.#resumed = resumed;
    this.#progressAt = this.#options.clock.monotonic();
  }
  searchStatus(status: SearchStatus): void {
    const first = this.#status === null;
    this.#status = status;
    const spec = this.#spec;
    if (!spec) return;
    if (first && this.#resumed) {
      this.#bestSeen = this.#bestKey(status);
      for (const { of, used, limit } of budgets(spec, status)) if (used >= budgetShare * limit) this.#announced.add(of);
    }
    this.#best(status);
    this.#stall(spec, status);
    for (const { of, used, limit } of budgets(spec, status)) {
      if (used < budgetShare * limit || this.#announced.has(of)) continue;
      this.#announced.add(of);
      const sentence = `${amount(used)} of ${amount(limit)} ${of} are used`;
      this.#notify('budget', sentence, { budget: { of, used, limit } });
    }
  }

  /** Announces the end, and waits for what is on its way. */
  async ended({ how, searchStatus, report, result }: Ending): Promise<void> {
    // A short search may end before its status was looked at.
    if (searchStatus) this.searchStatus(searchStatus);
    const verdict = result?.verdict ?? [];
    this.#notify('end', [`the search has ${how === 'failed' ? 'failed' : how}`, ...verdict].join('. '), {
      how,
      verdict,
      report,
    });
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#options.timers.after(longestEndMs, resolve);
    });
    await Promise.race([Promise.all(this.#running), late]);
    cancel();
  }

  #bestKey = ({ best }: SearchStatus): string => (best ? `${best.rung} ${best.node}` : '');

  #best(status: SearchStatus): void {
    const key = this.#bestKey(status);
    const now = this.#options.clock.monotonic();
    if (key === '' || key === this.#bestSeen || now - this.#bestSentAt < betweenBestsMs) return;
    this.#bestSeen = key;
    this.#bestSentAt = now;
    const { best } = this.#body(status);
    if (best)
      this.#notify('best', `new best on the ${best.rung} rung: ${best.validation.toFixed(4)} by ${best.node}`, {});
  }

  #stall(spec: SearchSpec, { trainings, proposals, phase, meanSeconds }: SearchStatus): void {
    const now = this.#options.clock.monotonic();
    const progress = [trainings.done, trainings.failed, proposals.proposed, phase].join(' ');
    if (progress !== this.#progress) {
      this.#progress = progress;
      this.#progressAt = now;
      this.#announced.delete('stall');
      return;
    }
    const longest = Math.max(...Object.values(expectedSeconds(spec.rungs, meanSeconds)));
    const still = now - this.#progressAt;
    if (still < Math.max(leastStallMs, 3000 * longest) || this.#announced.has('stall')) return;
    this.#announced.add('stall');
    const minutes = Math.floor(still / 60_000);
    this.#notify('stall', `nothing was proposed and no training has ended for ${minutes} minutes`, {
      stillMinutes: minutes,
    });
  }

  /** What every notice has. Texts of agents and programs are made printable. */
  #body(status: SearchStatus | null) {
    const spec = this.#spec as SearchSpec;
    const best = status?.best;
    return {
      search: spec.id,
      task: spec.task,
      metric: spec.metric,
      phase: status?.phase ?? null,
      best: best
        ? {
            node: best.node,
            rung: best.rung,
            validation: metricValue(best.validation, spec.lowerIsBetter),
            candidate: printable(best.short, { width: 400 }),
          }
        : null,
      proposals: status?.proposals ?? null,
      trainings: status?.trainings ?? null,
      elapsedSeconds: status ? Math.round(status.elapsedMs / 1000) : null,
      spend: status?.spend ?? null,
    };
  }

  #notify(notice: string, sentence: string, more: object): void {
    if (!this.#spec) return;
    const at = new Date(this.#options.clock.now()).toISOString();
    const text = `${this.#spec.id}: ${printable(sentence, { width: 1000 })}`;
    const body = `${jsonLine({ v: noticeVersion, notice, at, text, ...this.#body(this.#status), ...more })}\n`;
    for (const queue of this.#queues) {
      if (queue.waiting.length >= mostWaiting) {
        const old = queue.waiting.findIndex(({ kind }, index) => index > 0 && kind === 'best');
        if (old < 0 && notice === 'best') continue;
        // The oldest that is not on its way.
        queue.waiting.splice(Math.max(1, old), 1);
      }
      queue.waiting.push({ kind: notice, body });
      if (queue.waiting.length > 1) continue;
      const delivery = this.#deliver(queue).finally(() => this.#running.delete(delivery));
      this.#running.add(delivery);
    }
  }

  async #deliver(queue: Queue): Promise<void> {
    for (let next = queue.waiting[0]; next; next = queue.waiting[0]) {
      try {
        await queue.target.send(next.body);
        queue.failed = false;
      } catch (thrown) {
        if (!queue.failed) {
          this.#options.warn(
            `a notice did not reach ${queue.target.name}: ${errorMessage(thrown)}; the search continues`,
          );
        }
        queue.failed = true;
      }
      queue.waiting.splice(queue.waiting.indexOf(next), 1);
    }
  }
}

/**
 * Where notices go: a web address that gets a POST, or a shell command that gets standard input.
 *
 * Only options and variables of the person who launches name one; a search file cannot (it may be a stranger's).
 */
type Target =
  | { readonly kind: 'webhook'; readonly url: URL; readonly token: string | null }
  | { readonly kind: 'command'; readonly command: string };

/** Sends one body of JSON. Rejects with a reason that contains no secret. */
type Send = (body: string) => Promise<void>;

const longestRequestMs = 10_000;
const longestCommandMs = 30_000;
const attempts = 3;
const firstPauseMs = 1000;

const refused = (message: string, remedy: string) => new PrerequisiteError('notify', message, remedy);

/** Reads a secret that is not to be seen in a list of processes. @throws PrerequisiteError `notify`. */
function secretIn(path: string): string {
  const text = readTextFile(path, { code: 'notify', remedy: 'name a file of one line', mostBytes: 65_536 }).trim();
  if (text === '' || text.includes('\n')) throw refused(`${path} does not have one line`, 'name a file of one line');
  return text;
}

/**
 * A target by its text: `https://…`, a command, or `@file` with either.
 *
 * @param env `AIRA_NOTIFY_TOKEN`, or `AIRA_NOTIFY_TOKEN_FILE` with its path: sent as a bearer token.
 * @throws PrerequisiteError `notify` for anything else.
 */
export function targetOf(text: string, env: Environment): Target {
  const given = text.startsWith('@') ? secretIn(text.slice(1)) : text.trim();
  if (given === '') throw refused('--notify is empty', 'give a URL, a command, or @file');
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(given)) return { kind: 'command', command: given };
  const url = URL.canParse(given) ? new URL(given) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw refused('the URL of --notify is not one of http or https', 'correct it');
  }
  if (url.username !== '' || url.password !== '') {
    throw refused('the URL of --notify has a name or a password', 'set AIRA_NOTIFY_TOKEN_FILE instead');
  }
  const tokenFile = env.AIRA_NOTIFY_TOKEN_FILE;
  const token = env.AIRA_NOTIFY_TOKEN || (tokenFile ? secretIn(tokenFile) : null);
  return { kind: 'webhook', url, token };
}

/** A name for messages: the path of a webhook is often its secret, and a command may contain one. */
export const nameOf = (target: Target): string => (target.kind === 'webhook' ? target.url.host : 'the command');

const fails = (why: string) => new Error(why);

/** Variables that a desktop's own commands need; keys are not among them. */
const ofTheDesktop = ['DISPLAY', 'WAYLAND_DISPLAY', 'DBUS_SESSION_BUS_ADDRESS', 'XDG_RUNTIME_DIR', 'USER', 'SHELL'];

async function post(
  { url, token }: Extract<Target, { kind: 'webhook' }>,
  body: string,
  timers: Timers,
  http: typeof fetch,
): Promise<'sent' | 'busy'> {
  const deadline = new AbortController();
  const cancel = timers.after(longestRequestMs, () => deadline.abort());
  try {
    const response = await http(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      body,
      // A redirect would carry the token and the body to another host.
      redirect: 'manual',
      signal: deadline.signal,
    });
    await response.body?.cancel();
    if (response.ok) return 'sent';
    if (response.status === 429 || response.status >= 500) return 'busy';
    throw fails(`it answered ${response.status}`);
  } catch (thrown) {
    if (deadline.signal.aborted) return 'busy';
    if (thrown instanceof TypeError) return 'busy';
    throw thrown;
  } finally {
    cancel();
  }
}

/** A sender for a target, with deadlines and three attempts for a webhook that is away. */
export function sender(
  target: Target,
  { env, timers, http = fetch }: { readonly env: Environment; readonly timers: Timers; readonly http?: typeof fetch },
): Send {
  if (target.kind === 'command') {
    const desktop = ofTheDesktop.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name] as string]]));
    return async (body) => {
      const { code, stderr } = await exec('/bin/sh', ['-c', target.command], {
        env: { ...childEnvironment(env), ...Object.fromEntries(desktop) },
        timeoutMs: longestCommandMs,
        input: body,
      });
      if (code !== 0)
        throw fails(printable(stderr.trim().split('\n').at(-1) ?? '', { width: 200 }) || `it ended with ${code}`);
    };
  }
  return async (body) => {
    for (let attempt = 1; ; attempt++) {
      if ((await post(target, body, timers, http)) === 'sent') return;
      if (attempt === attempts) throw fails('it cannot be reached, or is busy');
      await new Promise<void>((resolve) => timers.after(firstPauseMs * 2 ** (attempt - 1), resolve));
    }
  };
}
