import type { Purpose } from '../../domain/call.ts';
import type { LiteratureSpec } from '../../domain/literature.ts';
import type { Operator, View, ViewNode } from '../../domain/node.ts';
import type { Passage } from '../reading/tools.ts';
import type { AnswerForm } from './answers.ts';

/** What every proposal states beside its candidate. */
export interface Reasons {
  readonly hypothesis: string;
  readonly change: string;
  readonly expected_fitness: number | null;
  readonly evidence: string[];
}

/** A proposal as a model stated it, and what it means. */
export interface Statement {
  readonly reasons: Reasons;
  /** The candidate's text. @throws TerminalError where it means none, in words that the model can act on. */
  candidate(parents: readonly ViewNode[]): string;
}

/** How one kind of candidate is talked about with language models: questions, forms of answers, and what they mean. */
export interface CandidatePrompts {
  /** The stable prefix of all questions with one purpose. */
  system(purpose: Purpose, tools?: LiteratureSpec): string;
  /** Same view, same parents, same passages: same bytes. */
  question(
    operator: Operator,
    shown: { view: View; parents: readonly ViewNode[]; passages: readonly Passage[] },
  ): string;
  form(operator: Operator): AnswerForm<Statement>;
  analysis(view: View, results: readonly ViewNode[]): string;
  /** Most characters of a question. */
  readonly longestQuestion: number;
}
