import * as z from 'zod';
import type { Insight, StatedInsight } from '../../domain/ideas.ts';
import type { Lesson, View } from '../../domain/node.ts';
import { answerSchema } from '../../llm/index.ts';
import { type AnswerForm, lessonForm } from './answers.ts';
import { oneLine, quoted } from './quote.ts';

/** Characters of the insights in a question. */
export const insightCharacters = 5000;

/** What an analysis answers: lessons of single results, and insights where the agent writes them. */
export interface Analysis {
  readonly lessons: readonly Lesson[];
  readonly insights: readonly StatedInsight[];
}

const stated = z.strictObject({
  hypothesis: z.string().trim().min(1).max(600).describe('A general statement about the task that results can refute.'),
  verdict: z.enum(['supported', 'refuted', 'open']).describe('What the evidence says of it.'),
  evidence: z.array(z.string().max(64)).min(1).max(16).describe('Ids of the attempts that the verdict rests on.'),
  supersedes: z.string().max(80).nullable().describe('Id of the insight that this one replaces, or null.'),
});

const analysis = z.strictObject({
  lessons: z
    .array(z.strictObject({ node: z.string().max(64), text: z.string().trim().min(1).max(1000) }))
    .max(16)
    .describe('One lesson per listed result.'),
  insights: z.array(stated).max(2).describe('At most two; an empty list unless these results change what is known.'),
});

const insightForm = { schema: analysis, wire: answerSchema('analysis', analysis) };

/** The form of an analysis. Without insights it is that of lessons alone, so that recordings of older searches are found. */
export function analysisForm(writesInsights: boolean): AnswerForm<z.infer<typeof analysis>> {
  if (writesInsights) return insightForm;
  return { schema: lessonForm.schema.transform(({ lessons }) => ({ lessons, insights: [] })), wire: lessonForm.wire };
}

/** Added to the system prompt of an analysis by an agent that writes insights. */
export const insightInstructions = `
In "insights", state what these results change in what is known of the task, if they change anything: a general hypothesis that
further results can refute, whether the attempts named in "evidence" support it, refute it or leave it open, and in "supersedes"
the id of an earlier insight that it replaces, or null. No insight for a single noisy difference.`;

const line = ({ id, hypothesis, verdict, evidence }: Insight): string =>
  `${id} (${verdict}; ${evidence.join(', ')}): ${oneLine(hypothesis, 600)}`;

/** What was concluded before, as data: agents wrote it. Empty without any. */
export function insightsText({ insights = [] }: Pick<View, 'insights'>): string {
  if (insights.length === 0) return '';
  const shown: string[] = [];
  let room = insightCharacters;
  for (const each of insights) {
    const text = line(each);
    room -= text.length + 1;
    if (room < 0) break;
    shown.push(text);
  }
  return `\n# Insights so far\n\n${quoted('insights', shown.join('\n'), insightCharacters)}\n`;
}

/** The stated insights whose evidence was shown, with ids that exist. */
export function usableInsights(insights: z.infer<typeof analysis>['insights'], view: View): StatedInsight[] {
  const judged = new Map(view.nodes.map(({ id, status }) => [id as string, { id, status }]));
  const known = new Set((view.insights ?? []).map(({ id }) => id));
  return insights.flatMap(({ hypothesis, verdict, evidence, supersedes }) => {
    const rests = evidence.flatMap((id) => {
      const node = judged.get(id);
      return node && (node.status === 'evaluated' || node.status === 'failed') ? [node.id] : [];
    });
    if (rests.length === 0) return [];
    // An insight of an earlier search stays as it is.
    const replaced = supersedes !== null && known.has(supersedes) && !supersedes.includes('/') ? supersedes : null;
    return [{ hypothesis, verdict, evidence: [...new Set(rests)], supersedes: replaced }];
  });
}
