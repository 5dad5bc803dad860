import { type Rung, rungs } from '../domain/task.ts';
import { counted, type Inquiry } from './finding.ts';
import type { Subject } from './subject.ts';
import { wishOf } from './told.ts';

/** Sums of many floats may differ in their last digits. */
const rounding = 1e-6;

interface Step {
  kind: 'asked' | 'ended';
  node: string;
  rung: Rung;
  seed: number;
  status: 'ok' | 'failed' | null;
  seconds: number | null;
}

/**
 * What the search's paid trainings did to its account, in the order of the decisions: each was asked for when its job
 * entered the outbox, and ended when the outcome of its payer did.
 */
const account = `
  SELECT o.seq, 'asked' AS kind, w.node, w.rung, w.seed, NULL AS status, NULL AS seconds
  FROM wants w JOIN outbox o ON o.kind = 'job' AND o.message_id = w.key || ':1' WHERE w.search = @search AND w.saved = 0
  UNION ALL
  SELECT o.seq, 'ended', w.node, w.rung, w.seed, e.status, e.seconds
  FROM outbox o JOIN wants w ON w.search = @search AND w.saved = 0
    AND w.node = json_extract(o.body, '$.node') AND w.rung = json_extract(o.body, '$.rung')
    AND w.seed = json_extract(o.body, '$.seed')
  JOIN evaluations e ON e.key = w.key
  WHERE o.kind = 'event' AND json_extract(o.body, '$.search') = @search
    AND json_extract(o.body, '$.kind') IN ('node-evaluated', 'node-failed')
  ORDER BY 1`;

/**
 * Goes through the account as the ledger did: before a training is asked for, what is spent, what is asked for and not
 * ended yet (at the mean of its rung, or the profile's estimate) and the training itself must lie within the limit.
 */
export function checkDeviceSeconds(subject: Subject, inquiry: Inquiry): void {
  const { reader, search, spec } = subject;
  const limit = spec.budget.deviceSeconds;
  const steps = reader.db.prepare<{ search: string }, Step>(account).all({ search });
  const open: Record<Rung, number> = { screen: 0, confirm: 0, final: 0 };
  const done: Record<Rung, { n: number; seconds: number }> = {
    screen: { n: 0, seconds: 0 },
    confirm: { n: 0, seconds: 0 },
    final: { n: 0, seconds: 0 },
  };
  let spent = 0;
  for (const step of steps) {
    const { rung } = step;
    if (step.kind === 'ended') {
      const seconds = step.seconds ?? 0;
      spent += seconds;
      open[rung]--;
      if (step.status === 'ok') {
        done[rung].n++;
        done[rung].seconds += seconds;
      }
      continue;
    }
    const price = (each: Rung) => (done[each].n > 0 ? done[each].seconds / done[each].n : spec.rungs[each].seconds);
    const reserved = rungs.reduce((sum, each) => sum + open[each] * price(each), 0);
    const after = spent + reserved + price(rung);
    if (limit !== undefined && after > limit * (1 + rounding)) {
      inquiry.broken(
        `${wishOf(step)} was asked for when ${after.toFixed(1)} of ${limit} device seconds were spent or reserved`,
      );
    }
    open[rung]++;
  }
  const asked = steps.filter(({ kind }) => kind === 'asked').length;
  const sum = `${spent.toFixed(1)} device seconds for ${counted(asked, 'training')}`;
  inquiry.saw(
    limit === undefined
      ? `${sum}; no limit was set`
      : `${sum}, of ${limit}: at each the sum of spent and reserved was within the limit` +
          (spent > limit ? `; trainings under way then took ${(spent - limit).toFixed(1)} s longer than foreseen` : ''),
  );
}
