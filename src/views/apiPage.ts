import * as z from 'zod';
import { apiVersion, count } from './apiSearch.ts';
import type { Block, Section, Span, Text } from './page.ts';

/**
 * Sections of finished pages as answers of the dashboard's API: the types of `page.ts` as schemas. Conventions are those of
 * `apiSearch.ts`; figures are texts already, in the words of the report.
 */

const place = z.tuple([z.number(), z.number()]);

const spanSchema: z.ZodType<Span> = z.union([
  z.string(),
  z.strictObject({ text: z.string(), as: z.enum(['code', 'small', 'below', 'strong', 'good', 'bad']) }),
  z.strictObject({ stack: z.string(), runs: z.boolean().exactOptional() }),
  z.strictObject({
    whisker: z.strictObject({
      mean: z.number(),
      reach: z.number().nullable(),
      seeds: z.array(z.number()),
      axis: place,
    }),
  }),
  z.strictObject({ meter: z.number(), label: z.string() }),
  z.strictObject({ funnel: z.array(z.number()), of: z.number(), label: z.string() }),
  z.strictObject({ line: count }),
  z.strictObject({ mark: count }),
  z.strictObject({ to: z.string(), text: z.string() }),
  z.strictObject({ node: z.string(), text: z.string().exactOptional() }),
  z.strictObject({ agent: z.string() }),
]);
const textSchema: z.ZodType<Text> = z.union([spanSchema, z.array(spanSchema)]);

const blocks = z.lazy(() => z.array(blockSchema));

const seriesSchema = z.strictObject({
  name: z.string(),
  style: count,
  marks: z.array(z.strictObject({ x: z.number(), y: z.number(), note: z.string().exactOptional() })),
  as: z.enum(['line', 'stairs', 'marks']),
  faint: z.boolean().exactOptional(),
});

const treeSchema = z.strictObject({
  label: z.string(),
  nodes: z.array(
    z.strictObject({
      title: z.string(),
      at: z.number(),
      lane: z.number(),
      mark: count,
      size: z.number().nullable(),
      pending: z.boolean(),
      best: z.boolean(),
      parents: z.array(count),
    }),
  ),
});

const blockSchema: z.ZodType<Block> = z.discriminatedUnion('block', [
  z.strictObject({ block: z.literal('text'), text: textSchema, as: z.enum(['lead', 'note', 'warn']).exactOptional() }),
  z.strictObject({ block: z.literal('heading'), text: textSchema }),
  z.strictObject({ block: z.literal('claims'), sentences: z.array(z.string()) }),
  z.strictObject({ block: z.literal('list'), items: z.array(textSchema) }),
  z.strictObject({
    block: z.literal('figures'),
    figures: z.array(z.strictObject({ label: z.string(), value: z.string(), note: z.string() })),
  }),
  z.strictObject({
    block: z.literal('facts'),
    facts: z.array(z.tuple([z.string(), z.union([textSchema, blocks])])),
  }),
  z.strictObject({
    block: z.literal('table'),
    columns: z.array(
      z.strictObject({
        head: z.string(),
        kind: z.enum(['number', 'name', 'text']).exactOptional(),
        ends: z.tuple([z.string(), z.string()]).exactOptional(),
      }),
    ),
    rows: z.array(
      z.union([
        z.array(textSchema),
        z.strictObject({ contest: z.array(textSchema) }),
        z.strictObject({ group: z.string() }),
      ]),
    ),
  }),
  z.strictObject({
    block: z.literal('forest'),
    label: z.string(),
    effects: z.array(
      z.strictObject({
        name: z.string(),
        sub: z.string(),
        estimate: z.number().nullable(),
        low: z.number().nullable(),
        high: z.number().nullable(),
        verdict: z.string(),
      }),
    ),
  }),
  z.strictObject({
    block: z.literal('chart'),
    series: z.array(seriesSchema),
    levels: z.array(z.strictObject({ name: z.string(), value: z.number() })).exactOptional(),
    x: z.string(),
    y: z.string(),
    whole: z.boolean().exactOptional(),
    percent: z.boolean().exactOptional(),
    summary: z.string(),
  }),
  z.strictObject({
    block: z.literal('legend'),
    primitives: z.array(z.strictObject({ name: z.string(), meaning: z.string() })),
  }),
  z.strictObject({
    block: z.literal('votes'),
    label: z.string(),
    layers: z.array(
      z.strictObject({
        winner: z.string(),
        votes: z.array(z.strictObject({ name: z.string(), title: z.string(), votes: count })),
        voters: count,
        tied: z.boolean(),
      }),
    ),
  }),
  z.strictObject({ block: z.literal('tree'), tree: treeSchema }),
  z.strictObject({ block: z.literal('diff'), name: z.string(), lines: z.array(z.string()), more: count }),
  z.strictObject({ block: z.literal('pre'), text: z.string(), record: z.boolean().exactOptional() }),
  z.strictObject({ block: z.literal('columns'), columns: z.array(blocks) }),
  z.strictObject({ block: z.literal('fold'), summary: textSchema, blocks }),
  z.strictObject({
    block: z.literal('steps'),
    steps: z.array(
      z.strictObject({
        node: z.string(),
        mark: count,
        operator: z.string(),
        short: z.string(),
        outcome: z.string(),
        effect: textSchema,
        blocks,
      }),
    ),
  }),
]);

export const sectionSchema: z.ZodType<Section> = z.strictObject({
  id: z.string(),
  title: z.string(),
  blocks: z.array(blockSchema),
});

/** What of a report can be asked for while its search runs: patterns of the ensemble, and claims with their evidence. */
export const sectionGroups = ['claims', 'patterns'] as const;

/** `/api/searches/:id/sections/:group` */
export const sectionsSchema = z.strictObject({
  version: z.literal(apiVersion),
  sequence: count,
  sections: z.array(sectionSchema),
});
