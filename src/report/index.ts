export type {
  ReportAgent,
  ReportAggregation,
  ReportBudget,
  ReportData,
  ReportExtrapolation,
  ReportNode,
  ReportProvenance,
  ReportSearch,
  SeedScore,
} from './data.ts';
export { reportHtml } from './html.ts';
export { summary } from './summary.ts';
