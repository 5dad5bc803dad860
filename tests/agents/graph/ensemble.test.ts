import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type LocalModel, think } from '../../../src/agents/index.ts';
import { mutateModel, randomModel } from '../../../src/agents/models/mutate.ts';
import { audit, type Finding } from '../../../src/audit/index.ts';
import type { AgentSpec } from '../../../src/domain/agent.ts';
import { candidateText } from '../../../src/domain/candidate.ts';
import { BudgetError, RetryableError } from '../../../src/domain/errors.ts';
import type { AgentName } from '../../../src/domain/ids.ts';
import { rngFor } from '../../../src/domain/rng.ts';
import type { SearchSpec } from '../../../src/domain/search.ts';
import { replayedGateway } from '../../../src/llm/gateway.ts';
import { defaultTimeouts } from '../../../src/llm/wire.ts';
import { readArchive } from '../../../src/memory/reader.ts';
import { type Bench, bench, canaries } from '../../llm/support.ts';
import { temporaryFolder } from '../../support/home.ts';
import { proposer } from '../../support/llm-server/brain.ts';
import { type Fault, type LlmServer, startLlmServer } from '../../support/llm-server/server.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../../support/specs.ts';
import { notes } from '../reading/support.ts';
import { landscape, space16 } from '../support.ts';

const ground = landscape(7, space16, 0.01);
const localModels: Partial<Record<string, LocalModel>> = {
  'local/random': randomModel(),
  'local/mutate': mutateModel(),
};

const literature = { sources: ['corpus', 'archive'], searches: 3, reads: 1, items: 3, how: 'tools' };

/** Eleven agents: five one-shot, six greedy; nine of them with language models of three providers. */
function elevenAgents(server: Pick<LlmServer, 'urls'>): AgentSpec[] {
  const named = [
    'openai/gpt-6-sol',
    'anthropic/claude-opus-5-5',
    'compatible/qwen3:8b',
    'anthropic/claude-haiku-5-5',
    'local/random',
    'openai/gpt-5.6-luna',
    'anthropic/claude-sonnet-5-5',
    'compatible/qwen3:32b',
    'openai/gpt-6-luna',
    'compatible/gemma4',
    'local/mutate',
  ];
  return named.map((model, index) =>
    agentSpec({
      name: `agent-${index + 1}`,
      model,
      scaffold: index < 5 ? { kind: 'one-shot' } : { kind: 'greedy', drafts: 2 },
      evaluations: index < 5 ? 6 : 5,
      ...(model.startsWith('compatible/') ? { baseUrl: server.urls.compatible, temperature: 0.8 } : {}),
      ...(index === 1 || index === 7 ? { literature } : {}),
      ...(index === 6 ? { models: { analyze: 'anthropic/claude-haiku-5-5' }, effort: 'high' } : {}),
    }),
  );
}

/** One call in ten fails in some way, each way in its turn. */
function tenPerCent(number: number): Fault | null {
  if (rngFor('fault', number).float() >= 0.1) return null;
  const kinds: Fault[] = [
    { kind: 'status', status: 429, headers: { 'retry-after': '86400' } },
    { kind: 'malformed' },
    { kind: 'status', status: 529 },
    { kind: 'cut' },
    { kind: 'refused' },
    { kind: 'status', status: 500 },
    { kind: 'truncated' },
    { kind: 'empty' },
    { kind: 'error-event' },
    { kind: 'fenced' },
    { kind: 'reset' },
  ];
  return kinds[rngFor('kind', number).below(kinds.length)] ?? null;
}

/** The whole screening of a search without bus and trainers: real ledger, real agents, a planted landscape as evaluator. */
async function search(at: Bench): Promise<void> {
  const { archive, spec, chat } = at;
  const ask = archive.handlers;
  let published = 0;
  const train = (): void => {
    for (const entry of archive.unsent(10_000)) {
      if (entry.seq <= published) continue;
      published = entry.seq;
      if (entry.kind === 'job') {
        archive.record(
          resultOf(
            entry.body,
            measurement(Math.min(1, Math.max(0, ground.measure(candidateText(entry.body.candidate))))),
          ),
        );
      }
    }
  };
  const live = async (name: AgentName): Promise<void> => {
    const {
      spec: self,
      space,
      seed,
      task,
      metric,
      experiment,
      next,
    } = ask['agent-join']({ search: spec.id, agent: name });
    for (let ordinal = next; ; ) {
      train();
      const reply = ask['agent-view']({ search: spec.id, agent: name, ordinal });
      if (reply.state === 'closed') return;
      if (reply.state === 'waiting') throw new Error('everything has been trained');
      try {
        const given = {
          spec: self,
          view: reply.view,
          space,
          seed,
          topic: { task, metric, experiment },
          chat,
          openRetriever: notes,
        };
        const thought = await think({ ...given, models: localModels });
        ask['agent-submit']({ search: spec.id, agent: name, ordinal, ...thought });
        ordinal++;
      } catch (thrown) {
        if (thrown instanceof BudgetError) return;
        if (!(thrown instanceof RetryableError)) throw thrown;
        at.clock.advance(thrown.retryAfterMs);
      }
    }
  };
  await Promise.all(spec.agents.map(({ name }) => live(name)));
  train();
}

function ensemble(server: Pick<LlmServer, 'urls'>, budget: object = {}): SearchSpec {
  const agents = elevenAgents(server);
  return searchSpec({ agents, space: space16, budget: { evaluations: 60, ...budget } });
}

/** All that is recorded of the nodes, but the moments. */
function nodesOf({ home, spec }: Bench) {
  const reader = readArchive(home);
  const nodes = reader.records.nodes(spec.id).map(({ createdAt: _, evaluations, ...node }) => ({
    ...node,
    fitness: evaluations.map(({ validation }) => validation),
  }));
  reader.close();
  return nodes.sort((a, b) => a.id.localeCompare(b.id));
}

async function audited({ home, spec }: Bench, recording: string): Promise<Finding[]> {
  const reader = readArchive(home);
  const findings = await audit({
    ...{ reader, search: spec.id, home, retraining: null },
    secrets: Object.values(canaries).map((value) => ({ name: 'a canary', value })),
    openModel: async (name) => localModels[name] as LocalModel,
    files: async () => ({ same: [], changed: [] }),
    claims: () => null,
    openRecording: () => ({ search: spec.id, gateway: replayedGateway(spec.id, recording) }),
  });
  reader.close();
  return findings;
}

function everyFile(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).isFile());
}

describe('a mixed ensemble of eleven agents, while one call in ten fails', () => {
  it('uses its evaluations, pays what the provider bills, tells no key, and is replayed byte for byte', {
    timeout: 180_000,
  }, async () => {
    const server = await startLlmServer({ brain: proposer, fault: (number) => tenPerCent(number) });
    const live = bench(server, { spec: ensemble(server), timeouts: defaultTimeouts });
    await search(live);
    expect(server.wrong).toEqual([]);
    expect(server.served.filter(({ fault }) => fault !== null).length).toBeGreaterThan(5);

    const nodes = nodesOf(live);
    const accepted = nodes.filter(({ verdict }) => verdict === 'accepted');
    expect(accepted).toHaveLength(60);
    expect(accepted.every(({ fitness: [score] }) => typeof score === 'number')).toBe(true);
    const reader = readArchive(live.home);
    const calls = reader.calls.of(live.spec.id);
    reader.close();
    expect(calls.filter(({ outcome }) => outcome === null)).toEqual([]);
    // A connection that the server gives up may take a request with it that the server never saw.
    const seen = calls.filter(({ message }) => !message?.includes('no connection'));
    expect(seen).toHaveLength(server.served.filter(({ fault }) => fault !== 'reset').length);
    const billed = server.served.reduce((sum, { usage }) => sum + (usage?.input ?? 0) + (usage?.output ?? 0), 0);
    const counted = calls.reduce(
      (sum, call) => sum + (call.estimated === 1 ? 0 : (call.input ?? 0) + (call.output ?? 0)),
      0,
    );
    expect(counted).toBe(billed);
    expect(live.timers.waits.every((wait) => wait <= 180_000)).toBe(true);

    for (const file of everyFile(live.home)) {
      const bytes = readFileSync(file).toString('latin1');
      for (const key of Object.values(canaries)) expect(bytes.includes(key), `${key} in ${file}`).toBe(false);
    }

    await server.stop();
    const findings = await audited(live, live.recording);
    for (const invariant of ['I4', 'I5', 'I7', 'I9']) {
      expect(findings.find((finding) => finding.invariant === invariant)).toMatchObject({
        holds: true,
        violations: [],
      });
    }
    const forged = join(temporaryFolder(), 'forged.jsonl');
    writeFileSync(forged, readFileSync(live.recording, 'utf8').replace(/(\\"architecture\\":\\")(mA|Mb|M) /, '$1M M '));
    expect((await audited(live, forged)).find(({ invariant }) => invariant === 'I5')).toMatchObject({ holds: false });

    const replay = bench(server, { spec: live.spec, replay: live.recording });
    await search(replay);
    expect(nodesOf(replay)).toEqual(nodes);
  });

  it('continues without the agents of a provider that is permanently down', async () => {
    const down = (_: number, { format }: { format: string }): Fault | null =>
      format === 'messages' ? { kind: 'status', status: 401 } : null;
    const server = await startLlmServer({ brain: proposer, fault: down });
    const live = bench(server, { spec: ensemble(server), timeouts: defaultTimeouts });
    await expect(search(live)).rejects.toMatchObject({ code: 'provider-rejected' });
  });

  it('ends by itself when the money ends, below the limit', async () => {
    const server = await startLlmServer({ brain: proposer });
    const dollars = 0.1;
    const live = bench(server, { spec: ensemble(server, { dollars }), timeouts: defaultTimeouts });
    await search(live);
    const { spend } = live.archive.handlers['search-status']({ search: live.spec.id });
    expect(spend.dollars).toBeLessThanOrEqual(dollars);
    expect(nodesOf(live).length).toBeLessThan(60);
    // Those that cost nothing are not stopped by it.
    const free = nodesOf(live).filter(({ agent, verdict }) => agent === 'agent-11' && verdict === 'accepted');
    expect(free).toHaveLength(5);
  });
});
