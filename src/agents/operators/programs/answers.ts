import * as z from 'zod';
import type { Operator } from '../../../domain/operator.ts';
import { answerSchema } from '../../../llm/structured.ts';
import { type AnswerForm, reasons } from '../answers.ts';

/** Longer than any program that a space allows; what is too long for the space is told with its limit. */
const longestText = 200_000;

const file = z.strictObject({
  name: z.string().max(60).describe('The name of the file.'),
  text: z.string().max(longestText).describe('The whole text of the file.'),
});

const edit = z.strictObject({
  file: z.string().max(60).describe('The name of the file.'),
  search: z
    .string()
    .max(longestText)
    .describe('Lines of the present file, copied exactly, with enough around them to stand in it only once.'),
  replace: z.string().max(longestText).describe('What takes their place.'),
});

const whole = z.strictObject({
  ...reasons,
  files: z.array(file).min(1).max(8).describe('Whole files; one that is not given stays as the baseline has it.'),
});

/** An improvement is a few edits where it can be: they leave alone what they do not name, and its effect has a cause. */
const changed = z.strictObject({
  ...reasons,
  edits: z
    .array(edit)
    .max(32)
    .nullable()
    .describe('Replacements in the parent, applied in order, or null when whole files are given.'),
  files: z
    .array(file)
    .max(8)
    .nullable()
    .describe('Whole files in place of the parent’s, or null when edits are given.'),
});

/** A program as a model states it: whole files, or edits of the parent's. */
export type StatedProgram = z.infer<typeof changed>;

const isGiven = (list: readonly unknown[] | null) => list !== null && list.length > 0;

const wholeForm: AnswerForm<StatedProgram> = {
  schema: whole.transform((stated) => ({ ...stated, edits: null })),
  wire: answerSchema('program', whole),
};
const changedForm: AnswerForm<StatedProgram> = {
  schema: changed.refine(({ edits, files }) => isGiven(edits) !== isGiven(files), {
    error: 'give either edits or files, and null for the other',
  }),
  wire: answerSchema('program_change', changed),
};

export const programForms: Readonly<Record<Operator, AnswerForm<StatedProgram>>> = {
  draft: wholeForm,
  improve: changedForm,
  crossover: wholeForm,
  debug: changedForm,
};
