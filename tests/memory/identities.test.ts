/**
 * A score names what decided it (I10), in the ledger: keys are made of recorded parts, and an archive that was written before
 * parts were recorded (version-4.sql.gz: a search on generated data and one on imported text, native engine) says so.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { evaluationKey, type Job, jobSchema } from '../../src/domain/evaluation.ts';
import { nodeIdSchema, type SearchId } from '../../src/domain/ids.ts';
import { contentHash, type Json } from '../../src/domain/json.ts';
import { Archive } from '../../src/memory/archive.ts';
import { archivePath } from '../../src/memory/database.ts';
import { schemaVersion } from '../../src/memory/migrations.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { auditOf } from '../audit/laboratory.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { measurement, resultOf, searchSpec } from '../support/specs.ts';

const content = { directory: '1'.repeat(64), data: { climbmix: '2'.repeat(64) } };

/** A home with an archive as the version before wrote it. */
function homeOfBefore(): string {
  const home = temporaryFolder();
  const db = new Database(archivePath(home));
  // A dump names tables before it makes them.
  db.pragma('foreign_keys = OFF');
  db.exec(gunzipSync(readFileSync(join(import.meta.dirname, 'archives/version-4.sql.gz'))).toString());
  db.close();
  return home;
}

function rows<Row>(home: string, sql: string): Row[] {
  const db = new Database(archivePath(home), { readonly: true });
  try {
    return db.prepare<[], Row>(sql).all();
  } finally {
    db.close();
  }
}

function opened(home = temporaryFolder()): Archive {
  const archive = Archive.open(home, manualClock());
  onTestFinished(() => archive.close());
  return archive;
}

const jobs = (archive: Archive): Job[] =>
  archive.unsent(1000).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));

describe('the key of an evaluation', () => {
  const base: Job = {
    ...{ key: 'a'.repeat(64) as Job['key'], task: 'toy', taskVersion: 'v1', evaluator: 'torch-000000000000', content },
    ...{ deviceClass: 'cpu', rung: 'screen', space: { kind: 'stack', layers: 2, primitives: ['M', 'mA'] } },
    ...{ settings: { steps: 1 }, candidate: { kind: 'stack', architecture: ['M', 'mA'] }, seed: 1 },
    ...{ measure: 'validation', lowerIsBetter: false, timeoutSeconds: 60 },
  };

  it('changes with each file, each setting, the evaluator, the device class and the direction of the metric', () => {
    const others: Partial<Job>[] = [
      { content: { ...content, directory: '3'.repeat(64) } },
      { content: { ...content, data: { climbmix: '3'.repeat(64) } } },
      { content: { ...content, data: { dclm: '2'.repeat(64) } } },
      { content: { ...content, data: {} } },
      { settings: { steps: 7 } },
      { evaluator: 'torch-000000000001' },
      { deviceClass: 'cuda' },
      { lowerIsBetter: true },
      { taskVersion: 'v2' },
    ];
    const keys = [base, ...others.map((change) => ({ ...base, ...change }))].map(evaluationKey);
    expect(new Set(keys).size).toBe(1 + others.length);
  });

  it('does not change with how long the host waits', () => {
    const patient: Job = { ...base, timeoutSeconds: 1 };
    expect(evaluationKey(patient)).toBe(evaluationKey(base));
  });

  it('of a job without content is that of the version before', () => {
    const before = rows<{ key: string; body: string }>(homeOfBefore(), 'SELECT key, body FROM jobs');
    expect(before.length).toBeGreaterThan(30);
    for (const { key, body } of before) expect(evaluationKey(jobSchema.parse(JSON.parse(body)))).toBe(key);
  });
});

/** Adds a candidate to a search and asks for its screening. */
function ask(archive: Archive, search: string): { asked: number; saved: number } {
  const id = search as SearchId;
  const node = nodeIdSchema.parse('reference-one-1');
  const candidate = 'M M mA mA';
  archive.handlers['node-add']({ search: id, node, origin: 'reference', candidate, rationale: noReason });
  return archive.handlers['node-evaluate']({ search: id, nodes: [node], rung: 'screen', seeds: 1 });
}
const noReason = { choice: 'a reference', change: '', expected: null, retrieved: [], evidence: [] };

describe('the ledger', () => {
  it('records the parts of each key once, under their digest', () => {
    const home = temporaryFolder();
    const archive = opened(home);
    archive.handlers['search-open']({ spec: searchSpec({ content }), source: '' });
    ask(archive, 'trial-1');
    const [row] = rows<{ digest: string; components: string; identity: string }>(
      home,
      'SELECT i.digest, i.components, j.identity FROM identities i JOIN jobs j ON j.identity = i.digest',
    );
    expect(row?.identity).toBe(contentHash(JSON.parse(row?.components ?? '') as Json));
    expect(JSON.parse(row?.components ?? '')).toMatchObject({
      ...content,
      evaluator: 'torch-000000000000',
      rung: 'screen',
    });
    const raw = new Database(archivePath(home));
    onTestFinished(() => void raw.close());
    expect(() => raw.exec(`UPDATE identities SET components = '{}'`)).toThrow('never changed');
    expect(() => raw.exec('PRAGMA foreign_keys = OFF; DELETE FROM identities')).toThrow('never deleted');
  });

  it('trains anew where data were replaced, and gives back a failure only to the data that caused it', () => {
    const archive = opened();
    const open = (id: string, data: string) => {
      const spec = searchSpec({ id, content: { ...content, data: { climbmix: data.repeat(64) } } });
      archive.handlers['search-open']({ spec, source: '' });
      return ask(archive, id);
    };
    expect(open('first-1', '2')).toMatchObject({ asked: 1, saved: 0 });
    const [job] = jobs(archive) as [Job];
    const failure = {
      status: 'failed',
      reason: 'invalid',
      message: 'line 3 has no text',
      seconds: 0,
      device: 'cpu',
    } as const;
    archive.handlers['job-claim']({ key: job.key, worker: 'worker-1' as never, attempt: 1 });
    archive.record(resultOf(job, failure));
    expect(open('second-1', '2')).toMatchObject({ asked: 0, saved: 1 });
    expect(open('third-1', '3')).toMatchObject({ asked: 1, saved: 0 });
    expect(jobs(archive).map(({ key }) => key === job.key)).toEqual([true, false]);
  });
});

describe('a failure of the laboratory', () => {
  const lost = { status: 'failed', message: 'no such file', seconds: 0, device: 'cpu' } as const;

  it.each(['data', 'cancelled', 'refused'] as const)('is not given to who asks later: %s', async (reason) => {
    const home = temporaryFolder();
    const archive = opened(home);
    const open = (id: string) => {
      archive.handlers['search-open']({ spec: searchSpec({ id, content }), source: '' });
      return ask(archive, id);
    };
    const fail = (attempt: number, outcome: Parameters<typeof resultOf>[1]) => {
      const job = jobs(archive).at(-1) as Job;
      archive.handlers['job-claim']({ key: job.key, worker: 'worker-1' as never, attempt });
      return archive.record(resultOf(job, outcome, attempt));
    };
    open('first-1');
    let attempt = 1;
    while (fail(attempt, { ...lost, reason }) === 'retry') attempt++;
    // The node that it happened to keeps its end; the next is trained anew, as often as it takes.
    expect(ask(archive, 'first-1')).toMatchObject({ asked: 0, saved: 1 });
    expect(open('second-1')).toMatchObject({ asked: 1, saved: 0 });
    attempt = 10;
    while (fail(attempt, { ...lost, reason }) === 'retry') attempt++;
    expect(open('third-1')).toMatchObject({ asked: 1, saved: 0 });
    expect(fail(20, measurement(0.5))).toBe('counted');
    expect(open('fourth-1')).toMatchObject({ asked: 0, saved: 1 });
    expect(jobs(archive).at(-1)?.again).toBe(2);
    const findings = await auditOf(home, { search: 'fourth-1' as SearchId });
    expect(findings.find(({ invariant }) => invariant === 'I2')?.violations).toEqual([]);
  });

  it('of the candidate’s own making is', () => {
    const archive = opened();
    archive.handlers['search-open']({ spec: searchSpec({ id: 'first-1', content }), source: '' });
    ask(archive, 'first-1');
    const job = jobs(archive)[0] as Job;
    archive.handlers['job-claim']({ key: job.key, worker: 'worker-1' as never, attempt: 1 });
    archive.record(resultOf(job, { ...lost, reason: 'nan' }));
    archive.handlers['search-open']({ spec: searchSpec({ id: 'second-1', content }), source: '' });
    expect(ask(archive, 'second-1')).toMatchObject({ asked: 0, saved: 1 });
  });
});

describe('an archive of the version before', () => {
  it('is migrated with all that it holds; its scores are marked as of unknown data', () => {
    const home = homeOfBefore();
    const before = rows<{ n: number }>(home, 'SELECT count(*) AS n FROM evaluations')[0]?.n;
    const archive = opened(home);
    expect(rows(home, 'SELECT count(*) AS n FROM evaluations')).toEqual([{ n: before }]);
    expect(rows(home, 'SELECT count(*) AS n FROM jobs WHERE identity IS NOT NULL')).toEqual([{ n: 0 }]);
    expect(rows(home, 'PRAGMA user_version')).toEqual([{ user_version: schemaVersion }]);
    expect(archive.handlers['search-status']({ search: 'text' as SearchId }).best).not.toBeNull();
  });

  it.each([
    ['wants', 'evaluation_requests'],
    ['sittings', 'sessions'],
  ])('keeps each row of a table that is renamed: %s is %s', (old, renamed) => {
    const home = homeOfBefore();
    const before = rows(home, `SELECT * FROM ${old}`);
    opened(home);
    expect(before.length).toBeGreaterThan(0);
    expect(rows(home, `SELECT * FROM ${renamed}`)).toEqual(before);
    expect(() => rows(home, `SELECT * FROM ${old}`)).toThrow(`no such table: ${old}`);
  });

  it('is migrated by whoever only reads it', () => {
    const home = homeOfBefore();
    const reader = readArchive(home);
    expect(reader.searches.list().map(({ id }) => id)).toEqual(['mad', 'text']);
    reader.close();
  });

  it.each(['mad', 'text'])('gives none of its scores to a search that names what it reads: %s', (name) => {
    const home = homeOfBefore();
    const archive = opened(home);
    const { spec } = archive.handlers['search-spec']({ search: name as SearchId });
    const again = { ...spec, id: 'again-1' as SearchId, content };
    archive.handlers['search-open']({ spec: again, source: '' });
    const known = rows<{ candidate: string }>(
      home,
      `SELECT candidate FROM nodes WHERE search = '${name}' AND verdict = 'accepted'`,
    );
    expect(known.length).toBeGreaterThan(3);
    for (const [index, { candidate }] of known.entries()) {
      const node = nodeIdSchema.parse(`reference-old-${index + 1}`);
      archive.handlers['node-add']({ search: again.id, node, origin: 'reference', candidate, rationale: noReason });
      const request = { search: again.id, nodes: [node], seeds: 1 };
      const counts = archive.handlers['node-evaluate']({ ...request, rung: 'screen' });
      // A candidate that two references share is asked for once.
      expect(counts.asked + counts.saved).toBe(1);
    }
    const asked = new Set(known.map(({ candidate }) => candidate)).size;
    expect(jobs(archive).filter((job) => job.content !== undefined)).toHaveLength(asked);
  });

  it('passes the audit, which says that what decided its scores is unknown', async () => {
    const home = homeOfBefore();
    const findings = await auditOf(home, { search: 'text' as SearchId });
    expect(findings.flatMap(({ violations }) => violations)).toEqual([]);
    const found = findings.find(({ invariant }) => invariant === 'I10');
    expect(found?.holds).toBeNull();
    expect(found?.evidence.join('\n')).toMatch(/\d+ evaluations older than the record of data and task directories/);
  });

  it('takes a result of a training that was under way, under the key of before', () => {
    const home = homeOfBefore();
    const archive = opened(home);
    const [row] = rows<{ body: string }>(
      home,
      `SELECT body FROM jobs WHERE json_extract(body, '$.rung') = 'screen' LIMIT 1`,
    );
    const job = jobSchema.parse(JSON.parse(row?.body ?? ''));
    expect(archive.record({ ...resultOf(job, measurement(0.1)), attempt: 99 })).toBe('surplus');
  });
});
