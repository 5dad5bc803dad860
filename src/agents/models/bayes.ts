import { canonicalText, parseInSpace } from '../../domain/architecture.ts';
import { RetryableError, TerminalError } from '../../domain/errors.ts';
import { isScored, ranked, type ScoredNode } from '../scored.ts';
import { BayesHelper, type PythonSetting, type Question, type Suggestion } from './bayesHelper.ts';
import { candidatePool } from './bayesPool.ts';
import { describeChange, describeDraft } from './change.ts';
import type { LocalModel, Proposal, ProposalInput } from './model.ts';
import { vary } from './mutate.ts';
import { randomUnseen, seenCandidates } from './novelty.ts';

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
export function bayesModel(setting: PythonSetting): LocalModel {
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
