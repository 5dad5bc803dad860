/**
 * Views: what a person sees of searches, nodes, agents, studies and scale plans, as plain data.
 *
 * Role: functions from a read-only archive, and a home's files, to the figures and texts of pages, reports and the dashboard's
 * API. Non-role: rendering (report, pages), SQL of the ledger's writers (memory), decisions.
 *
 * - Scores that leave `api*.ts` are the task's metric; those in `report/` are fitness, which pages turn into the metric.
 * - Nothing of agents or files is safe as markup.
 * - A finished page is data too (`page.ts`): sections of sentences, tables, charts and drawings, whose looks are the components' affair.
 */

export type { CommandBody, CommandReply, Labs, Problem } from './api.ts';
export { commandSchema } from './apiHome.ts';
export { apiVersion, nodesQuerySchema } from './apiSearch.ts';
export { HomeViews, problemOf } from './home.ts';
export { type Heard, studiesOf, studyOf, studyOfText, timeLeftMs, zeroShotPath, zeroShotScores } from './homeLists.ts';
export type { Page } from './page.ts';
export { claimRecord, floorClause, readClaims, unfinished, verdict } from './report/claims.ts';
export { collectReport } from './report/collect.ts';
export type { ReportAgent, ReportData, ReportEnding, ReportNode } from './report/data.ts';
export {
  bases,
  basisName,
  bestScreened,
  findingsOf,
  floorsOn,
  isProposal,
  meanOn,
  nodeName,
  proposalsOf,
} from './report/findings.ts';
export { reportPage } from './report/page.ts';
export { scaleFiguresOf } from './scale.ts';
export {
  agentEndSentences,
  agentEndText,
  candidateText,
  count,
  deviceTimeName,
  duration,
  line as printed,
  metric,
  percent,
  proposalText,
  score,
  shortened,
  shown,
  signed,
} from './texts.ts';
export {
  attributionSentence,
  type Confrontation,
  changeVerdict,
  confront,
  confrontationNote,
  confrontationRows,
  differenceFigures,
} from './trace/compare.ts';
export {
  type Exchange,
  exchangeFacts,
  exchangesOf,
  exchangeTexts,
  exchangeTitle,
  timelineLines,
  timelineOf,
} from './trace/exchanges.ts';
export { costText, type FullTrace, thoughtText, tracePage, triedText } from './trace/page.ts';
export { type AgentStory, type Step, type Story, storyOf } from './trace/story.ts';
