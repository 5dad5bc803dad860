import type { ReportData, ReportNode } from './data.ts';
import { isProposal, meanOn } from './findings.ts';

/** Children of parents of one kind, and how many of them outdid the better parent on the screening rung. */
export interface Offspring {
  readonly judged: number;
  readonly improved: number;
}

/** What an agent took from the memory that it had. */
export interface MemoryFigures {
  readonly agent: string;
  readonly memory: 'own' | 'ensemble';
  /** Edits by which a candidate has to differ from those in memory; 1 where only equals are refused. */
  readonly distance: number;
  /** Refused before any training: equal to a candidate in memory, or too close to one. */
  readonly equal: number;
  readonly close: number;
  /** Evaluated without a training, because somebody's result was at hand. */
  readonly reused: number;
  /** Children of its own nodes alone, and those with a parent of another agent. */
  readonly own: Offspring;
  readonly foreign: Offspring;
}

/** What every agent's memory was worth, from the nodes alone. */
export function memoryFigures(data: ReportData): MemoryFigures[] {
  const byId = new Map(data.nodes.map((node) => [node.id, node]));
  const accepted = new Set(
    data.nodes
      .filter(({ status }) => status !== 'duplicate' && status !== 'rejected')
      .map(({ candidate }) => candidate),
  );
  const parentsOf = ({ parents }: ReportNode) => parents.flatMap((id) => byId.get(id) ?? []);
  const offspring = (children: readonly ReportNode[]): Offspring => {
    const scores = children.flatMap((child) => {
      const score = meanOn(child, 'screen');
      const best = parentsOf(child).flatMap((parent) => meanOn(parent, 'screen') ?? []);
      return score === null || best.length === 0 ? [] : [score > Math.max(...best)];
    });
    return { judged: scores.length, improved: scores.filter(Boolean).length };
  };
  return data.agents.map(({ name, memory = 'own', distance = 1 }) => {
    const own = data.nodes.filter((node) => node.agent === name && isProposal(node));
    const refused = own.filter(({ status }) => status === 'duplicate');
    const children = own.filter(({ parents }) => parents.length > 0);
    const isForeign = (child: ReportNode) => parentsOf(child).some(({ agent }) => agent !== name);
    return {
      agent: name,
      ...{ memory, distance },
      equal: refused.filter(({ candidate }) => accepted.has(candidate)).length,
      close: refused.filter(({ candidate }) => !accepted.has(candidate)).length,
      reused: own.filter(({ saved }) => saved).length,
      own: offspring(children.filter((child) => !isForeign(child))),
      foreign: offspring(children.filter(isForeign)),
    };
  });
}
