import type Database from 'better-sqlite3';
import { canonicalText, parseArchitecture } from '../../src/domain/architecture.ts';
import { type Contents, contentsOf, trainingCounts, withArchive } from '../support/ledger.ts';
import type { EventLine } from '../support/program.ts';

export interface Expectation {
  /** The same search, undisturbed. */
  readonly undisturbed: Contents;
  /** Trainings that may have been begun in vain: those that the kills have cut off. */
  readonly cutOff: number;
  /** Trainings of which nothing may ever have been heard; as many as were cut off, unless it says otherwise. */
  readonly unheard?: number;
  /** Everything that the program told its user before, between and after the kills. */
  readonly told: readonly EventLine[];
}

interface Counted {
  readonly name: string;
  readonly n: number;
}

/** Each of these finds rows that must not exist. `?` is the search where it occurs. */
const forbidden: readonly { readonly what: string; readonly sql: string; readonly ofSearch: boolean }[] = [
  {
    what: 'a key was counted twice',
    sql: 'SELECT key AS name, count(*) AS n FROM evaluations GROUP BY key HAVING n > 1',
    ofSearch: false,
  },
  {
    what: 'a key was paid for twice',
    sql: 'SELECT key AS name, count(*) AS n FROM evaluation_requests WHERE saved = 0 GROUP BY key HAVING n > 1',
    ofSearch: false,
  },
  {
    what: 'nobody paid for a key',
    sql: `SELECT j.key AS name, 0 AS n FROM jobs j
      WHERE NOT EXISTS (SELECT 1 FROM evaluation_requests w WHERE w.key = j.key AND w.saved = 0)`,
    ofSearch: false,
  },
  {
    what: 'a job has not exactly one result',
    sql: `SELECT j.key AS name, (SELECT count(*) FROM evaluations e WHERE e.key = j.key) AS n FROM jobs j WHERE n <> 1`,
    ofSearch: false,
  },
  {
    what: 'a wanted evaluation has not exactly one result',
    sql: `SELECT w.node || ' ' || w.rung || ' ' || w.seed AS name,
        (SELECT count(*) FROM evaluations e WHERE e.key = w.key) AS n FROM evaluation_requests w WHERE w.search = ? AND n <> 1`,
    ofSearch: true,
  },
  {
    what: 'an evaluation was counted from other than one delivery',
    sql: `SELECT e.key AS name, (SELECT count(*) FROM deliveries d WHERE d.key = e.key AND d.verdict = 'counted') AS n
      FROM evaluations e WHERE n <> 1 AND e.reason IS NOT 'poison'`,
    ofSearch: false,
  },
  {
    what: 'an accepted node was never judged',
    sql: `SELECT n.id AS name, 0 AS n FROM nodes n WHERE n.search = ? AND n.verdict = 'accepted'
      AND NOT EXISTS (SELECT 1 FROM evaluation_requests w WHERE w.search = n.search AND w.node = n.id)`,
    ofSearch: true,
  },
  {
    what: 'a decision was never published',
    sql: `SELECT message_id AS name, 1 AS n FROM outbox WHERE sent_at IS NULL`,
    ofSearch: false,
  },
  {
    what: 'a test figure of a lower rung was kept',
    sql: `SELECT w.node || ' ' || w.rung AS name, 1 AS n FROM evaluation_requests w JOIN test_scores t ON t.key = w.key
      WHERE w.rung <> 'final' AND w.search = ?`,
    ofSearch: true,
  },
];

function budgets(db: Database.Database, search: string): string[] {
  const { spec } = db.prepare('SELECT spec FROM searches WHERE id = ?').get(search) as { spec: string };
  const { agents } = JSON.parse(spec) as { agents: { name: string; evaluations: number }[] };
  const accepted = db.prepare(
    `SELECT count(*) AS n FROM nodes WHERE search = ? AND agent = ? AND verdict = 'accepted'`,
  );
  return agents.flatMap(({ name, evaluations }) => {
    const { n } = accepted.get(search, name) as { n: number };
    return n === evaluations ? [] : [`${name} used ${n} of its ${evaluations} evaluations`];
  });
}

/** What users were told must be what the ledger says, however often the program died in between (I1). */
function broken(db: Database.Database, search: string, told: readonly EventLine[]): string[] {
  const outcome = db.prepare(
    `SELECT e.validation, e.status FROM evaluation_requests w JOIN evaluations e ON e.key = w.key
     WHERE w.search = ? AND w.node = ? AND w.rung = ? AND w.seed = ?`,
  );
  const node = db.prepare('SELECT candidate FROM nodes WHERE search = ? AND id = ?');
  return told.flatMap((line) => {
    if (line.search !== search) return [];
    if (line.event === 'node-submitted') {
      const row = node.get(search, line.node) as { candidate: string } | undefined;
      const announced = canonicalText(parseArchitecture(line.short as string));
      return row?.candidate === announced
        ? []
        : [`${line.node} was announced as ${announced}, and is ${row?.candidate}`];
    }
    if (line.event !== 'node-evaluated') return [];
    const row = outcome.get(search, line.node, line.rung, line.seed) as { validation: number | null } | undefined;
    if (row && row.validation === line.validation) return [];
    return [`${line.node} ${line.rung} was announced with ${line.validation}, and has ${row?.validation}`];
  });
}

function differences(what: string, wanted: readonly string[], found: readonly string[]): string[] {
  const missing = wanted.filter((each) => !found.includes(each)).map((each) => `${what} is missing: ${each}`);
  const strange = found.filter((each) => !wanted.includes(each)).map((each) => `${what} should not be: ${each}`);
  return [...missing, ...strange];
}

/**
 * Everything that is wrong with a finished search that was disturbed on its way, one sentence each; empty where nothing
 * is. Reads the archive with SQL of its own and shares no code with the program.
 */
export function violations(home: string, search: string, expectation: Expectation): string[] {
  const { undisturbed, cutOff, unheard: silent = cutOff, told } = expectation;
  const found = withArchive(home, (db) => {
    const phase = db.prepare('SELECT phase FROM phases WHERE search = ? ORDER BY seq DESC LIMIT 1').get(search);
    const { phase: last } = (phase ?? { phase: 'none' }) as { phase: string };
    const integrity = db.pragma('integrity_check', { simple: true });
    return [
      ...(last === 'finished' ? [] : [`the search stands at ${last}`]),
      ...(integrity === 'ok' ? [] : [`the archive is damaged: ${integrity}`]),
      ...(db.pragma('foreign_key_check') as unknown[]).map((row) => `a row leads nowhere: ${JSON.stringify(row)}`),
      ...forbidden.flatMap(({ what, sql, ofSearch }) => {
        const rows = db.prepare(sql).all(...(ofSearch ? [search] : [])) as Counted[];
        return rows.map(({ name, n }) => `${what}: ${name} (${n})`);
      }),
      ...budgets(db, search),
      ...broken(db, search, told),
    ];
  });
  const contents = contentsOf(home, search);
  found.push(...differences('a node', undisturbed.nodes, contents.nodes));
  found.push(...differences('an evaluation', undisturbed.evaluations, contents.evaluations));
  const { begun, known, unheard } = trainingCounts(home);
  if (begun - known > cutOff) found.push(`${begun} trainings for ${known} evaluations, with ${cutOff} cut off`);
  if (unheard > silent) found.push(`${unheard} trainings were never heard of again, with ${silent} cut off`);
  return found;
}
