/** Notices: what is worth one, what it says, and that a target which hangs, refuses or is away disturbs nothing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { Notices, sender, targetOf } from '../../src/cli/notify.ts';
import type { SearchStatus } from '../../src/domain/messages.ts';
import { systemTimers } from '../../src/platform/index.ts';
import { ManualTime } from '../literature/support.ts';
import { codeOf } from '../support/errors.ts';
import { searchSpec } from '../support/specs.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-notify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const counts = { proposed: 0, evaluated: 0, failed: 0, rejected: 0, duplicate: 0, pending: 0, cached: 0 };
const onRungs = { screen: 0, confirm: 0, final: 0 };
const status = (changes: Partial<SearchStatus> = {}): SearchStatus => ({
  ...{ phase: 'screening', proposals: counts, pendingOn: onRungs, doneOn: onRungs, timedOn: onRungs, training: 0 },
  ...{ trainings: { pending: 0, done: 0, failed: 0, cached: 0 }, deviceSeconds: 0, meanSeconds: {}, elapsedMs: 0 },
  ...{ best: null, spend: { calls: 0, tokens: 0, dollars: 0 }, agents: [] },
  ...changes,
});
const best = (node: string, validation: number, short = 'M+mA') => ({
  best: { node, origin: 'draft', validation, short, rung: 'screen' } as SearchStatus['best'],
});

interface Body {
  readonly notice: string;
  readonly text: string;
  readonly [key: string]: unknown;
}

function watched(
  resumed = false,
  spec = searchSpec({ budget: { evaluations: 10, minutes: 100 }, lowerIsBetter: true }),
) {
  const time = new ManualTime();
  const sent: Body[] = [];
  const warnings: string[] = [];
  const send = async (body: string) => void sent.push(JSON.parse(body) as Body);
  const options = { clock: time, timers: time, warn: (sentence: string) => void warnings.push(sentence) };
  const notices = new Notices({ targets: [{ name: 'here', send }], ...options });
  notices.started(spec, resumed);
  const kinds = () => sent.map(({ notice }) => notice);
  return { time, sent, warnings, notices, kinds, options };
}
const ending = {
  how: 'finished',
  searchStatus: null,
  report: '/r.html',
  endings: [],
  summary: null,
  result: null,
} as const;

describe('notices', () => {
  it('of a new best come at most once a minute, with the newest, in the metric', async () => {
    const { time, notices, sent, kinds } = watched();
    notices.searchStatus(status());
    notices.searchStatus(status(best('ada-1', -0.5, 'evil\u001b[31m\nname')));
    notices.searchStatus(status(best('ada-2', -0.4)));
    await time.advance(30_000);
    notices.searchStatus(status(best('ada-3', -0.3)));
    await time.advance(29_999);
    expect(kinds()).toEqual(['best']);
    await time.advance(1);
    notices.searchStatus(status(best('ada-3', -0.3)));
    notices.searchStatus(status(best('ada-3', -0.3)));
    await time.advance(1);
    expect(kinds()).toEqual(['best', 'best']);
    expect(sent[0]).toMatchObject({
      v: 1,
      search: 'trial-1',
      best: { node: 'ada-1', validation: 0.5, candidate: 'evil name' },
    });
    expect(sent[1]).toMatchObject({ text: 'trial-1: new best on the screen rung: 0.3000 by ada-3' });
  });

  it('of a budget come once, at 80 %', async () => {
    const { time, notices, sent } = watched();
    notices.searchStatus(status({ proposals: { ...counts, proposed: 9, rejected: 2 }, elapsedMs: 79 * 60_000 }));
    expect(sent).toEqual([]);
    for (let turn = 0; turn < 3; turn++) {
      notices.searchStatus(status({ proposals: { ...counts, proposed: 10, rejected: 2 }, elapsedMs: 80 * 60_000 }));
      await time.advance(1);
    }
    expect(sent.map(({ budget }) => budget)).toEqual([
      { of: 'evaluations', used: 8, limit: 10 },
      { of: 'minutes', used: 80, limit: 100 },
    ]);
  });

  it('of a stall come once per stall, after ten minutes without a proposal or the end of a training', async () => {
    const { time, notices, kinds } = watched();
    notices.searchStatus(status());
    const wait = async (ms: number, changes: Partial<SearchStatus> = {}) => {
      await time.advance(ms);
      notices.searchStatus(status(changes));
      await time.advance(1);
    };
    await wait(599_000);
    expect(kinds()).toEqual([]);
    await wait(2_000);
    await wait(600_000);
    expect(kinds()).toEqual(['stall']);
    const on = { trainings: { pending: 0, done: 1, failed: 0, cached: 0 } };
    await wait(1, on);
    await wait(601_000, on);
    expect(kinds()).toEqual(['stall', 'stall']);
    // Trainings of an hour are no stall before three hours.
    const long = { ...on, meanSeconds: { screen: 3600 } };
    await wait(1, { ...long, phase: 'confirming' });
    await wait(2 * 3_600_000, { ...long, phase: 'confirming' });
    expect(kinds()).toHaveLength(2);
  });

  it('of a search that ends before its status was looked at come with its end', async () => {
    const { notices, kinds } = watched();
    const searchStatus = status({ ...best('ada-1', -0.5), phase: 'finished', proposals: { ...counts, proposed: 10 } });
    await notices.ended({ ...ending, searchStatus });
    expect(kinds()).toEqual(['best', 'budget', 'end']);
  });

  it('of a resumed search do not repeat its earlier session', async () => {
    const { time, notices, kinds } = watched(true);
    const before = status({ ...best('ada-3', -0.3), elapsedMs: 90 * 60_000 });
    notices.searchStatus(before);
    notices.searchStatus(before);
    await time.advance(1);
    expect(kinds()).toEqual([]);
    await notices.ended({ ...ending, searchStatus: before });
    expect(kinds()).toEqual(['end']);
  });

  it('that fail are reported once, and a target that hangs neither holds up the others nor, for long, the end', async () => {
    const { time, options } = watched();
    const [arrived, warnings]: [string[], string[]] = [[], []];
    const notices = new Notices({
      ...options,
      warn: (sentence) => void warnings.push(sentence),
      targets: [
        { name: 'hangs', send: () => new Promise(() => undefined) },
        { name: 'fails', send: () => Promise.reject(new Error('refused')) },
        { name: 'works', send: async (body) => void arrived.push(JSON.parse(body).notice) },
      ],
    });
    notices.started(searchSpec({}), false);
    for (let turn = 1; turn <= 40; turn++) {
      notices.searchStatus(status(best(`ada-${turn}`, turn / 100)));
      await time.advance(60_000);
    }
    expect(arrived.filter((notice) => notice === 'best')).toHaveLength(40);
    expect(warnings).toEqual(['a notice did not reach fails: refused; the search continues']);
    const ended = notices.ended(ending);
    await time.advance(20_000);
    await ended;
    expect(arrived.at(-1)).toBe('end');
  });
});

/** A server of our own; what it got, and how it answers. */
async function server(answer: (request: IncomingMessage, body: string, count: number) => number | null) {
  const got: { body: string; headers: IncomingMessage['headers'] }[] = [];
  const http = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      got.push({ body, headers: request.headers });
      const status = answer(request, body, got.length);
      if (status === null) return;
      response.writeHead(status, status === 302 ? { location: `/${'x'.repeat(10)}` } : {}).end('{"ok":true}');
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return { got, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/hook/secret-path` };
}

describe('a webhook', () => {
  it('gets one JSON body by POST, with the token of the environment or a file', async () => {
    const { got, url } = await server(() => 204);
    const file = join(folder, 'token');
    writeFileSync(file, 'from-a-file\n', { mode: 0o600 });
    for (const env of [{ AIRA_NOTIFY_TOKEN: 'of-the-environment' }, { AIRA_NOTIFY_TOKEN_FILE: file }]) {
      await sender(targetOf(url, env), { env, timers: systemTimers })('{"v":1}');
    }
    expect(got.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer of-the-environment',
      'Bearer from-a-file',
    ]);
    expect(got[0]).toMatchObject({ body: '{"v":1}', headers: { 'content-type': 'application/json' } });
  });

  it('that is busy is asked three times; one that refuses or redirects is not, and no secret is in the reason', async () => {
    const time = new ManualTime();
    const { got, url } = await server((_, body, count) =>
      body === 'busy' && count < 3 ? 503 : body === 'busy' ? 200 : Number(body),
    );
    const send = sender(targetOf(url, {}), { env: {}, timers: time });
    const sent = send('busy');
    while (got.length < 3) {
      await new Promise((resolve) => setImmediate(resolve));
      await time.advance(500);
    }
    await sent;
    for (const status of ['403', '302']) {
      const thrown = await send(status).catch((error: Error) => error.message);
      expect(thrown).toBe(`it answered ${status}`);
    }
    expect(got).toHaveLength(5);
  });

  it('that never answers is left after its deadline', async () => {
    const time = new ManualTime();
    const { got, url } = await server(() => null);
    const sent = sender(targetOf(url, {}), { env: {}, timers: time })('{}').catch((error: Error) => error.message);
    for (let turn = 1; turn <= 3; turn++) {
      while (got.length < turn) {
        await new Promise((resolve) => setImmediate(resolve));
        await time.advance(10);
      }
      await time.advance(10_000);
    }
    expect(await sent).toBe('it cannot be reached, or is busy');
  });

  it('is http or https, and has no password in its address', () => {
    expect(codeOf(() => targetOf('ftp://host/x', {}))).toBe('notify');
    expect(codeOf(() => targetOf('https://me:secret@host/x', {}))).toBe('notify');
    expect(codeOf(() => targetOf('  ', {}))).toBe('notify');
    expect(codeOf(() => targetOf(`@${join(folder, 'nothing')}`, {}))).toBe('notify');
    const file = join(folder, 'target');
    writeFileSync(file, 'https://host/secret\n');
    expect(targetOf(`@${file}`, {})).toMatchObject({ kind: 'webhook', url: new URL('https://host/secret') });
  });
});

describe('a command', () => {
  it('gets the body on standard input, as data, without our keys', async () => {
    const out = join(folder, 'out');
    const env = { PATH: process.env.PATH, ANTHROPIC_API_KEY: 'sk-secret-secret', DISPLAY: ':7' };
    const body = JSON.stringify({ text: '$(touch pwned) `touch pwned` "; touch pwned' });
    await sender(targetOf(`cd ${folder}; cat > out; env >> out`, env), { env, timers: systemTimers })(body);
    const text = readFileSync(out, 'utf8');
    expect(text.startsWith(body)).toBe(true);
    expect(text).toContain('DISPLAY=:7');
    expect(text).not.toContain('sk-secret');
    await expect(sender(targetOf('echo broken >&2; exit 3', {}), { env, timers: systemTimers })(body)).rejects.toThrow(
      /^broken$/,
    );
  });
});
