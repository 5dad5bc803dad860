import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { jobSchema } from '../../src/domain/evaluation.ts';
import { eventSchema } from '../../src/domain/messages.ts';
import { searchSpecSchema } from '../../src/domain/search.ts';
import { Archive } from '../../src/memory/archive.ts';
import { migrate } from '../../src/memory/migrations.ts';
import { calls, ledger } from '../../src/memory/migrationsFrom001.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const programs = searchSpec({
  lowerIsBetter: true,
  space: { kind: 'program', files: [{ name: 'model.py', maxBytes: 100 }] },
  agents: [agentSpec({ model: 'local/tuner' })],
});
const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };

describe('an archive of programs', () => {
  it('keeps a fitness of any size and sign, and that it was measured without a sandbox', () => {
    const home = temporaryFolder();
    const archive = Archive.open(home, manualClock());
    onTestFinished(() => archive.close());
    const ask = archive.handlers;
    ask['search-open']({ spec: programs, source: '' });
    const candidate = JSON.stringify({ 'model.py': 'x = 1' });
    const [{ name: agent }] = programs.agents as [(typeof programs.agents)[number]];
    const attempt = { search: programs.id, agent, parents: [], candidate, rationale, operator: 'draft' as const };
    expect(ask['agent-submit']({ ...attempt, ordinal: 1 })).toMatchObject({ verdict: 'accepted' });
    expect(ask['agent-submit']({ ...attempt, ordinal: 2 })).toMatchObject({ verdict: 'refused', reason: 'duplicate' });
    const [job] = archive.unsent(100).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
    expect(job).toMatchObject({
      candidate: { kind: 'program', files: { 'model.py': 'x = 1\n' } },
      lowerIsBetter: true,
    });
    archive.record(resultOf(job as NonNullable<typeof job>, measurement(-2.5, { unsafe: true })));
    expect(ask['search-ranking']({ search: programs.id, rung: 'screen' }).nodes).toMatchObject([{ validation: -2.5 }]);
    expect(withArchive(home, (db) => db.prepare('SELECT unsafe, validation FROM evaluations').all())).toEqual([
      { unsafe: 1, validation: -2.5 },
    ]);
  });
});

describe('an archive of the version before programs', () => {
  /** As version 2 left it, with a search, a job that is unsent, its event, and a result with a test score. */
  function old(): Database.Database {
    const db = new Database(':memory:');
    onTestFinished(() => void db.close());
    db.pragma('foreign_keys = ON');
    db.exec(
      'CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, at INTEGER NOT NULL) STRICT',
    );
    for (const [index, sql] of [ledger, calls].entries()) {
      db.exec(sql);
      const checksum = createHash('sha256').update(sql).digest('hex');
      db.prepare('INSERT INTO migrations VALUES (?, ?, ?, 0)').run(index + 1, `${index}`, checksum);
    }
    db.pragma('user_version = 2');
    db.pragma('application_id = 0x41495241');
    const { lowerIsBetter: _, ...spec } = searchSpec();
    const { kind: __, ...space } = spec.space;
    const references = [{ architecture: 'M M M M', name: 'flat' }];
    db.prepare(`INSERT INTO searches VALUES ('trial-1', ?, '', 0)`).run(JSON.stringify({ ...spec, space, references }));
    const key = 'a'.repeat(64);
    const job = JSON.stringify({
      ...{
        key,
        task: 'toy',
        taskVersion: 'v1',
        evaluator: 'e',
        deviceClass: 'cpu',
        rung: 'screen',
        space,
        settings: {},
      },
      ...{ architecture: ['M', 'mA', 'M', 'M'], seed: 1, measure: 'validation', timeoutSeconds: 60 },
    });
    db.prepare('INSERT INTO jobs VALUES (?, ?, 1, 0)').run(key, job);
    const insert = db.prepare('INSERT INTO outbox (kind, message_id, body, created_at) VALUES (?, ?, ?, 0)');
    insert.run('job', key, job);
    const event = { kind: 'node-submitted', search: 'trial-1', node: 'walker-1', agent: 'walker', operator: 'draft' };
    insert.run('event', 'e', JSON.stringify({ ...event, parents: [], architecture: ['M', 'mA', 'M', 'M'] }));
    db.exec(`INSERT INTO evaluations VALUES ('${key}', 'ok', 0.5, NULL, NULL, 'e', 'w', 'cpu', 1, 1.0, '{}', 0);
      INSERT INTO test_scores VALUES ('${key}', 0.25, '{}')`);
    return db;
  }

  it('is carried over into the words of this one, and loses nothing', () => {
    const db = old();
    migrate(db, ':memory:', 1);
    const only = (sql: string) => db.prepare(sql).pluck().get();
    const spec = searchSpecSchema.parse(JSON.parse(only('SELECT spec FROM searches') as string));
    expect(spec).toEqual(searchSpec({ references: [{ name: 'flat', candidate: 'M M M M' }] }));
    const job = jobSchema.parse(JSON.parse(only('SELECT body FROM jobs') as string));
    expect(job.candidate).toEqual({ kind: 'stack', architecture: ['M', 'mA', 'M', 'M'] });
    expect(job.space).toEqual(spec.space);
    // The body of a job is stored once.
    expect(only(`SELECT body FROM outbox WHERE kind = 'job'`)).toBe('{}');
    const event = eventSchema.parse(JSON.parse(only(`SELECT body FROM outbox WHERE kind = 'event'`) as string));
    expect(event).toMatchObject({ short: 'M mA M M' });
    expect(only('SELECT validation FROM evaluations')).toBe(0.5);
    expect(only('SELECT score FROM test_scores')).toBe(0.25);
    expect(db.pragma('foreign_key_check')).toEqual([]);
    expect(() => db.exec('DELETE FROM evaluations')).toThrow('never deleted');
    expect(() => db.exec('UPDATE test_scores SET score = 1')).toThrow('never changed');
    expect(() => db.exec(`INSERT INTO test_scores VALUES ('${'b'.repeat(64)}', 0.5, '{}')`)).toThrow('FOREIGN KEY');
  });
});
