/**
 * Views: what a person sees of searches, nodes, agents, studies and scale plans, as plain data.
 *
 * Role: functions from a read-only archive, and a home's files, to the figures and texts of pages, reports and the dashboard's
 * API. Non-role: rendering (report, pages), SQL of the ledger's writers (memory), decisions.
 *
 * - Scores that leave `api*.ts` are the task's metric; those in `report/` are fitness, which pages turn into the metric.
 * - Nothing of agents or files is safe as markup.
 */

export type { CommandBody, CommandReply, Labs, Problem } from './api.ts';
export { commandSchema } from './apiHome.ts';
export { apiVersion, nodesQuerySchema } from './apiSearch.ts';
export type { Heard } from './heard.ts';
export { HomeViews, problemOf } from './home.ts';
export { studiesOf, studyOf, studyOfText } from './homeFiles.ts';
export type { Page } from './page.ts';
export { claimRecord, contestCells, readClaims } from './report/claims.ts';
export { collectReport } from './report/collect.ts';
export type { FunnelRow, ReportAgent, ReportAggregation, ReportData, ReportEnding, ReportNode } from './report/data.ts';
export {
  type Basis,
  bases,
  basisName,
  bestScreened,
  type ComparisonRows,
  type Findings,
  findingsOf,
  floorsOn,
  isProposal,
  meanOf,
  meanOn,
  nodeName,
  proposalsOf,
  scoresOn,
} from './report/findings.ts';
export {
  agentEndSentences,
  agentEndText,
  billions,
  count,
  duration,
  type MetricDirection,
  mebibytes,
  metric,
  millions,
  percent,
  proposalText,
  score,
  shortened,
  signed,
  signedPercent,
} from './report/format.ts';
export { floorClause, floorsText, unfinished, verdict } from './report/sentences.ts';
export { scaleFiguresOf } from './scale.ts';
export { timeLeftMs } from './searchList.ts';
export { line as printed } from './texts.ts';
export { type AgentStory, type Mention, type Step, type Story, storyOf } from './trace/story.ts';
