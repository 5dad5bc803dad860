import type { Conditioning, Extrapolation, Pattern } from '../aggregation/index.ts';
import type { Architecture } from '../domain/architecture.ts';
import type { Spend } from '../domain/call.ts';
import type { Space } from '../domain/candidate.ts';
import type { AgentEnd, EndingKind } from '../domain/ending.ts';
import type { LiteratureSource } from '../domain/literature.ts';
import type { NodeStatus, Origin } from '../domain/node.ts';
import type { Budget, Phase } from '../domain/search.ts';
import type { Rung } from '../domain/task.ts';
import type { SeedScore } from '../statistics/index.ts';

/**
 * Everything a report shows, read from the archive by whoever asks for the report. Nothing in it is trusted to be harmless
 * as markup or on a terminal: names, candidates and messages come from agents and from files.
 */
export interface ReportData {
  readonly search: ReportSearch;
  readonly agents: readonly ReportAgent[];
  /** In the order in which the archive recorded them. */
  readonly nodes: readonly ReportNode[];
  /** What ended before its work was done, in the order in which it was recorded (I13). */
  readonly endings: readonly ReportEnding[];
  readonly phases: readonly { readonly phase: Phase; readonly seconds: number }[];
  readonly budget: ReportBudget;
  /** Null where nothing was trained. */
  readonly devices: ReportDevices | null;
  readonly aggregation: ReportAggregation | null;
  readonly extrapolations: readonly ReportExtrapolation[];
  /** Null where no agent read. */
  readonly funnel: ReportFunnel | null;
  readonly provenance: ReportProvenance;
}

export interface ReportSearch {
  readonly id: string;
  readonly task: string;
  /** What the scores measure. Scores in here are fitness, of which more is better; people are shown the metric. */
  readonly metric: string;
  readonly lowerIsBetter: boolean;
  /** Seeds of the final rung that decide who is a record-breaker; later ones are fresh. */
  readonly finalSeeds: number;
  readonly profile: string;
  readonly space: Space;
  readonly seed: number;
  /** Where the search stands now; a report may be written before it has ended. */
  readonly phase: Phase;
}

export interface ReportEnding {
  /** What ended: the search, an agent, a worker, a rung, an evaluation. */
  readonly of: EndingKind;
  readonly subject: string;
  readonly reason: string;
  readonly sentence: string;
}

export interface ReportAgent {
  readonly name: string;
  readonly model: string;
  readonly scaffold: string;
  /** Whose attempts it remembers; absent: its own. */
  readonly memory?: 'own' | 'ensemble' | undefined;
  /** Edits by which its candidates have to differ from those in its memory; absent: 1. */
  readonly distance?: number | undefined;
  /** Evaluations that it may use. */
  readonly evaluations: number;
  /** Null while it may still propose, and where an earlier version recorded nothing. */
  readonly end: AgentEnd | null;
  readonly spend: Spend;
}

export interface ReportNode {
  readonly id: string;
  /** The agent, or `reference` or `aggregate`. */
  readonly agent: string;
  /** The agent's attempt that made it, counted from 1. */
  readonly ordinal: number;
  readonly origin: Origin;
  /** What a reference is called; null for other nodes. */
  readonly name: string | null;
  readonly parents: readonly string[];
  readonly candidate: string;
  /** What it changed, in its proposer's words. */
  readonly change: string;
  /** A score of it was had without a sandbox. */
  readonly unsafe: boolean;
  readonly status: NodeStatus;
  /** Reason code and message of the attempt that gave no score. */
  readonly reason: string | null;
  readonly message: string | null;
  readonly validation: Readonly<Record<Rung, readonly SeedScore[]>>;
  /** Trainings that were begun on each rung, those that the laboratory lost included. */
  readonly attempts: Readonly<Record<Rung, number>>;
  /** Test scores of the final rung. */
  readonly test: readonly SeedScore[];
  /** Training seconds over all rungs and seeds, whoever paid for them. */
  readonly seconds: number;
  /** The screening result was known before: nothing was trained for it. */
  readonly saved: boolean;
  /** When the screening result came, in milliseconds since the search began; null until then. */
  readonly finishedAt: number | null;
}

export interface ReportBudget {
  readonly limit: Budget;
  readonly spent: {
    readonly evaluations: number;
    readonly minutes: number;
    readonly deviceSeconds: number;
    /** Calls of language models. */
    readonly calls: Spend;
  };
  /** Evaluations answered from earlier results, over all rungs, and the training seconds that those results had cost. */
  readonly saved: { readonly evaluations: number; readonly deviceSeconds: number };
}

/** The workers that trained for a search, and the share of the time that they spent training. */
export interface ReportDevices {
  readonly count: number;
  readonly busy: number;
}

export interface ReportAggregation {
  /** Over all agents' nodes. */
  readonly patterns: readonly Pattern[];
  /** Over each agent's own nodes, by its name, all under `conditioning`. */
  readonly byAgent: ReadonlyMap<string, Pattern>;
  /** The conditioning whose pattern was evaluated as a node of its own, and which the patterns by agent use. */
  readonly conditioning: Conditioning;
}

export interface ReportExtrapolation {
  /** Whose pattern it is, such as `aggregate N0`. */
  readonly label: string;
  readonly pattern: Architecture;
  readonly rows: readonly Extrapolation[];
}

/** What became of what one agent was shown of one source, counted in attempts, each figure a part of the one before. */
export interface FunnelRow {
  readonly source: LiteratureSource;
  /** Distinct works among what was shown. */
  readonly works: number;
  readonly retrieved: number;
  readonly cited: number;
  /** Accepted as a candidate that the agent had not tried. */
  readonly changed: number;
  /** With a score, and one to compare it with; of these so many are better. */
  readonly compared: number;
  readonly improved: number;
}

export interface ReportFunnel {
  readonly agents: readonly {
    readonly agent: string;
    readonly attempts: number;
    /** Searches and reads that failed, and the first reason. */
    readonly failed: number;
    readonly failure: string | null;
    readonly sources: readonly FunnelRow[];
    /** The same agent's attempts that cite no work and no lesson. */
    readonly withoutCitation: { readonly compared: number; readonly improved: number };
  }[];
  /** Most cited first. */
  readonly works: readonly {
    readonly id: string;
    readonly title: string | null;
    readonly shown: number;
    readonly cited: number;
    readonly improved: number;
  }[];
}

export interface ReportProvenance {
  readonly airaVersion: string;
  readonly taskVersion: string;
  /** Engine and source hash of the trainer. */
  readonly evaluator: string;
  /** Facts about the machines, such as `CPU` and its name, in the order in which they are to be shown. */
  readonly machine: readonly { readonly fact: string; readonly value: string }[];
  /** ISO 8601, from the archive: when the search began. */
  readonly startedAt: string;
  /** The search file as it was given. */
  readonly searchFile: string;
  /** Shell commands that repeat the search and its report. */
  readonly commands: readonly string[];
}
