/** The API of the dashboard on real archives: every answer by its schema, figures equal to those of the ledger. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as z from 'zod';
import { countProposals } from '../../src/domain/node.ts';
import { metricValue } from '../../src/domain/task.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { statusOf } from '../../src/memory/records.ts';
import { novelties } from '../../src/views/agentDetail.ts';
import type { NodeRow } from '../../src/views/api.ts';
import { agentSchema, literatureSchema, nodeSchema, sectionsSchema } from '../../src/views/apiDetail.ts';
import { labsSchema, studiesSchema, workersSchema } from '../../src/views/apiHome.ts';
import { nodesSchema, overviewSchema, pointsSchema, searchesSchema } from '../../src/views/apiSearch.ts';
import type { Section } from '../../src/views/page.ts';
import { claimRecord } from '../../src/views/report/claims.ts';
import { collectReport, devicesOf } from '../../src/views/report/collect.ts';
import { findingsOf } from '../../src/views/report/findings.ts';
import { aggregationSection, extrapolationSection } from '../../src/views/report/sections/aggregation.ts';
import { claimSection, comparisonSection, rungSection } from '../../src/views/report/sections/comparisons.ts';
import { leaderboardSection } from '../../src/views/report/sections/leaderboard.ts';
import { runSearch, trial } from '../audit/laboratory.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';
import { events, raw, type Served, served, token } from './support.ts';

const as = async <S extends z.ZodType>(schema: S, answer: Promise<unknown>): Promise<z.output<S>> =>
  schema.parse(await answer);

const spec = trial({ lowerIsBetter: true, metric: 'loss' });

const folder = mkdtempSync(join(tmpdir(), 'aira-test-'));
const home = join(folder, 'lab');

beforeAll(() => runSearch(home, spec, { failed: 3, lost: 5 }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the answers', () => {
  it('match their schemas, and their figures are those of the ledger', async () => {
    const server = await served([home]);
    const search = spec.id;
    const labs = await as(labsSchema, server.get('/api/labs'));
    expect(labs.labs).toEqual([{ name: 'lab', folder: 'lab', searches: 1, live: false, problem: null }]);
    const list = await as(searchesSchema, server.get('/api/searches'));
    const overview = await as(overviewSchema, server.get(`/api/searches/${search}`));
    expect(list.searches[0]).toEqual(overview.search);
    const reader = readArchive(home);
    try {
      const records = reader.records.nodes(search);
      const status = reader.searchStatus.of(search);
      expect(overview.counts).toEqual(status.proposals);
      const proposals = records.filter(({ origin }) => origin !== 'reference' && origin !== 'aggregate');
      expect(overview.counts).toEqual(
        countProposals(
          proposals.map((record) => ({
            status: statusOf(record),
            saved: record.evaluations.find(({ rung }) => rung === 'screen')?.saved === true,
          })),
        ),
      );
      expect(overview.devices.busy).toBeCloseTo(devicesOf(records, status.elapsedMs)?.busy ?? 0, 12);
      const best = status.best;
      expect(overview.search.best).toMatchObject({
        node: best?.node,
        rung: best?.rung,
        score: metricValue(best?.validation ?? 0, true),
      });
      expect(overview.search.best?.interval?.low).toBeLessThan(overview.search.best?.score ?? 0);
      expect(overview.references.map(({ name }) => name)).toEqual(['sandwich']);
      expect(overview.comparisons.length).toBeGreaterThan(0);
      const points = await as(pointsSchema, server.get(`/api/searches/${search}/points`));
      expect(points.total).toBe(records.length);
      expect(points.index).toBeNull();
      for (const [at, record] of records.entries()) {
        expect(`${points.agents[points.agent[at] as number]}-${points.attempt[at]}`).toBe(record.id);
        expect(points.statuses[points.status[at] as number]).toBe(statusOf(record));
        const [first] = record.parents;
        expect(points.parent[at]).toBe(first ? records.findIndex(({ id }) => id === first) : -1);
        const screen = record.evaluations.find(({ rung }) => rung === 'screen')?.validation ?? null;
        expect(points.score[at]).toBe(screen === null ? null : metricValue(screen, true));
      }
      for (const record of records) {
        const detail = await as(nodeSchema, server.get(`/api/searches/${search}/nodes/${record.id}`));
        expect(detail.parents.map(({ node }) => node)).toEqual(record.parents);
        expect(detail.children.map(({ node }) => node)).toEqual(
          records
            .filter(({ parents }) => parents.includes(record.id))
            .map(({ id }) => id)
            .sort(),
        );
        expect(detail.rungs.flatMap(({ evaluations }) => evaluations).length).toBe(record.evaluations.length);
        expect(detail.node.status).toBe(statusOf(record));
        expect(detail.fullSize === null).toBe(record.verdict !== 'accepted');
      }
    } finally {
      reader.close();
    }
    for (const { name } of spec.agents) {
      const detail = await as(agentSchema, server.get(`/api/searches/${search}/agents/${name}`));
      expect(detail.timeline.length).toBe(detail.agent.counts.proposed);
      expect(detail.exploration).toEqual(
        detail.timeline.flatMap(({ attempt, novelty }) => (novelty === null ? [] : [{ attempt, share: novelty }])),
      );
      expect(detail.exchanged).toBe(detail.exchanges.length);
      expect(detail.operators.reduce((sum, { used }) => sum + used, 0)).toBe(detail.timeline.length);
    }
    await as(literatureSchema, server.get(`/api/searches/${search}/literature`));
    await as(studiesSchema, server.get('/api/studies'));
    const { workers } = await as(workersSchema, server.get('/api/workers'));
    expect(workers.length).toBeGreaterThan(0);
    expect(JSON.stringify(overview)).not.toContain('"test');
  });

  it('have the sections of the report, with what was written as the claims', async () => {
    const own = temporaryFolder();
    // More on the confirm rung than are read whole.
    const agents = spec.agents.map((agent) => ({ ...agent, evaluations: 45 }));
    await runSearch(own, trial({ agents, budget: { evaluations: 135 } }), { failed: 3 });
    const server = await served([own]);
    const group = async (name: string) =>
      (await as(sectionsSchema, server.get(`/api/searches/${spec.id}/sections/${name}`))).sections;
    const reader = readArchive(own);
    // As the report has them, from every node and without columns.
    const data = collectReport(reader, spec.id, [], { airaVersion: '', machine: [], commands: [] });
    reader.close();
    const same = (sections: readonly Section[]) => JSON.parse(JSON.stringify(sections)) as Section[];
    expect(data.aggregation).not.toBeNull();
    expect(await group('patterns')).toEqual(same([aggregationSection(data), extrapolationSection(data)]));

    const findings = findingsOf(data);
    const evidence = [
      leaderboardSection(data, findings),
      comparisonSection(data, findings),
      rungSection(data, findings),
    ];
    const [said, ...rest] = await group('claims');
    expect(JSON.stringify(said)).toContain(`aira report ${spec.id} writes it`);
    expect(rest).toEqual(same(evidence));

    const record = claimRecord(data);
    const path = join(own, 'reports', `${spec.id}.html`);
    mkdirSync(join(own, 'reports'));
    writeFileSync(path, `<pre class="claim-record">${JSON.stringify(record).replaceAll('<', '&lt;')}</pre>`);
    const [sentences, ...others] = await group('claims');
    expect(sentences?.blocks[0]).toEqual({ block: 'claims', sentences: record.sentences });
    expect(others).toEqual(same([...evidence, claimSection(record, data.search)]));
    const overview = await as(overviewSchema, server.get(`/api/searches/${spec.id}`));
    expect(overview.claims.map(({ sentence }) => sentence)).toEqual(record.sentences);

    writeFileSync(path, '<p>a report of another version</p>');
    expect(JSON.stringify((await group('claims'))[0])).toMatch(/no record of claims .*write it again/);
  });

  it('say why nothing is claimed and nothing votes before there are scores', async () => {
    const own = temporaryFolder();
    const archive = Archive.open(own, manualClock());
    archive.handlers['search-open']({ spec, source: '' });
    archive.close();
    const server = await served([own]);
    const text = async (name: string) =>
      (await as(sectionsSchema, server.get(`/api/searches/${spec.id}/sections/${name}`))).sections.map(({ blocks }) =>
        blocks.map((block) => ('text' in block ? block.text : block.block)),
      );
    expect(await text('claims')).toEqual([
      ['Nothing is claimed yet: the search is still screening, and claims rest on the rungs above.'],
    ]);
    expect(await text('patterns')).toEqual([['There are no scored architectures to aggregate.']]);
  });

  it('are refused with a sentence, never a stack', async () => {
    const server = await served([home]);
    const cases: readonly (readonly [string, number, RegExp])[] = [
      ['/api/searches/none-1', 404, /no search "none-1"/],
      ['/api/searches/..%2f..', 404, /no search/],
      [`/api/searches/${spec.id}/nodes/none-1`, 404, /no node "none-1"/],
      [`/api/searches/${spec.id}/agents/none`, 404, /not an agent/],
      [`/api/searches/${spec.id}/nodes?limit=0`, 400, /limit/],
      [`/api/searches/${spec.id}/nodes?limit=201`, 400, /limit/],
      [`/api/searches/${spec.id}/nodes?colour=red`, 400, /colour/],
      [`/api/searches/${spec.id}/nodes?after=nonsense`, 400, /"after"/],
      [`/api/searches/${spec.id}/points?after=-1`, 400, /./],
      [`/api/searches/${spec.id}/sections/secrets`, 404, /no group of sections "secrets"/],
      [`/api/scales/${spec.id}`, 404, /not a scale plan/],
      ['/api/studies/..%2farchive', 404, /no study/],
      ['/api/labs/other/searches', 404, /no such path/],
      ['/api/nothing', 404, /no such path/],
    ];
    for (const [path, status, sentence] of cases) {
      const { message } = (await server.get(path, status)) as { message: string };
      expect(message).toMatch(sentence);
      expect(message).not.toMatch(/ at .*\.ts|node_modules/);
    }
  });

  it('page through ties without loss or repetition, in both directions, by every order', async () => {
    const server = await served([home]);
    for (const sort of ['sequence', 'score', 'params', 'flops', 'cost', 'agent']) {
      const whole: Record<string, string[]> = {};
      for (const direction of ['ascending', 'descending']) {
        const rows: NodeRow[] = [];
        for (let after = ''; ; ) {
          const query = `sort=${sort}&direction=${direction}&limit=3&after=${after}`;
          const page = await as(nodesSchema, server.get(`/api/searches/${spec.id}/nodes?${query}`));
          rows.push(...page.rows);
          expect(page.total).toBeGreaterThan(15);
          if (page.next === null) {
            expect(rows.length).toBe(page.total);
            break;
          }
          after = page.next;
        }
        whole[direction] = rows.map(({ id }) => id);
        expect(new Set(whole[direction]).size).toBe(rows.length);
        if (sort === 'score') {
          const key = ({ rung, scores }: NodeRow) => (rung === null ? null : scores[rung]);
          const known = rows.map(key).filter((value) => value !== null);
          const sorted = known.toSorted((a, b) => (direction === 'ascending' ? a - b : b - a));
          expect(known).toEqual(sorted);
          expect(rows.map(key).lastIndexOf(null)).toBe(known.length < rows.length ? rows.length - 1 : -1);
        }
      }
      expect([...(whole.ascending ?? [])].sort()).toEqual([...(whole.descending ?? [])].sort());
    }
    const filtered = await as(nodesSchema, server.get(`/api/searches/${spec.id}/nodes?agent=climber&status=evaluated`));
    expect(filtered.rows.every(({ agent, status }) => agent === 'climber' && status === 'evaluated')).toBe(true);
    const odd = await as(nodesSchema, server.get(`/api/searches/${spec.id}/nodes?q=${encodeURIComponent('%')}`));
    expect(odd.total).toBe(0);
    const found = await as(nodesSchema, server.get(`/api/searches/${spec.id}/nodes?q=climber-`));
    expect(found.rows.some(({ id }) => id.startsWith('climber-'))).toBe(true);
  });

  it('are compressed on request', async () => {
    const server = await served([home]);
    const response = await fetch(`${server.base}/api/searches/${spec.id}/points`, {
      headers: { 'accept-encoding': 'gzip' },
    });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    pointsSchema.parse(await response.json());
  });
});

describe('exploration', () => {
  const distance = (a: number, b: number) => Math.abs(a - b);

  it('is the distance to the nearest earlier candidate, without refused ones', () => {
    expect(novelties([5, 9, null, 6, 9], distance, 100)).toEqual([null, 4, null, 1, 0]);
  });

  it('compares every k-th candidate with all before it where the pairs are too many', () => {
    const candidates = Array.from({ length: 40 }, (_, at) => (at * 17) % 41);
    const all = novelties(candidates, distance, 780);
    const few = novelties(candidates, distance, 200);
    expect(few.filter((each) => each !== null)).toHaveLength(10);
    for (const [at, each] of few.entries()) if (each !== null) expect(each).toBe(all[at]);
    expect(few.at(-1)).toBe(all.at(-1));
    expect(novelties(candidates, distance, 0).every((each) => each === null)).toBe(true);
  });
});

describe('hostile text', () => {
  it('is printable, cut at a limit, and whole as a download that no browser renders', async () => {
    const own = temporaryFolder();
    const archive = Archive.open(own, manualClock());
    const search = searchSpec({ agents: [agentSpec({ name: 'walker' })], budget: { evaluations: 8 } });
    archive.handlers['search-open']({ spec: search, source: '<script>alert(1)</script>\u001b[2J' });
    const attack = '<img src=x onerror=alert(1)>\u202Eevil\u001b[31m\u0000';
    const long = `${attack}${'x'.repeat(300_000)}`;
    archive.handlers['agent-submit']({
      ...{ search: search.id, agent: 'walker', ordinal: 1, operator: 'draft', parents: [], candidate: long },
      rationale: { choice: attack, change: attack, hypothesis: attack, expected: null, retrieved: [], evidence: [] },
    } as never);
    archive.close();
    const server = await served([own]);
    const text = JSON.stringify(await server.get(`/api/searches/${search.id}/nodes/walker-1`));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be found
    expect(text).not.toMatch(/[\u0000-\u001f\u202a-\u202e]|\\u00(0[0-8]|1)/);
    const { candidate } = await as(nodeSchema, server.get(`/api/searches/${search.id}/nodes/walker-1`));
    if (candidate.kind !== 'text') throw new Error(candidate.kind);
    expect(candidate.text.more).toBe(long.length - 200_000);
    const download = await fetch(`${server.base}/api/searches/${search.id}/${candidate.text.raw}`);
    expect(download.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(download.headers.get('content-disposition')).toMatch(/^attachment; filename="[\w.-]+"$/);
    expect(download.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await download.text()).length).toBe(long.length);
  });
});

describe('the guard', () => {
  let server: Served;
  const path = () => `/api/searches/${spec.id}`;
  const host = () => ({ host: `127.0.0.1:${server.port}` });

  it('answers its own names and origins only, with a strict policy', async () => {
    server = await served([home]);
    expect((await raw(server.port, path(), host())).status).toBe(200);
    expect((await raw(server.port, path(), { host: `localhost:${server.port}` })).status).toBe(200);
    expect((await raw(server.port, path(), { host: 'evil.example' })).problem?.code).toBe('host');
    expect((await raw(server.port, path(), { host: `127.0.0.1:${server.port + 1}` })).status).toBe(421);
    expect((await raw(server.port, path(), {})).status).toBeGreaterThanOrEqual(400);
    const foreign = { ...host(), origin: 'http://evil.example' };
    expect((await raw(server.port, path(), foreign)).problem?.code).toBe('origin');
    expect((await raw(server.port, path(), { ...host(), origin: 'null' })).status).toBe(403);
    expect((await raw(server.port, path(), { ...host(), 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    const { headers } = await raw(server.port, '/', host());
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it('asks a command for the token, and every request where others can reach the server', async () => {
    server = await served([home]);
    const command = { method: 'POST', body: JSON.stringify({ kind: 'pause', idempotencyKey: 'pause-0001' }) };
    const to = `${path()}/commands`;
    const typed = { ...host(), 'content-type': 'application/json' };
    expect((await raw(server.port, to, typed, command)).problem?.code).toBe('token');
    const wrong = { ...typed, authorization: 'Bearer wrong' };
    expect((await raw(server.port, to, wrong, command)).status).toBe(401);
    const right = { ...typed, authorization: `Bearer ${token}` };
    const answer = await raw(server.port, to, right, command);
    expect(answer.status).toBe(409);
    expect(answer.problem?.message).toMatch(/no lab runs/);
    const form = { ...right, 'content-type': 'application/x-www-form-urlencoded' };
    expect((await raw(server.port, to, form, command)).problem?.code).toBe('content-type');
    const unknown = { ...command, body: JSON.stringify({ kind: 'drop', idempotencyKey: 'pause-0001' }) };
    expect((await raw(server.port, to, right, unknown)).status).toBe(400);
    const huge = { ...command, body: 'x'.repeat(3_000_000) };
    expect((await raw(server.port, to, right, huge)).status).toBe(413);

    server = await served([home], { host: '0.0.0.0' });
    expect((await raw(server.port, path(), host())).status).toBe(401);
    expect((await raw(server.port, path(), { ...host(), authorization: `Bearer ${token}` })).status).toBe(200);
    expect((await raw(server.port, `${path()}?token=${token}`, host())).status).toBe(401);
  });

  it('serves built pages, the hashed ones as immutable, and nothing outside their folder', async () => {
    const pages = temporaryFolder();
    mkdirSync(join(pages, 'assets'));
    writeFileSync(join(pages, 'index.html'), '<!doctype html><title>Aira</title>');
    writeFileSync(join(pages, 'assets', 'index-DkJ3x9aB.js'), 'export {};');
    server = await served([home], { pages });
    const asset = await fetch(`${server.base}/assets/index-DkJ3x9aB.js`);
    expect(asset.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(asset.headers.get('cache-control')).toMatch(/immutable/);
    const deep = await fetch(`${server.base}/search/trial-1`);
    expect(await deep.text()).toContain('<title>Aira</title>');
    expect(deep.headers.get('cache-control')).toBe('no-cache');
    expect((await raw(server.port, '/../../../etc/passwd', host())).status).toBeLessThan(500);
    expect((await raw(server.port, '/..%2f..%2fpackage.json', host())).status).toBe(404);
    const empty = await served([home]);
    const notBuilt = await fetch(empty.base);
    expect(notBuilt.status).toBe(503);
    expect(await notBuilt.text()).toMatch(/not built.*npm run build/);
  });
});

describe('events', () => {
  it('continue at Last-Event-ID without loss or repetition, also from another server', async () => {
    const reader = readArchive(home);
    const announced = reader.browse
      .events(0, 10_000)
      .map(({ seq, body }) => ({ seq, node: (JSON.parse(body) as { node?: string }).node }));
    reader.close();
    const first = await served([home]);
    const [early] = await events(`${first.base}/api/events?after=0`, 1);
    // One search: all announcements are one change.
    expect(early?.id).toBe(announced.at(-1)?.seq);
    expect(new Set(early?.nodes)).toEqual(new Set(announced.flatMap(({ node }) => node ?? [])));
    await first.close();

    const own = temporaryFolder();
    const archive = Archive.open(own, manualClock());
    const searches = ['one-1', 'two-1'].map((id) =>
      searchSpec({ id, agents: [agentSpec({ name: 'walker', evaluations: 20 })], budget: { evaluations: 20 } }),
    );
    for (const each of searches) archive.handlers['search-open']({ spec: each, source: '' });
    const layers = ['M', 'mA', 'Mb'];
    let submitted = 0;
    const submit = (search: string) => {
      const n = submitted++;
      const candidate = [n, n / 3, n / 9, n / 27].map((digit) => layers[Math.floor(digit) % 3]).join(' ');
      archive.handlers['agent-submit']({
        ...{ search, agent: 'walker', ordinal: Math.floor(n / 2) + 1, operator: 'draft', parents: [], candidate },
        rationale: { choice: 'x', change: 'x', expected: null, retrieved: [], evidence: [] },
      } as never);
    };
    for (let n = 0; n < 6; n++) submit(n % 2 === 0 ? 'one-1' : 'two-1');
    const second = await served([own]);
    const before = await events(`${second.base}/api/events?after=0`, 4);
    await second.close();
    for (let n = 0; n < 6; n++) submit(n % 2 === 0 ? 'one-1' : 'two-1');
    const third = await served([own]);
    const waiting = events(`${third.base}/api/events`, 10, before.at(-1)?.id ?? 0);
    // These are announced while the stream is open.
    submit('one-1');
    submit('two-1');
    const after = await waiting;
    archive.close();
    const seen = [...before, ...after];
    expect(seen.map(({ id }) => id)).toEqual(seen.map(({ id }) => id).toSorted((a, b) => a - b));
    const nodes = seen.flatMap(({ search, nodes: own }) => own.map((node) => `${search} ${node}`));
    const expected = Array.from(
      { length: 14 },
      (_, n) => `${n % 2 === 0 ? 'one-1' : 'two-1'} walker-${Math.floor(n / 2) + 1}`,
    );
    expect(nodes).toEqual(expected);
  });
});
