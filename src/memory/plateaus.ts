import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import type { AgentSpec } from '../domain/agent.ts';
import { agentNameSchema, nodeIdSchema, type SearchId } from '../domain/ids.ts';
import type { Outbox } from './outbox.ts';

/** Scored results in a row without a new best, after which an agent is on a plateau: a quarter of its budget, at least 10. */
export const plateauAfter = ({ evaluations }: Pick<AgentSpec, 'evaluations'>): number =>
  Math.max(10, Math.ceil(evaluations / 4));

const plateauRecordSchema = z.object({
  agent: agentNameSchema,
  best: nodeIdSchema,
  ordinal: z.int(),
  results: z.int(),
  at: z.number(),
});
/** Noticed before attempt `ordinal`: `results` scored results since `best` were not better. */
export type Plateau = z.infer<typeof plateauRecordSchema>;

/** How far an agent's results were read. */
interface Course {
  through: number;
  best: { readonly id: string; readonly fitness: number } | null;
  since: number;
}

/**
 * Agents that have stopped to improve.
 *
 * Role: notices it from an agent's own results on the screening rung, in the order of its attempts, records and announces it
 * once per best node. Non-role: changing what the agent does.
 *
 * PLA-1. It is a function of the results that the attempt may know, so a resumed search notices the same (I5).
 * PLA-2. What was read is stored in memory only: a new process reads the results of an agent once more.
 */
export function plateaus(db: Database, out: Outbox) {
  const results = db.prepare<
    { search: string; agent: string; after: number; to: number },
    { id: string; ordinal: number; fitness: number }
  >(
    `SELECT n.id, n.ordinal, e.validation AS fitness FROM nodes n
     JOIN evaluation_requests w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
     JOIN evaluations e ON e.key = w.key
     WHERE n.search = @search AND n.agent = @agent AND n.ordinal > @after AND n.ordinal <= @to AND n.verdict = 'accepted'
       AND e.status = 'ok' ORDER BY n.ordinal`,
  );
  const insert = db.prepare(
    `INSERT INTO plateaus (search, agent, best, ordinal, results, at)
     VALUES (@search, @agent, @best, @ordinal, @results, @now) ON CONFLICT DO NOTHING`,
  );
  const all = db.prepare<[string], unknown>(
    'SELECT agent, best, ordinal, results, at FROM plateaus WHERE search = ? ORDER BY at, agent, ordinal',
  );
  const courses = new Map<string, Course>();

  return {
    /** Reads what attempt `ordinal` knows of its own results. Call inside a transaction, when all of them have outcomes. */
    notice(search: SearchId, self: AgentSpec, ordinal: number, now: number): void {
      const { name: agent, pending } = self;
      const to = ordinal - pending;
      const key = `${search} ${agent}`;
      const known = courses.get(key);
      const course: Course = known && known.through <= to ? { ...known } : { through: 0, best: null, since: 0 };
      for (const { id, fitness } of results.all({ search, agent, after: course.through, to: Math.max(0, to) })) {
        if (course.best === null || fitness > course.best.fitness) {
          course.best = { id, fitness };
          course.since = 0;
        } else course.since += 1;
      }
      course.through = Math.max(course.through, to);
      courses.set(key, course);
      const { best, since } = course;
      if (best === null || since < plateauAfter(self)) return;
      const row = { search, agent, best: best.id, ordinal, results: since };
      if (insert.run({ ...row, now }).changes === 0) return;
      out.addEvent({ kind: 'agent-plateaued', search, agent, best: nodeIdSchema.parse(best.id), results: since }, now);
    },

    of: (search: SearchId): Plateau[] => all.all(search).map((row) => plateauRecordSchema.parse(row)),
  };
}
