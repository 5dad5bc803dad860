import type { Database } from 'better-sqlite3';
import { budget, calls, rehearsalLedger } from './budget.ts';
import { earlyEnds, endings } from './endings.ts';
import { ensemble } from './ensemble.ts';
import { evaluations } from './evaluations.ts';
import { holdings } from './holdings.ts';
import { ideas, plateaus } from './ideas.ts';
import { nodes } from './nodes.ts';
import { outbox } from './outbox.ts';
import { records, searchStatus, testScores } from './records.ts';
import { rulings } from './rulings.ts';
import { searches } from './searches.ts';
import { searchStats } from './searchStats.ts';
import { views } from './views.ts';

/** All parts of the ledger on one connection. `live`: this process alone writes, so sums may be read once. */
export function repositories(db: Database, live: boolean) {
  const sums = searchStats(db, live);
  const out = outbox(db);
  const endingLedger = endings(db, out);
  const searchLedger = searches(db, out);
  const rulingLedger = rulings(db, out);
  const budgetLedger = budget(db, sums, rulingLedger);
  const evaluationLedger = evaluations(db, out, endingLedger, sums, rulingLedger);
  const callLedger = calls(db);
  const horizons = ensemble(db, budgetLedger);
  const ideaLedger = ideas(db, { searches: searchLedger });
  const nodeLedger = nodes(db, {
    out,
    searches: searchLedger,
    evaluations: evaluationLedger,
    budget: budgetLedger,
    endings: endingLedger,
    ensemble: horizons,
    ideas: ideaLedger,
    tallies: sums,
    rulings: rulingLedger,
  });
  return {
    out,
    endings: endingLedger,
    searches: searchLedger,
    rulings: rulingLedger,
    budget: budgetLedger,
    calls: callLedger,
    rehearsals: rehearsalLedger(db, budgetLedger.rehearsalObjection),
    evaluations: evaluationLedger,
    ensemble: horizons,
    nodes: nodeLedger,
    ideas: ideaLedger,
    plateaus: plateaus(db, out),
    earlyEnds: earlyEnds(db, { searches: searchLedger, budget: budgetLedger, endings: endingLedger, tallies: sums }),
    views: views(db, {
      searches: searchLedger,
      budget: budgetLedger,
      calls: callLedger,
      ensemble: horizons,
      ideas: ideaLedger,
      nodes: nodeLedger,
      rulings: rulingLedger,
    }),
    searchStatus: searchStatus(db, {
      searches: searchLedger,
      budget: budgetLedger,
      calls: callLedger,
      ensemble: horizons,
      endings: endingLedger,
      tallies: sums,
      rulings: rulingLedger,
    }),
    tallies: sums,
    records: records(db),
    testScores: testScores(db),
    holdings: holdings(db),
  };
}

export type Repositories = ReturnType<typeof repositories>;
