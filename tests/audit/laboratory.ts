import { cpSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ladderSteps } from '../../src/actors/search.ts';
import { createModel, type LocalModel, think } from '../../src/agents/index.ts';
import { type AuditOptions, audit, type Finding } from '../../src/audit/index.ts';
import type { Bus } from '../../src/bus/index.ts';
import { claimsNow } from '../../src/cli/commands/report.ts';
import type { ModelName } from '../../src/domain/agent.ts';
import { parseArchitecture } from '../../src/domain/architecture.ts';
import { candidateText, stackSpace } from '../../src/domain/candidate.ts';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import type { Job, Outcome } from '../../src/domain/evaluation.ts';
import { workerIdSchema } from '../../src/domain/ids.ts';
import type { Verb } from '../../src/domain/messages.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { type SearchSpec, searchSpecSchema } from '../../src/domain/search.ts';
import { Archive } from '../../src/memory/archive.ts';
import { archivePath } from '../../src/memory/database.ts';
import { recount } from '../../src/memory/migrationsFrom007.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { landscape } from '../agents/support.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, searchSpec } from '../support/specs.ts';

/** Whole searches on a real archive: real agents, ladder and ledger; only the training is replaced by a landscape. */

const noReading = () => {
  throw new Error('none of these agents reads');
};
const setting = { python: 'python3', env: {}, packageRoot: '/nowhere' };
const models: Partial<Record<ModelName, LocalModel>> = {
  'local/random': createModel('local/random', setting, noReading),
  'local/mutate': createModel('local/mutate', setting, noReading),
};

export const trial = (overrides: Partial<Record<keyof SearchSpec, unknown>> = {}): SearchSpec =>
  searchSpecSchema.parse(
    searchSpec({
      agents: [
        agentSpec({ name: 'chance', evaluations: 5 }),
        agentSpec({ name: 'climber', evaluations: 6, model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 2 } }),
        agentSpec({
          ...{ name: 'islander', evaluations: 6, model: 'local/mutate', pending: 3 },
          scaffold: {
            ...{ kind: 'evolutionary', islands: 1, founders: 3, capacity: 4 },
            crossover: 0.5,
            migration: 0,
            temperature: 0.3,
          },
        }),
      ],
      budget: { evaluations: 17, minutes: 10, deviceSeconds: 60 },
      references: [{ name: 'sandwich', candidate: 'mA mA M M' }],
      ...overrides,
    }),
  );

const score = (label: string, job: Job) => rngFor(label, job.seed, candidateText(job.candidate)).float();

/** What a training of the job would measure: a function of the job alone, as a training is. */
export function measured(job: Job): Outcome {
  const ground = landscape(5, stackSpace(job.space));
  const validation = Math.min(
    1,
    Math.max(0, ground.truth(parseArchitecture(candidateText(job.candidate))) * 0.8 + 0.1 * score('noise', job)),
  );
  if (job.measure === 'validation') return measurement(validation);
  const test = score('test', job);
  return measurement(validation, { test, tasks: { recall: { validation, test: score('test of recall', job) } } });
}

/** What may happen to one training on its way: the test decides by the number of the training. */
export interface Mishaps {
  readonly failed?: number;
  readonly crashed?: number;
  readonly lost?: number;
  readonly twice?: number;
}

/** Runs a search to its end in a home, as the actors would, on a clock of its own. */
export async function runSearch(home: string, spec: SearchSpec, mishaps: Mishaps = {}): Promise<void> {
  const clock = manualClock(1_700_000_000_000);
  const archive = Archive.open(home, clock);
  const ask = archive.handlers;
  const bus = { ask: async (verb: Verb, request: never) => ask[verb](request) } as unknown as Bus;
  const steps = ladderSteps(spec, bus);
  const { id: search } = spec;
  const worker = (number: number) => workerIdSchema.parse(`cpu-${number}-w0a`);
  const deliveries = new Map<string, number>();
  let trained = 0;

  const train = (job: Job): void => {
    trained++;
    const [key, evaluator] = [job.key, job.evaluator];
    const begin = (by: number) => {
      const attempt = (deliveries.get(`${key} ${by}`) ?? 0) + 1;
      deliveries.set(`${key} ${by}`, attempt);
      clock.advance(5);
      return { ...ask['job-claim']({ key, worker: worker(by), attempt }), attempt, by };
    };
    const end = ({ attempt, by }: { attempt: number; by: number }, outcome: Outcome) => {
      clock.advance(1000);
      archive.record({ key, worker: worker(by), evaluator, attempt, outcome });
    };
    const failure = (reason: 'nan' | 'lost') =>
      ({ status: 'failed', reason, message: `ended as ${reason}`, seconds: 1, device: 'cpu' }) as const;
    if (trained === mishaps.lost) begin(2);
    const begun = begin(1);
    if (!begun.go) return;
    if (trained === mishaps.crashed) end(begun, failure('lost'));
    else if (trained === mishaps.failed) end(begun, failure('nan'));
    else if (trained === mishaps.twice) {
      const other = begin(2);
      end(begun, measured(job));
      end(other, measured(job));
    } else end(begun, measured(job));
  };
  const publishAndTrain = (): void => {
    for (let entries = archive.unsent(100); entries.length > 0; entries = archive.unsent(100)) {
      for (const entry of entries) {
        clock.advance(1);
        archive.markSent([entry.seq]);
        if (entry.kind === 'job') train(entry.body);
      }
      ask['search-status']({ search });
    }
  };

  ask['search-open']({ spec, source: 'task: toy' });
  await steps.addReferences();
  const going = new Set(spec.agents.map(({ name }) => name));
  while (going.size > 0) {
    for (const agent of going) {
      const { spec: self, space, seed, task, metric, next } = ask['agent-join']({ search, agent });
      const reply = ask['agent-view']({ search, agent, ordinal: next });
      if (reply.state === 'closed') going.delete(agent);
      if (reply.state !== 'ready') continue;
      const thought = await think({ spec: self, view: reply.view, space, seed, topic: { task, metric }, models });
      clock.advance(10);
      ask['agent-submit']({ search, agent, ordinal: next, ...thought });
    }
    publishAndTrain();
  }
  for (const [phase, step] of [
    ['confirming', steps.confirm],
    ['aggregating', steps.aggregate],
    ['finalising', steps.finalise],
  ] as const) {
    clock.advance(500);
    ask['search-phase']({ search, phase });
    await step();
    publishAndTrain();
  }
  clock.advance(500);
  ask['search-phase']({ search, phase: 'finished' });
  publishAndTrain();
  clock.advance(500);
  ask['search-tests']({ search, purpose: 'report' });
  archive.close();
}

/** The audit of a home, without secrets and repeated trainings unless the test brings them. */
export async function auditOf(home: string, given: Partial<AuditOptions> = {}): Promise<Finding[]> {
  const reader = readArchive(home);
  try {
    const openModel: AuditOptions['openModel'] = async (name) => models[name] as LocalModel;
    const openRecording = () => {
      throw new PrerequisiteError('recording', 'this laboratory has no language models', 'ask for none');
    };
    const parts = { reader, search: trial().id, home, openModel, openRecording };
    const files = async () => ({ same: [], changed: [] });
    const claims: AuditOptions['claims'] = (tests) => claimsNow(reader, home, parts.search, tests);
    return await audit({ ...parts, secrets: [], retraining: null, files, claims, ...given });
  } finally {
    reader.close();
  }
}

/**
 * A copy of a home in which somebody altered the archive behind the ledger's back, and put the triggers back so that the
 * schema does not tell.
 */
export function tampered(home: string, sql: string): string {
  const copy = join(temporaryFolder(), 'home');
  cpSync(home, copy, { recursive: true });
  const db = new Database(archivePath(copy));
  const triggers = db
    .prepare<[], { name: string; sql: string }>(`SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'`)
    .all();
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  db.pragma('foreign_keys = OFF');
  db.pragma('ignore_check_constraints = ON');
  const changes = () => db.prepare<[], number>('SELECT total_changes()').pluck().get() ?? 0;
  const before = changes();
  db.exec(sql);
  if (changes() === before) throw new Error(`nothing was altered by ${sql}`);
  // Totals follow the rows, so that what is altered in the rows is found in the rows.
  if (!/rung_totals|rung_scores/.test(sql)) {
    db.exec(
      `DELETE FROM rung_totals; DELETE FROM agent_totals; DELETE FROM rung_scores; DELETE FROM open_jobs; ${recount}`,
    );
  }
  for (const trigger of triggers) db.exec(trigger.sql);
  db.close();
  return copy;
}
