import { count, percent, score, signed } from '../format.ts';
import type { StudyReport } from './page.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

/** The figures of a study for a document: sentences, arms, comparisons, and what they rest on. */
export function studyMarkdown(report: StudyReport): string {
  const { study, analysis, tasks, results } = report;
  const arms = analysis.arms.toSorted((a, b) => b.middle - a.middle);
  const evaluations = results.reduce((sum, run) => sum + run.evaluated + run.failed, 0);
  return [
    `**${study.question}** ${count(study.arms.length)} arms x ${count(study.seeds)} paired seeds x ${count(study.budget.evaluations)} evaluations on ${tasks.map(({ label }) => label).join(', ')}; ${count(results.length)} runs, ${count(evaluations)} evaluations.`,
    '',
    ...analysis.comparisons.map(({ sentence }) => `- ${sentence}`),
    ...analysis.cautions.map((caution) => `- ${caution}`),
    '',
    table(
      ['arm', 'interquartile mean', '95 % interval', 'mean', 'normalised', 'valid', 'Elo'],
      arms.map((arm) => [
        arm.name,
        score(arm.middle),
        `${score(arm.interval.low)} … ${score(arm.interval.high)}`,
        score(arm.mean),
        arm.normalised === null ? '–' : arm.normalised.toFixed(3),
        percent(arm.validRate),
        arm.elo.rating === null ? '–' : arm.elo.rating.toFixed(0),
      ]),
    ),
    '',
    table(
      ['comparison', 'verdict', 'difference', '95 % interval', 'p, corrected', 'in sd', 'ahead in'],
      analysis.comparisons.map(({ arms: [one, other], ...found }) => [
        `${one} against ${other}`,
        found.verdict,
        signed(found.effect),
        `${signed(found.interval.low)} … ${signed(found.interval.high)}`,
        found.adjusted < 0.0001 ? '< 0.0001' : found.adjusted.toPrecision(2),
        found.standardised === null ? '–' : found.standardised.toFixed(2),
        percent(found.ahead),
      ]),
    ),
    '',
    ...tasks.flatMap((task) =>
      Object.entries(task.versions).map(([fact, value]) => `- ${task.label}, ${fact}: ${value}`),
    ),
    ...report.machine.map(({ fact, value }) => `- ${fact}: ${value}`),
    `- Aira ${report.airaVersion}; made by \`${report.commands[0] ?? ''}\``,
    '',
  ].join('\n');
}
