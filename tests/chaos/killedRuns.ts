import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { rngFor } from '../../src/domain/rng.ts';
import { type Contents, contentsOf, withArchive } from '../support/ledger.ts';
import { Program } from '../support/program.ts';
import { smallTask } from '../support/smallTasks.ts';
import { audit } from './audit.ts';

/** A search that is compared with itself: its file and its name. */
export interface Subject {
  readonly file: string;
  readonly search: string;
  readonly workers: number;
}

export interface Calm {
  readonly contents: Contents;
  readonly durationMs: number;
}

/**
 * A copy of a search file with other keys, and with so much time that a busy machine does not decide what is compared: a
 * search that is cut by its minutes depends on speed.
 */
export function withTime(file: string, folder: string, changes: Readonly<Record<string, unknown>> = {}): string {
  const search = parse(readFileSync(file, 'utf8'));
  const path = join(folder, basename(file));
  writeFileSync(path, stringify({ ...search, budget: { ...search.budget, minutes: 120 }, ...changes }));
  return path;
}

/** The task of searches/design-listops.yaml with fewer rows and steps, beside the mixers that it starts from. */
export function smallListops(folder: string): string {
  cpSync('tasks/mixers', join(folder, 'mixers'), { recursive: true });
  return smallTask('design-lra-listops-fixed', folder);
}

const endings = (home: string): unknown[] =>
  withArchive(home, (db) => db.prepare(`SELECT reason, sentence FROM endings WHERE reason <> 'interrupted'`).all());

const launch = ({ file, search, workers }: Subject, home: string, resumes: boolean): Program => {
  const what = resumes ? ['--resume', search] : [file, '--name', search];
  return new Program(['launch', ...what, '--workers', String(workers), '--home', home, '--json'], {});
};

/** The search in a home of its own, left alone. */
export async function calmRun(subject: Subject, home: string): Promise<Calm> {
  const begun = performance.now();
  const { code, stderr } = await launch(subject, home, false).ended;
  expect(code, stderr).toBe(0);
  expect(endings(home)).toEqual([]);
  const contents = contentsOf(home, subject.search);
  expect(contents.nodes.length).toBeGreaterThan(3);
  return { contents, durationMs: performance.now() - begun };
}

/**
 * The search in a fresh home, killed at random moments and resumed after each, until it has been killed so often or has
 * ended; then compared with the undisturbed one, node by node.
 *
 * @returns how often it was killed.
 */
export async function killedRun(
  subject: Subject,
  home: string,
  calm: Calm,
  kills: number,
  seed: number,
): Promise<number> {
  const rng = rngFor('kills', subject.search, seed);
  const isRecorded = (): boolean => {
    try {
      return withArchive(home, (db) => db.prepare('SELECT count(*) AS n FROM searches').get() as { n: number }).n > 0;
    } catch {
      return false;
    }
  };
  let killed = 0;
  for (let over = false; !over; ) {
    const program = launch(subject, home, isRecorded());
    if (killed < kills) {
      // A session lasts for up to twice its share; what is not random is that it may also end before anything has begun.
      const sessionMs = rng.float() * ((2 * calm.durationMs) / (kills + 1));
      const timer = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), sessionMs));
      if ((await Promise.race([timer, program.ended])) === 'late' && !program.isOver) {
        program.kill('SIGKILL');
        await program.ended;
        killed += 1;
        continue;
      }
    }
    const { code, stderr } = await program.ended;
    expect(code, stderr).toBe(0);
    over = true;
  }
  const what = `${subject.search}, seed ${seed}, killed ${killed} times`;
  expect(endings(home), what).toEqual([]);
  expect(contentsOf(home, subject.search), what).toEqual(calm.contents);
  await audit(home, subject.search);
  return killed;
}
