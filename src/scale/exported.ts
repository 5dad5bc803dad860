import type { CarryRule } from '../aggregation/index.ts';
import { ownAmong, parseArchitecture, readArchitecture, runLengthText } from '../domain/architecture.ts';
import { CandidateError, PrerequisiteError } from '../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import type { Family } from '../domain/scale.ts';
import { describeScale } from '../evaluators/index.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { modelsOf, type PlannedModel, patternsOf } from './expand.ts';
import { scaleFileSchema } from './plan.ts';

/** The one model of `aira export`: a pattern, given or found by a search, carried to a size as a plan would carry it. */
interface ModelRequest {
  /** An architecture in text, or the name of a finished search. */
  readonly what: string;
  /** Earlier layers that condition the vote of a search's aggregate. */
  readonly aggregate: 0 | 1 | 2;
  readonly size: string;
  readonly family: Family;
  readonly rule: CarryRule;
  /** Tokens of the tokenizer. */
  readonly vocabulary: number;
}

function sourceOf(what: string): { readonly pattern: string } | { readonly search: SearchId } {
  try {
    // One name alone may be that of a search; own primitives are known by what stands around them.
    const layers = /[+\s]/.test(what) ? readArchitecture(what) : parseArchitecture(what);
    return { pattern: runLengthText(layers) };
  } catch (thrown) {
    if (!(thrown instanceof CandidateError)) throw thrown;
    const search = searchIdSchema.safeParse(what);
    if (search.success) return { search: search.data };
    throw new PrerequisiteError(
      'export-source',
      `"${what.slice(0, 80)}" is neither an architecture nor the name of a search: ${thrown.message}`,
      'give layers such as mA+M+2Mb, or a search from: aira nodes',
      { cause: thrown },
    );
  }
}

/**
 * The model and where its pattern comes from, for a model card.
 *
 * @param primitives folders of own primitives.
 * @param open reads the home's archive; called only for a search.
 * @throws PrerequisiteError for a text that is neither, a search without an aggregate, or a size that the trainer does not have.
 */
export async function modelFor(
  request: ModelRequest,
  {
    python,
    primitives,
    open,
  }: { readonly python: string; readonly primitives: readonly string[]; readonly open: () => ArchiveReader },
): Promise<{ readonly planned: PlannedModel; readonly provenance: Readonly<Record<string, string>> }> {
  const { what, aggregate, size, family, rule, vocabulary } = request;
  const source = sourceOf(what);
  const architecture =
    'pattern' in source
      ? { name: 'given', pattern: source.pattern }
      : { search: source.search, aggregates: [aggregate], finalists: 0, references: false };
  const file = scaleFileSchema.parse({
    architectures: [architecture],
    families: [family],
    rules: [rule],
    sizes: [size],
    budgets: [{ steps: 1 }],
    data: { generated: 10 },
  });
  const patterns = patternsOf(file, open);
  const tokens = ownAmong(patterns.flatMap(({ layers }) => layers));
  const described = await describeScale(python, { tokens, folders: tokens.length > 0 ? primitives : [] });
  const [planned] = modelsOf(file, patterns, described, vocabulary);
  if (!planned) throw new PrerequisiteError('export-source', `"${what}" has no pattern`, 'name another search');
  const found = 'pattern' in source ? {} : searchProvenance(source.search, open());
  return {
    planned,
    provenance: { ...found, 'small pattern': planned.pattern, size: `${size}, by ${rule}`, family },
  };
}

/** Search, task and nodes behind a pattern, for a model card. @throws PrerequisiteError for a search that is not in the archive. */
export function searchProvenance(search: SearchId, reader: ArchiveReader): Record<string, string> {
  const { task, profile } = reader.searches.spec(search);
  const nodes = reader.records
    .nodes(search)
    .filter(({ origin, verdict }) => origin !== 'reference' && origin !== 'aggregate' && verdict === 'accepted');
  return { search, task: `${task}, ${profile}`, nodes: `${nodes.length}, listed by: aira nodes ${search}` };
}
