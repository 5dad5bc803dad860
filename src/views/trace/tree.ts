import { operators } from '../../domain/node.ts';
import type { Block, Text, Tree } from '../page.ts';
import { count, score, signed } from '../texts.ts';
import type { AgentStory, Step } from './story.ts';

/** Index of an operator, for its colour. */
export const markOf = (operator: string): number =>
  Math.max(0, operators.indexOf(operator as (typeof operators)[number]));

function titleOf({ node, operator, short, measured, status, reason }: Step): string {
  const outcome =
    measured.screen === null ? `${status}${reason && reason !== status ? `: ${reason}` : ''}` : score(measured.screen);
  return `${node}, ${operator}: ${short}, ${outcome}`;
}

/**
 * The tree of one agent: attempts from left to right, a child in its parent's row or another one. Sizes are ranks of scores.
 * Parents of other agents are not in it.
 */
export function treeOf({ agent, steps }: AgentStory, lowerIsBetter: boolean): Tree {
  const index = new Map(steps.map(({ node }, at) => [node, at]));
  const lanes = lanesOf(
    steps.map(({ node, ordinal, parents: [first] }) => ({
      id: node,
      at: ordinal,
      parent: first && index.has(first.node) ? first.node : null,
    })),
  );
  const fitness = ({ measured: { screen } }: Step) => (screen === null ? null : lowerIsBetter ? -screen : screen);
  const ranks = [...new Set(steps.flatMap((step) => fitness(step) ?? []))].sort((a, b) => a - b);
  const rankOf = new Map(ranks.map((value, rank) => [value, ranks.length === 1 ? 1 : rank / (ranks.length - 1)]));
  const best = steps.findIndex((step) => ranks.length > 0 && fitness(step) === ranks.at(-1));
  const rows = Math.max(1, ...[...lanes.values()].map((lane) => lane + 1));
  return {
    label: `Tree of ${agent}: ${steps.length} attempts in ${rows} rows`,
    nodes: steps.map((step, at) => {
      const own = fitness(step);
      return {
        title: titleOf(step),
        at: step.ordinal,
        lane: lanes.get(step.node) ?? 0,
        mark: markOf(step.operator),
        size: own === null ? null : (rankOf.get(own) ?? null),
        pending: step.status === 'pending',
        best: at === best,
        parents: step.parents.flatMap(({ node }) => index.get(node) ?? []),
      };
    }),
  };
}

/** A node of a tree. */
export interface TreeEntry {
  readonly id: string;
  /** Position in time, from 1; unique. */
  readonly at: number;
  /** Null for a root, or if the parent belongs to another tree. */
  readonly parent: string | null;
}

/**
 * Rows for a tree whose columns are times, drawn like a version log: a node shares its parent's row if it is the heir, the
 * child with the most descendants; every other child takes the nearest free row. A row is free if nothing is drawn in it
 * between the branch's first and last node, so drafts without children share rows.
 */
export function lanesOf(nodes: readonly TreeEntry[]): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const children = new Map<string, TreeEntry[]>();
  for (const node of nodes) {
    if (node.parent !== null && byId.has(node.parent)) {
      children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
    }
  }
  const weight = new Map<string, number>();
  for (const { id } of [...nodes].sort((a, b) => b.at - a.at)) {
    weight.set(id, 1 + (children.get(id) ?? []).reduce((sum, child) => sum + (weight.get(child.id) ?? 1), 0));
  }
  const heirOf = (id: string) =>
    (children.get(id) ?? []).reduce<TreeEntry | null>(
      (best, child) => (best === null || (weight.get(child.id) ?? 0) > (weight.get(best.id) ?? 0) ? child : best),
      null,
    );
  const isHeir = (node: TreeEntry) =>
    node.parent !== null && byId.has(node.parent) && heirOf(node.parent)?.id === node.id;

  const lanes = new Map<string, number>();
  const busy: { from: number; to: number }[][] = [];
  for (const start of nodes.filter((node) => !isHeir(node)).sort((a, b) => a.at - b.at)) {
    const chain = [start];
    for (let next = heirOf(start.id); next; next = heirOf(next.id)) chain.push(next);
    // A branch starts at its parent; its line must not cross nodes of another row.
    const origin = start.parent === null ? undefined : byId.get(start.parent);
    const span = { from: origin ? origin.at + 0.5 : start.at, to: (chain.at(-1) ?? start).at };
    const near = origin ? (lanes.get(origin.id) ?? 0) : 0;
    const order = [...busy.keys(), busy.length].sort((a, b) => Math.abs(a - near) - Math.abs(b - near) || a - b);
    const isFree = (lane: number) => (busy[lane] ?? []).every(({ from, to }) => to < span.from || from > span.to);
    const lane = order.find(isFree) ?? busy.length;
    busy[lane] = [...(busy[lane] ?? []), span];
    for (const { id } of chain) lanes.set(id, lane);
  }
  return lanes;
}

/** Uses of each operator, and how many of its children beat the parent. */
export function operatorTable({ steps }: AgentStory): Block {
  const rows = operators
    .map((operator) => ({ operator, own: steps.filter((step) => step.operator === operator) }))
    .filter(({ own }) => own.length > 0)
    .map(({ operator, own }): Text[] => {
      const scored = own.filter(({ measured }) => measured.screen !== null);
      const compared = own.flatMap(({ effect }) => (effect === null ? [] : [effect]));
      const better = own.filter(({ improved }) => improved);
      const share = `${count(better.length)} of ${count(compared.length)}`;
      return [
        [{ mark: markOf(operator) }, operator],
        compared.length === 0 ? '' : { meter: better.length / compared.length, label: `${operator}: ${share} better` },
        count(own.length),
        count(scored.length),
        compared.length === 0 ? '–' : share,
        compared.length === 0 ? '–' : signed(compared.reduce((sum, each) => sum + each, 0) / compared.length),
      ];
    });
  return {
    block: 'table',
    columns: [
      { head: 'operator', kind: 'name' },
      { head: 'success rate' },
      { head: 'used', kind: 'number' },
      { head: 'scored', kind: 'number' },
      { head: 'better', kind: 'number' },
      { head: 'mean effect', kind: 'number' },
    ],
    rows,
  };
}

/** Novelty of each candidate over the agent's attempts. */
export function explorationBlocks({ agent, steps }: AgentStory): Block[] {
  const known = steps.flatMap(({ ordinal, node, distance: { nearest } }) =>
    nearest === null ? [] : [{ x: ordinal, y: nearest, note: `${node} ${(100 * nearest).toFixed(0)} %` }],
  );
  if (known.length < 2) return [];
  return [
    {
      block: 'chart',
      series: [{ name: 'novelty', style: 0, marks: known, as: 'line' }],
      x: 'attempt',
      y: 'edit distance to nearest earlier',
      whole: true,
      percent: true,
      summary: `Exploration of ${agent}: how far each candidate is from the nearest earlier one.`,
    },
  ];
}
