// A search policy of your own: `scaffold: epsilon` in search.yaml. Check it with
//
//   aira scaffold check scaffolds/epsilon.mjs
//
// One file, with no imports. `tools` has the moves of the shipped policies, and those policies themselves.

/**
 * Every setting with its default. A search file gives others: `scaffold: { kind: own, name: epsilon, settings: { epsilon: 0.4 } }`.
 *
 * @type {{ epsilon: number, drafts: number }}
 */
export const settings = {
  epsilon: 0.2, // probability of a fresh draft
  drafts: 3, // before anything is improved
};

/**
 * The next decision of the agent. Pure: the same view and the same random numbers give the same decision, so that a search can be
 * resumed and checked. It stores nothing between calls and reads no clock.
 *
 * @type {import('aira/scaffolds').OwnScaffold<typeof settings>['decide']}
 */
export function decide(view, rng, { settings, tools }) {
  // All attempts that this decision may know, oldest first. Results that are not in yet have the status "pending".
  const nodes = tools.history(view);
  const own = tools.ownOf(nodes);
  if (own.length < settings.drafts) return tools.draft(`draft ${own.length + 1} of ${settings.drafts}`);

  // Repair the agent's own failures first, each at most twice.
  const [failure] = tools.openFailures(tools.chains(own), 2);
  if (failure) return tools.debug(failure, 2);

  const scored = tools.ranked(nodes);
  const [best, second] = scored;
  if (!best || rng.float() < settings.epsilon) return tools.draft('by chance: a fresh draft');
  // Fitness: more is better, whatever the metric.
  if (second && rng.float() < 0.1) {
    return tools.crossover(best, second, `the two best: ${tools.named(best)} and ${tools.named(second)}`);
  }
  return tools.improve(best, `best so far: ${tools.named(best)}`);
}
