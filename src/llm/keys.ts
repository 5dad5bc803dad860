import type { AgentSpec } from '../domain/agent.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { type ChatModelName, chatArms, type Provider, splitModel } from '../domain/model.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Clock } from '../platform/index.ts';
import type { ChatModel, ChatRequest } from './chat.ts';
import type { Prices } from './prices.ts';
import { Breaker } from './retry.ts';
import type { Watch } from './stream.ts';

const mask = '[redacted]';

/** A key. It shows itself to whoever asks for it by `reveal` and to nothing that prints, joins or serialises (I7). */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return mask;
  }

  toJSON(): string {
    return mask;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return mask;
  }
}

/** Where a provider is and what opens it. */
export interface Endpoint {
  readonly key: Secret;
  readonly baseUrl: string | undefined;
}

const variables: Readonly<Record<Provider, { key: string; baseUrl: string | null }>> = {
  openai: { key: 'OPENAI_API_KEY', baseUrl: 'OPENAI_BASE_URL' },
  anthropic: { key: 'ANTHROPIC_API_KEY', baseUrl: 'ANTHROPIC_BASE_URL' },
  // The address is the agent's own setting, because several servers may be used at once; but see `addresses`.
  compatible: { key: 'AIRA_COMPATIBLE_API_KEY', baseUrl: null },
};

/** The keys of this process, and what hides them. */
export interface Keyring {
  /** The environment variable that a model needs and that is not set; null where nothing is lacking. */
  lacks(model: ChatModelName): string | null;
  /** @throws PrerequisiteError `key` where there is none for it; `address` for one that nobody here has named. */
  endpoint(model: ChatModelName, baseUrl: string | undefined): Endpoint;
  /** The text with every known key masked: providers quote keys in their errors. */
  redact(text: string): string;
}

/** A key as it stands, and as JSON may write it: each character may be escaped, and is itself again once it is parsed. */
function formsOf(key: string): RegExp {
  const units = Array.from({ length: key.length }, (_, at) => {
    const hex = key.charCodeAt(at).toString(16).padStart(4, '0');
    const digits = [...hex].map((digit) => (/[a-f]/.test(digit) ? `[${digit}${digit.toUpperCase()}]` : digit)).join('');
    const plain = `\\u${key.charCodeAt(at).toString(16).padStart(4, '0')}`;
    return key[at] === '/' ? `(?:\\\\?${plain}|\\\\u${digits})` : `(?:${plain}|\\\\u${digits})`;
  });
  return new RegExp(units.join(''), 'g');
}

/** Whatever a provider sent, with every text in it redacted, names included. */
export function redacted<T>(value: T, redact: (text: string) => string): T {
  if (typeof value === 'string') return redact(value) as T;
  if (Array.isArray(value)) return value.map((each) => redacted(each, redact)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [redact(key), redacted(each, redact)])) as T;
}

/** Two spellings of one address are one. */
const normal = (address: string): string =>
  (URL.canParse(address) ? new URL(address).href : address).replace(/\/+$/, '');

/**
 * Reads the keys from an environment. Local servers usually want none; the SDK wants a word, so they get one.
 *
 * @param addresses where \`compatible/\` models may be asked, beside those in AIRA_COMPATIBLE_BASE_URL: from this machine's
 * own files and arguments, because an address that came in a message would have the key sent to whoever wrote it (I12).
 */
export function keyring(
  environment: Readonly<Record<string, string | undefined>>,
  addresses: readonly string[] = [],
): Keyring {
  const value = (name: string | null) => (name === null ? undefined : environment[name]?.trim() || undefined);
  const known = Object.values(variables)
    .flatMap(({ key }) => value(key) ?? [])
    .sort((a, b) => b.length - a.length);
  const named = (value('AIRA_COMPATIBLE_BASE_URL') ?? '').split(/[\s,]+/).filter((address) => address !== '');
  const trusted = new Set([...named, ...addresses].map(normal));
  const forms = known.map(formsOf);
  const keyOf = (provider: Provider) => value(variables[provider].key) ?? (provider === 'compatible' ? 'none' : null);
  return {
    lacks(model) {
      const { provider } = splitModel(model);
      return keyOf(provider) === null ? variables[provider].key : null;
    },
    endpoint(model, baseUrl) {
      const { provider } = splitModel(model);
      const names = variables[provider];
      const key = keyOf(provider);
      if (key === null) {
        throw new PrerequisiteError('key', `${model} needs a key`, `set ${names.key}, or use another model`);
      }
      if (provider === 'compatible' && (baseUrl === undefined || !trusted.has(normal(baseUrl)))) {
        throw new PrerequisiteError(
          'address',
          `the search has ${model} served at ${baseUrl ?? 'no address'}, which nobody on this machine has named`,
          'if you trust that address, give it with --base-url or in AIRA_COMPATIBLE_BASE_URL',
        );
      }
      return { key: new Secret(key), baseUrl: provider === 'compatible' ? baseUrl : value(names.baseUrl) };
    },
    redact: (text) => forms.reduce((rest, form) => rest.replace(form, mask), text),
  };
}

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
