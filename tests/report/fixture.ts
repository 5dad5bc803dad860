import { aggregate, aggregateByAgent, conditionings, extrapolateAll } from '../../src/aggregation/index.ts';
import {
  type Architecture,
  canonicalText,
  type Primitive,
  parseArchitecture,
  primitives,
} from '../../src/domain/architecture.ts';
import { rungSeeds } from '../../src/domain/evaluation.ts';
import { agentNameSchema, nodeId } from '../../src/domain/ids.ts';
import { rngFor } from '../../src/domain/rng.ts';
import type { Rung } from '../../src/domain/task.ts';
import type { SeedScore } from '../../src/statistics/seeds.ts';
import type { ReportAgent, ReportData, ReportNode } from '../../src/views/index.ts';

/** How large a search to invent, and what went wrong in it. */
export interface FixtureOptions {
  readonly seed: number;
  readonly agents: number;
  readonly attempts: number;
  readonly references: boolean;
  /** Share of the attempts that fail. */
  readonly failures: number;
  readonly finalSeeds: number;
  readonly confirmSeeds: number;
  readonly finalists: number;
}

const usual: FixtureOptions = {
  seed: 7,
  agents: 4,
  attempts: 24,
  references: true,
  failures: 0.06,
  finalSeeds: 4,
  confirmSeeds: 2,
  finalists: 3,
};

const crew = [
  ['composer', 'local/bayes', 'greedy, 5 drafts'],
  ['islander', 'local/mutate', 'evolutionary, 2 islands'],
  ['climber', 'local/mutate', 'mcts, exploration 0.25'],
  ['chance', 'local/random', 'one-shot'],
] as const;

const known = [
  ['llama', '1mA+1M+1mA+1M+1mA+1M+1mA+1M+1mA+1M+1mA+1M+1mA+1M+1mA+1M'],
  ['composer-stretched', '2mA+5M+2mA+3M+1mA+3M'],
  ['interleaved', '1Mb+1mA+1Mb+1M+1Mb+1mA+1Mb+1M+1Mb+1mA+1Mb+1M+1Mb+1mA+1Mb+1M'],
  ['mamba', '1Mb+1M+1Mb+1M+1Mb+1M+1Mb+1M+1Mb+1M+1Mb+1M+1Mb+1M+1Mb+1M'],
] as const;

/** A quality that a search can climb: recall needs attention after a Mamba layer, early; a mixture helps; so do MLPs. */
function quality(architecture: Architecture): number {
  const first = architecture.findIndex((layer, at) => layer === 'mA' && architecture.slice(0, at).includes('Mb'));
  const early = first < 0 ? 0 : 0.16 * (1 - first / architecture.length);
  const share = architecture.filter((layer) => layer === 'M').length / architecture.length;
  return 0.5 + early + 0.1 * (1 - 2 * Math.abs(share - 0.35));
}

/** An agent that used its budget, without language models. */
export function reportAgent(given: Pick<ReportAgent, 'name'> & Partial<ReportAgent>): ReportAgent {
  return {
    model: 'local/mutate',
    scaffold: 'greedy',
    evaluations: 6,
    end: { code: 'budget-used', reason: 'its 6 evaluations are used' },
    spend: { calls: 0, tokens: 0, dollars: 0 },
    ...given,
  };
}

/** A whole search, invented from a seed: the same options give the same data. */
export function fixture(options: Partial<FixtureOptions> = {}): ReportData {
  const { seed, agents, attempts, references, failures, finalSeeds, confirmSeeds, finalists } = {
    ...usual,
    ...options,
  };
  const rng = rngFor(seed, 'report');
  const noise = (sd: number, ...labels: (string | number)[]) => {
    const own = rngFor(seed, ...labels);
    return sd * (own.float() + own.float() + own.float() + own.float() - 2) * Math.sqrt(3);
  };
  const gain: Record<Rung | 'test', number> = { screen: 0, confirm: 0.09, final: 0.15, test: 0.13 };
  const clip = (value: number) => Math.min(1, Math.max(0, value));
  const scores = (architecture: Architecture, rung: Rung, n: number, measure: Rung | 'test' = rung): SeedScore[] =>
    rungSeeds(rung, n).map((each) => ({
      seed: each,
      score: clip(
        quality(architecture) +
          gain[measure] +
          noise(0.008, 'seed', measure, each) +
          noise(0.012, canonicalText(architecture), measure, each),
      ),
    }));

  const mutate = (parent: Architecture): Architecture => {
    const child: Primitive[] = [...parent];
    for (let change = 0; change < 2; change++) child[rng.below(child.length)] = rng.pick(primitives);
    return child;
  };
  const random = (): Architecture => Array.from({ length: 16 }, () => rng.pick(primitives));

  const roster = Array.from({ length: agents }, (_, index) => {
    const [name, model, scaffold] = crew[index % crew.length] as (typeof crew)[number];
    const distinct = agents > crew.length ? `${name}-${1 + Math.floor(index / crew.length)}` : name;
    return reportAgent({ name: distinct, model, scaffold, evaluations: attempts });
  });
  const nodes: ReportNode[] = [];
  const layers = new Map<string, Architecture>();
  let clock = 0;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    for (const { name, model } of roster) {
      const own = nodes.filter((node) => node.agent === name && node.status === 'evaluated');
      const best = own.toSorted(
        (a, b) => (b.validation.screen[0]?.score ?? 0) - (a.validation.screen[0]?.score ?? 0),
      )[0];
      const breeds = best !== undefined && attempt > 5 && model !== 'local/random';
      const architecture = breeds ? mutate(layers.get(best.id) as Architecture) : random();
      const id = nodeId(agentNameSchema.parse(name), attempt);
      const failed = rng.float() < failures;
      const duplicate = !failed && own.some((node) => node.candidate === canonicalText(architecture));
      const saved = !failed && !duplicate && rng.float() < 0.08;
      const evaluated = !failed && !duplicate;
      layers.set(id, architecture);
      clock += 1500 + rng.below(2500);
      nodes.push({
        id,
        agent: name,
        ordinal: attempt,
        origin: breeds ? (rng.float() < 0.2 ? 'crossover' : 'improve') : 'draft',
        name: null,
        parents: breeds ? [best.id] : [],
        candidate: canonicalText(architecture),
        change: '',
        unsafe: false,
        status: failed ? 'failed' : duplicate ? 'duplicate' : 'evaluated',
        reason: failed ? rng.pick(['nan', 'timeout', 'crash']) : duplicate ? 'duplicate' : null,
        message: failed ? 'the loss left the finite numbers at step 112' : duplicate ? 'proposed before' : null,
        validation: { screen: evaluated ? scores(architecture, 'screen', 1) : [], confirm: [], final: [] },
        test: [],
        seconds: saved || !evaluated ? 0 : 4 + rng.float(),
        saved,
        attempts: { screen: 1, confirm: 0, final: 0 },
        finishedAt: evaluated ? clock : null,
      });
    }
  }

  const climb = (node: ReportNode, rungs: readonly Rung[]): ReportNode => {
    const architecture = layers.get(node.id) as Architecture;
    const counts = { screen: 1, confirm: confirmSeeds, final: finalSeeds };
    const validation = { ...node.validation };
    for (const rung of rungs) validation[rung] = scores(architecture, rung, counts[rung]);
    return {
      ...node,
      validation,
      test: rungs.includes('final') ? scores(architecture, 'final', finalSeeds, 'test') : node.test,
    };
  };
  const ranked = (rung: Rung, list: readonly ReportNode[]) =>
    list
      .filter((node) => node.validation[rung].length > 0)
      .toSorted((a, b) => (b.validation[rung][0]?.score ?? 0) - (a.validation[rung][0]?.score ?? 0));
  const replace = (changed: readonly ReportNode[]) => {
    for (const node of changed) nodes[nodes.findIndex(({ id }) => id === node.id)] = node;
  };
  const screened = ranked('screen', nodes);
  replace(screened.slice(0, Math.ceil(screened.length * 0.2)).map((node) => climb(node, ['confirm'])));
  replace(
    ranked('confirm', nodes)
      .slice(0, finalists)
      .map((node) => climb(node, ['final'])),
  );

  const added = (id: string, origin: 'reference' | 'aggregate', name: string | null, architecture: Architecture) => {
    layers.set(id, architecture);
    const bare: ReportNode = {
      id,
      agent: origin,
      ordinal: 1,
      origin,
      name,
      parents: [],
      candidate: canonicalText(architecture),
      status: 'evaluated',
      reason: null,
      message: null,
      validation: { screen: [], confirm: [], final: [] },
      test: [],
      seconds: 60,
      change: '',
      unsafe: false,
      saved: false,
      attempts: { screen: 1, confirm: 0, final: 0 },
      finishedAt: clock,
    };
    return climb(bare, ['screen', 'final']);
  };
  const pool = screened.map((node) => ({
    node: nodeId(agentNameSchema.parse(node.agent), node.ordinal),
    agent: agentNameSchema.parse(node.agent),
    architecture: layers.get(node.id) as Architecture,
    score: node.validation.screen[0]?.score as number,
  }));
  const patterns = pool.length > 0 ? conditionings.map((each) => aggregate(pool, each)) : [];
  const chosen = patterns[0];
  if (chosen) nodes.push(added('aggregate-1', 'aggregate', null, chosen.architecture));
  if (references) {
    for (const [name, text] of known) {
      nodes.push(added(`reference-${name}-1`, 'reference', name, parseArchitecture(text)));
    }
  }

  const paid = nodes.filter(({ saved }) => !saved).reduce((sum, { seconds }) => sum + seconds, 0);
  return {
    search: {
      id: 'quickstart-7',
      task: 'compose-mad-3p',
      metric: 'MeanAccuracy',
      testMetric: 'MeanAccuracy',
      lowerIsBetter: false,
      finalSeeds,
      profile: 'nano',
      space: { kind: 'stack', layers: 16, primitives: [...primitives] },
      primitives: [],
      seed,
      phase: 'finished',
    },
    agents: roster,
    nodes,
    floors: { screen: [], confirm: [], final: [], test: [] },
    endings: [],
    phases: [
      { phase: 'screening', seconds: clock / 1000 },
      { phase: 'confirming', seconds: 96.4 },
      { phase: 'aggregating', seconds: 5.2 },
      { phase: 'finalising', seconds: 210.8 },
    ],
    budget: {
      limit: { evaluations: agents * attempts, minutes: 20 },
      spent: {
        evaluations: pool.length,
        minutes: clock / 60_000 + 5.2,
        deviceSeconds: paid,
        rehearsalSeconds: 0,
        calls: { calls: 0, tokens: 0, dollars: 0 },
      },
      saved: { evaluations: nodes.filter(({ saved }) => saved).length, deviceSeconds: 41.3 },
    },
    devices: { count: 2, busy: 0.973 },
    aggregation: chosen ? { patterns, byAgent: aggregateByAgent(pool, 0), conditioning: 0 } : null,
    extrapolations: chosen
      ? [{ label: 'Aggregate N0', pattern: chosen.architecture, rows: extrapolateAll(chosen.architecture) }]
      : [],
    funnel: null,
    provenance: {
      airaVersion: '0.1.0',
      taskVersion: '3f2a9c1e5b7d8046',
      evaluator: 'torch-1.13.1+cpu-5e0c77aa',
      machine: [
        { fact: 'processor', value: 'Intel Xeon, 2 cores' },
        { fact: 'memory', value: '7.6 GiB' },
        { fact: 'system', value: 'Linux x64, Node 20.20.0' },
      ],
      startedAt: '2026-11-20T13:00:00.000Z',
      searchFile: 'task: compose-mad-3p\nprofile: nano\nseed: 7\nbudget: { evaluations: 96, minutes: 20 }\n',
      commands: ['aira launch searches/quickstart.yaml --seed 7', 'aira report quickstart-7'],
    },
  };
}

/** A search of nothing but failures, with no references and no upper rung. */
export const barren = (): ReportData => fixture({ agents: 2, attempts: 2, references: false, failures: 1 });
