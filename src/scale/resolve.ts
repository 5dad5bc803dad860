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
import { columns, duration } from './observations.ts';
import { type PlanData, type ScaleFile, scaleFileSchema } from './plan.ts';

/**
 * A plan with every choice resolved by what trainer, machine and archive say: its runs and price, the text of its forecast, and
 * the search that it is stored as. Likewise the one model of an export.
 */

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

const bytes = (value: number): string =>
  value >= 2 ** 40
    ? `${(value / 2 ** 40).toFixed(2)} TiB`
    : value >= 2 ** 30
      ? `${(value / 2 ** 30).toFixed(1)} GiB`
      : `${Math.ceil(value / 2 ** 20)} MiB`;

/** An H200 at 40 % of its 989 TFLOP/s of dense bfloat16. */
const h200FlopsPerSecond = 0.4 * 989e12;
/** Checkpoints of a run that are on the disk at a time: two of the trunk, one of a branch, one being written. */
const checkpointsAtOnce = 4;

interface PlanTotals {
  /** Training FLOPs of all seeds; budgets of a run share their trunk. */
  readonly flops: number;
  readonly deviceSeconds: number;
  /** Bytes of weights, and of the checkpoints of all runs at once. */
  readonly diskBytes: number;
  readonly trainings: number;
}

function planTotals({ points, runs }: ResolvedPlan): PlanTotals {
  const sum = (figure: (planned: ResolvedPlan['points'][number]) => number) =>
    points.reduce((total, planned) => total + planned.point.seeds * figure(planned), 0);
  const checkpoints = runs.reduce(
    (total, { planned, price }) => total + planned.seeds * checkpointsAtOnce * price.checkpointBytes,
    0,
  );
  return {
    flops: sum(({ addedFlops }) => addedFlops),
    deviceSeconds: sum(({ point }) => point.resources.seconds * point.resources.devices),
    diskBytes: checkpoints + sum(({ point }) => 4 * (point.nonEmbedding + point.embedding)),
    trainings: sum(() => 1),
  };
}

/** What a plan trains and costs, for people. */
export function forecastText(plan: ResolvedPlan): string {
  const { runs, points, machine, file } = plan;
  const models = runs.map(({ planned, price, parallel, recipe, memoryBytes, budgets }) => [
    planned.architecture,
    planned.family,
    planned.size.name,
    String(readArchitecture(planned.model.pattern).length),
    price.nonEmbedding.toLocaleString('en-US'),
    price.embedding.toLocaleString('en-US'),
    bytes(memoryBytes),
    parallel === 'none' ? String(recipe.micro_batch) : `${recipe.micro_batch} ${parallel}`,
    String(price.cacheBytesPerToken),
    recipe.optimiser.lr.toPrecision(2),
    budgets.map(({ steps }) => steps).join(' '),
    String(planned.seeds),
  ]);
  const head = [
    'architecture',
    'family',
    'size',
    '>layers',
    '>non-embedding',
    '>embedding',
    '>memory/device',
    '>micro-batch',
    '>cache B/token',
    '>lr',
    '>steps of the budgets',
    '>seeds',
  ];
  const { flops, deviceSeconds, diskBytes, trainings } = planTotals(plan);
  const kind = machine.deviceClass === 'cpu' ? 'CPU core' : 'GPU';
  const groups = new Map<string, { runs: number; flops: number }>();
  for (const { point, addedFlops } of points) {
    const group = groups.get(point.size) ?? { runs: 0, flops: 0 };
    groups.set(point.size, { runs: group.runs + point.seeds, flops: group.flops + point.seeds * addedFlops });
  }
  const bySize = [...groups].map(([size, group]) => [
    size,
    String(group.runs),
    group.flops.toExponential(2),
    duration(group.flops / h200FlopsPerSecond),
  ]);
  return [
    ...columns([head, ...models]),
    '',
    'A size is named after the non-embedding parameters of its Llama stack; embedding and head share their weights.',
    `One batch is ${file.training.batchTokens} tokens in sequences of ${file.training.sequence}; ${plan.vocabulary} tokens in the vocabulary.`,
    'FLOPs: 6 per weight of layers and head and token, plus attention and recurrence (gpu-workers/aira_scale/counts.py).',
    '',
    ...columns([['size', '>trainings', '>FLOPs', '>on one H200'], ...bySize]),
    '',
    `${trainings} trainings in ${runs.length} runs, ${flops.toExponential(2)} FLOPs with shared trunks`,
    `device time: ${duration(deviceSeconds)} of a ${kind} at ${machine.flopsPerSecond.toExponential(1)} FLOP/s`,
    `on H200s at 40 % of 989 TFLOP/s: ${duration(flops / h200FlopsPerSecond)} of one`,
    `disk: ${bytes(diskBytes)} of weights and checkpoints`,
    '',
  ].join('\n');
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
