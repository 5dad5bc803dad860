import { createHash } from 'node:crypto';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { agentNameSchema, type SearchId } from '../../src/domain/ids.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { Archive } from '../../src/memory/archive.ts';
import type { Clock } from '../../src/platform/timers.ts';
import { agentSpec, measurement, searchSpec } from './specs.ts';

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * An archive with a search of many nodes, as the archivist would have written them: rows, announcements and parents. The rows
 * are inserted at once, because the ledger's own way waits for the disk at each node. Scores repeat, so that pages have ties.
 */
export function manyNodes(home: string, count: number, clock: Clock): SearchId {
  const agents = ['walker', 'climber', 'reader', 'rival'];
  const spec = searchSpec({
    space: { kind: 'stack', layers: 16, primitives: ['M', 'mA', 'Mb'] },
    budget: { evaluations: count },
    agents: agents.map((name) => agentSpec({ name, evaluations: Math.ceil(count / agents.length) })),
  });
  const archive = Archive.open(home, clock);
  archive.handlers['search-open']({ spec, source: 'task: toy\n' });
  archive.close();
  const db = new Database(join(home, 'archive.db'));
  db.pragma('synchronous = OFF');
  const rng = rngFor('many nodes', count);
  const insert = {
    node: db.prepare(
      `INSERT INTO nodes (search, id, agent, ordinal, origin, candidate, verdict, message, rationale, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    parent: db.prepare('INSERT INTO parents VALUES (?, ?, 0, ?)'),
    job: db.prepare('INSERT INTO jobs (key, body, created_at) VALUES (?, ?, ?)'),
    request: db.prepare(`INSERT INTO evaluation_requests VALUES (?, ?, ?, 'screen', 1, 0, ?)`),
    evaluation: db.prepare(
      `INSERT INTO evaluations (key, status, validation, reason, message, evaluator, worker, device, attempt, seconds,
         measurement, finished_at) VALUES (?, ?, ?, ?, ?, 'torch-000000000000', 'worker-1', 'cpu', 1, 1.5, ?, ?)`,
    ),
    event: db.prepare(`INSERT INTO outbox (kind, message_id, body, created_at, sent_at) VALUES ('event', ?, ?, ?, 1)`),
  };
  const rationale = JSON.stringify({ choice: 'the best', change: 'layer 3: M -> mA', expected: null });
  const names = ['M', 'mA', 'Mb'];
  let events = 0;
  const announce = (event: object, at: number) => insert.event.run(`many:${++events}`, JSON.stringify(event), at);
  db.transaction(() => {
    for (let n = 0; n < count; n++) {
      const agent = agents[n % agents.length] as string;
      const ordinal = Math.floor(n / agents.length) + 1;
      const node = `${agent}-${ordinal}`;
      const at = clock.now() + 10 * n;
      const candidate = Array.from({ length: 16 }, () => rng.pick(names)).join(' ');
      const verdict = n % 50 === 49 ? 'rejected' : 'accepted';
      const operator = ordinal > 1 ? 'improve' : 'draft';
      const message = verdict === 'rejected' ? 'not of the space' : null;
      insert.node.run(spec.id, node, agent, ordinal, operator, candidate, verdict, message, rationale, at);
      if (ordinal > 1) insert.parent.run(spec.id, node, `${agent}-${1 + rng.below(ordinal - 1)}`);
      if (verdict === 'rejected') continue;
      announce({ kind: 'node-submitted', search: spec.id, node, agent, operator, parents: [], short: '' }, at);
      const key = digest(node);
      insert.job.run(key, '{}', at);
      insert.request.run(spec.id, node, key, at);
      // The last ones are still to be trained.
      if (n >= count - 5) continue;
      const failed = n % 40 === 39;
      const score = rng.below(200) / 200;
      const {
        status: _,
        test: __,
        validation: ___,
        ...figures
      } = measurement(score, { params: 1000 + (n % 97), flops: 1e9 + n });
      const curve = Array.from({ length: 30 }, (_, step) => [step, score * (step / 30)]);
      const body = failed ? '{}' : JSON.stringify({ ...figures, curve });
      insert.evaluation.run(
        key,
        failed ? 'failed' : 'ok',
        failed ? null : score,
        failed ? 'nan' : null,
        failed ? 'the loss is not finite' : null,
        body,
        at + 5000,
      );
    }
  })();
  db.close();
  return agentNameSchema.parse(spec.id) as unknown as SearchId;
}
