/**
 * Report: what people read of a search, a study, a scaling study and a trace.
 *
 * Role: writes what `views` collects as pages, text, Markdown and TSV. Non-role: plans, trainings, figures; how pages look (pages/).
 *
 * - Figures are the task's metric; a sentence that compares rests on the final rung (I11).
 * - Test figures come in separately, because reading them is recorded (I4).
 * - A trace shows per attempt what the view knew, operator and parents with the reason, what was read, the hypothesis, the
 *   change as text and as difference, predicted and measured score, and the lesson, all from the archive.
 * - `--full` adds the recorded prompts, reasoning, tool rounds, answers and tries of each attempt, whole tracebacks and a timeline per
 *   agent (`views/trace/exchanges.ts`); `--against` shows two agents or searches side by side (`views/trace/compare.ts`).
 * - Trees are drawn like the log of a version control system: the child with most descendants stays in its parent's row.
 */

export {
  reportHtml,
  type StudyReport,
  scaleHtml,
  studyHtml,
  studyJson,
  studyMarkdown,
  writeScaleReport,
  writeWhole,
} from './document.ts';
export { type Result, resultOf, resultsTsv, summary } from './summary.ts';
export { attributionText, confrontationText, storyHtml, storyText } from './trace.ts';
