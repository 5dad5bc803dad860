import * as z from 'zod';
import type { Purpose } from '../../domain/agent.ts';
import { primitives as builtIn, inOrder, type Primitive, type StackSpec } from '../../domain/architecture.ts';
import type { Space } from '../../domain/candidate.ts';
import type { Insight, StatedInsight } from '../../domain/ideas.ts';
import type { Effort } from '../../domain/model.ts';
import type { Lesson, View } from '../../domain/node.ts';
import { bringsScripts, type MultiTurnSpec } from '../../domain/rehearsal.ts';
import { type AnswerSchema, answerSchema } from '../../llm/index.ts';
import { oneLine, quoted } from './promptText.ts';

/**
 * The forms of answers: proposals of stacks, lists of proposals, analyses with lessons and insights; and how many tokens an answer
 * takes. Recordings are found by the schemas: a change of one loses them.
 */

/** The answer schema of an operator. */
export interface AnswerForm<T> {
  readonly schema: z.ZodType<T>;
  readonly wire: AnswerSchema;
  /** For answers that are not JSON as a whole: the JSON in them. No server can enforce their schema. */
  readonly jsonOf?: ((text: string) => string) | undefined;
}

const statement = z.string().trim().min(1).max(1500);

export const reasons = {
  hypothesis: statement.describe('Why this should work, in two or three sentences.'),
  change: statement.describe(
    'What you change relative to the parents, or the idea of the draft, in one or two sentences.',
  ),
  expected_fitness: z.number().nullable().describe('The fitness you expect, or null.'),
  evidence: z.array(z.string().max(200)).max(16).describe('Ids of the attempts and passages that support this.'),
};

const whole = z.strictObject({
  ...reasons,
  architecture: z.string().max(8000).describe('All layers from input to output, as tokens or runs: 2mA+5M+1Mb.'),
});

/** An improvement may be a few substitutions instead of a whole candidate, so that its effect has an identifiable cause. */
const edited = ({ primitives }: Pick<StackSpec, 'primitives'>) =>
  z.strictObject({
    ...reasons,
    architecture: z
      .string()
      .max(8000)
      .nullable()
      .describe('All layers from input to output, or null if you give edits.'),
    edits: z
      .array(z.strictObject({ layer: z.number(), primitive: z.enum(inOrder([...builtIn, ...primitives])) }))
      .max(64)
      .nullable()
      .describe('Layers to substitute in the parent, counted from 0, or null if you give a whole architecture.'),
  });

const lessonList = z
  .array(z.strictObject({ node: z.string().max(64), text: z.string().trim().min(1).max(1000) }))
  .max(16)
  .describe('One lesson per listed result.');
const lessons = z.strictObject({ lessons: lessonList });

/** A proposal as a model states it; exactly one of `architecture` and `edits` is null. */
export interface StatedProposal {
  readonly hypothesis: string;
  readonly change: string;
  readonly expected_fitness: number | null;
  readonly evidence: string[];
  readonly architecture: string | null;
  readonly edits: { layer: number; primitive: Primitive }[] | null;
}

/**
 * The form of an answer with several proposals, each in the given form. They come unparsed, to be read one by one: an invalid
 * one does not spoil the others. Servers that enforce no schema may leave the object around the list out, or give one proposal as
 * if it alone had been requested.
 *
 * @param jsonOf the JSON in an answer whose programs stand outside it.
 */
export function listForm(
  { schema: single, wire }: Pick<AnswerForm<unknown>, 'schema' | 'wire'>,
  jsonOf?: AnswerForm<unknown>['jsonOf'],
): AnswerForm<readonly unknown[]> {
  const list = { type: 'array', description: 'Different proposals, the most promising first.', items: wire.json };
  const json = {
    type: 'object',
    properties: { proposals: list },
    required: ['proposals'],
    additionalProperties: false,
  };
  const schema = z.preprocess((value) => {
    if (Array.isArray(value)) return { proposals: value };
    return single.safeParse(value).success ? { proposals: [value] } : value;
  }, proposalList);
  return { schema, wire: { name: `${wire.name}_list`, json }, ...(jsonOf ? { jsonOf } : {}) };
}

const proposalList = z
  .strictObject({ proposals: z.array(z.unknown()).min(1) })
  .transform(({ proposals }): readonly unknown[] => proposals);

const form = <T>(name: string, schema: z.ZodType<T>): AnswerForm<T> => ({ schema, wire: answerSchema(name, schema) });

const wholeForm: AnswerForm<StatedProposal> = {
  schema: whole.transform((stated) => ({ ...stated, edits: null })),
  wire: answerSchema('proposal', whole),
};
const editedForm = (space: Pick<StackSpec, 'primitives'>): AnswerForm<StatedProposal> =>
  form(
    'improvement',
    edited(space).refine(
      ({ architecture, edits }) => (architecture === null) !== (edits === null || edits.length === 0),
      {
        error: 'give either architecture or edits, and null for the other',
      },
    ),
  );

/** Edits may name any built-in primitive, so that a space without own ones has one form: recordings are found by it. */
export function proposalForms(
  space: Pick<StackSpec, 'primitives'>,
): Readonly<Record<Exclude<Purpose, 'analyze'>, AnswerForm<StatedProposal>>> {
  const improvement = editedForm(space);
  return { draft: wholeForm, improve: improvement, crossover: wholeForm, debug: improvement };
}

export const lessonForm = form('lessons', lessons);

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
  lessons: lessonList,
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

/** Tokens of thinking by effort. Answers of current models at medium effort take 150 to 3000 tokens in all. */
const thinking: Readonly<Record<Effort | 'default', number>> = {
  low: 2000,
  default: 6000,
  medium: 6000,
  high: 12_000,
  xhigh: 24_000,
  max: 48_000,
};

/** Hypothesis, change and evidence of a proposal. */
export const reasonTokens = 800;
/** Lessons that `lessonTokens` suffice for. */
export const lessonsEach = 4;
export const lessonTokens = 1000;

/** A validation script, an argument of a tool. Where candidates are programs, the answer has room for one. */
const scriptTokens = 2000;

/** Tokens of tool calls beyond what the answer needs. */
export const callTokens = (operators: MultiTurnSpec | undefined, space: Space): number =>
  operators && space.kind === 'stack' && bringsScripts(operators, space) ? scriptTokens : 0;

const bytesPerToken = 3;
export const tokensOf = (bytes: number): number => Math.ceil(bytes / bytesPerToken);

/** Largest limit that an agent may set. */
const most = 200_000;

/**
 * The output limit of a question: the size of its answer and room for the thought before it. It is also what a call reserves and
 * what it can waste, so it follows the operator. A truncated answer is requested again with twice the room.
 *
 * @param answer tokens of the answer itself.
 */
export function outputTokens(purpose: Purpose, answer: number, effort: Effort | undefined, room: number): number {
  const thought = thinking[effort ?? 'default'] / (purpose === 'analyze' ? 2 : 1);
  return Math.min(most, (answer + thought) * room);
}
