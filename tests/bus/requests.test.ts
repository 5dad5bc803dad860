import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bus, Handlers, Meta, NatsServer } from '../../src/bus/index.ts';
import { PrerequisiteError, RetryableError, TerminalError } from '../../src/domain/errors.ts';
import { agentNameSchema, searchIdSchema, workerIdSchema } from '../../src/domain/ids.ts';
import { requests, type Verb } from '../../src/domain/messages.ts';
import { job, laboratory, until } from './support.ts';

const lab = laboratory();
let server: NatsServer;
let asker: Bus;
let archive: Bus;
beforeAll(async () => {
  server = await lab.server();
  asker = await lab.bus(server);
  archive = await lab.bus(server);
});
afterAll(() => lab.clear());

const claim = (attempt: number) => ({ key: job(1).key, worker: workerIdSchema.parse('worker-1'), attempt });
const search = searchIdSchema.parse('first');

/** Handlers of which all but the given ones refuse. */
function handlers(some: Partial<Handlers>): Handlers {
  const refuse = () => {
    throw new TerminalError('not-here', 'this archivist does not do that');
  };
  const all = Object.fromEntries((Object.keys(requests) as Verb[]).map((verb) => [verb, refuse]));
  return { ...all, ...some } as Handlers;
}

async function serving<T>(some: Partial<Handlers>, action: () => Promise<T>): Promise<T> {
  const service = await archive.serve(handlers(some));
  try {
    return await action();
  } finally {
    await service.stop();
  }
}

describe('request and reply', () => {
  it('brings the request to its handler, with its trace, and the answer back', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const seen: [unknown, Meta][] = [];
    const reply = await serving(
      {
        'job-claim': (request, meta) => {
          seen.push([request, meta]);
          return { go: true, reason: 'wanted' };
        },
      },
      () => asker.ask('job-claim', claim(3), { traceparent }),
    );
    expect(reply).toEqual({ go: true, reason: 'wanted' });
    expect(seen).toEqual([[claim(3), { id: expect.stringMatching(/^id-/), at: expect.any(Number), traceparent }]]);
  });

  it('without an archivist fails at once, to be tried again', async () => {
    const failure = await asker.ask('job-claim', claim(1), { timeoutMs: 60_000 }).catch((thrown) => thrown);
    expect(failure).toBeInstanceOf(RetryableError);
    expect(failure.code).toBe('archive-away');
  });

  it('asks again until the archivist is there', async () => {
    const asking = asker.ask('job-claim', claim(1), { attempts: 100 });
    const reply = await serving({ 'job-claim': () => ({ go: false, reason: 'done' }) }, () => asking);
    expect(reply).toEqual({ go: false, reason: 'done' });
  });

  it('gives up waiting for an answer, which is worth another try', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await serving(
      {
        'job-claim': async () => {
          await held;
          return { go: true, reason: 'wanted' };
        },
      },
      async () => {
        const failure = await asker.ask('job-claim', claim(1), { timeoutMs: 100 }).catch((thrown) => thrown);
        release();
        expect(failure).toBeInstanceOf(RetryableError);
        expect(failure.code).toBe('archive-timeout');
      },
    );
  });

  it.each([
    new TerminalError('closed', 'the search is over'),
    new RetryableError('locked', 'the ledger is busy', 77),
    new PrerequisiteError('disk-full', 'No room is left.', 'Make some.'),
  ])('throws at the asker what the handler threw: $name', async (thrown) => {
    const failure = await serving(
      {
        'job-claim': () => {
          throw thrown;
        },
      },
      () => asker.ask('job-claim', claim(1)).catch((caught) => caught),
    );
    expect(failure).toBeInstanceOf(thrown.constructor);
    expect(failure).toEqual(thrown);
  });

  it('repeats after a retryable error of the handler, and not after a terminal one', async () => {
    let calls = 0;
    const reply = await serving(
      {
        'job-claim': () => {
          calls += 1;
          if (calls < 3) throw new RetryableError('locked', 'the ledger is busy', 1);
          return { go: true, reason: 'wanted' };
        },
      },
      () => asker.ask('job-claim', claim(1), { attempts: 3 }),
    );
    expect([reply.go, calls]).toEqual([true, 3]);

    calls = 0;
    const failure = await serving(
      {
        'job-claim': () => {
          calls += 1;
          throw new TypeError('a defect');
        },
      },
      () => asker.ask('job-claim', claim(1), { attempts: 3 }).catch((caught) => caught),
    );
    expect([failure.code, calls]).toEqual(['internal', 1]);
  });

  it('validates on both sides', async () => {
    let calls = 0;
    await serving(
      {
        'job-claim': () => {
          calls += 1;
          return { go: 'perhaps' } as never;
        },
      },
      async () => {
        await expect(asker.ask('job-claim', { ...claim(1), attempt: 0 })).rejects.toMatchObject({
          code: 'message-invalid',
        });
        expect(calls).toBe(0);
        await expect(asker.ask('job-claim', claim(1))).rejects.toMatchObject({ code: 'message-invalid' });
        expect(calls).toBe(1);
      },
    );
  });

  it('tells the asker that an answer is too large to travel', async () => {
    const node = {
      node: 'composer-1' as never,
      candidate: 'M '.repeat(50_000),
      origin: 'draft' as const,
      validation: 0.5,
      seeds: [],
    };
    const nodes = Array.from({ length: 6 }, () => node);
    const failure = await serving({ 'search-ranking': () => ({ nodes, more: false }) }, () =>
      asker.ask('search-ranking', { search, rung: 'screen' }).catch((caught) => caught),
    );
    expect(failure).toBeInstanceOf(TerminalError);
    expect(failure.code).toBe('message-too-large');
  });

  it('calls handlers in the order of arrival over all verbs, without waiting for their answers', async () => {
    const log: string[] = [];
    let release = () => {};
    const last = new Promise<void>((resolve) => {
      release = resolve;
    });
    // All but the last answer once the last was called: with one request at a time none ever would.
    async function once(name: string): Promise<void> {
      log.push(name);
      if (name === 'claim 3') release();
      await last;
    }
    await serving(
      {
        'job-claim': async ({ attempt }) => {
          await once(`claim ${attempt}`);
          return { go: true, reason: 'wanted' };
        },
        'search-phase': async ({ phase }) => {
          await once(`phase ${phase}`);
          return { phase };
        },
        'agent-view': async ({ ordinal }) => {
          await once(`view ${ordinal}`);
          return { state: 'waiting', nodes: [], agents: [] };
        },
      },
      async () => {
        const agent = agentNameSchema.parse('composer');
        await Promise.all([
          asker.ask('job-claim', claim(1)),
          asker.ask('search-phase', { search, phase: 'screening' }),
          asker.ask('job-claim', claim(2)),
          asker.ask('agent-view', { search, agent, ordinal: 7 }),
          asker.ask('job-claim', claim(3)),
        ]);
      },
    );
    expect(log).toEqual(['claim 1', 'phase screening', 'claim 2', 'view 7', 'claim 3']);
  });

  it('answers what it has taken in before it closes', async () => {
    const leaving = await lab.bus(server);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let entered = () => {};
    const entering = new Promise<void>((resolve) => {
      entered = resolve;
    });
    await leaving.serve(
      handlers({
        'job-claim': async () => {
          entered();
          await held;
          return { go: true, reason: 'wanted' };
        },
      }),
    );
    const both = [asker.ask('job-claim', claim(1)), asker.ask('job-claim', claim(2))];
    await entering;
    let closed = false;
    const closing = leaving.close().then(() => {
      closed = true;
    });
    // It takes nothing in any more, and is still at work on the first of the two.
    await until(async () => {
      const failure = await asker.ask('job-claim', claim(3), { timeoutMs: 200 }).catch((thrown) => thrown);
      return failure.code === 'archive-away';
    });
    // Many times the talk with the server that an early end would need.
    for (let round = 0; round < 50; round++) await asker.inspectWork().catch(() => undefined);
    expect(closed).toBe(false);
    release();
    await closing;
    expect(await Promise.all(both)).toHaveLength(2);
    await expect(asker.ask('job-claim', claim(1))).rejects.toMatchObject({ code: 'archive-away' });
    await expect(leaving.ask('job-claim', claim(1))).rejects.toMatchObject({ code: 'bus-closed' });
  });
});
