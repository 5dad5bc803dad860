import {
  type Architecture,
  ArchitectureError,
  type OwnPrimitive,
  parseArchitecture,
  primitives,
  runLengthText,
} from '../../domain/architecture.ts';
import { type Space, shortCandidate } from '../../domain/candidate.ts';
import type { Text } from '../page.ts';
import { shortened } from '../texts.ts';
import type { ReportNode } from './data.ts';

/** An architecture of built-in primitives and these, or null for any other text. */
function parseOrNull(candidate: string, own: readonly OwnPrimitive[]): Architecture | null {
  try {
    return parseArchitecture(candidate, [...primitives, ...own.map(({ token }) => token)]);
  } catch (error) {
    if (error instanceof ArchitectureError) return null;
    throw error;
  }
}

/** An architecture as cells over its runs; any other candidate as plain text. */
export function candidateMarks(candidate: string, own: readonly OwnPrimitive[]): Text {
  const architecture = parseOrNull(candidate, own);
  return architecture
    ? { stack: runLengthText(architecture), runs: true }
    : { text: shortened(candidate, 200), as: 'code' };
}

/** Column head for candidates. */
export const candidateHead = (space: Space): string => (space.kind === 'stack' ? 'architecture' : 'program');

/** A candidate in a table cell: the cells of an architecture; for a program its change, since the code is too long. */
export function candidateCell(node: ReportNode, own: readonly OwnPrimitive[]): Text {
  if (!node.candidate.startsWith('{')) return candidateMarks(node.candidate, own);
  return [
    { text: shortCandidate(node.candidate), as: 'code' },
    ...(node.unsafe ? [' ', { text: 'without sandbox', as: 'bad' } as const] : []),
    { text: shortened(node.change, 160), as: 'below' },
  ];
}

/** A candidate in one line of text. */
export function candidateText(candidate: string, own: readonly OwnPrimitive[]): string {
  const architecture = parseOrNull(candidate, own);
  if (architecture) return runLengthText(architecture);
  return candidate.startsWith('{') ? shortCandidate(candidate) : shortened(candidate, 60);
}
