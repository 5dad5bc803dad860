import type { AgentSpec } from '../../domain/agent.ts';
import type { Purpose, Usage } from '../../domain/call.ts';
import {
  armsOf,
  type ChatModelName,
  chatArms,
  isLocal,
  type ModelName,
  type SoleModelName,
} from '../../domain/model.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { cost, defaultMaxTokens, mostUsage, type Prices } from '../../llm/index.ts';
import { lessonForm } from '../operators/answers.ts';
import { promptsFor } from '../operators/promptsFor.ts';
import { longestShown } from '../reading/shown.ts';

/**
 * What a typical question takes, for forecasts only: half of the longest prompt at three bytes a token, and 2000 tokens of
 * thought and answer, which is what models at medium effort write about a question of this size. The forecast of a
 * running search is made from what its calls have really cost.
 */
const likelyShare = 0.5;
const likelyOutput = 2000;
/** Questions of a thought that reads: what to look for, what to read in full, and the answer. */
const likelyRounds = 3;

/** Calls of one kind by one agent, with what they may cost; null where the model has no price. */
export interface ForecastLine {
  readonly agent: string;
  readonly purpose: 'propose' | 'analyze';
  readonly model: ModelName;
  readonly calls: number;
  readonly likely: number | null;
  /** If every prompt and every answer were as long as they may be. Repairs and tries that fail come on top. */
  readonly most: number | null;
}

/** Questions that one thought takes where each search and each text is asked for by itself. */
function rounds({ literature }: AgentSpec, purpose: Purpose): number {
  const calling = purpose !== 'analyze' && literature?.how === 'tools';
  return calling ? 1 + literature.searches + literature.reads : 1;
}

/** Characters that what was read adds to the question by the end of the thought. */
function longestReading({ literature }: AgentSpec, purpose: Purpose): number {
  if (!literature || purpose === 'analyze' || literature.how === 'before') return 0;
  return literature.searches * literature.items * longestShown.found + literature.reads * longestShown.read;
}

/** What one call may cost; nothing where the model is local. */
function priceOf(spec: SearchSpec, agent: AgentSpec, purpose: Purpose, model: SoleModelName, prices: Prices) {
  if (isLocal(model)) return { likely: 0, most: 0 };
  const dialect = promptsFor({ ...spec, role: agent.role ?? '' });
  const request = {
    model,
    system: dialect.system(purpose),
    messages: [{ role: 'user' as const, text: 'x'.repeat(dialect.longestQuestion + longestReading(agent, purpose)) }],
    schema: (purpose === 'analyze' ? lessonForm : dialect.form(purpose)).wire,
    maxTokens: agent.maxTokens ?? defaultMaxTokens,
  };
  const most = mostUsage(request);
  const input = Math.ceil((most.input * likelyShare) / 3);
  const likely: Usage = { input, cached: 0, written: 0, output: Math.min(likelyOutput, request.maxTokens) };
  const price = prices.of(model);
  return price && { likely: cost(likely, price), most: cost(most, price) };
}

/** Among several models the likely cost is that of equal shares, and the most that of the dearest. */
function line(spec: SearchSpec, agent: AgentSpec, purpose: Purpose, prices: Prices): ForecastLine {
  const own: ChatModelName | undefined = agent.models?.[purpose];
  const models = own ? [own] : armsOf(agent.model);
  const asked = rounds(agent, purpose);
  const calls = agent.evaluations * Math.min(likelyRounds, asked);
  const each = models.map((model) => priceOf(spec, agent, purpose, model, prices));
  const known = each.flatMap((price) => price ?? []);
  const all = known.length === each.length;
  return {
    agent: agent.name,
    purpose: purpose === 'analyze' ? 'analyze' : 'propose',
    ...{ model: own ?? agent.model, calls },
    likely: all ? (calls * known.reduce((sum, { likely }) => sum + likely, 0)) / known.length : null,
    most: all ? agent.evaluations * asked * Math.max(...known.map(({ most }) => most)) : null,
  };
}

/** What the calls of a search will cost, by agent. Agents without a language model do not appear. */
export function forecast(spec: SearchSpec, prices: Prices): ForecastLine[] {
  return spec.agents
    .filter(({ model }) => chatArms(model).length > 0)
    .flatMap((agent) => {
      const learns = agent.scaffold.kind !== 'one-shot';
      const proposing: Purpose = learns ? 'improve' : 'draft';
      return [line(spec, agent, proposing, prices), ...(learns ? [line(spec, agent, 'analyze', prices)] : [])];
    });
}
