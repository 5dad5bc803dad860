// A finished search of a given size in a home of its own: as `bench/filled.mjs` fills it, with the best fifth on the confirm rung,
// and finalists and references trained on the final one.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Archive } from '../../dist/memory/index.js';
import { systemClock } from '../../dist/platform/timers.js';
import { candidate, counted, fill, keyOf, newHome, spec, trainAll } from '../filled.mjs';
import { search } from '../laboratory.mjs';

const references = ['transformer', 'mamba', 'hybrid'].map((name, at) => ({ name, candidate: candidate(3 ** 14 + at) }));

/** Copies the best screenings as trainings on the confirm rung. @param {Database.Database} db @param {number} nodes */
function confirm(db, nodes) {
  const best = db
    .prepare(
      `SELECT w.key FROM evaluation_requests w JOIN evaluations e ON e.key = w.key
       WHERE w.rung = 'screen' ORDER BY e.validation DESC LIMIT ?`,
    )
    .pluck()
    .all(nodes);
  const copies = ['jobs', 'evaluation_requests', 'evaluations'].map((table) => {
    const names = db.prepare(`SELECT name FROM pragma_table_info('${table}') WHERE name <> 'seq'`).pluck().all();
    const changed = { key: '@copy', rung: `'confirm'`, seed: '1001' };
    const values = names.map((name) => changed[name] ?? name);
    return db.prepare(`INSERT INTO ${table} (${names}) SELECT ${values} FROM ${table} WHERE key = @key`);
  });
  db.transaction(() => {
    for (const key of best) for (const insert of copies) insert.run({ key, copy: keyOf(`confirmed ${key}`) });
  })();
}

/** @param {string} home @param {number} nodes */
export function finishedHome(home, nodes) {
  newHome(home, { ...spec, references });
  fill(home, 0, nodes);
  const db = new Database(join(home, 'archive.db'));
  db.pragma('synchronous = OFF');
  counted(db, () => confirm(db, Math.ceil(nodes / 5)));
  db.close();
  const archive = Archive.open(home, systemClock);
  const ask = archive.handlers;
  const names = references.map(({ name }) => `reference-${name}-1`);
  for (const [at, node] of names.entries()) {
    const rationale = { choice: 'to compare with', change: node, expected: null, retrieved: [], evidence: [] };
    ask['node-add']({ search, node, origin: 'reference', candidate: references[at]?.candidate, rationale });
  }
  const { nodes: best } = ask['search-ranking']({ search, rung: 'confirm' });
  const finalists = best.slice(0, 2).map(({ node }) => node);
  ask['node-evaluate']({ search, nodes: [...finalists, ...names], rung: 'final', seeds: 3 });
  ask['node-evaluate']({ search, nodes: names, rung: 'screen', seeds: 1 });
  trainAll(archive);
  for (const phase of ['confirming', 'aggregating', 'finalising', 'finished']) ask['search-phase']({ search, phase });
  archive.close();
}
