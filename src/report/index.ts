export { collectReport } from './collect.ts';
export type {
  ReportAgent,
  ReportData,
  ReportEnding,
  ReportNode,
} from './data.ts';
export { proposalText } from './format.ts';
export { reportHtml } from './html.ts';
export { resultsTsv } from './resultsTsv.ts';
export { studyMarkdown } from './study/markdown.ts';
export { type StudyReport, studyHtml } from './study/page.ts';
export { summary } from './summary.ts';
export { attributionSentence, attributionText, changeVerdict } from './trace/attributionTable.ts';
export { storyHtml } from './trace/html.ts';
export { storyOf } from './trace/story.ts';
export { storyText } from './trace/text.ts';
