import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/audit/index.ts';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { Archive } from '../../src/memory/archive.ts';
import { archivePath } from '../../src/memory/database.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, resultOf } from '../support/specs.ts';
import { auditOf, measured, runSearch, tampered, trial } from './laboratory.ts';

const brokenOf = (findings: readonly Finding[]) => findings.flatMap(({ violations }) => violations);
const holds = (findings: readonly Finding[]) =>
  Object.fromEntries(findings.map((finding) => [finding.invariant, finding.holds]));
const evidenceOf = (findings: readonly Finding[], invariant: string) =>
  findings.find((finding) => finding.invariant === invariant)?.evidence.join('\n') ?? '';

const all = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10', 'I11'];
const everyHolds = Object.fromEntries(all.map((invariant) => [invariant, true]));

describe('the audit of an untouched archive', () => {
  it('finds that all eleven hold after failed, crashed, lost and repeated trainings', async () => {
    const home = temporaryFolder();
    await runSearch(home, trial(), { failed: 3, crashed: 5, lost: 7, twice: 9 });
    const before = readFileSync(archivePath(home));
    const findings = await auditOf(home);
    expect(brokenOf(findings)).toEqual([]);
    expect(holds(findings)).toEqual(everyHolds);
    expect(evidenceOf(findings, 'I2')).toMatch(/1 surplus, 1 retried/);
    expect(evidenceOf(findings, 'I5')).toMatch(/islander: 6 of 6 attempts re-executed with local\/mutate/);
    expect(evidenceOf(findings, 'I6')).toMatch(/1 surplus delivery, 1 comparable/);
    expect(evidenceOf(findings, 'I8')).toMatch(/1 lost and restarted/);
    expect(evidenceOf(findings, 'I9')).toMatch(/the search: 17 of 17 evaluations/);
    expect(readFileSync(archivePath(home)).equals(before)).toBe(true);
  });

  it('says that companions could not be compared where nothing was measured twice', async () => {
    const home = temporaryFolder();
    await runSearch(home, trial());
    const findings = await auditOf(home);
    expect(brokenOf(findings)).toEqual([]);
    expect(holds(findings)).toEqual({ ...everyHolds, I6: null });
  });

  it('accepts agents that remember each other, and finds a look beyond the horizon', async () => {
    const home = temporaryFolder();
    const shared = { model: 'local/mutate', memory: 'ensemble', evaluations: 6 };
    const agents = [
      agentSpec({ ...shared, name: 'climber', scaffold: { kind: 'greedy', drafts: 1 }, novelty: { distance: 2 } }),
      agentSpec({ ...shared, name: 'treetop', scaffold: { kind: 'mcts', children: 2 }, pending: 3 }),
      agentSpec({ name: 'chance', evaluations: 3 }),
    ];
    await runSearch(home, trial({ agents, budget: { evaluations: 15 } }));
    const findings = await auditOf(home);
    expect(brokenOf(findings)).toEqual([]);
    expect(evidenceOf(findings, 'I5')).toMatch(/climber: (\d+) of \1 attempts re-executed/);
    const { violations } = (
      await auditOf(tampered(home, `INSERT INTO parents VALUES ('trial-1', 'climber-3', 1, 'treetop-2')`))
    ).find(({ invariant }) => invariant === 'I5') as Finding;
    expect(violations.join('\n')).toMatch(/climber-3 has parents outside its view: treetop-2/);
  });

  it('accepts a space that is smaller than the budget, in which agents repeat themselves', async () => {
    const home = temporaryFolder();
    const agents = [
      agentSpec({ evaluations: 8 }),
      agentSpec({
        name: 'rival',
        evaluations: 8,
        model: 'local/mutate',
        scaffold: { kind: 'mcts', children: 3, exploration: 0.5 },
      }),
    ];
    const space = { kind: 'stack', layers: 2, primitives: ['M', 'mA'] };
    await runSearch(home, trial({ agents, space, references: [], budget: { evaluations: 16 } }), { twice: 2 });
    const findings = await auditOf(home);
    expect(brokenOf(findings)).toEqual([]);
    expect(evidenceOf(findings, 'I8')).toMatch(/walker: 5\d attempts up to number 5\d, 4\d refused/);
    expect(evidenceOf(findings, 'I9')).toMatch(/walker: 4 of 8 evaluations, 52 of at most 52 attempts/);
  });

  it('accepts a second search that reuses what the first one trained', async () => {
    const home = temporaryFolder();
    await runSearch(home, trial(), { twice: 1 });
    await runSearch(home, trial({ id: 'trial-2' }));
    for (const { id } of [trial(), trial({ id: 'trial-2' })]) {
      const findings = await auditOf(home, { search: id });
      expect(brokenOf(findings)).toEqual([]);
    }
    const second = await auditOf(home, { search: trial({ id: 'trial-2' }).id });
    expect(evidenceOf(second, 'I2')).toMatch(/0 evaluations paid \(0\.0 s of training\), 31 cached/);
  });

  it('accepts a search that is still going on, beside its writer', async () => {
    const home = temporaryFolder();
    const archive = Archive.open(home, manualClock());
    const { id: search } = trial();
    archive.handlers['search-open']({ spec: trial(), source: '' });
    const rationale = { choice: 'test', change: 'test', expected: null, retrieved: [], evidence: [] };
    for (const [node, candidate] of [['reference-sandwich-1', 'mA mA M M']] as const) {
      archive.handlers['node-add']({ search, node: node as never, origin: 'reference', candidate, rationale });
      archive.handlers['node-evaluate']({ search, nodes: [node as never], rung: 'screen', seeds: 1 });
    }
    const [job] = archive.unsent(10).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
    if (!job) throw new Error('no job');
    archive.handlers['job-claim']({ key: job.key, worker: resultOf(job, measured(job)).worker, attempt: 1 });
    const begun = await auditOf(home);
    expect(brokenOf(begun)).toEqual([]);
    expect(evidenceOf(begun, 'I8')).toMatch(/1 still pending/);
    expect(evidenceOf(begun, 'I4')).toMatch(/screening is not over/);
    archive.record(resultOf(job, measured(job)));
    expect(brokenOf(await auditOf(home))).toEqual([]);
    archive.close();
  });

  it('accepts a candidate that was given up because it took its workers down', async () => {
    const home = temporaryFolder();
    const archive = Archive.open(home, manualClock());
    const { id: search } = trial();
    archive.handlers['search-open']({ spec: trial(), source: '' });
    const node = 'reference-sandwich-1' as never;
    const rationale = { choice: 'test', change: 'test', expected: null, retrieved: [], evidence: [] };
    archive.handlers['node-add']({ search, node, origin: 'reference', candidate: 'mA mA M M', rationale });
    archive.handlers['node-evaluate']({ search, nodes: [node], rung: 'screen', seeds: 1 });
    const [job] = archive.unsent(10).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
    if (!job) throw new Error('no job');
    const { worker } = resultOf(job, measured(job));
    for (let attempt = 1; attempt <= 6; attempt++) archive.handlers['job-claim']({ key: job.key, worker, attempt });
    archive.close();
    const findings = await auditOf(home);
    expect(brokenOf(findings)).toEqual([]);
    expect(evidenceOf(findings, 'I1')).toMatch(/1 ended by the ledger after repeated crashes/);
    expect(evidenceOf(findings, 'I8')).toMatch(/1 failed \(1 poison\)/);
  });

  it('says which agents it could not replay, and replays the others', async () => {
    const home = temporaryFolder();
    await runSearch(home, trial());
    const findings = await auditOf(home, {
      openModel: async () => {
        throw new PrerequisiteError('toolchain', 'there is no Python with torch and numpy', 'install one');
      },
    });
    expect(holds(findings).I5).toBeNull();
    expect(evidenceOf(findings, 'I5')).toMatch(/not checked: climber with local\/mutate: there is no Python/);
  });

  it('refuses a search that the archive does not know', async () => {
    const home = temporaryFolder();
    Archive.open(home, manualClock()).close();
    await expect(auditOf(home)).rejects.toMatchObject({ code: 'unknown-search' });
  });
});
