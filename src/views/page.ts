import type { ScaleFigures, StudyFigures } from './api.ts';

/**
 * Finished pages as plain data: what `report` chooses, and the components of `pages` lay out. No code: a renderer imports these
 * with `import type`. Texts are printable; numbers that are missing are null.
 */

/** What is behind the figures of a page. */
export interface Provenance {
  readonly facts: readonly { readonly fact: string; readonly value: string }[];
  /** Shell commands that give the figures again. */
  readonly commands: readonly string[];
  /** The files that asked for them. */
  readonly files: readonly { readonly title: string; readonly text: string }[];
}

export interface StudyPage {
  readonly kind: 'study';
  readonly title: string;
  readonly study: StudyFigures;
  readonly provenance: Provenance;
}

export interface ScalePage {
  readonly kind: 'scale';
  readonly title: string;
  readonly scale: ScaleFigures;
  readonly provenance: Provenance;
}

export type Page = StudyPage | ScalePage;
