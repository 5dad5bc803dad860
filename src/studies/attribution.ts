import { canonicalText, changedLayers, type Primitive, readArchitecture } from '../domain/architecture.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { CandidateError, PrerequisiteError } from '../domain/errors.ts';
import {
  type AgentName,
  agentNameSchema,
  type NodeId,
  referenceNode,
  type SearchId,
  searchIdSchema,
} from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import { type Files, parseProgram, programText } from '../domain/program.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { ArchiveReader, NodeRecord } from '../memory/index.ts';
import { hunksOf } from '../platform/index.ts';
import { type Comparison, comparePaired, pairedNoise, type SeedScore } from '../statistics/index.ts';

/**
 * How two candidates differ, and which of the differences the gain of one over the other is due to.
 *
 * Attribution: each change is undone alone, and all variants are trained on the same fresh seeds, as an ordinary search without
 * agents whose references are the node, the other one, and the variants. So every training is an ordinary job: counted once,
 * budgeted, resumable, audited.
 */

/** Difference of two candidates: layers, or lines of files. */
export type Difference =
  | { readonly kind: 'layers'; readonly layers: readonly LayerChange[] }
  | { readonly kind: 'lines'; readonly files: readonly FileChange[] };

interface LayerChange {
  /** Layer index from 0, input first. */
  readonly layer: number;
  readonly from: Primitive;
  readonly to: Primitive;
}

interface FileChange {
  readonly name: string;
  readonly added: number;
  readonly removed: number;
  /** Unified diff with three lines of context. */
  readonly patch: string;
}

/** A change that can be undone alone. */
interface ElementaryChange {
  /** For people: `layer 3: M -> mA`, `model.py lines 10-14`. */
  readonly label: string;
  /** Canonical text of the candidate without it. */
  readonly without: string;
}

const programs = (from: string, to: string): [Files, Files] => [parseProgram(from), parseProgram(to)];
const namesOf = (...files: Files[]): string[] => [...new Set(files.flatMap((each) => Object.keys(each)))].sort();

/** Null if one of the texts is not a candidate of its kind, such as a rejected reply. */
export function differenceOf(kind: SpaceKind, from: string, to: string): Difference | null {
  try {
    if (kind === 'stack') {
      const [before, after] = [readArchitecture(from), readArchitecture(to)];
      if (before.length !== after.length) return null;
      const layers = changedLayers(before, after).map((layer) => ({
        layer,
        from: before[layer] as Primitive,
        to: after[layer] as Primitive,
      }));
      return { kind: 'layers', layers };
    }
    const [before, after] = programs(from, to);
    const files = namesOf(before, after).flatMap((name): FileChange[] => {
      const hunks = hunksOf(name, before[name] ?? '', after[name] ?? '', 3);
      if (hunks.length === 0) return [];
      const lines = hunks.flatMap((hunk) => hunk.lines);
      const begin = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
      const patch = hunks.map(
        ({ oldStart, oldLines, newStart, newLines, lines: own }) =>
          `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@\n${own.join('\n')}`,
      );
      return [{ name, added: begin('+'), removed: begin('-'), patch: patch.join('\n') }];
    });
    return { kind: 'lines', files };
  } catch (thrown) {
    if (!(thrown instanceof CandidateError)) throw thrown;
    return null;
  }
}

/** Share of layers or lines that differ: 0 for equal, 1 for nothing in common. Null as above. */
export function distanceOf(kind: SpaceKind, from: string, to: string): number | null {
  const difference = differenceOf(kind, from, to);
  if (!difference) return null;
  if (difference.kind === 'layers') return difference.layers.length / readArchitecture(to).length;
  const changed = difference.files.reduce((sum, { added, removed }) => sum + added + removed, 0);
  const lines = programs(from, to).flatMap((files) => Object.values(files).map((text) => text.split('\n').length - 1));
  return (
    changed /
    Math.max(
      1,
      lines.reduce((sum, each) => sum + each, 0),
    )
  );
}

/** A difference in one line. */
export function differenceText(difference: Difference): string {
  if (difference.kind === 'layers') {
    const { layers } = difference;
    if (layers.length === 0) return 'no layer differs';
    const named = layers.slice(0, 8).map(({ layer, from, to }) => `layer ${layer}: ${from} -> ${to}`);
    return [...named, ...(layers.length > 8 ? [`and ${layers.length - 8} more layers`] : [])].join('; ');
  }
  if (difference.files.length === 0) return 'no line differs';
  return difference.files.map(({ name, added, removed }) => `${name}: +${added} -${removed} lines`).join('; ');
}

/** Splits a list into at most `most` groups of adjacent items, of nearly equal size. */
function grouped<T>(items: readonly T[], most: number): T[][] {
  const groups = Math.min(most, items.length);
  return Array.from({ length: groups }, (_, index) =>
    items.slice(Math.floor((index * items.length) / groups), Math.floor(((index + 1) * items.length) / groups)),
  );
}

/**
 * The changes from `base` to `to`, each with the candidate without it. Beyond `most`, adjacent changes are merged.
 *
 * @throws CandidateError if a text is not a candidate of its kind.
 */
export function elementaryChanges(kind: SpaceKind, base: string, to: string, most: number): ElementaryChange[] {
  if (kind === 'stack') {
    const [before, after] = [readArchitecture(base), readArchitecture(to)];
    return grouped(changedLayers(before, after), most).map((layers) => {
      const without = after.map((layer, index) => (layers.includes(index) ? (before[index] ?? layer) : layer));
      const label = layers.map((layer) => `layer ${layer}: ${before[layer]} -> ${after[layer]}`).join(', ');
      return { label, without: canonicalText(without) };
    });
  }
  const [before, after] = programs(base, to);
  const hunks = namesOf(before, after).flatMap((name) =>
    hunksOf(name, before[name] ?? '', after[name] ?? '', 0).map((hunk) => ({ name, hunk })),
  );
  return grouped(hunks, most).map((group) => {
    const files: Record<string, string> = { ...after };
    // From the end of a file to its start, so that restored lines do not shift later hunks.
    for (const { name, hunk } of [...group].reverse()) {
      const lines = (files[name] ?? '').split('\n');
      const old = hunk.lines.flatMap((line) => (line.startsWith('-') ? [line.slice(1)] : []));
      lines.splice(hunk.newStart - 1, hunk.newLines, ...old);
      files[name] = lines.join('\n');
    }
    const label = group
      .map(({ name, hunk: { newStart, newLines } }) =>
        newLines === 0
          ? `${name}: lines removed after line ${newStart - 1}`
          : `${name}: line${newLines === 1 ? ` ${newStart}` : `s ${newStart}-${newStart + newLines - 1}`}`,
      )
      .join(', ');
    return { label, without: programText(files) };
  });
}

export interface AttributionRequest {
  readonly node: NodeId;
  /** Compare with this node; default: the first parent. */
  readonly against: NodeId | null;
  /** Paired seeds of the final rung, which selected nothing. */
  readonly seeds: number;
  /** Beyond this, adjacent changes are merged. */
  readonly mostChanges: number;
  readonly minutes: number | null;
}

export interface AttributionPlan {
  readonly search: SearchId;
  readonly node: NodeId;
  readonly base: NodeId;
  readonly seeds: number;
  /** The reference of each change. */
  readonly changes: readonly { readonly label: string; readonly reference: AgentName }[];
  /** The search that trains them. */
  readonly spec: SearchSpec;
  readonly source: string;
}

const whole = agentNameSchema.parse('whole');
const basis = agentNameSchema.parse('base');

function recordOf(records: readonly NodeRecord[], id: NodeId): NodeRecord {
  const found = records.find((record) => record.id === id);
  if (!found) throw new PrerequisiteError('unknown-node', `there is no node "${id}"`, 'list them with: aira nodes');
  return found;
}

/**
 * Plans the trainings. Equal requests give the same search, so a repetition costs nothing.
 *
 * @throws PrerequisiteError for a node that does not exist, was rejected, has no parent, or does not differ.
 */
export function planAttribution(reader: ArchiveReader, search: SearchId, request: AttributionRequest): AttributionPlan {
  const spec = reader.searches.spec(search);
  if (spec.scale) {
    throw new PrerequisiteError(
      'scale-plan',
      `"${search}" is a scale plan: its nodes have no changes`,
      'name a search',
    );
  }
  const records = reader.records.nodes(search);
  const node = recordOf(records, request.node);
  const other = request.against ?? node.parents[0];
  if (other === undefined) {
    const remedy = 'name a node to compare with: --against <node>';
    throw new PrerequisiteError('no-parent', `${node.id} is a draft without a parent`, remedy);
  }
  const base = recordOf(records, other);
  const refused = [node, base].find(({ verdict }) => verdict === 'rejected');
  if (refused) throw new PrerequisiteError('rejected', `${refused.id} is not a candidate`, 'choose another node');
  const differences = elementaryChanges(spec.space.kind, base.candidate, node.candidate, request.mostChanges);
  if (differences.length === 0) {
    throw new PrerequisiteError('no-change', `${node.id} does not differ from ${base.id}`, 'choose another --against');
  }
  const changes = differences.map(({ label, without }, index) => ({
    label,
    without,
    // With a single change, the node without it is the base.
    reference: without === base.candidate ? basis : agentNameSchema.parse(`without-${index + 1}`),
  }));
  const variants = changes.filter(({ reference }) => reference !== basis);
  const { corpus: _, ...rest } = spec;
  const budget = {
    evaluations: spec.budget.evaluations,
    ...(request.minutes === null ? {} : { minutes: request.minutes }),
  };
  const draft = {
    ...rest,
    agents: [],
    budget,
    ladder: { ...spec.ladder, finalSeeds: request.seeds },
    references: [
      { name: whole, candidate: node.candidate },
      { name: basis, candidate: base.candidate },
      ...variants.map(({ reference, without }) => ({ name: reference, candidate: without })),
    ],
  };
  const { id: __, ...identity } = draft;
  const tag = contentHash(identity as unknown as Json).slice(0, 8);
  const id = searchIdSchema.parse(`why-${node.id.slice(0, 40)}-${tag}`);
  const source = [
    `# Attribution of ${node.id} of ${search} against ${base.id}: each change undone alone.`,
    ...changes.map(({ label, reference }) => `# ${reference}: ${label}`),
  ].join('\n');
  return {
    search,
    node: node.id,
    base: base.id,
    seeds: request.seeds,
    source: `${source}\n`,
    changes: changes.map(({ label, reference }) => ({ label, reference })),
    spec: { ...draft, id },
  };
}

/** Contribution of one change: fitness of the node minus that of the node without it. */
export interface ChangeEffect {
  readonly label: string;
  readonly comparison: Comparison;
  /** Why the node without the change has no score; null if it has one. */
  readonly failed: string | null;
}

export interface Attribution {
  readonly search: SearchId;
  readonly node: NodeId;
  readonly base: NodeId;
  readonly seeds: number;
  readonly rung: 'final';
  /** The node against the other one. */
  readonly gain: Comparison;
  readonly changes: readonly ChangeEffect[];
  /** Gain minus the sum of the contributions: interaction and noise. Null if a contribution is missing. */
  readonly interplay: number | null;
  /** The search that trained them. */
  readonly trainedAs: SearchId;
}

/** Coverage of each interval before the correction for their number. */
const level = 0.95;

function scoresOf(records: readonly NodeRecord[], reference: AgentName) {
  const id = referenceNode(reference);
  const record = records.find((each) => each.id === id);
  const evaluations = record?.evaluations.filter(({ rung }) => rung === 'final') ?? [];
  const scores: SeedScore[] = evaluations.flatMap(({ seed, validation }) =>
    validation === null ? [] : [{ seed, score: validation }],
  );
  const failure = record?.evaluations.find(({ status }) => status === 'failed');
  return { scores, failed: failure ? `${failure.reason}: ${failure.message ?? ''}` : null };
}

/**
 * Concludes from the trainings. The noise is pooled over all candidates (seeds as blocks); the intervals of the changes have
 * simultaneous 95 % coverage (Bonferroni).
 */
export function conclude(plan: AttributionPlan, records: readonly NodeRecord[]): Attribution {
  const of = (reference: AgentName) => scoresOf(records, reference);
  const node = of(whole);
  const base = of(basis);
  const undone = plan.changes.map(({ label, reference }) => ({ label, ...of(reference) }));
  const noise = pairedNoise([node, base, ...undone].map(({ scores }) => scores).filter(({ length }) => length > 0));
  const together = 1 - (1 - level) / plan.changes.length;
  const changes = undone.map(({ label, scores, failed }) => ({
    label,
    failed,
    comparison: comparePaired(node.scores, scores, noise, together),
  }));
  const gain = comparePaired(node.scores, base.scores, noise, level);
  const differences = changes.flatMap(({ comparison }) =>
    comparison.kind === 'measured' ? [comparison.difference] : [],
  );
  const sum = differences.reduce((total, each) => total + each, 0);
  return {
    search: plan.search,
    node: plan.node,
    base: plan.base,
    seeds: plan.seeds,
    rung: 'final',
    gain,
    changes,
    interplay: gain.kind === 'measured' && differences.length === changes.length ? gain.difference - sum : null,
    trainedAs: plan.spec.id,
  };
}
