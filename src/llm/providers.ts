import type { AgentSpec } from '../domain/agent.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { type ChatModelName, chatArms, type Provider, splitModel } from '../domain/model.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Clock } from '../platform/timers.ts';
import type { ChatModel, ChatRequest } from './chat.ts';
import type { Endpoint, Keyring } from './keys.ts';
import type { Prices } from './prices.ts';
import { Breaker } from './retry.ts';
import type { Watch } from './stream.ts';

type Adapter = (endpoint: Endpoint, watch: Watch) => ChatModel;

/** The SDKs are loaded with the first question to their provider: they take longer to load than most commands take. */
const adapters: Readonly<Record<Provider, () => Promise<Adapter>>> = {
  openai: async () => (await import('./openai.ts')).openaiModel,
  anthropic: async () => (await import('./anthropic.ts')).anthropicModel,
  compatible: async () => (await import('./compatible.ts')).compatibleModel,
};

function lazily(load: () => Promise<ChatModel>): ChatModel {
  let loading: Promise<ChatModel> | undefined;
  return {
    async complete(request, signal) {
      loading ??= load();
      return (await loading).complete(request, signal);
    },
  };
}

/** The providers of this process: one client and one breaker for each address, made when it is first needed. */
export function providersOf(keys: Keyring, watch: Watch, clock: Clock) {
  const open = new Map<string, { chat: ChatModel; breaker: Breaker }>();
  return (request: Pick<ChatRequest, 'model' | 'baseUrl'>) => {
    const { provider } = splitModel(request.model);
    const place = provider === 'compatible' ? `${provider} at ${request.baseUrl}` : provider;
    const known = open.get(place);
    if (known) return known;
    const endpoint = keys.endpoint(request.model, request.baseUrl);
    const chat = lazily(async () => (await adapters[provider]())(endpoint, watch));
    const made = { chat, breaker: new Breaker(place, clock) };
    open.set(place, made);
    return made;
  };
}

/** All models an agent may call. */
export function chatModels(agent: AgentSpec): ChatModelName[] {
  return [...new Set([...chatArms(agent.model), ...Object.values(agent.models ?? {})])];
}

/**
 * Finds before anything is started what would stop the agents of a search later.
 *
 * @param keys null where nobody will be asked, as in a dry run.
 * @throws PrerequisiteError for a model without a key, or one without a price where dollars are limited.
 */
export function checkModels(spec: Pick<SearchSpec, 'agents' | 'budget'>, keys: Keyring | null, prices: Prices): void {
  for (const agent of spec.agents) {
    for (const model of chatModels(agent)) {
      keys?.endpoint(model, agent.baseUrl);
      const limited = spec.budget.dollars !== undefined || agent.dollars !== undefined;
      if (limited && prices.of(model) === null) {
        const remedy = 'state its price in a file of your own and give it with --prices, or limit tokens instead';
        throw new PrerequisiteError('price', `no price is known for ${model}, and dollars are limited`, remedy);
      }
    }
  }
}
