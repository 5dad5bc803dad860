import type { Purpose } from '../../domain/agent.ts';
import type { Operator, View, ViewNode } from '../../domain/node.ts';
import type { Passage } from '../tools/toolbox.ts';
import type { AnswerForm } from './answers.ts';

/** What every proposal states in addition to its candidate. */
interface Reasons {
  readonly hypothesis: string;
  readonly change: string;
  readonly expected_fitness: number | null;
  readonly evidence: string[];
}

/** A stated proposal and how to resolve it. */
export interface Statement {
  readonly reasons: Reasons;
  /** The candidate's text. @throws TerminalError if the statement is invalid, with a message that the model can act on. */
  candidate(parents: readonly ViewNode[]): string;
}

/** Prompts and answer schemas for one kind of candidate. */
export interface CandidatePrompts {
  /** The stable prefix of all questions with one purpose. @param rules of the tools, if there are any. */
  system(purpose: Purpose, rules?: string): string;
  /** Deterministic: equal inputs give equal bytes. */
  question(
    operator: Operator,
    shown: { view: View; parents: readonly ViewNode[]; passages: readonly Passage[] },
  ): string;
  form(operator: Operator): AnswerForm<Statement>;
  /** Of an answer with several statements; each is read by `form`. */
  listForm(operator: Operator): AnswerForm<readonly unknown[]>;
  /** Added to the system prompt where questions ask for several candidates. */
  readonly severalRules: string;
  analysis(view: View, results: readonly ViewNode[]): string;
  /** Tokens of an answer to this question, its thought apart. */
  answerTokens(purpose: Purpose, parents: readonly ViewNode[]): number;
  /** Maximum characters of a question. */
  readonly longestQuestion: number;
}
