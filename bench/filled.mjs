// An archive of any size, filled with copies of the rows that one real node makes: what benchmarks of the ledger and of the pages
// read. All else in it is written by the archive's own functions.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Archive } from '../dist/memory/index.js';
import { recount } from '../dist/memory/migrationsFrom007.js';
import { systemClock } from '../dist/platform/timers.js';
import { agent, outcome, primitives, search, searchOf } from './laboratory.mjs';

export const fillers = Array.from({ length: 10 }, (_, index) => `filler-${index + 1}`);
export const spec = searchOf([
  ...fillers.map((name) => agent(name, 1_000_000)),
  agent('alone', 1_000_000),
  agent('probe', 9),
]);

/** The `index`-th architecture of 16 layers, counted in base 3. @param {number} index */
export const candidate = (index) =>
  Array.from({ length: 16 }, (_, layer) => primitives[Math.floor(index / 3 ** layer) % 3]).join(' ');

const measured = { ...outcome, curve: Array.from({ length: 8 }, (_, at) => [at * 30, 0.4 + at / 100]) };
const rationale = {
  ...{ choice: 'improves the best of its nodes so far', change: 'layer 7: M becomes mA', expected: 0.5 },
  ...{ hypothesis: 'attention in the middle recalls what the state has forgotten', retrieved: [], evidence: [] },
};

/** One node by the archive itself: submitted, published, claimed, trained. @param {Archive} archive */
export function oneNode(archive, name, ordinal, text, parents) {
  const ask = archive.handlers;
  const proposal = { operator: parents.length > 0 ? 'improve' : 'draft', parents, candidate: text, rationale };
  ask['agent-submit']({ search, agent: name, ordinal, ...proposal });
  trainAll(archive);
}

/** Publishes what waits and trains every job. @param {Archive} archive */
export function trainAll(archive) {
  for (let entries = archive.unsent(100); entries.length > 0; entries = archive.unsent(100)) {
    archive.markSent(entries.map(({ seq }) => seq));
    for (const { kind, body } of entries) {
      if (kind !== 'job') continue;
      archive.answer('job-claim', { key: body.key, worker: 'worker-1', attempt: 1 }, 'token');
      archive.take({ key: body.key, worker: 'worker-1', evaluator: 'none', attempt: 1, outcome: measured }, 'token');
    }
  }
}

const tablesOfNode = {
  nodes: `search = '${search}' AND id = @node`,
  parents: `search = '${search}' AND node = @node`,
  jobs: 'key = @key',
  evaluation_requests: 'key = @key',
  attempts: 'key = @key',
  deliveries: 'key = @key',
  claims: 'key = @key',
  evaluations: 'key = @key',
  outbox: `message_id LIKE @key || ':%' OR json_extract(body, '$.node') = @node`,
};

/** Keys of evaluations are hashes: neighbours in time are not neighbours in the index. @param {string} of */
export const keyOf = (of) => createHash('sha256').update(of).digest('hex');

/**
 * Changes rows without the triggers that count them one by one: a million are counted at once.
 *
 * @param {Database.Database} db @param {() => void} change
 */
export function counted(db, change) {
  const triggers = db
    .prepare(`SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%AFTER INSERT%'`)
    .all();
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  change();
  db.exec(
    `DELETE FROM rung_totals; DELETE FROM agent_totals; DELETE FROM rung_scores; DELETE FROM open_jobs; ${recount}`,
  );
  for (const { sql } of triggers) db.exec(sql);
}

/**
 * Copies of one real node with ids, keys, candidates, parents and scores of their own, in transactions of ten thousand.
 *
 * @param {string} home @param {number} from @param {number} to
 */
export function fill(home, from, to) {
  const db = new Database(join(home, 'archive.db'));
  db.pragma('synchronous = OFF');
  // Keys come in no order: their pages stay in memory.
  db.pragma('cache_size = -1000000');
  const key = db.prepare(`SELECT key FROM evaluation_requests WHERE node = 'probe-2'`).pluck().get();
  const own = candidate(probeCandidates[1]);
  // Each text of the real node's rows, split at what is different in a copy.
  const places = new RegExp(`(${key}|probe-2|probe-1|${own}|0\\.5123)`);
  const templates = Object.entries(tablesOfNode).flatMap(([table, where]) =>
    db
      .prepare(`SELECT * FROM ${table} WHERE ${where}`)
      .all({ key, node: 'probe-2' })
      .map(({ seq: _, ...row }) => {
        const names = Object.keys(row);
        const values = names.map((name) => (typeof row[name] === 'string' ? row[name].split(places) : row[name]));
        const insert = db.prepare(`INSERT INTO ${table} (${names}) VALUES (${names.map((name) => `@${name}`)})`);
        return { table, names, values, insert };
      }),
  );
  let event = db.prepare('SELECT max(seq) FROM outbox').pluck().get();
  const some = db.transaction((begin, end) => {
    for (let index = begin; index < end; index++) {
      const name = fillers[index % fillers.length];
      const ordinal = Math.floor(index / fillers.length) + 1;
      const id = `${name}-${ordinal}`;
      const parent = `${name}-${Math.max(1, Math.floor(ordinal * 0.7))}`;
      const score = 0.3 + ((index * 7919) % 1_000_003) / 2_000_006;
      const mine = new Map([
        ...[
          [key, keyOf(`filled ${index}`)],
          ['probe-2', id],
          ['probe-1', parent],
        ],
        ...[
          [own, candidate(index)],
          ['0.5123', String(score)],
        ],
      ]);
      for (const { table, names, values, insert } of templates) {
        if (table === 'parents' && ordinal === 1) continue;
        const row = {};
        for (const [at, name] of names.entries()) {
          const value = values[at];
          row[name] = Array.isArray(value) ? value.map((part) => mine.get(part) ?? part).join('') : value;
        }
        if (row.validation !== undefined) row.validation = score;
        if (table === 'nodes') Object.assign(row, { agent: name, ordinal });
        if (table === 'outbox' && row.kind === 'event') {
          event += 1;
          row.message_id = `event:x${event}`;
          row.body = row.body.replace('"agent":"probe"', `"agent":"${name}"`);
        }
        insert.run(row);
      }
    }
  });
  counted(db, () => {
    for (let at = from; at < to; at += 10_000) some(at, Math.min(to, at + 10_000));
  });
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}

const probeCandidates = [3 ** 15 + 5, 3 ** 15 + 7];
measured.validation = 0.5123;

/** A home with the two nodes that `fill` copies. @param {string} home @param {typeof spec} of */
export function newHome(home, of = spec) {
  const archive = Archive.open(home, systemClock);
  archive.handlers['search-open']({ spec: of, source: '' });
  oneNode(archive, 'probe', 1, candidate(probeCandidates[0]), []);
  oneNode(archive, 'probe', 2, candidate(probeCandidates[1]), ['probe-1']);
  archive.close();
}
