import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openThoughts, type Thoughts } from '../../src/agents/graph/thoughts.ts';
import type { ChatThinking } from '../../src/agents/index.ts';
import type { ChatModelName } from '../../src/domain/model.ts';
import type { SearchSpec } from '../../src/domain/search.ts';
import { Cassette, type Scope } from '../../src/llm/cassette.ts';
import type { ChatRequest } from '../../src/llm/chat.ts';
import { type CallLedger, Gateway, type Question } from '../../src/llm/gateway.ts';
import { type Keyring, keyring, providersOf } from '../../src/llm/keys.ts';
import { loadPrices } from '../../src/llm/prices.ts';
import { defaultRetries } from '../../src/llm/retry.ts';
import type { Timeouts } from '../../src/llm/wire.ts';
import { Archive } from '../../src/memory/archive.ts';
import { systemTimers, type Timers } from '../../src/platform/timers.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import type { LlmServer } from '../support/llm-server/server.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

/** Keys that must never be seen anywhere but in the header of a request. */
export const canaries = {
  openai: 'sk-canary-openai-1f2e',
  anthropic: 'sk-ant-canary-77aa',
  compatible: 'canary-local-90bc',
};

export const models: readonly ChatModelName[] = [
  'openai/gpt-5.6-luna',
  'anthropic/claude-haiku-5-5',
  'compatible/qwen3:8b',
];

export function keysFor(server: Pick<LlmServer, 'urls'>): Keyring {
  const environment = {
    OPENAI_API_KEY: canaries.openai,
    OPENAI_BASE_URL: server.urls.openai,
    ANTHROPIC_API_KEY: canaries.anthropic,
    ANTHROPIC_BASE_URL: server.urls.anthropic,
    AIRA_COMPATIBLE_API_KEY: canaries.compatible,
  };
  return keyring(environment, [server.urls.compatible]);
}

/** Timers that do not wait, and remember how long they should have. */
export function instantTimers(): Timers & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    waits,
    after(ms, action) {
      waits.push(ms);
      const handle = setImmediate(action);
      return () => clearImmediate(handle);
    },
    every: () => () => undefined,
  };
}

/** For tests of silence, one question at a time: short enough to wait for. */
export const timeouts: Timeouts = { silenceMs: 1000, totalMs: 10_000 };

export interface Bench {
  readonly gateway: Gateway;
  readonly archive: Archive;
  readonly home: string;
  readonly recording: string;
  readonly clock: ReturnType<typeof manualClock>;
  readonly timers: ReturnType<typeof instantTimers>;
  readonly chat: ChatThinking;
  readonly spec: SearchSpec;
  readonly thoughts: Thoughts;
}

/** A gateway with a real archive, a real recording and real SDKs, everything in a home of its own. */
export function bench(
  server: Pick<LlmServer, 'urls'>,
  given: {
    home?: string;
    spec?: SearchSpec;
    archive?: Archive;
    replay?: string;
    ledger?: (ledger: CallLedger) => CallLedger;
    prices?: string;
    timeouts?: Timeouts;
    notice?: (line: string) => void;
  } = {},
): Bench {
  const home = given.home ?? temporaryFolder();
  const spec = given.spec ?? searchSpec({ agents: [agentSpec({ model: models[0] })] });
  const clock = manualClock();
  const archive = given.archive ?? Archive.open(home, clock);
  if (!given.archive) {
    archive.handlers['search-open']({ spec, source: '' });
    onTestFinished(() => archive.close());
  }
  const timers = instantTimers();
  const keys = keysFor(server);
  const recording = join(home, 'calls', `${spec.id}.jsonl`);
  const cassette = given.replay ? Cassette.replay(given.replay) : Cassette.record(recording, keys.redact);
  const thoughts = openThoughts(join(home, 'thoughts.db'));
  onTestFinished(() => {
    cassette.close();
    thoughts.close();
  });
  const ledger: CallLedger = {
    reserve: async (reservation) => archive.handlers['call-reserve'](reservation),
    settle: async (settlement) => archive.handlers['call-settle'](settlement),
  };
  let id = 0;
  const gateway = new Gateway({
    ...{ search: spec.id, cassette, clock, timers },
    model: providersOf(keys, { timers: systemTimers, clock, timeouts: given.timeouts ?? timeouts }, clock),
    ledger: given.ledger?.(ledger) ?? ledger,
    prices: loadPrices(given.prices),
    redact: keys.redact,
    retries: defaultRetries,
    ids: () => `${home}-${++id}`.slice(-60),
    ...(given.notice ? { notice: given.notice } : {}),
  });
  return {
    gateway,
    archive,
    home,
    recording,
    clock,
    timers,
    spec,
    thoughts,
    chat: { search: spec.id, gateway, thoughts },
  };
}

export function question(
  server: Pick<LlmServer, 'urls'>,
  model: ChatModelName,
  given: Partial<Omit<Question, 'request' | 'scope'>> & { request?: Partial<ChatRequest>; scope?: Partial<Scope> } = {},
): Question {
  const baseUrl = model.startsWith('compatible/') ? { baseUrl: server.urls.compatible } : {};
  return {
    remainingBudget: '',
    problem: () => null,
    ...given,
    scope: { agent: agentSpec().name, ordinal: 1, purpose: 'draft', round: 0, ...given.scope },
    request: {
      ...{ model, system: 'You answer in JSON.', messages: [{ role: 'user', text: 'Say one.' }], maxTokens: 1000 },
      schema: { name: 'answer', json: { type: 'object', properties: {}, required: [], additionalProperties: false } },
      ...baseUrl,
      ...given.request,
    },
  };
}

/** Never aborted. */
export const patient = () => new AbortController().signal;
