import * as z from 'zod';
import type { Purpose } from '../../domain/agent.ts';
import { primitives as builtIn, inOrder, type Primitive, type StackSpec } from '../../domain/architecture.ts';
import { type AnswerSchema, answerSchema } from '../../llm/index.ts';

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

const lessons = z.strictObject({
  lessons: z
    .array(z.strictObject({ node: z.string().max(64), text: z.string().trim().min(1).max(1000) }))
    .max(16)
    .describe('One lesson per listed result.'),
});

/** A proposal as a model states it; exactly one of `architecture` and `edits` is null. */
export interface StatedProposal {
  readonly hypothesis: string;
  readonly change: string;
  readonly expected_fitness: number | null;
  readonly evidence: string[];
  readonly architecture: string | null;
  readonly edits: { layer: number; primitive: Primitive }[] | null;
}

/** The answer schema of an operator. */
export interface AnswerForm<T> {
  readonly schema: z.ZodType<T>;
  readonly wire: AnswerSchema;
  /** For answers that are not JSON as a whole: the JSON in them. No server can enforce their schema. */
  readonly jsonOf?: ((text: string) => string) | undefined;
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
