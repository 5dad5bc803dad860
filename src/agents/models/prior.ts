import { type Architecture, canonicalText, parseInSpace, type StackSpace } from '../../domain/architecture.ts';
import {
  appliesTo,
  describeHint,
  type EvidenceId,
  type Hint,
  hintFit,
  type Item,
  type OpenRetriever,
} from '../../domain/literature.ts';
import { isScored } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import type { LocalModel, Proposal, ProposalInput } from './model.ts';
import { describeChange, mutate, randomArchitecture, randomUnseen, recombine, seenCandidates } from './mutate.ts';

/**
 * A model that reads: it follows published results on the order and number of layers.
 *
 * It reads the corpus only, and only the hints of its notes. Prose and online sources cannot reach a proposal, so that equal
 * notes and seeds give equal proposals, online or offline (I5).
 */

/** Random candidates, of which the one that follows the hints best is taken. */
const pool = 64;
/** Steps of hill climbing after a draft was chosen. */
const climbs = 120;
/** Number of works to follow: fewer leave too much open, more contradict each other. */
const followed = 3;
/** With fewer scores, results do not weigh a hint. */
const fewestScores = 6;

interface Advice {
  readonly id: EvidenceId;
  readonly hint: Hint;
  readonly weight: number;
}

/** The query per operator: constant, so that no result of the search steers the reading. */
const questions: Record<ProposalInput['operator'], string> = {
  draft: 'hybrid language model ratio of attention to state space layers and MLP placement',
  improve: 'placement and share of attention, Mamba and MLP layers in depth, ordering of sublayers',
  debug: 'placement and share of attention, Mamba and MLP layers in depth, ordering of sublayers',
  crossover: 'interleaving ratio of layers, recall and memory in hybrid stacks',
};

/** A user's own primitive goes by its name, because the corpus does not know it. */
const named: Readonly<Record<string, string>> = {
  M: 'MLP feed-forward',
  mA: 'attention',
  Mb: 'Mamba state space',
};

export function priorModel(open: OpenRetriever): LocalModel {
  return {
    name: 'local/prior',
    async propose(input) {
      const retriever = open();
      const { operator, space, signal } = input;
      const text = `${questions[operator]} ${space.primitives.map((each) => named[each] ?? each).join(' ')}`;
      const query = { text, sources: ['corpus'], hinted: true } as const;
      const items = await retriever.searchLiterature(query, signal);
      const code = await retriever.searchCode(query, signal);
      const works = chooseWorks([...items, ...code], input);
      const retrieved = [...new Set(retriever.retrieved.map(({ id }) => id))];
      return {
        ...follow(
          works.flatMap(({ advice }) => advice),
          input,
        ),
        retrieved,
        readings: retriever.readings,
      };
    },
    async close() {},
  };
}

/** A work to follow: the hints that apply to the space, whose weights sum to the work's weight. */
interface Work {
  readonly advice: readonly Advice[];
  /** Correlation of following it with fitness so far; 0 with too few scores. */
  readonly support: number;
}

function workOf(item: Item, { view, space }: ProposalInput): Work {
  const hints = item.hints.filter((hint) => appliesTo(hint, space));
  const equal = hints.map((hint) => ({ id: item.id, hint, weight: 1 }));
  const scored = view.nodes.filter(isScored);
  const fits = scored.map((node) => meanFit(parseInSpace(node.candidate, space), equal));
  const fitness = scored.map((node) => node.fitness);
  const support = scored.length < fewestScores ? 0 : correlation(fits, fitness);
  const weight = ((item.certainty === 'sure' ? 1 : 0.5) * Math.exp(2 * support)) / hints.length;
  return { advice: equal.map((each) => ({ ...each, weight })), support };
}

/** Draws the works that this proposal follows, weighted by search rank and by the support of results. */
function chooseWorks(items: readonly Item[], input: ProposalInput): Work[] {
  const { space, rng } = input;
  const rest = items
    .filter((item) => item.source === 'corpus' && item.hints.some((hint) => appliesTo(hint, space)))
    .map((item, rank) => ({ work: workOf(item, input), rank }));
  const chosen: Work[] = [];
  while (chosen.length < followed && rest.length > 0) {
    const weights = rest.map(({ work, rank }) => Math.exp(2 * work.support) / (1 + rank / 4));
    const next = rng.weighted(rest, weights);
    chosen.push(next.work);
    rest.splice(rest.indexOf(next), 1);
  }
  return chosen;
}

function follow(advice: readonly Advice[], input: ProposalInput): Proposal {
  const { operator, parents, view, space, rng } = input;
  const seen = seenCandidates(view);
  const [first, second] = parents;
  if (operator === 'draft' || !first) {
    const drawn = Array.from({ length: pool }, () => randomArchitecture(space, rng));
    const best = climb(bestOf(drawn, advice), advice, space, rng);
    return toProposal(novel(best, advice, seen, space, rng), null, advice, 'draft');
  }
  const base = parseInSpace(first.candidate, space);
  const partner = operator === 'crossover' && second ? parseInSpace(second.candidate, space) : null;
  const varied = Array.from({ length: pool }, (_, index) =>
    partner ? recombine(base, partner, rng).architecture : mutate(base, space, rng, 1 + Math.floor((3 * index) / pool)),
  ).filter((each) => !seen.has(canonicalText(each)));
  const best = varied.length > 0 ? bestOf(varied, advice) : novel(base, advice, seen, space, rng);
  const how = partner ? `crossover with ${second?.id}` : 'change';
  return toProposal(best, { id: first.id, layers: base }, advice, how);
}

const meanFit = (architecture: Architecture, advice: readonly Advice[]): number => {
  const total = advice.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return 0;
  return advice.reduce((sum, { hint, weight }) => sum + weight * hintFit(architecture, hint), 0) / total;
};

/** The candidate that follows the advice best; ties go to the earliest. */
function bestOf(candidates: readonly Architecture[], advice: readonly Advice[]): Architecture {
  const fits = candidates.map((candidate) => meanFit(candidate, advice));
  return candidates[fits.indexOf(Math.max(...fits))] as Architecture;
}

function climb(start: Architecture, advice: readonly Advice[], space: StackSpace, rng: Rng): Architecture {
  let best = start;
  for (let step = 0; step < climbs; step++) best = bestOf([best, mutate(best, space, rng, 1)], advice);
  return best;
}

/** The architecture itself if unseen, else an unseen neighbour, else any unseen architecture. */
function novel(
  architecture: Architecture,
  advice: readonly Advice[],
  seen: ReadonlySet<string>,
  space: StackSpace,
  rng: Rng,
): Architecture {
  if (!seen.has(canonicalText(architecture))) return architecture;
  const near = Array.from({ length: pool }, (_, index) => mutate(architecture, space, rng, 1 + (index % 4)));
  const unseen = near.filter((each) => !seen.has(canonicalText(each)));
  return unseen.length > 0 ? bestOf(unseen, advice) : randomUnseen(space, seen, rng);
}

/** A hint is cited if the candidate fits it at least this well, and at least as well as its parent. */
const citationFit = 0.75;

function toProposal(
  architecture: Architecture,
  parent: { id: string; layers: Architecture } | null,
  advice: readonly Advice[],
  how: string,
): Proposal {
  const met = advice.filter(({ hint }) => {
    const fit = hintFit(architecture, hint);
    return fit >= citationFit && (parent === null || fit >= hintFit(parent.layers, hint));
  });
  const reasons = met.map(({ id, hint }) => `${describeHint(hint)} (${id})`);
  const why = reasons.length > 0 ? ` that follows ${reasons.join('; ')}` : '; no hint could be followed';
  const relative = parent ? `, relative to ${parent.id}: ${describeChange(parent.layers, architecture)}` : '';
  return {
    candidate: canonicalText(architecture),
    change: `${how}${why}`.slice(0, 1000) + relative.slice(0, 1000),
    expected: null,
    evidence: [...new Set(met.map(({ id }) => id))],
  };
}

/** Pearson's correlation; 0 if either side is constant. */
function correlation(xs: readonly number[], ys: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(xs), mean(ys)];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [index, x] of xs.entries()) {
    const [dx, dy] = [x - mx, (ys[index] as number) - my];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  const scale = Math.sqrt(xx * yy);
  return scale > 0 && Number.isFinite(scale) ? xy / scale : 0;
}
