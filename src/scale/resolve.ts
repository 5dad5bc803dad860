import type { CarryRule } from '../aggregation/index.ts';
import { ownAmong, parseArchitecture, readArchitecture, runLengthText } from '../domain/architecture.ts';
import { CandidateError, PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import type { Family } from '../domain/scale.ts';
import { type SearchSpec, searchSpecSchema } from '../domain/search.ts';
import { describeScale, manifestWith, priceScale, tokenData, versionFor } from '../evaluators/index.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { digestOfData } from '../tasks/index.ts';
import {
  baseRecipe,
  modelsOf,
  type PlanMachine,
  type PlannedModel,
  type PlannedPoint,
  type PlannedRun,
  patternsOf,
  pointsOf,
  priceJob,
  runOf,
  tagOf,
} from './expand.ts';
import { type PlanData, type ScaleFile, scaleFileSchema } from './plan.ts';

/** A plan with every choice resolved and priced; nothing is trained. */
export interface ResolvedPlan {
  readonly file: ScaleFile;
  readonly machine: PlanMachine;
  readonly runs: readonly PlannedRun[];
  readonly points: readonly PlannedPoint[];
  readonly vocabulary: number;
  /** Version of the trainer, with the plan's own primitives. */
  readonly evaluator: string;
  /** Folders of own primitives that its workers need; none for a plan of built-in ones. */
  readonly primitives: readonly string[];
}

export interface ResolveDeps {
  readonly python: string;
  /** Folders of own primitives. */
  readonly primitives: readonly string[];
  readonly machine: PlanMachine;
  /** Tokens of the plan's tokenizer. */
  readonly vocabulary: number;
  /** The home's archive, for plans that name a search. */
  readonly open: () => ArchiveReader;
}

const bytesVocabulary = 257;

/** The name below which generated text is stored: its parameters, so that equal plans share it. */
export const generatedName = (data: { generated: number; seed: number }): string =>
  `generated-${data.generated}-${data.seed}`;

/** Name of a plan's data below the data folder. */
export const dataNameOf = (data: PlanData): string => ('name' in data ? data.name : generatedName(data));

/** Tokens of a plan's tokenizer, before its data exist. @throws PrerequisiteError for an import that the plan says too little about. */
export function vocabularyOf(data: PlanData, imported: () => number | null): number {
  if ('generated' in data) return bytesVocabulary;
  const found = imported() ?? data.vocabulary;
  if (found !== undefined) return found;
  throw new PrerequisiteError(
    'data-missing',
    `the data set ${data.name} has not been imported`,
    `run: aira data import ${data.name} <folder> --tokenizer bytes; to price the plan before, give data.vocabulary`,
  );
}

/** A refusal of the trainer is a mistake in the plan. */
async function asPlanMistake<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    if (!(thrown instanceof TerminalError) || thrown.code !== 'scale-request') throw thrown;
    throw new PrerequisiteError('scale-file', `the trainer refuses the plan: ${thrown.message}`, 'correct the plan', {
      cause: thrown,
    });
  }
}

/**
 * Resolves and prices a plan: patterns at each size, steps of each budget, memory, seconds. Equal plans on equal machines give
 * equal points.
 *
 * @throws PrerequisiteError with the mistake in the plan; `scale-trainer`.
 */
export async function resolvePlan(file: ScaleFile, deps: ResolveDeps): Promise<ResolvedPlan> {
  const { python, primitives, machine, vocabulary, open } = deps;
  const patterns = patternsOf(file, open);
  const tokens = ownAmong(patterns.flatMap(({ layers }) => layers));
  // A plan of built-in primitives alone does not look at folders of others.
  const folders = tokens.length > 0 ? primitives : [];
  const own = await manifestWith(tokens, python, folders);
  const models = modelsOf(file, patterns, await describeScale(python, { tokens, folders }), vocabulary);
  const first = models.map((model) => priceJob(model, baseRecipe(file, model, machine.deviceClass), [10]));
  const prices = await asPlanMistake(priceScale(python, first, folders));
  const runs = models.map((model, index) => {
    const price = prices[index];
    if (!price) throw new TerminalError('scale-plan', `no price of ${model.run}`);
    return runOf(file, model, price, machine);
  });
  // The steps of a run with its first 1, 2, ... budgets: what each one adds is its part of the trunk and its branch.
  const prefixes = runs.flatMap(({ planned, recipe, budgets }) =>
    budgets.map((_, place) =>
      priceJob(
        planned,
        recipe,
        budgets.slice(0, place + 1).map(({ steps }) => steps),
      ),
    ),
  );
  const priced = await asPlanMistake(priceScale(python, prefixes, folders));
  let at = 0;
  const totals = runs.map(({ budgets }) => budgets.map(() => priced[at++]?.steps ?? 0));
  const evaluator = versionFor('scale', machine.deviceClass, own);
  const points = pointsOf(file, runs, totals, machine);
  return { file, machine, runs, points, vocabulary, evaluator, primitives: folders };
}

/** A scale run has no task directory: the digest of no files. */
const noDirectory = contentHash('');

export interface SpecDeps {
  /** The plan's name. */
  readonly family: string;
  /** The data folder of the home, with the plan's data in it. */
  readonly data: string;
}

/**
 * The search without agents that trains a plan: its references are the points. Equal plans give equal specifications and names, so
 * a repeated command finds its runs, and an edited plan shares those that it still has (I2, I5).
 *
 * @throws PrerequisiteError for missing data, or data that the plan was not priced for.
 */
export async function planSpec(plan: ResolvedPlan, { family, data }: SpecDeps): Promise<SearchSpec> {
  const name = dataNameOf(plan.file.data);
  const digest = await digestOfData(data, name);
  if (digest === null) {
    throw new PrerequisiteError(
      'data-missing',
      `the data set ${name} has not been imported into ${data}`,
      `run: aira data import ${name} <folder> --tokenizer bytes`,
    );
  }
  const tokens = tokenData(`${data}/${name}`);
  if (tokens.vocabulary !== plan.vocabulary) {
    const message = `the data set ${name} has ${tokens.vocabulary} tokens, the plan counts ${plan.vocabulary}`;
    throw new PrerequisiteError('scale-file', message, 'correct data.vocabulary in the plan');
  }
  const space = { kind: 'scale' as const };
  const settings = { data: { corpus: name, digest: tokens.digest } };
  const seconds = plan.points.reduce((sum, { point }) => sum + point.resources.seconds, 0) / plan.points.length;
  const rung = { seconds, settings };
  const draft = {
    task: 'scale',
    taskVersion: contentHash({ space, settings }).slice(0, 16),
    metric: 'validation loss in nats per token',
    lowerIsBetter: true,
    space,
    profile: 'scale',
    rungs: { screen: rung, confirm: rung, final: rung },
    evaluator: plan.evaluator,
    deviceClass: plan.machine.deviceClass,
    content: { directory: noDirectory, data: { [name]: digest } },
    seed: 1,
    budget: { evaluations: plan.points.reduce((sum, { point }) => sum + point.seeds, 0) },
    ladder: { promote: 0, confirmSeeds: 1, finalists: 1, finalSeeds: 2 },
    agents: [],
    references: plan.points.map(({ point, candidate }) => ({ name: point.reference, candidate })),
    scale: { points: plan.points.map(({ point }) => point) },
  };
  return searchSpecSchema.parse({ id: nameOf(family, draft as unknown as Json), ...draft });
}

function nameOf(family: string, draft: Json): SearchId {
  const tag = `-${tagOf(draft)}`;
  return searchIdSchema.parse(`scale-${family}`.slice(0, 64 - tag.length).replace(/-+$/, '') + tag);
}

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
