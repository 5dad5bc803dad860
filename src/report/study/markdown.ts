import { inferenceSentence } from '../../studies/index.ts';
import { count, percent, score, signed } from '../../views/index.ts';
import type { StudyReport } from './page.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

/** A study's results for a document: sentences, arms, comparisons and provenance. */
export function studyMarkdown(report: StudyReport): string {
  const { study, analysis, tasks, results } = report;
  const arms = analysis.arms.toSorted((a, b) => b.middle - a.middle);
  const evaluations = results.reduce((sum, run) => sum + run.evaluated + run.failed, 0);
  return [
    `**${study.question}** ${count(study.arms.length)} arms x ${count(study.seeds)} paired seeds x ${count(study.budget.evaluations)} evaluations on ${tasks.map(({ label }) => label).join(', ')}; ${count(results.length)} runs, ${count(evaluations)} evaluations.`,
    '',
    ...analysis.comparisons.map(({ sentence }) => `- ${sentence}`),
    ...analysis.spending.map((sentence) => `- ${sentence}`),
    ...analysis.cautions.map((caution) => `- ${caution}`),
    '',
    inferenceSentence(analysis.inference.unit, analysis.inference.units),
    '',
    table(
      ['arm', 'interquartile mean', '95 % interval', 'mean', 'normalised', 'candidates', 'valid', 'Elo'],
      arms.map((arm) => [
        arm.name,
        score(arm.middle),
        `${score(arm.interval.low)} … ${score(arm.interval.high)}`,
        score(arm.mean),
        arm.normalised === null ? '–' : arm.normalised.toFixed(3),
        count(arm.candidates),
        percent(arm.validRate),
        arm.elo.rating === null ? '–' : arm.elo.rating.toFixed(0),
      ]),
    ),
    '',
    table(
      [
        'comparison',
        'verdict',
        'difference',
        '95 % interval',
        'p, corrected',
        'minimum detectable effect',
        'effect size (SD)',
        'win rate',
      ],
      analysis.comparisons.map(({ arms: [one, other], ...comparison }) => [
        `${one} against ${other}`,
        comparison.verdict,
        signed(comparison.effect),
        `${signed(comparison.interval.low)} … ${signed(comparison.interval.high)}`,
        comparison.adjusted < 0.0001 ? '< 0.0001' : comparison.adjusted.toPrecision(2),
        comparison.detectable === null ? '–' : score(comparison.detectable),
        comparison.standardised === null ? '–' : comparison.standardised.toFixed(2),
        percent(comparison.ahead),
      ]),
    ),
    '',
    ...tasks.flatMap((task) =>
      Object.entries(task.versions).map(([fact, value]) => `- ${task.label}, ${fact}: ${value}`),
    ),
    ...report.machine.map(({ fact, value }) => `- ${fact}: ${value}`),
    `- Aira ${report.airaVersion}; produced by \`${report.commands[0] ?? ''}\``,
    '',
  ].join('\n');
}
