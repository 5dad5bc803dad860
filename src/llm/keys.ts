import type { AgentSpec } from '../domain/agent.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { type ChatModelName, chatArms, type Provider, splitModel } from '../domain/model.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Clock } from '../platform/index.ts';
import type { ChatModel, ChatRequest } from './chat.ts';
import type { Prices } from './prices.ts';
import { Breaker } from './retry.ts';
import { type Endpoint, mask, Secret, type Watch } from './wire.ts';

const variables: Readonly<Record<Provider, { key: string; baseUrl: string | null }>> = {
  openai: { key: 'OPENAI_API_KEY', baseUrl: 'OPENAI_BASE_URL' },
  anthropic: { key: 'ANTHROPIC_API_KEY', baseUrl: 'ANTHROPIC_BASE_URL' },
  // The address comes from the agent's specification, because several servers may be in use; see `addresses`.
  compatible: { key: 'AIRA_COMPATIBLE_API_KEY', baseUrl: null },
};

/** The keys of this process, and their redaction. */
export interface Keyring {
  /** The unset environment variable that a model needs; null if none is missing. */
  lacks(model: ChatModelName): string | null;
  /** @throws PrerequisiteError `key` without a key; `address` for an address that this machine has not allowed. */
  endpoint(model: ChatModelName, baseUrl: string | undefined): Endpoint;
  /** The text with every known key masked, because providers quote keys in their errors. */
  redact(text: string): string;
}

/** Matches a key verbatim and in JSON escapes, in which any character may be escaped. */
function formsOf(key: string): RegExp {
  const units = Array.from({ length: key.length }, (_, at) => {
    const hex = key.charCodeAt(at).toString(16).padStart(4, '0');
    const digits = [...hex].map((digit) => (/[a-f]/.test(digit) ? `[${digit}${digit.toUpperCase()}]` : digit)).join('');
    const plain = `\\u${key.charCodeAt(at).toString(16).padStart(4, '0')}`;
    return key[at] === '/' ? `(?:\\\\?${plain}|\\\\u${digits})` : `(?:${plain}|\\\\u${digits})`;
  });
  return new RegExp(units.join(''), 'g');
}

/** A provider's reply with every text redacted, property names included. */
export function redacted<T>(value: T, redact: (text: string) => string): T {
  if (typeof value === 'string') return redact(value) as T;
  if (Array.isArray(value)) return value.map((each) => redacted(each, redact)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [redact(key), redacted(each, redact)])) as T;
}

/** Normalises spellings of one address. */
const normal = (address: string): string =>
  (URL.canParse(address) ? new URL(address).href : address).replace(/\/+$/, '');

/**
 * Reads the keys from an environment. Local servers usually need none; the SDK requires a value, so it gets a dummy.
 *
 * @param addresses where \`compatible/\` models may be served, in addition to AIRA_COMPATIBLE_BASE_URL. They must come from
 * this machine's files and arguments: an address from a message would send the key to the message's author (I12).
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
        throw new PrerequisiteError('key', `${model} needs an API key`, `set ${names.key}, or use another model`);
      }
      if (provider === 'compatible' && (baseUrl === undefined || !trusted.has(normal(baseUrl)))) {
        throw new PrerequisiteError(
          'address',
          `the search uses ${model} at ${baseUrl ?? 'no address'}, which is not allowed on this machine`,
          'if you trust that address, pass it with --base-url or set AIRA_COMPATIBLE_BASE_URL',
        );
      }
      return { key: new Secret(key), baseUrl: provider === 'compatible' ? baseUrl : value(names.baseUrl) };
    },
    redact: (text) => forms.reduce((rest, form) => rest.replace(form, mask), text),
  };
}

type Adapter = (endpoint: Endpoint, watch: Watch) => ChatModel;

/** The SDKs are loaded on the first question to their provider: they take longer to load than most commands take to run. */
const adapters: Readonly<Record<Provider, () => Promise<Adapter>>> = {
  openai: async () => (await import('./openai.ts')).openaiModel,
  anthropic: async () => (await import('./anthropic.ts')).anthropicModel,
  compatible: async () => (await import('./compatible.ts')).compatibleModel,
};

function lazily(load: () => Promise<ChatModel>): ChatModel {
  let loading: Promise<ChatModel> | undefined;
  return {
    async complete(request, signal, meter) {
      loading ??= load();
      return (await loading).complete(request, signal, meter);
    },
  };
}

/** The providers of this process: one client and one breaker per address, created on first use. */
export function providersOf(keys: Keyring, watch: Watch, clock: Clock) {
  const open = new Map<string, { chat: ChatModel; breaker: Breaker }>();
  return (request: Pick<ChatRequest, 'model' | 'baseUrl'>) => {
    const { provider } = splitModel(request.model);
    const place = provider === 'compatible' ? `${provider} at ${request.baseUrl}` : provider;
    const known = open.get(place);
    if (known) return known;
    const endpoint = keys.endpoint(request.model, request.baseUrl);
    const chat = lazily(async () => (await adapters[provider]())(endpoint, watch));
    const created = { chat, breaker: new Breaker(place, clock) };
    open.set(place, created);
    return created;
  };
}

/** All models an agent may call. */
export function chatModels(agent: AgentSpec): ChatModelName[] {
  return [...new Set([...chatArms(agent.model), ...Object.values(agent.models ?? {})])];
}

/**
 * Checks before a search starts what would stop its agents later.
 *
 * @param keys null if no model will be asked, as in a dry run.
 * @throws PrerequisiteError for a model without a key, or without a price under a dollar limit.
 */
export function checkModels(spec: Pick<SearchSpec, 'agents' | 'budget'>, keys: Keyring | null, prices: Prices): void {
  for (const agent of spec.agents) {
    for (const model of chatModels(agent)) {
      keys?.endpoint(model, agent.baseUrl);
      const limited = spec.budget.dollars !== undefined || agent.dollars !== undefined;
      if (limited && prices.of(model, agent.baseUrl) === null) {
        const remedy = 'add its price to a price file and pass it with --prices, or limit tokens instead of dollars';
        const place = splitModel(model).provider === 'compatible' ? ` at ${agent.baseUrl}` : '';
        throw new PrerequisiteError('price', `no price for ${model}${place}, but dollars are limited`, remedy);
      }
    }
  }
}
