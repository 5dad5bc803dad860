/** No answer of the archive exceeds what the bus carries, however large the search and whatever is written in it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { encodeEnvelope, maxEnvelopeBytes } from '../../src/bus/envelope.ts';
import { canonicalCandidate } from '../../src/domain/candidate.ts';
import { CandidateError } from '../../src/domain/errors.ts';
import { type RequestOf, requests, type Verb } from '../../src/domain/messages.ts';
import { Archive } from '../../src/memory/archive.ts';
import { manualClock } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-replies-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };

/** Answers a request as it would travel. @throws TerminalError `message-too-large` where it would not. */
function answer<V extends Verb>(archive: Archive, verb: V, request: RequestOf<V>) {
  const body = archive.handlers[verb](requests[verb].request.parse(request) as RequestOf<V>);
  const bytes = encodeEnvelope(
    z.strictObject({ answer: requests[verb].reply as z.ZodType }),
    { answer: body },
    {
      id: 'x'.repeat(128),
      at: 0,
    },
  );
  expect(bytes.length).toBeLessThanOrEqual(maxEnvelopeBytes);
  return body;
}

/** One request of each kind, on a search with an agent `walker` and nodes `walker-1` and so on. */
const samples = (search: RequestOf<'search-status'>['search'], attempts: number) => {
  const nodes = Array.from({ length: 1000 }, (_, index) => `walker-${(index % attempts) + 1}` as never);
  const walker = 'walker' as never;
  const call = { search, agent: walker, ordinal: 1 };
  const proposal = { ...call, operator: 'draft', parents: [], candidate: '', rationale };
  return {
    'search-name': { family: walker },
    'search-spec': { search },
    'search-status': { search },
    'search-ranking': { search, rung: 'screen', candidates: true },
    'node-add': { search, node: 'reference-llama-1' as never, origin: 'reference', candidate: 'M M M M', rationale },
    'node-evaluate': { search, nodes, rung: 'confirm', seeds: 3 },
    'agent-join': { search, agent: walker },
    'agent-view': { ...call, ordinal: attempts + 1 },
    'idea-claim': { search, agent: walker, ordinal: attempts + 1, candidate: 'M M M M' },
    'insight-post': {
      ...{ search, agent: walker, ordinal: attempts + 1 },
      insight: { hypothesis: '漢'.repeat(600), verdict: 'open', evidence: ['walker-1' as never], supersedes: null },
    },
    'agent-submit': { ...proposal, ordinal: attempts + 1, candidate: '漢'.repeat(100_000) },
    'agent-away': { search, agent: walker, reason: '漢'.repeat(500) },
    'agent-retire': { search, agent: walker, code: 'failed', reason: '漢'.repeat(500) },
    'call-reserve': {
      ...call,
      ...{ call: 'c1', purpose: 'draft', model: 'openai/x', request: 'a'.repeat(64), dollars: 0, tokens: 1 },
    },
    'call-settle': {
      ...{
        search,
        call: 'c1',
        outcome: 'complete',
        served: null,
        usage: { input: 0, cached: 0, written: 0, output: 0 },
      },
      ...{ dollars: 0, estimated: false, latencyMs: 0, message: null },
    },
    'rehearsal-reserve': { ...call, run: 'r1', tool: 'run_experiment', seconds: 1 },
    'rehearsal-settle': { search, run: 'r1', seconds: 1, outcome: 'ok' },
    'job-claim': { key: 'f'.repeat(64) as never, worker: 'cpu-1' as never, attempt: 1 },
    'job-checkpoint': {
      key: 'f'.repeat(64) as never,
      worker: 'worker-1' as never,
      attempt: 1,
      checkpoint: { path: '/storage/trunk-1', step: 1, bytes: 1, sha256: 'a'.repeat(64) },
    },
    'job-release': { key: 'f'.repeat(64) as never, worker: 'cpu-1' as never, attempt: 1 },
    'worker-hello': {},
    'search-evaluations': { search, from: 0 },
    'search-rule': { search, id: 'pause-0001', kind: 'pause', agent: walker, why: '漢'.repeat(500) },
    'search-phase': { search, phase: 'finished' },
    'search-tests': { search, purpose: 'report' },
    'search-open': null,
  } as Record<Verb, never>;
};

describe('a search of 100,000 nodes', () => {
  const many = 100_000;
  const operators = { kind: 'multi-turn', checks: 1, experiments: 1, looks: 1, share: 0.5, deviceSeconds: 9 };
  const spec = searchSpec({
    agents: [agentSpec({ evaluations: 2 * many, operators })],
    budget: { evaluations: 2 * many },
  });
  let archive: Archive;
  beforeAll(() => {
    const home = join(folder, 'many');
    Archive.open(home, manualClock()).close();
    // As the ledger would have it, in seconds: a row for each node, its wish, its job and its result.
    const db = new Database(join(home, 'archive.db'));
    db.pragma('foreign_keys = OFF');
    const key = `printf('%064d', value)`;
    const numbers = `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ${many})`;
    db.exec(`
      INSERT INTO nodes (search, id, agent, ordinal, origin, candidate, verdict, message, rationale, created_at)
        ${numbers} SELECT '${spec.id}', 'walker-' || value, 'walker', value, 'draft', 'M mA Mb M', 'accepted', NULL,
          '${JSON.stringify(rationale)}', 1 FROM n;
      INSERT INTO jobs (key, body, created_at) ${numbers} SELECT ${key}, '{}', 1 FROM n;
      INSERT INTO evaluation_requests (search, node, key, rung, seed, saved, at)
        ${numbers} SELECT '${spec.id}', 'walker-' || value, ${key}, CASE value % 20 WHEN 0 THEN 'final' ELSE 'screen' END, 1, 0, 1 FROM n;
      INSERT INTO evaluations (key, status, validation, evaluator, worker, device, attempt, seconds, measurement, finished_at)
        ${numbers} SELECT ${key}, 'ok', 1.0 / (1 + value % 977), 'e', 'cpu-1', 'cpu', 1, 1, '{}', 1 FROM n;
      INSERT INTO test_scores (key, score, tasks) SELECT key, 0.123456789012345, '{}' FROM evaluations WHERE rowid % 20 = 0;`);
    db.close();
    archive = Archive.open(home, manualClock());
    archive.handlers['search-open']({ spec, source: '漢'.repeat(50_000) });
  });
  afterAll(() => archive.close());

  it('is answered within the limit, whatever is asked', () => {
    const asked = samples(spec.id, many);
    expect(Object.keys(asked).sort()).toEqual(Object.keys(requests).sort());
    asked['search-open'] = { spec, source: '漢'.repeat(50_000) } as never;
    for (const verb of Object.keys(asked) as Verb[]) answer(archive, verb, asked[verb]);
  });

  it('tells its ranking in pieces that give the whole, in one order', () => {
    const nodes: string[] = [];
    for (let more = true; more; ) {
      const piece = answer(archive, 'search-ranking', { search: spec.id, rung: 'screen', from: nodes.length });
      nodes.push(...piece.nodes.map(({ node }) => node));
      more = piece.more;
    }
    expect(nodes).toHaveLength((many * 19) / 20);
    expect(new Set(nodes).size).toBe(nodes.length);
    expect(nodes[0]).toBe('walker-977');
  });

  it('tells its test figures in pieces, and one look at them is one look', () => {
    archive.handlers['search-phase']({ search: spec.id, phase: 'finished' });
    let scores = 0;
    for (let more = true; more; ) {
      const piece = answer(archive, 'search-tests', { search: spec.id, purpose: 'report', from: scores });
      scores += piece.scores.length;
      more = piece.more;
    }
    expect(scores).toBe(many / 20);
  });
});

describe('programs of up to 64 kB in any writing', () => {
  const space = { kind: 'program', files: [{ name: 'train.py', maxBytes: 64 * 1024 }] } as const;
  const filler = fc.constantFrom('a', '漢', '"', '\\', '\n', '\u0001', '😀', "' ", 'é');
  const program = fc
    .record({
      unit: fc.array(filler, { minLength: 1, maxLength: 4 }),
      share: fc.double({ min: 0.5, max: 1, noNaN: true }),
    })
    .map(({ unit, share }) => {
      const text = unit.join('');
      const times = Math.floor((share * (space.files[0].maxBytes - 8)) / Buffer.byteLength(text));
      return JSON.stringify({ 'train.py': `x${text.repeat(times)}x` });
    });

  it('fit the messages that carry them, alone and all together', () => {
    let run = 0;
    fc.assert(
      fc.property(fc.uniqueArray(program, { minLength: 12, maxLength: 30 }), (texts) => {
        const agents = [agentSpec({ evaluations: 100, pending: 100 })];
        const spec = searchSpec({
          id: `trial-${++run}`,
          space,
          lowerIsBetter: true,
          agents,
          budget: { evaluations: 100 },
        });
        const archive = Archive.open(join(folder, `programs-${run}`), manualClock());
        try {
          archive.handlers['search-open']({ spec, source: '' });
          const accepted = texts.filter((candidate) => {
            try {
              return canonicalCandidate(candidate, spec.space) !== '';
            } catch (thrown) {
              if (!(thrown instanceof CandidateError)) throw thrown;
              return false;
            }
          });
          for (const [index, candidate] of accepted.entries()) {
            const proposal = {
              search: spec.id,
              agent: 'walker' as never,
              ordinal: index + 1,
              operator: 'draft' as const,
            };
            const request = { ...proposal, parents: [], candidate, rationale };
            encodeEnvelope(requests['agent-submit'].request, request as never, { id: 'x', at: 0 });
            expect(answer(archive, 'agent-submit', request)).toMatchObject({ node: `walker-${index + 1}` });
          }
          for (const entry of archive.unsent(1000)) {
            if (entry.kind === 'job') archive.record(resultOf(entry.body, measurement(-1)));
          }
          const views: string[] = [];
          for (let more = accepted.length > 0; more; ) {
            const request = {
              search: spec.id,
              agent: 'walker' as never,
              ordinal: accepted.length + 1,
              from: views.length,
            };
            const view = answer(archive, 'agent-view', request);
            if (view.state !== 'ready') throw new Error(view.state);
            views.push(...view.view.nodes.map(({ id }) => id));
            more = view.more;
          }
          expect(views).toHaveLength(accepted.length);
          const asked = samples(spec.id, Math.max(1, accepted.length));
          for (const verb of ['search-status', 'search-ranking', 'search-spec', 'agent-join'] as const) {
            answer(archive, verb, asked[verb]);
          }
        } finally {
          archive.close();
        }
      }),
      { numRuns: 12, seed: 5 },
    );
  });
});
