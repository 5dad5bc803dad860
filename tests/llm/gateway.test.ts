import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cassette } from '../../src/llm/cassette.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { temporaryFolder } from '../support/home.ts';
import { startLlmServer } from '../support/llm-server/server.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';
import { bench, models, patient, question } from './support.ts';

const numbered = (_: unknown, number: number) => `{"answer": ${number}}`;

describe('what was answered once', () => {
  it('is never asked again, by this process or by the next (GTW-2)', async () => {
    const server = await startLlmServer({ brain: numbered });
    const first = bench(server);
    const asked = question(server, models[0] as never);
    const answer = await first.gateway.ask(asked, patient());
    expect(await first.gateway.ask(asked, patient())).toEqual(answer);
    const second = bench(server, { home: first.home, archive: first.archive });
    expect(await second.gateway.ask(asked, patient())).toEqual(answer);
    expect(server.served).toHaveLength(1);
  });

  it('is not taken for the answer to anything else', async () => {
    const server = await startLlmServer({ brain: numbered });
    const { gateway } = bench(server, { spec: searchSpec({ agents: [agentSpec(), agentSpec({ name: 'rival' })] }) });
    const model = models[0] as never;
    const different = [
      question(server, model),
      question(server, model, { scope: { ordinal: 2 } }),
      question(server, model, { scope: { agent: 'rival' as never } }),
      question(server, model, { scope: { round: 1 } }),
      question(server, model, { request: { system: 'Be brief.' } }),
      question(server, model, { request: { effort: 'high' } }),
      question(server, models[1] as never),
    ];
    const texts: string[] = [];
    for (const each of different) texts.push((await gateway.ask(each, patient())).text);
    expect(new Set(texts).size).toBe(different.length);
  });

  it('does not depend on what is left of the budget, which is sent all the same', async () => {
    const server = await startLlmServer({ brain: numbered });
    const { gateway } = bench(server);
    const model = models[0] as never;
    const answer = await gateway.ask(question(server, model, { remainingBudget: 'Left: 7 minutes.' }), patient());
    expect(await gateway.ask(question(server, model, { remainingBudget: 'Left: 6 minutes.' }), patient())).toEqual(
      answer,
    );
    expect(server.served.map(({ asked }) => asked.messages.at(-1)?.text)).toEqual(['Say one.\n\nLeft: 7 minutes.']);
  });

  it('is settled by the next process, where this one died between recording and settling', async () => {
    const server = await startLlmServer({ brain: numbered });
    const dying = bench(server, {
      ledger: (ledger) => ({ ...ledger, settle: () => Promise.reject(new Error('killed')) }),
    });
    const asked = question(server, models[0] as never);
    await expect(dying.gateway.ask(asked, patient())).rejects.toThrow('killed');
    const next = bench(server, { home: dying.home, archive: dying.archive });
    await next.gateway.ask(asked, patient());
    expect(server.served).toHaveLength(1);
    const reader = readArchive(dying.home);
    expect(reader.calls.of(dying.spec.id).map(({ outcome }) => outcome)).toEqual(['complete']);
    reader.close();
  });
});

describe('a replay', () => {
  it('needs no server and no key, and gives the same answers', async () => {
    const server = await startLlmServer({
      brain: numbered,
      fault: (number) => (number === 0 ? { kind: 'reset' } : null),
    });
    const live = bench(server);
    const questions = models.map((model, index) => question(server, model, { scope: { ordinal: index + 1 } }));
    const answers = [];
    for (const each of questions) answers.push(await live.gateway.ask(each, patient()));
    await server.stop();
    const replay = bench({ urls: server.urls }, { replay: live.recording });
    for (const [index, each] of questions.entries()) {
      expect(await replay.gateway.ask(each, patient())).toEqual(answers[index]);
    }
    expect(replay.archive.handlers['search-status']({ search: replay.spec.id }).spend.calls).toBe(0);
    const stranger = question(server, models[0] as never, { scope: { ordinal: 9 } });
    await expect(replay.gateway.ask(stranger, patient())).rejects.toMatchObject({ code: 'replay-miss' });
  });

  it('ends where the budget ended', async () => {
    const server = await startLlmServer({ brain: numbered });
    const spec = searchSpec({ agents: [agentSpec({ model: models[0] })], budget: { evaluations: 4, tokens: 10 } });
    const live = bench(server, { spec });
    const asked = question(server, models[0] as never);
    await expect(live.gateway.ask(asked, patient())).rejects.toMatchObject({
      name: 'BudgetExhaustedError',
      code: 'budget-spent',
    });
    expect(server.served).toHaveLength(0);
    const replay = bench(server, { replay: live.recording });
    await expect(replay.gateway.ask(asked, patient())).rejects.toMatchObject({ code: 'budget-spent' });
  });
});

describe('a recording', () => {
  it('that was truncated in the middle of a line continues after the last complete one', async () => {
    const server = await startLlmServer({ brain: numbered });
    const first = bench(server);
    const model = models[0] as never;
    await first.gateway.ask(question(server, model), patient());
    appendFileSync(first.recording, '{"v":1,"key":"torn');
    const second = bench(server, { home: first.home, archive: first.archive });
    await second.gateway.ask(question(server, model, { scope: { ordinal: 2 } }), patient());
    expect(readFileSync(first.recording, 'utf8').trimEnd().split('\n')).toHaveLength(2);
    Cassette.replay(first.recording).close();
  });

  it('of an earlier version still replays and resumes, though its prompts were other ones (CAS-4)', async () => {
    const server = await startLlmServer({ brain: numbered });
    const model = models[0] as never;
    const places = [{ ordinal: 1 }, { ordinal: 1, round: 1 }, { ordinal: 2 }];
    const older = bench(server);
    for (const scope of places) {
      await older.gateway.ask(question(server, model, { scope, request: { system: 'The old prompt.' } }), patient());
    }
    // Twice at one place: the rounds of a thought that reads.
    await older.gateway.ask(question(server, model, { request: { system: 'The old prompt, continued.' } }), patient());
    const lines = readFileSync(older.recording, 'utf8').replaceAll('{"v":2,', '{"v":1,');
    writeFileSync(older.recording, lines);
    for (const home of [undefined, older.home]) {
      const now = bench(server, home ? { home, archive: older.archive } : { replay: older.recording });
      const ask = (scope: object, system: string) =>
        now.gateway.ask(question(server, model, { scope, request: { system } }), patient());
      for (const [index, scope] of places.entries()) {
        expect(await ask(scope, 'The new prompt.')).toMatchObject({ text: `{"answer": ${index}}`, isOlder: true });
      }
      expect(await ask({}, 'The new prompt, continued.')).toMatchObject({ text: '{"answer": 3}', isOlder: true });
      expect(await ask({}, 'The new prompt.')).toMatchObject({ text: '{"answer": 0}' });
    }
    expect(server.served).toHaveLength(4);
  });

  it('that is damaged or missing is refused by its line or its name', () => {
    const path = join(temporaryFolder(), 'broken.jsonl');
    expect(() => Cassette.replay(path)).toThrow('no recording at');
    writeFileSync(path, '{"v":2}\n');
    expect(() => Cassette.replay(path)).toThrow(/line 1 of the recording/);
  });
});

describe('money', () => {
  it('is counted to the cent as the provider counts it, through faults, caches and retries', async () => {
    const faults = ['reset', 'truncated', null, 'empty', null, 'malformed', null, null] as const;
    const server = await startLlmServer({
      brain: numbered,
      fault: (number) => {
        const kind = faults[number % faults.length] ?? null;
        return kind === null ? null : { kind };
      },
    });
    const { gateway, archive, spec } = bench(server);
    for (let ordinal = 1; ordinal <= 12; ordinal++) {
      const model = models[ordinal % 2] as never;
      await gateway.ask(question(server, model, { scope: { ordinal } }), patient());
    }
    const prices = {
      'gpt-5.6-luna': { input: 0.2, cached: 0.02, written: 0.25, output: 1.2 },
      'claude-haiku-5-5': { input: 0.1, cached: 0.01, written: 0.125, output: 0.5 },
    };
    const bill = server.served.reduce((sum, { asked, usage }) => {
      if (!usage) return sum;
      const price = prices[asked.model as keyof typeof prices];
      const fresh = usage.input - usage.cached - usage.written;
      const parts = fresh * price.input + usage.cached * price.cached + usage.written * price.written;
      return sum + (parts + usage.output * price.output) / 1e6;
    }, 0);
    expect(bill).toBeGreaterThan(0);
    expect(server.served.some(({ usage }) => (usage?.cached ?? 0) > 0)).toBe(true);
    expect(archive.handlers['search-status']({ search: spec.id }).spend.dollars).toBeCloseTo(bill, 12);
  });

  it('stops before the call that could cross the limit', async () => {
    const server = await startLlmServer({ brain: numbered });
    const dollars = 0.002;
    const spec = searchSpec({ agents: [agentSpec({ model: models[0], dollars })] });
    const { gateway, archive } = bench(server, { spec });
    let asked = 0;
    const asking = async () => {
      for (; ; asked++)
        await gateway.ask(question(server, models[0] as never, { scope: { ordinal: asked + 1 } }), patient());
    };
    await expect(asking()).rejects.toMatchObject({ code: 'budget-spent' });
    expect(asked).toBeGreaterThan(5);
    expect(archive.handlers['search-status']({ search: spec.id }).spend.dollars).toBeLessThanOrEqual(dollars);
  });
});
