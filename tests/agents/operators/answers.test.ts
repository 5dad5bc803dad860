import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { lessonForm, proposalForms } from '../../../src/agents/operators/answers.ts';
import { primitives } from '../../../src/domain/architecture.ts';
import { answerSchema, readAnswer } from '../../../src/llm/chat.ts';

const schema = z.strictObject({ a: z.number() });

describe('an answer', () => {
  it.each([
    '{"a": 1}',
    '\n {"a": 1}\n',
    '```json\n{"a": 1}\n```',
    'Sure!\n```\n{"a": 1}\n```\nAnything else?',
    'I think {"a": 1} is it.',
  ])('is found in %j', (text) => {
    expect(readAnswer(text, schema)).toEqual({ ok: true, value: { a: 1 } });
  });

  it.each([
    ['', 'not JSON'],
    ['one', 'not JSON'],
    ['{"a": 1', 'not JSON'],
    ['{"a": "1"}', 'a: '],
    ['{"a": 1, "b": 2}', 'b'],
    ['[1]', 'expected object'],
  ])('%j is refused with the reason', (text, reason) => {
    const read = readAnswer(text, schema);
    expect(read.ok).toBe(false);
    expect(!read.ok && read.problem).toContain(reason);
  });
});

describe('the form of a proposal', () => {
  const reasons = { hypothesis: 'h', change: 'c', expected_fitness: null, evidence: [] };
  const edits = [{ layer: 3, primitive: 'mA' }];
  const forms = proposalForms({ primitives: [...primitives] });
  const read = (operator: keyof typeof forms, answer: object) =>
    readAnswer(JSON.stringify(answer), forms[operator].schema).ok;

  it('of an improvement is either whole or edits', () => {
    expect(read('improve', { ...reasons, architecture: '16M', edits: null })).toBe(true);
    expect(read('improve', { ...reasons, architecture: null, edits })).toBe(true);
    expect(read('improve', { ...reasons, architecture: '16M', edits: [] })).toBe(true);
    expect(read('improve', { ...reasons, architecture: '16M', edits })).toBe(false);
    expect(read('improve', { ...reasons, architecture: null, edits: null })).toBe(false);
    expect(read('draft', { ...reasons, architecture: '16M' })).toBe(true);
    expect(read('draft', { ...reasons, architecture: '16M', edits: null })).toBe(false);
    expect(read('draft', { ...reasons, hypothesis: ' ', architecture: '16M' })).toBe(false);
  });

  it('uses only keywords that all providers support', () => {
    const allowed = new Set([
      'type',
      'enum',
      'const',
      'description',
      'required',
      'additionalProperties',
      'properties',
      'items',
      'anyOf',
    ]);
    const visit = (node: unknown): void => {
      const { properties = {}, items, anyOf = [], ...rest } = node as Record<string, unknown>;
      for (const key of Object.keys(node as object)) expect(allowed).toContain(key);
      if (rest.type === 'object') {
        expect(rest.additionalProperties).toBe(false);
        // Strict modes want every property required.
        expect(rest.required).toEqual(Object.keys(properties as object));
      }
      for (const each of [...Object.values(properties as object), ...(anyOf as unknown[]), ...(items ? [items] : [])])
        visit(each);
    };
    for (const form of [...Object.values(forms), lessonForm]) visit(form.wire.json);
    expect(answerSchema('x', schema).json).toMatchObject({ type: 'object', properties: { a: { type: 'number' } } });
  });
});
