import { type AgentSpec, agentSpecSchema } from '../../src/domain/agent.ts';
import type { EvaluationResult, Job, Measurement } from '../../src/domain/evaluation.ts';
import { workerIdSchema } from '../../src/domain/ids.ts';
import { type SearchSpec, searchSpecSchema } from '../../src/domain/search.ts';

export function agentSpec(overrides: Partial<Record<keyof AgentSpec, unknown>> = {}): AgentSpec {
  return agentSpecSchema.parse({
    name: 'walker',
    model: 'local/random',
    scaffold: { kind: 'one-shot' },
    pending: 2,
    evaluations: 4,
    ...overrides,
  });
}

export function searchSpec(overrides: Partial<Record<keyof SearchSpec, unknown>> = {}): SearchSpec {
  const rung = (steps: number) => ({ seconds: 1, settings: { steps } });
  return searchSpecSchema.parse({
    id: 'trial-1',
    task: 'toy',
    taskVersion: 'v1',
    metric: 'accuracy',
    lowerIsBetter: false,
    space: { kind: 'stack', layers: 4, primitives: ['M', 'mA', 'Mb'] },
    profile: 'nano',
    rungs: { screen: rung(1), confirm: rung(2), final: rung(3) },
    evaluator: 'torch-000000000000',
    deviceClass: 'cpu',
    content: { directory: 'd'.repeat(64), data: {} },
    seed: 1,
    budget: { evaluations: 4 },
    ladder: { promote: 0.2, confirmSeeds: 1, finalists: 2, finalSeeds: 2 },
    agents: [agentSpec()],
    references: [],
    ...overrides,
  });
}

export function measurement(validation: number, overrides: Partial<Measurement> = {}): Measurement {
  return {
    status: 'ok',
    validation,
    test: null,
    tasks: { recall: { validation } },
    curve: [[1, validation]],
    seconds: 1,
    cpuSeconds: 1,
    params: 10,
    flops: 10,
    peakMemoryBytes: 10,
    device: 'cpu',
    ...overrides,
  };
}

export function resultOf(
  job: Pick<Job, 'key' | 'evaluator'>,
  outcome: EvaluationResult['outcome'],
  attempt = 1,
): EvaluationResult {
  return { key: job.key, worker: workerIdSchema.parse('worker-1'), evaluator: job.evaluator, attempt, outcome };
}
