/** Who is promoted, and what is requested of the archive for each rung. */
import { describe, expect, it } from 'vitest';
import { ladderSteps } from '../../src/actors/search.ts';
import { maxNodes, type ReplyOf } from '../../src/domain/messages.ts';
import type { Rung } from '../../src/domain/task.ts';
import { searchSpec } from '../support/specs.ts';
import { ScriptedBus } from './support.ts';

type Ranked = ReplyOf<'search-ranking'>['nodes'][number];
const node = (name: string, changes: Record<string, unknown> = {}): Ranked =>
  ({
    node: name,
    origin: 'draft',
    candidate: 'M M mA mA',
    validation: 0.5,
    seeds: [],
    ...changes,
  }) as unknown as Ranked;

const reference = (name: string) => ({ name, candidate: 'M mA M mA' });

/** The steps of a search whose rungs rank these nodes, a piece of `pieceLength` at a time. */
function steps(rankings: Partial<Record<Rung, readonly Ranked[]>>, spec = searchSpec(), pieceLength = 1000) {
  const scripted = new ScriptedBus({
    'node-add': (request) => ({ node: request.node }),
    'node-evaluate': ({ nodes }) => ({ asked: nodes.length, saved: 0, refused: 0 }),
    'search-ranking': ({ rung, from = 0 }) => {
      const all = rankings[rung] ?? [];
      return { nodes: all.slice(from, from + pieceLength) as Ranked[], more: from + pieceLength < all.length };
    },
  });
  const evaluations = () =>
    scripted
      .of('node-evaluate')
      .map(({ nodes, rung, seeds, known }) => ({ nodes, rung, seeds, ...(known ? { known } : {}) }));
  return { ladder: ladderSteps(spec, scripted.bus), scripted, evaluations };
}

const agents = (count: number) => Array.from({ length: count }, (_, at) => node(`walker-${at + 1}`));

describe('confirming', () => {
  it('promotes the best fifth, of all pieces of a ranking', async () => {
    const { ladder, evaluations } = steps({ screen: agents(23) }, searchSpec(), 4);
    await ladder.confirm();
    expect(evaluations()).toEqual([
      { nodes: ['walker-1', 'walker-2', 'walker-3', 'walker-4', 'walker-5'], rung: 'confirm', seeds: 1 },
    ]);
  });

  it('ranks agents alone: references and the aggregate take no place', async () => {
    const screen = [
      node('reference-llama-1', { origin: 'reference' }),
      node('aggregate-1', { origin: 'aggregate' }),
      ...agents(5),
    ];
    const { ladder, evaluations } = steps({ screen }, searchSpec({ references: [reference('llama')] }));
    await ladder.confirm();
    expect(evaluations()).toEqual([
      { nodes: ['walker-1'], rung: 'confirm', seeds: 1 },
      { nodes: ['reference-llama-1'], rung: 'final', seeds: 2 },
    ]);
  });

  it('requests many nodes in messages of bounded size', async () => {
    const spec = searchSpec({ ladder: { promote: 1, confirmSeeds: 1, finalists: 2, finalSeeds: 2 } });
    const { ladder, evaluations } = steps({ screen: agents(maxNodes + 1) }, spec);
    await ladder.confirm();
    expect(evaluations().map(({ nodes }) => (nodes as string[]).length)).toEqual([maxNodes, 1]);
  });

  it('requests nothing where nothing was scored', async () => {
    const { ladder, evaluations } = steps({});
    await ladder.confirm();
    expect(evaluations()).toEqual([]);
  });
});

describe('references', () => {
  it('take what is known of their finals for nothing, and a screening each', async () => {
    const { ladder, scripted, evaluations } = steps({}, searchSpec({ references: [reference('a'), reference('b')] }));
    await ladder.addReferences();
    expect(scripted.of('node-add').map((request) => request.node)).toEqual(['reference-a-1', 'reference-b-1']);
    expect(evaluations()).toEqual([
      { nodes: ['reference-a-1', 'reference-b-1'], rung: 'final', seeds: 2, known: true },
      { nodes: ['reference-a-1', 'reference-b-1'], rung: 'screen', seeds: 1 },
    ]);
  });

  it('show early what finals cost where minutes are limited', async () => {
    const references = ['a', 'b', 'c'].map(reference);
    const { ladder, evaluations } = steps({}, searchSpec({ references, budget: { evaluations: 4, minutes: 5 } }));
    await ladder.addReferences();
    expect(evaluations()).toContainEqual({ nodes: ['reference-a-1', 'reference-b-1'], rung: 'final', seeds: 2 });
  });
});

describe('the aggregate', () => {
  it('is a node of its own, voted from the screened nodes of all agents', async () => {
    const screen = ['a-1', 'b-1', 'a-2', 'b-2', 'a-3', 'b-3'].map((name, at) =>
      node(name, { candidate: at < 3 ? 'mA M mA M' : 'M M M M', validation: 1 - at / 10 }),
    );
    const { ladder, scripted, evaluations } = steps({ screen });
    expect(await ladder.aggregate()).toBe(true);
    expect(scripted.of('node-add')).toMatchObject([
      { node: 'aggregate-1', origin: 'aggregate', candidate: 'mA M mA M' },
    ]);
    expect(evaluations()).toEqual([{ nodes: ['aggregate-1'], rung: 'screen', seeds: 1 }]);
  });

  it('has further conditionings where the ladder asks for them, each pattern once', async () => {
    // Layer 2 is M over all, but mA among those that begin with mA; N2 is the same as N1.
    const candidates = ['mA mA M M', 'mA mA M mA', 'mA M M M', 'M M M M', 'M M M mA'];
    const screen = candidates.map((candidate, at) => node(`a-${at + 1}`, { candidate }));
    const ladder = { promote: 0.2, confirmSeeds: 1, finalists: 2, finalSeeds: 2, aggregates: 3 };
    const { ladder: own, scripted, evaluations } = steps({ screen }, searchSpec({ ladder }));
    expect(await own.aggregate()).toBe(true);
    expect(scripted.of('node-add')).toMatchObject([
      { node: 'aggregate-1', candidate: 'mA M M M', rationale: { choice: expect.stringMatching(/^N0 /) } },
      { node: 'aggregate-2', candidate: 'mA mA M M', rationale: { choice: expect.stringMatching(/^N1 /) } },
    ]);
    expect(evaluations()).toEqual([{ nodes: ['aggregate-1', 'aggregate-2'], rung: 'screen', seeds: 1 }]);
  });

  it('is left out where there are no nodes, and for programs', async () => {
    const program = { kind: 'program', files: [{ name: 'model.py', maxBytes: 10 }] };
    for (const [screen, spec] of [
      [[], searchSpec()],
      [agents(5), searchSpec({ space: program, agents: searchSpec().agents })],
    ] as const) {
      const { ladder, scripted } = steps({ screen }, spec);
      expect(await ladder.aggregate()).toBe(false);
      expect(scripted.of('node-add')).toEqual([]);
    }
  });
});

describe('finals', () => {
  it('train every aggregate that the ladder has', async () => {
    const screen = [
      ...agents(1),
      node('aggregate-3', { origin: 'aggregate' }),
      node('aggregate-1', { origin: 'aggregate' }),
    ];
    const { ladder, evaluations } = steps({ confirm: agents(1), screen });
    await ladder.finalise();
    expect(evaluations()).toEqual([{ nodes: ['walker-1', 'aggregate-1', 'aggregate-3'], rung: 'final', seeds: 2 }]);
  });

  it('train finalists, aggregate and references on the same seeds', async () => {
    const spec = searchSpec({ references: [reference('llama')] });
    const screen = [...agents(3), node('aggregate-1', { origin: 'aggregate' })];
    const { ladder, evaluations } = steps({ screen, confirm: agents(3) }, spec);
    await ladder.finalise();
    expect(evaluations()).toEqual([
      { nodes: ['walker-1', 'walker-2', 'aggregate-1', 'reference-llama-1'], rung: 'final', seeds: 2 },
    ]);
  });
});
