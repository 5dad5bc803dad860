import type { Conditioning, Extrapolation, Pattern } from '../../aggregation/index.ts';
import type { Spend } from '../../domain/agent.ts';
import type { Architecture, OwnPrimitive } from '../../domain/architecture.ts';
import type { Space } from '../../domain/candidate.ts';
import type { AgentEnd, EndingKind } from '../../domain/ending.ts';
import type { LiteratureSource } from '../../domain/literature.ts';
import type { NodeStatus, Origin } from '../../domain/node.ts';
import type { Budget, Phase } from '../../domain/search.ts';
import type { Rung } from '../../domain/task.ts';
import type { Floor, SeedScore } from '../../statistics/index.ts';

/**
 * Everything a report shows, read from the archive. Nothing in it is safe as markup or terminal output: names, candidates
 * and messages come from agents and files.
 */
export interface ReportData {
  readonly search: ReportSearch;
  readonly agents: readonly ReportAgent[];
  /** In the archive's order. */
  readonly nodes: readonly ReportNode[];
  /** What the rows of each basis yield without what the task asks for; empty for tasks without floors. */
  readonly floors: Readonly<Record<Rung | 'test', readonly Floor[]>>;
  /** Endings before the work was done, in the archive's order (I13). */
  readonly endings: readonly ReportEnding[];
  readonly phases: readonly { readonly phase: Phase; readonly seconds: number }[];
  readonly budget: ReportBudget;
  /** Null without trainings. */
  readonly devices: ReportDevices | null;
  readonly aggregation: ReportAggregation | null;
  readonly extrapolations: readonly ReportExtrapolation[];
  /** Null if no agent read. */
  readonly funnel: ReportFunnel | null;
  readonly provenance: ReportProvenance;
}

export interface ReportSearch {
  readonly id: string;
  readonly task: string;
  /** What validation scores measure. Scores in this structure are fitness (more is better); pages show the metric. */
  readonly metric: string;
  /** What test scores measure. */
  readonly testMetric: string;
  readonly lowerIsBetter: boolean;
  /** Seeds of the final rung that rank finalists; later ones are fresh. */
  readonly finalSeeds: number;
  readonly profile: string;
  readonly space: Space;
  /** Manifest entries of the user's own primitives in the space. */
  readonly primitives: readonly OwnPrimitive[];
  readonly seed: number;
  /** Current phase; a report may be written while the search runs. */
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
  /** Whose attempts it remembers (default: its own). */
  readonly memory?: 'own' | 'ensemble' | undefined;
  /** Minimum edit distance of its candidates to those in its memory (default 1). */
  readonly distance?: number | undefined;
  /** Budget of evaluations. */
  readonly evaluations: number;
  /** Null while it may still propose, and for searches of versions that did not record it. */
  readonly end: AgentEnd | null;
  readonly spend: Spend;
  /** The latest plateau that was noticed; absent without one. */
  readonly plateau?: { readonly best: string; readonly results: number } | undefined;
}

export interface ReportNode {
  readonly id: string;
  /** The agent, or `reference` or `aggregate`. */
  readonly agent: string;
  /** The agent's attempt number, from 1. */
  readonly ordinal: number;
  readonly origin: Origin;
  /** Name of a reference; null for other nodes. */
  readonly name: string | null;
  readonly parents: readonly string[];
  readonly candidate: string;
  /** The change, in its proposer's words. */
  readonly change: string;
  /** One of its scores was measured without a sandbox. */
  readonly unsafe: boolean;
  readonly status: NodeStatus;
  /** Reason code and message of an attempt without a score. */
  readonly reason: string | null;
  readonly message: string | null;
  readonly validation: Readonly<Record<Rung, readonly SeedScore[]>>;
  /** Trainings started on each rung, including lost ones. */
  readonly attempts: Readonly<Record<Rung, number>>;
  /** Test scores of the final rung. */
  readonly test: readonly SeedScore[];
  /** Training seconds over all rungs and seeds, including those of cached results. */
  readonly seconds: number;
  /** The screening result was a cache hit. */
  readonly saved: boolean;
  /** When the screening result arrived, in milliseconds since the search started; null before. */
  readonly finishedAt: number | null;
}

export interface ReportBudget {
  readonly limit: Budget;
  readonly spent: {
    readonly evaluations: number;
    readonly minutes: number;
    readonly deviceSeconds: number;
    /** Of the device seconds, those of agents' checks and experiments. */
    readonly rehearsalSeconds: number;
    /** Calls of language models. */
    readonly calls: Spend;
  };
  /** Cache hits over all rungs, and the training seconds that they avoided. */
  readonly saved: { readonly evaluations: number; readonly deviceSeconds: number };
}

/** Workers that trained for a search, and the share of time they were busy. */
export interface ReportDevices {
  readonly count: number;
  readonly busy: number;
}

export interface ReportAggregation {
  /** Over all agents' nodes. */
  readonly patterns: readonly Pattern[];
  /** Over each agent's own nodes, by agent name, all under `conditioning`. */
  readonly byAgent: ReadonlyMap<string, Pattern>;
  /** Conditioning of the pattern that was evaluated as a node, and of the patterns by agent. */
  readonly conditioning: Conditioning;
}

export interface ReportExtrapolation {
  /** Source of the pattern, such as `aggregate N0`. */
  readonly label: string;
  readonly pattern: Architecture;
  readonly rows: readonly Extrapolation[];
}

/** How one agent used one source, counted in attempts; each count is a subset of the previous one. */
export interface FunnelRow {
  readonly source: LiteratureSource;
  /** Distinct works shown. */
  readonly works: number;
  readonly retrieved: number;
  readonly cited: number;
  /** Accepted as a candidate that the agent had not tried. */
  readonly changed: number;
  /** Scored, with a baseline score to compare with; `improved` of these are better. */
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
    /** The agent's attempts that cite no work and no lesson. */
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
  /** Machine facts such as `CPU` and its name, in display order. */
  readonly machine: readonly { readonly fact: string; readonly value: string }[];
  /** ISO 8601: when the search started. */
  readonly startedAt: string;
  /** Text of the search file. */
  readonly searchFile: string;
  /** Shell commands that reproduce the search and its report. */
  readonly commands: readonly string[];
}
