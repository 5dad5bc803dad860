/**
 * Agents: from a view of the search to the next candidate.
 *
 * Role: scaffolds (pure functions of a view and a random stream), models that propose, operators (prompts and the parsing of
 * answers), reading, and the graph of one attempt. Non-role: sending requests to providers (llm), storing attempts (memory).
 *
 * One attempt is `recall, analyze, retrieve, propose (read, propose), check (repair, check), submit` (`graph/steps.ts`), the
 * same steps for local and language models. With a language model LangGraph checkpoints every step in `thoughts.db`, which may
 * be deleted; local attempts run without it (0.1 ms instead of 13 ms).
 *
 * - A decision depends on (seed, agent, attempt), the view and recorded answers alone (I5). A scaffold folds its state from
 *   the view.
 * - An unusable answer is requested once more with the reason; then the attempt is stored as rejected. A refusal is not
 *   repeated.
 * - After `patience` refused attempts in a row (four) the agent changes its parent, then its operator, then drafts; after five
 *   changes without a new candidate it ends and says so.
 * - Programs travel in fenced blocks, reasons in JSON (`operators/programAnswers.ts`). Each attempt is in one list of a prompt only.
 * - With `proposals: k` a thought gives up to k candidates: a language model is asked once for a list, a local model draws
 *   several. Each is an attempt of its own with the next number (`graph/thoughts.ts`); calls and cost are those of the first. The
 *   policy says how many it has a use for: drafts and children that it lacks, one repair.
 * - A local model draws up to eight times for a candidate that is not a duplicate. An agent has four attempts per evaluation
 *   and twenty more.
 * - A system prompt never changes within an agent and operator, so that providers cache it. Text of others is quoted in a
 *   `<data>` block that it cannot close.
 * - Presets `aira-*` and `aide-greedy` use the published settings; the policies differ from theirs in this: one thought at a
 *   time, never a generation; repairs count as one visit of the idea that they repair; pending attempts count as visits with
 *   the parent's score (virtual loss); no limits in seconds, since the speed of a machine would decide (I5).
 * - A scaffold of the user is one file, loaded from memory by its digest (`scaffolds/ownFiles.ts`, docs/scaffolds.md).
 * - A program of the user proposes by JSON lines (`searchers.ts`, docs/searchers.md); its replies are recorded like a model's.
 * - Multi-turn operators (`tools/`): between the question and the answer an agent may check candidates, train them for a short
 *   time on a part of the training data, and read nodes of its view. Each run is reserved in the archive, recorded, and settled;
 *   a replay runs nothing. A local model trains several draws and proposes the best.
 * - A bandit passes over a model that is unavailable, and records that, so that a replay does the same.
 */

export { type ForecastLine, forecast, operatorsText } from './forecast.ts';
export { openThoughts, readOf } from './graph/thoughts.ts';
export type { PythonOptions } from './models/bayes.ts';
export { createModel } from './models/index.ts';
export type { AnyModel, LocalModel } from './models/model.ts';
export { ownResults, quoted, shownItems, shownText } from './operators/promptText.ts';
export { checkScaffoldFile, OwnScaffolds, scaffoldFiles, scaffoldFolders } from './scaffolds/ownFiles.ts';
export { searcherJsonSchema } from './searcherProcess.ts';
export { requireSameSearcher, Searchers, searcherFiles } from './searchers.ts';

export {
  type Attempt,
  attemptsOf,
  type ChatThinking,
  type TaskDescription,
  type ThinkDeps,
  type Thought,
  think,
} from './think.ts';
export type { RehearsalDeps } from './tools/investigation.ts';
export { bestFirst, matchingNodes, nodeDescriptions, wordsSchema } from './tools/toolbox.ts';
