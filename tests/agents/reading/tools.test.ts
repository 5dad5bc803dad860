import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalText, parseArchitecture } from '../../../src/domain/architecture.ts';
import type { OpenRetriever } from '../../../src/domain/literature.ts';
import { readArchive } from '../../../src/memory/reader.ts';
import { models } from '../../llm/support.ts';
import { startLlmServer } from '../../support/llm-server/server.ts';
import { viewNode, viewOf } from '../support.ts';
import { benchFor, call, find, has, notes, playing, proposal, reader, told } from './support.ts';

const arranged = (text: string) => canonicalText(parseArchitecture(text));
const never: OpenRetriever = () => {
  throw new Error('nothing may be looked up');
};

describe.each(models)('%s reads with tools', (model) => {
  it('searches, reads and cites what it was shown; everything is recorded and replayed byte for byte', async () => {
    const brain = playing(
      [find('jamba hybrid attention ratio'), call('search_code', { query: 'mamba' })],
      [call('read', { id: 'corpus:jamba' })],
      proposal(['corpus:jamba', 'corpus:never-shown']),
    );
    const server = await startLlmServer({ brain });
    const spec = reader(server, model);
    const live = benchFor(server, spec);
    const thought = await has(spec, live);
    expect(server.wrong).toEqual([]);
    expect(thought.candidate).toBe(arranged('2mA+14M'));
    const { retrieved, readings, evidence } = thought.rationale;
    expect(evidence).toEqual(['corpus:jamba']);
    expect(retrieved).toContain('corpus:jamba');
    expect(readings?.map(({ how, query }) => [how, query])).toEqual([
      ['search-literature', 'jamba hybrid attention ratio'],
      ['search-code', 'mamba'],
      ['read', 'corpus:jamba'],
    ]);
    expect(readings?.[0]?.found).toHaveLength(3);

    const [first, second, third] = server.served.map(({ asked }) => asked);
    expect(first?.tools).toEqual(['search_literature', 'search_code', 'search_archive', 'read']);
    expect(first?.system).toContain('at most 3 searches and 2 full texts');
    expect(told(second as never)).toHaveLength(2);
    expect(told(third as never)[2]).toMatch(/^<data source="corpus:jamba">\nJamba/);
    // Time-dependent text comes last at every point of the conversation.
    for (const { asked } of server.served) expect(asked.messages.at(-1)?.text).toMatch(/Remaining budget: [^\n]*$/);

    const ledger = readArchive(live.home);
    const calls = ledger.calls.of(live.spec.id);
    ledger.close();
    expect(calls.map(({ outcome }) => outcome)).toEqual(['complete', 'complete', 'complete']);
    for (const each of calls) {
      expect((each.input ?? 0) + (each.output ?? 0)).toBeLessThanOrEqual(each.reservedTokens);
    }

    await server.stop();
    const recording = readFileSync(live.recording, 'utf8');
    const replay = benchFor(server, spec, { replay: live.recording });
    expect(await has(spec, replay, { open: never })).toEqual(thought);
    expect(readFileSync(live.recording, 'utf8')).toBe(recording);
  });

  it('gets an error text for an invalid call and continues', async () => {
    const brain = playing(
      [
        call('launch_missiles', {}),
        call('search_literature', '{"query": '),
        call('search_code', { words: 'mamba' }),
        call('read', { id: 'not an id' }),
        call('read', { id: 'corpus:nobody-knows' }),
      ],
      proposal([]),
    );
    const server = await startLlmServer({ brain });
    const spec = reader(server, model);
    const thought = await has(spec, benchFor(server, spec));
    expect(server.wrong).toEqual([]);
    expect(thought.rationale.retrieved).toEqual([]);
    // Failed reading is recorded as failed, and does not look like a thought that read nothing.
    expect(thought.rationale.readings?.map(({ failed }) => failed !== undefined)).toContain(true);
    expect(thought.rationale.readings?.filter(({ failed }) => failed !== undefined)).toHaveLength(5);
    const [unknown, broken, shape, id, nobody] = told(server.served[1]?.asked as never);
    expect(unknown).toBe('Error: unknown tool; the tools are search_literature, search_code, search_archive, read');
    // A provider that parses arguments itself cannot hand on those that are no JSON.
    expect(broken).toMatch(
      /^Error: (the arguments of search_literature are not valid JSON|invalid arguments for search_literature)/,
    );
    expect(shape).toMatch(/^Error: invalid arguments for search_code: /);
    expect(id).toMatch(/^Error: not a document id/);
    expect(nobody).toMatch(/^Error: unknown document id corpus:nobody-knows/);
  });

  it('may leave out an argument that may be null', async () => {
    const brain = playing([call('search_literature', { query: 'jamba hybrid attention ratio' })], proposal([]));
    const server = await startLlmServer({ brain });
    const spec = reader(server, model);
    const { rationale } = await has(spec, benchFor(server, spec));
    expect(rationale.readings).toMatchObject([{ how: 'search-literature', found: { length: 3 } }]);
    expect(rationale.readings?.[0]?.failed).toBeUndefined();
  });

  it('gets an error when its reading budget is used up, and must answer then', async () => {
    const brain = playing(
      [find('attention'), find('mamba'), find('mlp'), find('position')],
      [call('read', { id: 'corpus:jamba' }), call('read', { id: 'corpus:mamba' })],
      proposal(['corpus:mamba']),
    );
    const server = await startLlmServer({ brain });
    const spec = reader(server, model);
    const thought = await has(spec, benchFor(server, spec));
    expect(server.wrong).toEqual([]);
    expect(told(server.served[1]?.asked as never)[3]).toMatch(/^Error: no searches left in this attempt/);
    expect(server.served.map(({ asked }) => asked.toolsOpen)).toEqual([true, true, false]);
    expect(server.served[2]?.asked.schemaName).not.toBeNull();
    expect(thought.rationale.evidence).toEqual(['corpus:mamba']);
  });

  it.each(['truncated', 'empty'] as const)('is asked again where its answer after reading was %s', async (kind) => {
    const brain = playing([find('attention')], proposal([]));
    const server = await startLlmServer({ brain, fault: (number) => (number === 1 ? { kind } : null) });
    const spec = reader(server, model);
    const thought = await has(spec, benchFor(server, spec));
    expect(server.wrong).toEqual([]);
    expect(thought.candidate).toBe(arranged('2mA+14M'));
    expect(server.served).toHaveLength(3);
  });

  it('that never stops calling tools is made to answer', async () => {
    const server = await startLlmServer({
      brain: ({ toolsOpen }) => (toolsOpen ? { calls: [call('nothing', {})] } : proposal([])),
    });
    const spec = reader(server, model);
    expect((await has(spec, benchFor(server, spec))).candidate).toBe(arranged('2mA+14M'));
    expect(server.served).toHaveLength(3 + 2 + 2 + 1);
  });
});

describe('a thought that reads', () => {
  const model = models[1] as string;

  it('finds, of the results of its own search, those that its view knows (I5)', async () => {
    const view = viewOf([
      viewNode(1, { fitness: 0.5, candidate: arranged('8mA+8M'), lesson: 'zebra stripes help' }),
      viewNode(2, { status: 'pending', candidate: arranged('4mA+12M'), lesson: 'zebra is not known yet' }),
    ]);
    const brain = playing(
      [call('search_archive', { query: 'zebra' })],
      JSON.stringify({ ...JSON.parse(proposal(['archive:walker-1'])), edits: null }),
    );
    const server = await startLlmServer({ brain });
    const spec = reader(server, model, { pending: 1 });
    const thought = await has(spec, benchFor(server, spec), { view });
    expect(thought.rationale.retrieved).toEqual(['archive:walker-1']);
    expect(thought.rationale.evidence).toEqual(['archive:walker-1']);
    expect(told(server.served.at(-1)?.asked as never)[0]).toContain('zebra stripes help');
  });

  it('that was killed between two rounds resumes there, and neither buys nor looks up anything twice', async () => {
    const brain = playing([find('attention')], [find('mamba')], proposal([]));
    const server = await startLlmServer({ brain, fault: (number) => (number === 1 ? { kind: 'hang' } : null) });
    const spec = reader(server, model);
    const dying = benchFor(server, spec);
    const death = new AbortController();
    const ended = has(spec, dying, { signal: death.signal }).catch(() => 'died');
    await server.reached(2);
    death.abort(new Error('killed'));
    expect(await ended).toBe('died');
    // Neither the recording nor the checkpoint alone is needed: each is taken away once.
    let looked = 0;
    const counting: OpenRetriever = (occasion) => {
      looked++;
      return notes(occasion);
    };
    const next = benchFor(server, spec, { home: dying.home, archive: dying.archive });
    rmSync(join(dying.home, 'calls'), { recursive: true });
    const thought = await has(spec, next, { open: counting });
    expect(looked).toBe(1);
    expect(server.served).toHaveLength(4);
    for (const end of ['', '-wal', '-shm']) rmSync(join(dying.home, `thoughts.db${end}`), { force: true });
    expect(thought.rationale.readings?.map(({ query }) => query)).toEqual(['attention', 'mamba']);
  });

  it('gets lookups in advance if its server supports no tools, and one line says so', async () => {
    const server = await startLlmServer({ brain: () => proposal(['corpus:jamba']), toolless: true });
    const spec = reader(server, models[2] as string);
    const notices: string[] = [];
    const live = benchFor(server, spec, { notice: (line) => notices.push(line) });
    const thought = await has(spec, live);
    expect(notices).toEqual([
      expect.stringMatching(/^the server of compatible\/qwen3:8b supports no tools: .*does not support tools/),
    ]);
    expect(thought.rationale.readings?.map(({ how }) => how)).toEqual([
      'search-literature',
      'search-code',
      'search-archive',
    ]);
    const { asked } = server.served.at(-1) as never as { asked: { tools: string[]; messages: { text: string }[] } };
    expect(asked.tools).toEqual([]);
    expect(asked.messages[0]?.text).toContain(`<data source="${thought.rationale.retrieved[0]}`);
    await server.stop();
    expect(await has(spec, benchFor(server, spec, { replay: live.recording }), { open: never })).toEqual(thought);
  });

  it('may be configured to look up before it asks', async () => {
    const server = await startLlmServer({ brain: () => proposal([]) });
    const literature = { sources: ['corpus'], searches: 1, reads: 0, items: 2, how: 'before' };
    const spec = reader(server, model, { literature });
    const thought = await has(spec, benchFor(server, spec));
    expect(thought.rationale.retrieved).toHaveLength(2);
    expect(server.served.map(({ asked }) => asked.tools)).toEqual([[]]);
  });
});
