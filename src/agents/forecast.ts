import type { AgentSpec, Purpose, Usage } from '../domain/agent.ts';
import type { Space } from '../domain/candidate.ts';
import { armsOf, type ChatModelName, chatArms, isLocal, type ModelName, type SoleModelName } from '../domain/model.ts';
import { bringsScripts, longestScript } from '../domain/rehearsal.ts';
import { scaffoldLabel } from '../domain/scaffold.ts';
import { experimentOf, type SearchSpec } from '../domain/search.ts';
import { cost, mostUsage, type Prices } from '../llm/index.ts';
import { callTokens, insightCharacters, lessonForm, lessonsEach, outputTokens } from './operators/answers.ts';
import { promptsFor } from './operators/prompts.ts';
import { longestShown } from './operators/promptText.ts';
import { longestResult } from './tools/investigation.ts';

/**
 * A typical question, for forecasts only: half of the longest prompt at three bytes per token, and 2000 output tokens, which
 * is what models at medium effort write for a question of this size. The forecast of a running search uses the actual cost
 * of its calls.
 */
const likelyShare = 0.5;
const likelyOutput = 2000;
/** Questions of a typical reading thought: a search, a full text, the answer. */
const likelyRounds = 3;
/** Questions of a typical multi-turn thought: a look-up, a check, an experiment, the answer. */
const likelyMultiTurn = 4;
/** Characters of a pattern. */
const longestPattern = 1000;

/** Calls of one kind by one agent and their cost in dollars; null for a model without a price. */
export interface ForecastLine {
  readonly agent: string;
  readonly purpose: 'propose' | 'analyze';
  readonly model: ModelName;
  readonly calls: number;
  readonly likely: number | null;
  /** Input and output of typical questions, in tokens. */
  readonly tokens: number;
  /** Upper bound with every prompt and answer at its limit. Repairs and failed tries come on top. */
  readonly most: number | null;
}

/** Questions of one thought if each call of a tool takes an answer of its own. */
function rounds({ literature, operators }: AgentSpec, purpose: Purpose): number {
  if (purpose === 'analyze') return 1;
  const read = literature?.how === 'tools' ? literature.searches + literature.reads : 0;
  const { checks = 0, experiments = 0, looks = 0 } = operators ?? {};
  return 1 + read + checks + experiments + looks;
}

/** Characters that tools add to the last question of a thought: what they return, and the candidates that were tried. */
function longestTools({ literature, operators }: AgentSpec, space: Space, purpose: Purpose): number {
  if (purpose === 'analyze') return 0;
  const { searches = 0, items = 0, reads = 0 } = literature?.how === 'tools' ? literature : {};
  const { checks = 0, experiments = 0, looks = 0 } = operators ?? {};
  const candidate =
    space.kind === 'program' ? space.files.reduce((sum, { maxBytes }) => sum + maxBytes, 0) : longestPattern;
  return (
    searches * items * longestShown.found +
    reads * longestShown.read +
    (checks + experiments) * (longestResult.rehearsal + candidate) +
    (operators && bringsScripts(operators, space) ? experiments * longestScript : 0) +
    looks * longestResult.node
  );
}

/** Cost of one call in dollars, null without a price, and its likely tokens; 0 for a local model. */
function priceOf(spec: SearchSpec, agent: AgentSpec, purpose: Purpose, model: SoleModelName, prices: Prices) {
  if (isLocal(model)) return { tokens: 0, cost: { likely: 0, most: 0 } };
  const prompts = promptsFor({ ...spec, experiment: experimentOf(spec, agent), role: agent.role ?? '' });
  const { proposals = 1 } = agent;
  const isList = purpose !== 'analyze' && proposals > 1;
  // An answer with several candidates is as many times as long; so is one with more lessons than usual.
  const parts = purpose === 'analyze' ? Math.ceil(proposals / lessonsEach) : proposals;
  const calls = purpose === 'analyze' ? 0 : callTokens(agent.operators, spec.space);
  const answer = prompts.answerTokens(purpose, []) * parts + calls;
  const form = purpose === 'analyze' ? lessonForm : isList ? prompts.listForm(purpose) : prompts.form(purpose);
  const request = {
    model,
    system: prompts.system(purpose, isList ? prompts.severalRules : undefined),
    messages: [
      {
        role: 'user' as const,
        text: 'x'.repeat(
          prompts.longestQuestion + longestTools(agent, spec.space, purpose) + (agent.insights ? insightCharacters : 0),
        ),
      },
    ],
    schema: form.wire,
    maxTokens: agent.maxTokens ?? outputTokens(purpose, answer, agent.effort, 1),
  };
  const most = mostUsage(request);
  const input = Math.ceil((most.input * likelyShare) / 3);
  const likely: Usage = { input, cached: 0, written: 0, output: Math.min(likelyOutput * parts, request.maxTokens) };
  const price = prices.of(model, agent.baseUrl);
  const paid = price && { likely: cost(likely, price), most: cost(most, price) };
  return { tokens: likely.input + likely.output, cost: paid };
}

/** With several models, `likely` assumes equal shares and `most` the most expensive model. */
function line(spec: SearchSpec, agent: AgentSpec, purpose: Purpose, prices: Prices): ForecastLine {
  const own: ChatModelName | undefined = agent.models?.[purpose];
  const models = own ? [own] : armsOf(agent.model);
  const asked = rounds(agent, purpose);
  // If each thought gives as many candidates as it may; at most, each gives one.
  const thoughts = Math.ceil(agent.evaluations / (agent.proposals ?? 1));
  const calls = thoughts * Math.min(agent.operators ? likelyMultiTurn : likelyRounds, asked);
  const each = models.map((model) => priceOf(spec, agent, purpose, model, prices));
  const known = each.flatMap(({ cost: price }) => price ?? []);
  const all = known.length === each.length;
  return {
    agent: agent.name,
    purpose: purpose === 'analyze' ? 'analyze' : 'propose',
    model: own ?? agent.model,
    calls,
    likely: all ? (calls * known.reduce((sum, { likely }) => sum + likely, 0)) / known.length : null,
    tokens: (calls * each.reduce((sum, { tokens }) => sum + tokens, 0)) / each.length,
    most: all ? agent.evaluations * asked * Math.max(...known.map(({ most }) => most)) : null,
  };
}

/** Drafts that an agent makes before its scaffold does anything else. */
function firstDrafts({ scaffold, evaluations }: AgentSpec): number {
  switch (scaffold.kind) {
    case 'one-shot':
      return evaluations;
    case 'greedy':
      return Math.min(evaluations, scaffold.drafts);
    case 'mcts':
      return Math.min(evaluations, scaffold.children);
    case 'evolutionary':
      return Math.min(evaluations, scaffold.islands * scaffold.founders);
    case 'outside':
    case 'own':
      return 0;
  }
}

/** The operators that an agent's budget leads to, failures and repairs apart. */
export function operatorsText(agent: AgentSpec): string {
  if (agent.scaffold.kind === 'outside') return 'whatever its client or program proposes';
  if (agent.scaffold.kind === 'own') return `whatever ${scaffoldLabel(agent.scaffold)} decides`;
  const drafts = firstDrafts(agent);
  const later = agent.evaluations - drafts;
  const others = agent.scaffold.kind === 'evolutionary' ? 'improve or crossover' : 'improve';
  const several = agent.proposals === undefined ? '' : `, up to ${agent.proposals} from one thought`;
  return `${drafts} draft${later > 0 ? `, then ${later} ${others}` : ''}${several}`;
}

/** Forecast cost of a search's calls by agent. Agents without a language model do not appear. */
export function forecast(spec: SearchSpec, prices: Prices): ForecastLine[] {
  return spec.agents
    .filter(({ model }) => chatArms(model).length > 0)
    .flatMap((agent) => {
      const learns = agent.scaffold.kind !== 'one-shot';
      const proposing: Purpose = learns ? 'improve' : 'draft';
      return [line(spec, agent, proposing, prices), ...(learns ? [line(spec, agent, 'analyze', prices)] : [])];
    });
}
