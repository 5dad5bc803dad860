import fc from 'fast-check';
import { think } from '../../src/agents/index.ts';
import type { LocalModel } from '../../src/agents/models/model.ts';
import type { AgentSpec } from '../../src/domain/agent.ts';
import { type Architecture, parseInSpace, primitives, type StackSpace } from '../../src/domain/architecture.ts';
import { agentNameSchema, nodeId } from '../../src/domain/ids.ts';
import { nodeStatusSchema, operators, type View, type ViewNode, viewSchema } from '../../src/domain/node.ts';
import { type Rng, rngFor } from '../../src/domain/rng.ts';
import { type ScaffoldSpec, scaffoldPresets, scaffoldSpecSchema } from '../../src/domain/scaffold.ts';
import { agentSpec } from '../support/specs.ts';

export const agent = agentNameSchema.parse('walker');
export const topic = { task: 'toy', metric: 'accuracy' };
export const space16: StackSpace = { kind: 'stack', layers: 16, primitives: [...primitives] };

/** A node of the test's agent; without a fitness it is pending. */
export function viewNode(
  ordinal: number,
  given: Partial<Omit<ViewNode, 'parents'>> & { parents?: number[] } = {},
): ViewNode {
  const { parents = [], fitness = null, ...rest } = given;
  const status = given.status ?? (fitness === null ? 'pending' : 'evaluated');
  return {
    id: nodeId(agent, ordinal),
    agent,
    ordinal,
    operator: parents.length === 0 ? 'draft' : parents.length === 1 ? 'improve' : 'crossover',
    candidate: `candidate ${ordinal}`,
    reason: status === 'failed' ? 'nan' : null,
    ...rest,
    parents: parents.map((parent) => nodeId(agent, parent)),
    status,
    fitness: status === 'evaluated' ? fitness : null,
  };
}

export function viewOf(nodes: readonly ViewNode[], ordinal = nodes.length + 1): View {
  return viewSchema.parse({ ordinal, remaining: 5, nodes });
}

const fitness = fc.oneof(fc.constantFrom(0, 0.5, 0.5, 1), fc.double({ noNaN: true, noDefaultInfinity: true }));

const generatedNode = fc.record({
  operator: fc.constantFrom(...operators),
  status: fc.constantFrom(...nodeStatusSchema.options, 'evaluated' as const, 'evaluated' as const),
  fitness,
  parents: fc.array(fc.nat(), { maxLength: 2 }),
  skipped: fc.nat({ max: 2 }),
});

/** Views of any shape, in any order, with gaps, and with the deciding attempt anywhere. Not only those a search can reach. */
export const anyView: fc.Arbitrary<View> = fc
  .tuple(fc.array(generatedNode, { maxLength: 40 }), fc.nat({ max: 60 }), fc.nat())
  .map(([drawn, ordinal, order]) => {
    const nodes: ViewNode[] = [];
    for (const { parents, skipped, status, ...rest } of drawn) {
      const earlier = nodes.map((node) => node.ordinal);
      const chosen = earlier.length === 0 ? [] : parents.map((parent) => earlier[parent % earlier.length] as number);
      nodes.push(viewNode((earlier.at(-1) ?? 0) + 1 + skipped, { ...rest, status, parents: chosen }));
    }
    return viewOf(shuffled(nodes, rngFor('order', order)), ordinal + 1);
  });

export const anyScaffold: fc.Arbitrary<ScaffoldSpec> = fc
  .oneof(
    fc.constant({ kind: 'one-shot' }),
    fc.record({
      kind: fc.constant('greedy'),
      drafts: fc.integer({ min: 1, max: 8 }),
      debugProbability: fc.double({ min: 0, max: 1, noNaN: true }),
      debugDepth: fc.integer({ min: 0, max: 4 }),
    }),
    fc.record({
      kind: fc.constant('mcts'),
      children: fc.integer({ min: 2, max: 6 }),
      exploration: fc.double({ min: 0, max: 10, noNaN: true }),
      debugDepth: fc.integer({ min: 0, max: 4 }),
    }),
    fc.record({
      kind: fc.constant('evolutionary'),
      islands: fc.integer({ min: 1, max: 4 }),
      founders: fc.integer({ min: 1, max: 4 }),
      capacity: fc.integer({ min: 2, max: 6 }),
      admission: fc.constantFrom('all', 'mean'),
      crossover: fc.double({ min: 0, max: 1, noNaN: true }),
      crossoverAfter: fc.integer({ min: 0, max: 20 }),
      migration: fc.double({ min: 0, max: 1, noNaN: true }),
      migrationAfter: fc.integer({ min: 0, max: 20 }),
      debugDepth: fc.integer({ min: 0, max: 4 }),
      temperature: fc.oneof(fc.constantFrom(Number.MIN_VALUE, 1e300), fc.double({ min: 0.01, max: 3, noNaN: true })),
      finalTemperature: fc.constantFrom(Number.MIN_VALUE, 0.1, 1e300),
    }),
    ...Object.values(scaffoldPresets).map((preset) => fc.constant(preset)),
  )
  .map((spec) => scaffoldSpecSchema.parse(spec));

export function shuffled<T>(items: readonly T[], rng: Rng): T[] {
  const rest = [...items];
  return items.map(() => rest.splice(rng.below(rest.length), 1)[0] as T);
}

/** A landscape with a planted optimum: what a layer is worth depends on itself and on its neighbour. */
export interface Landscape {
  readonly space: StackSpace;
  /** In [0, 1]; 1 at the optimum alone. */
  truth(architecture: Architecture): number;
  /** The truth with the noise of one training, the same for the same candidate. */
  measure(candidate: string): number;
}

export function landscape(seed: number, space: StackSpace = space16, noise = 0.02): Landscape {
  const rng = rngFor('landscape', seed);
  const target = Array.from({ length: space.layers }, () => rng.pick(space.primitives));
  const truth = (architecture: Architecture): number => {
    const hits = architecture.map((layer, index) => (layer === target[index] ? 1 : 0));
    const layers = hits.reduce<number>((sum, hit) => sum + hit, 0) / space.layers;
    const pairs = hits.slice(1).filter((hit, index) => hit + (hits[index] as number) === 2).length / (space.layers - 1);
    return 0.7 * layers + 0.3 * pairs;
  };
  return {
    space,
    truth,
    measure: (candidate) =>
      truth(parseInSpace(candidate, space)) + noise * (2 * rngFor('noise', seed, candidate).float() - 1),
  };
}

export interface Rehearsal {
  readonly nodes: readonly ViewNode[];
  /** The view each attempt was decided on, in order. */
  readonly views: readonly View[];
  /** Best measured candidate's true value. */
  readonly best: number;
}

/**
 * A whole search of one agent without bus and ledger: attempt n knows the outcomes up to n - pending, all later ones are
 * pending to it, and a candidate of its own that it repeats is refused as a duplicate.
 */
export async function rehearse(
  given: { model: LocalModel; scaffold: unknown; attempts: number; seed: number; pending?: number },
  ground: Landscape,
  fails: (ordinal: number) => boolean = () => false,
): Promise<Rehearsal> {
  const { model, scaffold, attempts, seed, pending = 2 } = given;
  const spec: AgentSpec = agentSpec({
    name: agent,
    model: model.name,
    scaffold: scaffoldSpecSchema.parse(scaffold),
    pending,
  });
  const nodes: ViewNode[] = [];
  const views: View[] = [];
  for (let ordinal = 1; ordinal <= attempts; ordinal++) {
    const shown = nodes.map((node): ViewNode => {
      const hidden = node.ordinal > ordinal - pending && node.status !== 'duplicate';
      return hidden ? { ...node, status: 'pending', reason: null, fitness: null } : node;
    });
    const view = viewSchema.parse({ ordinal, remaining: attempts - ordinal + 1, nodes: shown });
    views.push(view);
    const thought = await think({ spec, view, space: ground.space, seed, topic, models: { [model.name]: model } });
    const { operator, parents, candidate } = thought;
    const duplicate = nodes.some((node) => node.candidate === candidate);
    const status = duplicate ? 'duplicate' : fails(ordinal) ? 'failed' : 'evaluated';
    nodes.push({
      id: nodeId(agent, ordinal),
      agent,
      ordinal,
      operator,
      parents,
      candidate,
      status,
      reason: status === 'failed' ? 'nan' : status === 'duplicate' ? 'duplicate' : null,
      fitness: status === 'evaluated' ? ground.measure(candidate) : null,
    });
  }
  const [winner] = nodes.filter((node) => node.fitness !== null).sort((a, b) => (b.fitness ?? 0) - (a.fitness ?? 0));
  return { nodes, views, best: winner ? ground.truth(parseInSpace(winner.candidate, ground.space)) : 0 };
}
