import { type EvidenceId, type LiteratureSource, literatureSources, sourceOf } from '../domain/literature.ts';
import { loadCorpus } from '../literature/index.ts';
import type { NodeRecord } from '../memory/records.ts';
import type { ReportFunnel } from './data.ts';

/** What became of an attempt. */
interface Attempt {
  readonly record: NodeRecord;
  /** Accepted as a candidate that the agent had not tried. */
  readonly changed: boolean;
  /** Better than its first parent, or, for a draft, than all that the agent had before; null where there is nothing to compare. */
  readonly improved: boolean | null;
}

const screenOf = (record: NodeRecord | undefined): number | null =>
  record?.evaluations.find(({ rung }) => rung === 'screen')?.validation ?? null;

function attemptsOf(records: readonly NodeRecord[]): Attempt[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  const best = new Map<string, number>();
  return [...records]
    .sort((a, b) => a.ordinal - b.ordinal)
    .map((record) => {
      const own = screenOf(record);
      const before = best.get(record.agent) ?? null;
      const [parent] = record.parents;
      const base = parent === undefined ? before : screenOf(byId.get(parent));
      if (own !== null) best.set(record.agent, Math.max(own, before ?? own));
      return {
        record,
        changed: record.verdict === 'accepted',
        improved: own === null || base === null ? null : own > base,
      };
    });
}

/** Cited ids that name a work or a lesson; others name attempts of the view. */
const cites = ({ rationale }: NodeRecord): EvidenceId[] =>
  rationale.evidence.filter((id): id is EvidenceId => id.includes(':'));

const count = <T>(items: readonly T[], holds: (item: T) => boolean): number => items.filter(holds).length;

/** The works that were cited most, with their titles as far as they are known here. */
function worksOf(attempts: readonly Attempt[]): ReportFunnel['works'] {
  const found = new Map<EvidenceId, { shown: number; cited: number; improved: number; title: string | null }>();
  const entry = (id: EvidenceId) => {
    const known = found.get(id) ?? { shown: 0, cited: 0, improved: 0, title: null };
    found.set(id, known);
    return known;
  };
  for (const { record, improved } of attempts) {
    for (const id of record.rationale.retrieved) entry(id).shown++;
    for (const { id, title } of record.rationale.works ?? []) entry(id).title = title;
    for (const id of cites(record)) {
      entry(id).cited++;
      if (improved) entry(id).improved++;
    }
  }
  const titles = new Map<string, string>();
  if ([...found.keys()].some((id) => sourceOf(id) === 'corpus')) {
    for (const { id, title } of loadCorpus().notes) titles.set(`corpus:${id}`, title);
  }
  return [...found]
    .filter(([, { cited }]) => cited > 0)
    .sort(([a, one], [b, two]) => two.cited - one.cited || two.improved - one.improved || (a < b ? -1 : 1))
    .slice(0, 12)
    .map(([id, work]) => ({ ...work, id, title: work.title ?? titles.get(id) ?? null }));
}

/**
 * What became of what was read: shown, cited, turned into a new candidate, turned into a better one; by agent and source.
 * Null where nobody read.
 */
export function funnelOf(records: readonly NodeRecord[]): ReportFunnel | null {
  const all = attemptsOf(records.filter(({ origin }) => origin !== 'reference' && origin !== 'aggregate'));
  const readers = [
    ...new Set(
      all.flatMap(({ record: { agent, rationale } }) =>
        rationale.readings?.length || rationale.retrieved.length > 0 ? [agent] : [],
      ),
    ),
  ];
  if (readers.length === 0) return null;
  const agents = readers.map((agent) => {
    const own = all.filter(({ record }) => record.agent === agent);
    const row = (source: LiteratureSource) => {
      const of = (ids: readonly EvidenceId[]) => ids.filter((id) => sourceOf(id) === source);
      const shown = own.filter(({ record }) => of(record.rationale.retrieved).length > 0);
      const cited = shown.filter(({ record }) => of(cites(record)).length > 0);
      return {
        source,
        works: new Set(shown.flatMap(({ record }) => of(record.rationale.retrieved))).size,
        retrieved: shown.length,
        cited: cited.length,
        changed: count(cited, ({ changed }) => changed),
        compared: count(cited, ({ improved }) => improved !== null),
        improved: count(cited, ({ improved }) => improved === true),
      };
    };
    const failures = own.flatMap(
      ({ record }) => record.rationale.readings?.flatMap(({ failed }) => failed ?? []) ?? [],
    );
    const silent = own.filter(({ record }) => cites(record).length === 0);
    return {
      agent,
      attempts: own.length,
      failed: failures.length,
      failure: failures[0] ?? null,
      sources: literatureSources.map(row).filter(({ retrieved }) => retrieved > 0),
      withoutCitation: {
        compared: count(silent, ({ improved }) => improved !== null),
        improved: count(silent, ({ improved }) => improved === true),
      },
    };
  });
  return { agents, works: worksOf(all) };
}
