import type * as z from 'zod';
import type { scaleFigures, studyFigures } from './apiHome.ts';

/**
 * Finished pages as plain data: what `report` chooses, and the components of `pages` lay out. No code: a renderer imports these
 * with `import type`. Texts are of any origin and never markup; numbers that are missing are null.
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
  readonly study: z.infer<typeof studyFigures>;
  readonly provenance: Provenance;
}

export interface ScalePage {
  readonly kind: 'scale';
  readonly title: string;
  readonly scale: z.infer<typeof scaleFigures>;
  readonly provenance: Provenance;
}

/** Words, or words that are set in a way of their own. */
export type Span =
  | string
  | {
      readonly text: string;
      /** `below`: small, on a line of its own. */
      readonly as: 'code' | 'small' | 'below' | 'strong' | 'good' | 'bad';
    }
  /** An architecture in run-length text, as cells; `runs` also as text. */
  | { readonly stack: string; readonly runs?: boolean }
  | { readonly whisker: Whisker }
  /** A part of a whole, 0 to 1. */
  | { readonly meter: number; readonly label: string }
  /** Counts of which each is a part of the one before. */
  | { readonly funnel: readonly number[]; readonly of: number; readonly label: string }
  /** Colour and dashes of a line, or the mark of an operator, by index. */
  | { readonly line: number }
  | { readonly mark: number }
  /** A place of the same page. */
  | { readonly to: string; readonly text: string }
  /** A node or an agent: a link where it has a page of its own, else words. `text`: instead of its name. */
  | { readonly node: string; readonly text?: string }
  | { readonly agent: string };
export type Text = Span | readonly Span[];

/** A mean with its error and its single seeds, on an axis that the rows of a table share. */
export interface Whisker {
  readonly mean: number;
  /** Half-length of the bar; null if the noise is unknown. */
  readonly reach: number | null;
  readonly seeds: readonly number[];
  readonly axis: readonly [number, number];
}

export interface Column {
  readonly head: string;
  /** Figures stand to the right; names do not wrap; texts do. */
  readonly kind?: 'number' | 'name' | 'text';
  /** Ends of the axis that its cells are drawn on. */
  readonly ends?: readonly [string, string];
}

/** A row; of a comparison, which the audit reads; or the title of those that follow. */
export type TableRow = readonly Text[] | { readonly contest: readonly Text[] } | { readonly group: string };

export interface Series {
  readonly name: string;
  /** Colour, dashes and shape of marks. */
  readonly style: number;
  readonly marks: readonly { readonly x: number; readonly y: number; readonly note?: string }[];
  readonly as: 'line' | 'stairs' | 'marks';
  /** One of many, behind the others and without a name. */
  readonly faint?: boolean;
}

export type Block =
  | { readonly block: 'text'; readonly text: Text; readonly as?: 'lead' | 'note' | 'warn' }
  | { readonly block: 'heading'; readonly text: Text }
  /** Sentences that rest on the archive (I11). */
  | { readonly block: 'claims'; readonly sentences: readonly string[] }
  | { readonly block: 'list'; readonly items: readonly Text[] }
  | {
      readonly block: 'figures';
      readonly figures: readonly { readonly label: string; readonly value: string; readonly note: string }[];
    }
  | { readonly block: 'facts'; readonly facts: readonly (readonly [name: string, content: Text | readonly Block[]])[] }
  | { readonly block: 'table'; readonly columns: readonly Column[]; readonly rows: readonly TableRow[] }
  | {
      readonly block: 'forest';
      readonly label: string;
      readonly effects: readonly {
        readonly name: string;
        readonly sub: string;
        readonly estimate: number | null;
        readonly low: number | null;
        readonly high: number | null;
        readonly verdict: string;
      }[];
    }
  | {
      readonly block: 'chart';
      readonly series: readonly Series[];
      readonly levels?: readonly { readonly name: string; readonly value: number }[];
      readonly x: string;
      readonly y: string;
      /** x counts. */
      readonly whole?: boolean;
      /** y is a share. */
      readonly percent?: boolean;
      readonly summary: string;
    }
  /** Layer kinds and what they are. */
  | { readonly block: 'legend'; readonly primitives: readonly { readonly name: string; readonly meaning: string }[] }
  /** Votes per layer: shares of each primitive over the winner. */
  | {
      readonly block: 'votes';
      readonly label: string;
      readonly layers: readonly {
        readonly winner: string;
        readonly votes: readonly { readonly name: string; readonly title: string; readonly votes: number }[];
        readonly voters: number;
        readonly tied: boolean;
      }[];
    }
  | { readonly block: 'tree'; readonly tree: Tree }
  /** Changed lines of a file, with those around them; each begins with its sign. */
  | { readonly block: 'diff'; readonly name: string; readonly lines: readonly string[]; readonly more: number }
  | { readonly block: 'pre'; readonly text: string; readonly record?: boolean }
  | { readonly block: 'columns'; readonly columns: readonly (readonly Block[])[] }
  | { readonly block: 'fold'; readonly summary: Text; readonly blocks: readonly Block[] }
  /** Attempts, each a line that opens. */
  | { readonly block: 'steps'; readonly steps: readonly StepRow[] };

/** One attempt of an agent: a line, and what is behind it. */
export interface StepRow {
  readonly node: string;
  readonly mark: number;
  readonly operator: string;
  readonly short: string;
  readonly outcome: string;
  readonly effect: Text;
  readonly blocks: readonly Block[];
}

/** The attempts of an agent, left to right; rows as in the log of a version control system. */
export interface Tree {
  readonly label: string;
  readonly nodes: readonly {
    readonly title: string;
    readonly at: number;
    readonly lane: number;
    /** Index of its operator. */
    readonly mark: number;
    /** 0 the worst, 1 the best; null without a score. */
    readonly size: number | null;
    readonly pending: boolean;
    readonly best: boolean;
    /** Indices of its parents in the same tree, the first parent first. */
    readonly parents: readonly number[];
  }[];
}

export interface Section {
  /** A constant, or made of a checked name. */
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** A report of a search, or a trace of one. */
export interface SectionsPage {
  readonly kind: 'sections';
  readonly title: string;
  /** What kind of page it is. */
  readonly of: string;
  readonly heading: string;
  readonly head: readonly Block[];
  readonly sections: readonly Section[];
  readonly provenance: Provenance | null;
  /** Of a user's own primitives: `#rrggbb` by token. */
  readonly colours: Readonly<Record<string, string>>;
}

export type Page = StudyPage | ScalePage | SectionsPage;
