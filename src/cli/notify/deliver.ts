import { PrerequisiteError } from '../../domain/errors.ts';
import {
  childEnvironment,
  type Environment,
  exec,
  printable,
  readTextFile,
  type Timers,
} from '../../platform/index.ts';

/**
 * Where notices go: a web address that gets a POST, or a shell command that gets standard input.
 *
 * Only options and variables of the person who launches name one; a search file cannot (it may be a stranger's).
 */
export type Target =
  | { readonly kind: 'webhook'; readonly url: URL; readonly token: string | null }
  | { readonly kind: 'command'; readonly command: string };

/** Sends one body of JSON. Rejects with a reason that contains no secret. */
export type Send = (body: string) => Promise<void>;

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
