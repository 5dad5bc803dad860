/** Runs at scale in the ledger: figures, checkpoints under a claim, what counts as a crash, and their audit. */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Finding } from '../../src/audit/index.ts';
import { candidateText } from '../../src/domain/candidate.ts';
import type { Job, Measurement } from '../../src/domain/evaluation.ts';
import { type NodeId, type SearchId, workerIdSchema } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { maxAttempts } from '../../src/memory/index.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { type ScaleObservation, scaleObservations } from '../../src/scale/index.ts';
import { auditOf, tampered } from '../audit/laboratory.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { resources, scaleJob } from '../support/scaleJobs.ts';
import { measurement, resultOf, searchSpec } from '../support/specs.ts';

const search = 'scale-toy-1' as SearchId;
const node = 'reference-p1-1' as NodeId;
const worker = workerIdSchema.parse('worker-1');
const digest = 'e'.repeat(64);

const { candidate, settings, evaluator, content } = scaleJob(digest);
const rung = { seconds: 1, settings };
const spec = searchSpec({
  id: search,
  task: 'scale',
  lowerIsBetter: true,
  space: { kind: 'scale' },
  rungs: { screen: rung, confirm: rung, final: rung },
  evaluator,
  content,
  agents: [],
  references: [{ name: 'p1', candidate: candidateText(candidate) }],
  scale: {
    points: [
      {
        reference: 'p1',
        run: 'llama 0.1M',
        architecture: 'llama',
        pattern: 'mA+M',
        rule: 'stack',
        family: 'llama',
        size: '0.1M',
        nonEmbedding: 1000,
        embedding: 200,
        budget: '8 steps',
        budgetFlops: 1e9,
        trainedFlops: 1.1e9,
        tokens: 2048,
        cacheBytesPerToken: 64,
        seeds: 1,
        resources,
      },
    ],
  },
});

const figures: NonNullable<Measurement['scale']> = {
  loss: 2.5,
  lossBeforeDecay: 2.6,
  steps: 8,
  tokens: 2048,
  flops: 1.1e9,
  nonEmbedding: 1000,
  seconds: 3,
  sessions: 1,
  tokensPerSecond: 700,
  mfu: null,
  weightsSha256: 'c'.repeat(64),
  folder: '/storage/models/steps-8',
};

function opened() {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  onTestFinished(() => archive.close());
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const rationale = { choice: 'a point', change: 'none', expected: null, retrieved: [], evidence: [] };
  ask['node-add']({ search, node, origin: 'reference', candidate: candidateText(candidate), rationale });
  ask['node-evaluate']({ search, nodes: [node], rung: 'screen', seeds: 1 });
  const [job] = archive.unsent(100).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
  return { home, archive, ask, job: job as Job };
}

const checkpoint = (step: number) => ({ path: `/storage/trunk-${step}`, step, bytes: 10, sha256: 'a'.repeat(64) });

/** A finished plan with one loss and one checkpoint. */
function trained() {
  const { home, archive, ask, job } = opened();
  archive.markSent(archive.unsent(100).map(({ seq }) => seq));
  archive.answer('job-claim', { key: job.key, worker, attempt: 1 }, 'token');
  archive.answer('job-checkpoint', { key: job.key, worker, attempt: 1, checkpoint: checkpoint(4) }, 'token');
  archive.take(resultOf(job, measurement(-2.5, { tasks: {}, scale: figures })), 'token');
  ask['search-phase']({ search, phase: 'finished' });
  archive.markSent(archive.unsent(100).map(({ seq }) => seq));
  return { home, archive, job };
}

describe('a job', () => {
  it('carries what its worker needs, which is in no key', () => {
    const { job } = opened();
    expect(job.resources).toEqual(resources);
    expect(job.timeoutSeconds).toBe(30 * resources.seconds);
    expect(job.key).toBe(scaleJob(digest, { taskVersion: spec.taskVersion }).key);
  });
});

describe('a checkpoint', () => {
  it('is recorded once, under the token of its claim only (I12)', () => {
    const { archive, job } = opened();
    const request = { key: job.key, worker, attempt: 1, checkpoint: checkpoint(4) };
    expect(() => archive.answer('job-checkpoint', request, 'token')).toThrow('the token of its claim');
    archive.answer('job-claim', { key: job.key, worker, attempt: 1 }, 'token');
    expect(() => archive.answer('job-checkpoint', request, 'another')).toThrow('the token of its claim');
    for (let twice = 0; twice < 2; twice++) {
      expect(archive.answer('job-checkpoint', request, 'token')).toEqual({ recorded: true });
    }
  });

  it('keeps a training that loses its worker again and again from ending as poison', () => {
    const claim = (archive: Archive, job: Job, attempt: number) =>
      archive.answer('job-claim', { key: job.key, worker, attempt }, 'token');
    const progressing = opened();
    for (let attempt = 1; attempt <= maxAttempts + 2; attempt++) {
      expect(claim(progressing.archive, progressing.job, attempt)).toMatchObject({ go: true });
      const request = { key: progressing.job.key, worker, attempt, checkpoint: checkpoint(attempt) };
      progressing.archive.answer('job-checkpoint', request, 'token');
    }
    const crashing = opened();
    for (let attempt = 1; attempt <= maxAttempts; attempt++) claim(crashing.archive, crashing.job, attempt);
    expect(claim(crashing.archive, crashing.job, maxAttempts + 1)).toMatchObject({ go: false });
  });
});

describe('what the archive says of a plan', () => {
  it('is one observation per loss', () => {
    const { home, job } = trained();
    const reader = readArchive(home);
    onTestFinished(() => reader.close());
    const expected: ScaleObservation[] = [
      {
        architecture: 'llama',
        pattern: 'mA+M',
        family: 'llama',
        size: '0.1M',
        nonEmbedding: 1000,
        embedding: 200,
        budgetFlops: 1e9,
        trainedFlops: 1.1e9,
        tokens: 2048,
        seed: 1,
        loss: 2.5,
        seconds: 3,
        tokensPerSecond: 700,
        mfu: null,
        peakMemoryBytes: 10,
        cacheBytesPerToken: 64,
        evaluation: job.key,
      },
    ];
    expect(scaleObservations(reader, search)).toEqual(expected);
  });

  it('pages the requested evaluations with their outcomes', () => {
    const { archive, job } = trained();
    expect(archive.handlers['search-evaluations']({ search, from: 0 })).toEqual({
      evaluations: [
        { node, key: job.key, seed: 1, status: 'ok', validation: -2.5, reason: null, message: null, seconds: 1 },
      ],
      more: false,
    });
  });

  const of = (findings: readonly Finding[], invariant: string) => findings.find((each) => each.invariant === invariant);
  it('passes the audit', async () => {
    const { home } = trained();
    const findings = await auditOf(home, { search });
    expect(findings.filter(({ holds }) => holds === false)).toEqual([]);
    expect(of(findings, 'I3')?.evidence).toContain(
      '1 loss of a run at scale, each of the steps and tokens of its budget',
    );
    expect(of(findings, 'I3')?.evidence).toContain('1 checkpoint, each of a claimed training');
  });

  it.each([
    [
      'a loss that is not its score',
      `UPDATE evaluations SET measurement = json_set(measurement, '$.scale.loss', 2.4)`,
      /its loss is 2\.4/,
    ],
    [
      'fewer steps than requested',
      `UPDATE evaluations SET measurement = json_set(measurement, '$.scale.steps', 7)`,
      /trained 7 on 2048 tokens/,
    ],
    [
      'no figures',
      `UPDATE evaluations SET measurement = json_remove(measurement, '$.scale')`,
      /no figures of a run at scale/,
    ],
    [
      'a checkpoint of no claim',
      `UPDATE checkpoints SET worker = 'worker-2'`,
      /1 checkpoint of trainings that no worker had claimed/,
    ],
  ])('fails it with %s', async (_, sql, sentence) => {
    const { home } = trained();
    const findings = await auditOf(tampered(home, sql), { search });
    expect(of(findings, 'I3')?.violations.join('\n')).toMatch(sentence);
  });
});
