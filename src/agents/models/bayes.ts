import { type Architecture, canonicalText, parseInSpace, type StackSpace } from '../../domain/architecture.ts';
import { RetryableError, TerminalError } from '../../domain/errors.ts';
import type { ViewNode } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { BayesHelper, type PythonOptions, type Question, type Suggestion } from './bayesHelper.ts';
import { isScored, type LocalModel, type Proposal, type ProposalInput, ranked, type ScoredNode } from './model.ts';
import { vary } from './mutate.ts';
import {
  describeChange,
  describeDraft,
  mutate,
  randomArchitecture,
  randomUnseen,
  recombine,
  seenCandidates,
} from './variation.ts';

/** Below so many scores a surrogate knows nothing that chance does not. */
const fewest = 3;
/** The fit costs the cube of the observations: a second at 500 on one core. Beyond, the best and the newest halves stay. */
const mostObservations = 500;
/** Of how many of the best, beside the decision's own parents, mutations enter the pool. */
const bestSources = 5;

/** At most `mostObservations` nodes, in order of attempts. */
function observed(nodes: readonly ScoredNode[]): ScoredNode[] {
  if (nodes.length <= mostObservations) return [...nodes];
  const kept = new Set(nodes.slice(-mostObservations / 2));
  for (const node of ranked(nodes)) {
    if (kept.size === mostObservations) break;
    kept.add(node);
  }
  return nodes.filter((node) => kept.has(node));
}

/**
 * Composer's search engine: a Gaussian process over the layers, and noisy expected improvement over a pool of mutations
 * of the best, of the parents, and of chance; a repair is chosen among mutations of what failed. A draft, and anything before three scores are known, is random: a draft
 * learns nothing from results, whichever the model.
 *
 * When the helper dies it is started once more and asked again; after that the search is told. It never becomes a random
 * search in silence.
 */
export function bayesModel(setting: PythonOptions): LocalModel {
  const helper = new BayesHelper(setting);

  async function ask(question: Question, signal: AbortSignal | undefined): Promise<Suggestion> {
    try {
      return await helper.suggest(question, signal);
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
    }
    try {
      return await helper.suggest(question, signal);
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      throw new TerminalError(
        'bayes-died',
        `${error.message}, twice on the same question: check memory and the Python installation, then resume the search, or give the agent the model local/mutate`,
        { cause: error },
      );
    }
  }

  return {
    name: 'local/bayes',
    async propose(input) {
      const { operator, parents, view, space, rng } = input;
      const scored = view.nodes.filter(isScored).sort((a, b) => a.ordinal - b.ordinal);
      if (operator === 'draft') return randomProposal(input, '');
      const near = operator === 'debug';
      if (scored.length < fewest)
        return (
          (near ? vary(input) : null) ??
          randomProposal(input, `; ${scored.length} of the ${fewest} scores that learning needs`)
        );

      const sources = [...new Set([...parents, ...(near ? [] : ranked(scored).slice(0, bestSources))])];
      const pair = operator === 'crossover' ? parents : [];
      const pool = candidatePool({ sources, pair, near }, space, seenCandidates(view), rng);
      if (pool.length === 0) return randomProposal(input, '; nothing unseen was found near the best or by chance');

      const observations = observed(scored);
      const waiting = view.nodes.filter((node) => node.status === 'pending').sort((a, b) => a.ordinal - b.ordinal);
      const question: Question = {
        layers: space.layers,
        primitives: [...new Set(space.primitives)],
        observations: observations.map(({ candidate, fitness }) => ({
          architecture: parseInSpace(candidate, space),
          score: fitness,
        })),
        pending: waiting.map((node) => parseInSpace(node.candidate, space)),
        candidates: pool.map(({ architecture }) => architecture),
        seed: rng.below(2 ** 31),
      };
      const suggestion = await ask(question, input.signal);
      const chosen = pool[suggestion.index] as (typeof pool)[number];
      const [first] = parents;
      const relative = first
        ? `; relative to ${first.id}: ${describeChange(parseInSpace(first.candidate, space), chosen.architecture)}`
        : '';
      return {
        candidate: canonicalText(chosen.architecture),
        change:
          `largest expected improvement of ${pool.length} candidates after ${observations.length} scores ` +
          `(${suggestion.engine}, ${describeBelief(suggestion)}): ${chosen.origin}${relative}`,
        expected: suggestion.expected,
      };
    },
    close: () => helper.close(),
  };
}

function describeBelief({ expected, std }: Suggestion): string {
  return `expected ${Number(expected.toPrecision(4))} +- ${Number(std.toPrecision(2))}`;
}

function randomProposal({ view, space, rng }: ProposalInput, why: string): Proposal {
  const architecture = randomUnseen(space, seenCandidates(view), rng);
  return { candidate: canonicalText(architecture), change: `${describeDraft(architecture)}${why}`, expected: null };
}

/** How many candidates the surrogate chooses from, and which share of them is varied from good ones. */
const poolSize = 400;
const variedShare = 0.75;

export interface PoolEntry {
  readonly architecture: Architecture;
  /** `a mutation of composer-3`: what the trace tells of where it came from. */
  readonly origin: string;
}

interface Sources {
  /** What is mutated. */
  readonly sources: readonly ViewNode[];
  /** What is crossed, if there are two. */
  readonly pair: readonly ViewNode[];
  /** Nothing from elsewhere: no candidates by chance. */
  readonly near: boolean;
}

function entry({ sources, pair, near }: Sources, space: StackSpace, rng: Rng): PoolEntry {
  if (sources.length === 0 || (!near && rng.float() >= variedShare)) {
    return { architecture: randomArchitecture(space, rng), origin: 'chosen at random' };
  }
  const [first, second] = pair;
  if (first && second && rng.float() < 0.5) {
    const { architecture, kind } = recombine(
      parseInSpace(first.candidate, space),
      parseInSpace(second.candidate, space),
      rng,
    );
    return { architecture, origin: `a ${kind} crossover of ${first.id} and ${second.id}` };
  }
  const source = rng.pick(sources);
  const strength = 1 + rng.below(3);
  return {
    architecture: mutate(parseInSpace(source.candidate, space), space, rng, strength),
    origin: `a mutation of ${source.id}`,
  };
}

/**
 * What the surrogate may choose from: mutations of `sources`, crossovers of `pair` if there are two of them, and, unless
 * it shall stay near, random architectures, all different and none seen. Fewer than asked for where the space is nearly exhausted: the number of
 * tries is bounded.
 */
export function candidatePool(from: Sources, space: StackSpace, seen: ReadonlySet<string>, rng: Rng): PoolEntry[] {
  const pool = new Map<string, PoolEntry>();
  for (let attempt = 0; attempt < 3 * poolSize && pool.size < poolSize; attempt++) {
    const made = entry(from, space, rng);
    const text = canonicalText(made.architecture);
    if (!seen.has(text) && !pool.has(text)) pool.set(text, made);
  }
  return [...pool.values()];
}
