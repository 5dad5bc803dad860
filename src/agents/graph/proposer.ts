import type { Space } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import { type ModelName, type SoleModelName, supportsSpace } from '../../domain/model.ts';
import type { Lesson, View, ViewNode } from '../../domain/node.ts';
import type { AnyModel, Proposal, ProposalInput } from '../models/model.ts';
import type { Reader } from '../reading/reader.ts';
import type { Asks, ReadingState } from '../reading/tools.ts';

/** Why an answer could not become a candidate. */
export interface Problem {
  readonly kind: 'malformed' | 'truncated' | 'refused' | 'empty' | 'invalid' | 'duplicate';
  readonly message: string;
  /** What was answered, as far as there was anything. */
  readonly text: string;
  /** The candidate that was tried before, where that is the problem. */
  readonly candidate?: string;
}

/** Who made an offer, where there was a choice. */
export interface ProposalRecord {
  readonly model: SoleModelName;
  /** What the answers to this thought's question have cost so far. */
  readonly dollars: number;
  /** Why it was this one. */
  readonly reason: string;
}

export type ProposalResult = { readonly made?: ProposalRecord } & (
  | { readonly proposal: Proposal; readonly text: string }
  | { readonly problem: Problem }
  /** First it wants to know something. */
  | { readonly asks: Asks }
  /** It cannot ask, although it may: its server takes no tools. */
  | { readonly toolless: true }
);

/** All that an offer may depend on. */
export interface ProposeInput extends ProposalInput<Space> {
  /** What was read in this thought so far. */
  readonly reading: ReadingState;
  /** What was wrong with earlier answers to this question, oldest first. */
  readonly problems: readonly Problem[];
  /** Who answered last in this thought, where there is a choice and somebody has. */
  readonly begun?: ProposalRecord | undefined;
  readonly signal: AbortSignal;
}

/** The part of a thought that differs between kinds of agents; everything else is the same graph. */
export interface Proposer {
  readonly name: ModelName;
  /**
   * Whether it may be told what was wrong and be asked again. A mind that may not keeps a contract: breaking it is a defect
   * of the laboratory and not an attempt that failed.
   */
  readonly canRepair: boolean;
  /** What it reads with; null where it reads nothing, or does so by itself. */
  readonly reader: Reader | null;
  propose(input: ProposeInput): Promise<ProposalResult>;
  /** What results teach; none where it does not learn in words. */
  learn(view: View, results: readonly ViewNode[], signal: AbortSignal): Promise<Lesson[]>;
}

/** A classical searcher as a mind: it reads by itself or not at all, learns no lessons, and is right the first time. */
export function localProposer(model: AnyModel): Proposer {
  return {
    name: model.name,
    canRepair: false,
    reader: null,
    async propose({ reading: _reading, problems: _problems, begun: _begun, ...input }) {
      if (!supportsSpace(model.name, input.space.kind)) {
        throw new TerminalError('model', `${model.name} knows nothing of a ${input.space.kind}`);
      }
      const proposal = await model.propose(input);
      return { proposal, text: proposal.candidate };
    },
    async learn() {
      return [];
    },
  };
}
