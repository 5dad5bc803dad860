import { type Architecture, canonicalText, parseInSpace, type StackSpace } from '../../domain/architecture.ts';
import { RetryableError, TerminalError } from '../../domain/errors.ts';
import { isScored, ranked, type ScoredNode, type ViewNode } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { BayesHelper, type PythonOptions, type Question, type Suggestion } from './bayesHelper.ts';
import type { LocalModel, Proposal, ProposalInput } from './model.ts';
import {
  describeChange,
  describeDraft,
  mutate,
  randomArchitecture,
  randomUnseen,
  recombine,
  seenCandidates,
  vary,
} from './mutate.ts';

/** A surrogate with fewer scores is no better than chance. */
const fewest = 3;
/** The fit is cubic in the observations: one second at 500 on one core. Beyond that, keep the best and the newest halves. */
const mostObservations = 500;
/** How many of the best nodes, in addition to the decision's parents, are mutated for the pool. */
const bestSources = 5;

/** At most `mostObservations` nodes, in order of attempts. */
function observed(nodes: readonly ScoredNode[]): ScoredNode[] {
  if (nodes.length <= mostObservations) return [...nodes];
  const selected = new Set(nodes.slice(-mostObservations / 2));
  for (const node of ranked(nodes)) {
    if (selected.size === mostObservations) break;
    selected.add(node);
  }
  return nodes.filter((node) => selected.has(node));
}

/**
 * Composer's search engine, "one-shot": a Gaussian process over the layers, and noisy expected improvement (Letham et al. 2019,
 * arXiv 1706.07094; `aira_workers/bayes/surrogate.py`) over a pool of random architectures and mutations of the best nodes and the parents. Repairs are chosen among mutations of the failed candidate.
 * Drafts, and anything before three scores, are random: drafts learn nothing from results, whatever the model.
 *
 * If the helper dies it is restarted once for the same question; a second death is an error. The model never falls back to
 * random search silently.
 */
export function bayesModel(python: PythonOptions): LocalModel {
  const helper = new BayesHelper(python);

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
        `${error.message}, twice on the same question: check memory and the Python installation, then resume the search, or set the agent's model to local/mutate`,
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
          randomProposal(input, `; ${scored.length} of the ${fewest} scores that the surrogate needs`)
        );

      const sources = [...new Set([...parents, ...(near ? [] : ranked(scored).slice(0, bestSources))])];
      const pair = operator === 'crossover' ? parents : [];
      const pool = candidatePool({ sources, pair, near }, space, seenCandidates(view), rng);
      if (pool.length === 0) return randomProposal(input, '; no unseen candidate near the best or by chance');

      const observations = observed(scored);
      const pending = view.nodes.filter((node) => node.status === 'pending').sort((a, b) => a.ordinal - b.ordinal);
      const question: Question = {
        layers: space.layers,
        primitives: [...new Set(space.primitives)],
        observations: observations.map(({ candidate, fitness }) => ({
          architecture: parseInSpace(candidate, space),
          score: fitness,
        })),
        pending: pending.map((node) => parseInSpace(node.candidate, space)),
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
          `largest noisy expected improvement of ${pool.length} candidates after ${observations.length} scores ` +
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

/** Size of the pool that the surrogate chooses from, and the share that is varied from good nodes. */
const poolSize = 400;
const variedShare = 0.75;

export interface PoolEntry {
  readonly architecture: Architecture;
  /** Provenance for the trace: `a mutation of composer-3`. */
  readonly origin: string;
}

interface Sources {
  /** Nodes to mutate. */
  readonly sources: readonly ViewNode[];
  /** Nodes to cross, if there are two. */
  readonly pair: readonly ViewNode[];
  /** No random candidates. */
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
 * The candidates that the surrogate chooses from: mutations of `sources`, crossovers of `pair` if it has two nodes, and,
 * unless `near`, random architectures; all different and unseen. The number of tries is bounded, so the pool is smaller in a
 * nearly exhausted space.
 */
export function candidatePool(from: Sources, space: StackSpace, seen: ReadonlySet<string>, rng: Rng): PoolEntry[] {
  const pool = new Map<string, PoolEntry>();
  for (let attempt = 0; attempt < 3 * poolSize && pool.size < poolSize; attempt++) {
    const drawn = entry(from, space, rng);
    const text = canonicalText(drawn.architecture);
    if (!seen.has(text) && !pool.has(text)) pool.set(text, drawn);
  }
  return [...pool.values()];
}
