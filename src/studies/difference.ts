import { canonicalText, changedLayers, type Primitive, readArchitecture } from '../domain/architecture.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { CandidateError } from '../domain/errors.ts';
import { type Files, parseProgram, programText } from '../domain/program.ts';
import { hunksOf } from '../platform/index.ts';

/** Difference of two candidates: layers, or lines of files. */
export type Difference =
  | { readonly kind: 'layers'; readonly layers: readonly LayerChange[] }
  | { readonly kind: 'lines'; readonly files: readonly FileChange[] };

export interface LayerChange {
  /** Layer index from 0, input first. */
  readonly layer: number;
  readonly from: Primitive;
  readonly to: Primitive;
}

export interface FileChange {
  readonly name: string;
  readonly added: number;
  readonly removed: number;
  /** Unified diff with three lines of context. */
  readonly patch: string;
}

/** A change that can be undone alone. */
export interface ElementaryChange {
  /** For people: `layer 3: M -> mA`, `model.py lines 10-14`. */
  readonly label: string;
  /** Canonical text of the candidate without it. */
  readonly without: string;
}

const programs = (from: string, to: string): [Files, Files] => [parseProgram(from), parseProgram(to)];
const namesOf = (...files: Files[]): string[] => [...new Set(files.flatMap((each) => Object.keys(each)))].sort();

/** Null if one of the texts is not a candidate of its kind, such as a rejected reply. */
export function differenceOf(kind: SpaceKind, from: string, to: string): Difference | null {
  try {
    if (kind === 'stack') {
      const [before, after] = [readArchitecture(from), readArchitecture(to)];
      if (before.length !== after.length) return null;
      const layers = changedLayers(before, after).map((layer) => ({
        layer,
        from: before[layer] as Primitive,
        to: after[layer] as Primitive,
      }));
      return { kind: 'layers', layers };
    }
    const [before, after] = programs(from, to);
    const files = namesOf(before, after).flatMap((name): FileChange[] => {
      const hunks = hunksOf(name, before[name] ?? '', after[name] ?? '', 3);
      if (hunks.length === 0) return [];
      const lines = hunks.flatMap((hunk) => hunk.lines);
      const begin = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
      const patch = hunks.map(
        ({ oldStart, oldLines, newStart, newLines, lines: own }) =>
          `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@\n${own.join('\n')}`,
      );
      return [{ name, added: begin('+'), removed: begin('-'), patch: patch.join('\n') }];
    });
    return { kind: 'lines', files };
  } catch (thrown) {
    if (!(thrown instanceof CandidateError)) throw thrown;
    return null;
  }
}

/** Share of layers or lines that differ: 0 for equal, 1 for nothing in common. Null as above. */
export function distanceOf(kind: SpaceKind, from: string, to: string): number | null {
  const difference = differenceOf(kind, from, to);
  if (!difference) return null;
  if (difference.kind === 'layers') return difference.layers.length / readArchitecture(to).length;
  const changed = difference.files.reduce((sum, { added, removed }) => sum + added + removed, 0);
  const lines = programs(from, to).flatMap((files) => Object.values(files).map((text) => text.split('\n').length - 1));
  return (
    changed /
    Math.max(
      1,
      lines.reduce((sum, each) => sum + each, 0),
    )
  );
}

/** A difference in one line. */
export function differenceText(difference: Difference): string {
  if (difference.kind === 'layers') {
    const { layers } = difference;
    if (layers.length === 0) return 'no layer differs';
    const named = layers.slice(0, 8).map(({ layer, from, to }) => `layer ${layer}: ${from} -> ${to}`);
    return [...named, ...(layers.length > 8 ? [`and ${layers.length - 8} more layers`] : [])].join('; ');
  }
  if (difference.files.length === 0) return 'no line differs';
  return difference.files.map(({ name, added, removed }) => `${name}: +${added} -${removed} lines`).join('; ');
}

/** Splits a list into at most `most` groups of adjacent items, of nearly equal size. */
function grouped<T>(items: readonly T[], most: number): T[][] {
  const groups = Math.min(most, items.length);
  return Array.from({ length: groups }, (_, index) =>
    items.slice(Math.floor((index * items.length) / groups), Math.floor(((index + 1) * items.length) / groups)),
  );
}

/**
 * The changes from `base` to `to`, each with the candidate without it. Beyond `most`, adjacent changes are merged.
 *
 * @throws CandidateError if a text is not a candidate of its kind.
 */
export function elementaryChanges(kind: SpaceKind, base: string, to: string, most: number): ElementaryChange[] {
  if (kind === 'stack') {
    const [before, after] = [readArchitecture(base), readArchitecture(to)];
    return grouped(changedLayers(before, after), most).map((layers) => {
      const without = after.map((layer, index) => (layers.includes(index) ? (before[index] ?? layer) : layer));
      const label = layers.map((layer) => `layer ${layer}: ${before[layer]} -> ${after[layer]}`).join(', ');
      return { label, without: canonicalText(without) };
    });
  }
  const [before, after] = programs(base, to);
  const hunks = namesOf(before, after).flatMap((name) =>
    hunksOf(name, before[name] ?? '', after[name] ?? '', 0).map((hunk) => ({ name, hunk })),
  );
  return grouped(hunks, most).map((group) => {
    const files: Record<string, string> = { ...after };
    // From the end of a file to its start, so that restored lines do not shift later hunks.
    for (const { name, hunk } of [...group].reverse()) {
      const lines = (files[name] ?? '').split('\n');
      const old = hunk.lines.flatMap((line) => (line.startsWith('-') ? [line.slice(1)] : []));
      lines.splice(hunk.newStart - 1, hunk.newLines, ...old);
      files[name] = lines.join('\n');
    }
    const label = group
      .map(({ name, hunk: { newStart, newLines } }) =>
        newLines === 0
          ? `${name}: lines removed after line ${newStart - 1}`
          : `${name}: line${newLines === 1 ? ` ${newStart}` : `s ${newStart}-${newStart + newLines - 1}`}`,
      )
      .join(', ');
    return { label, without: programText(files) };
  });
}
