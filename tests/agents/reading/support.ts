import { think } from '../../../src/agents/index.ts';
import type { AgentSpec } from '../../../src/domain/agent.ts';
import type { OpenRetriever } from '../../../src/domain/literature.ts';
import type { View } from '../../../src/domain/node.ts';
import { loadCorpus } from '../../../src/literature/corpus.ts';
import { Library } from '../../../src/literature/library.ts';
import { defaultTimeouts } from '../../../src/llm/wire.ts';
import { quiet } from '../../bus/support.ts';
import { type Bench, bench } from '../../llm/support.ts';
import type { LlmServer } from '../../support/llm-server/server.ts';
import type { Asked, Called } from '../../support/llm-server/wire.ts';
import { agentSpec, searchSpec } from '../../support/specs.ts';
import { space16, viewOf } from '../support.ts';

const library = new Library({ corpus: loadCorpus(), log: quiet });
/** Aira's own notes. */
export const notes: OpenRetriever = (occasion) => library.open(occasion);

export const call = (name: string, given: unknown): Called => ({
  name,
  arguments: typeof given === 'string' ? given : JSON.stringify(given),
});
export const find = (query: string): Called => call('search_literature', { query, since: null });
export const proposal = (evidence: string[], architecture = '2mA+14M') =>
  JSON.stringify({
    ...{ hypothesis: 'mixing early helps', change: 'attention first', expected_fitness: 0.7, evidence, architecture },
  });

/** The tool results that the model got, over all rounds. */
export const told = ({ messages }: Asked): string[] =>
  messages.flatMap(({ results }) => results?.map(({ text }) => text) ?? []);

/** A brain that plays these answers in turn, as far as the conversation has gone. */
export const playing =
  (...rounds: (readonly Called[] | string)[]) =>
  (asked: Asked): string | { calls: readonly Called[] } => {
    const round = rounds[Math.min(asked.messages.filter(({ role }) => role === 'tools').length, rounds.length - 1)];
    return typeof round === 'string' ? round : { calls: round ?? [] };
  };

export function reader(server: Pick<LlmServer, 'urls'>, model: string, given: object = {}): AgentSpec {
  return agentSpec({
    model,
    scaffold: { kind: 'greedy', drafts: 1 },
    literature: { sources: ['corpus', 'archive'], searches: 3, reads: 2, items: 3, how: 'tools' },
    ...(model.startsWith('compatible/') ? { baseUrl: server.urls.compatible } : {}),
    ...given,
  });
}

export const benchFor = (server: Pick<LlmServer, 'urls'>, spec: AgentSpec, given: Parameters<typeof bench>[1] = {}) =>
  bench(server, { spec: searchSpec({ agents: [spec], space: space16 }), timeouts: defaultTimeouts, ...given });

/** One thought of that agent. */
export const has = (
  spec: AgentSpec,
  { chat }: Pick<Bench, 'chat'>,
  { view = viewOf([]), open = notes, signal }: { view?: View; open?: OpenRetriever; signal?: AbortSignal } = {},
) => {
  const topic = { task: 'compose-mad-3p', metric: 'accuracy' };
  return think({ spec, view, space: space16, seed: 1, topic, models: {}, chat, openRetriever: open, signal });
};
