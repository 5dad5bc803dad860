/** Errors of form that models make where no server enforces a schema. */
import { describe, expect, it } from 'vitest';
import { proposalForms } from '../../src/agents/operators/answers.ts';
import { readAnswer, readLeniently } from '../../src/llm/chat.ts';

const whole = { hypothesis: 'h', change: 'c', expected_fitness: 0.55, evidence: ['a-1'], architecture: '16M' };
const forms = proposalForms({ primitives: ['M', 'mA', 'Mb'] });
const form = forms.draft.schema;
const said = (value: object) => JSON.stringify(value);
const { expected_fitness: _, evidence: __, ...bare } = whole;

describe('an answer is read in spite of', () => {
  it.each<[string, string, object]>([
    ['a missing nullable key', said({ ...bare, evidence: ['a-1'] }), { expected_fitness: null }],
    ['a missing list', said(bare), { evidence: [], expected_fitness: null }],
    ['an unknown key', said({ ...whole, confidence: 'high' }), {}],
    ['a number as text', said({ ...whole, expected_fitness: '0.55' }), { expected_fitness: 0.55 }],
    ['a null as text', said({ ...whole, expected_fitness: 'n/a' }), { expected_fitness: null }],
    ['one item for a list', said({ ...whole, evidence: 'a-1' }), { evidence: ['a-1'] }],
    [
      'braces in the prose',
      `Of {mA, Mb} I take M.\n\`\`\`json\n${said({ ...whole, sure: 1 })}\n\`\`\`\nIt is {good}.`,
      {},
    ],
    ['another fence', `\`\`\`json\n{"note": 1}\n\`\`\`\nthen\n\`\`\`json\n${said(whole)}\n\`\`\``, {}],
    ['the same answer twice', `\`\`\`json\n${said(whole)}\n\`\`\`\n\`\`\`\n${said(whole)}\n\`\`\``, {}],
  ])('%s', (_name, text, expected) => {
    expect(readAnswer(text, form).ok).toBe(false);
    expect(readLeniently(text, form)).toMatchObject({ ok: true, value: { ...whole, ...expected } });
  });

  it('unknown keys in a list of edits', () => {
    const edits = [{ layer: '3', primitive: 'mA', why: 'recall' }];
    const read = readLeniently(said({ ...bare, architecture: null, edits }), forms.improve.schema);
    expect(read).toMatchObject({ ok: true, value: { edits: [{ layer: 3, primitive: 'mA' }] } });
  });
});

describe('an answer is refused with its reason', () => {
  it.each<[string, string, string]>([
    ['without its content', said({ hypothesis: 'h', change: 'c' }), 'architecture'],
    ['with another kind of content', said({ ...whole, architecture: ['M', 'mA'] }), 'architecture'],
    [
      'that is two answers',
      `\`\`\`\n${said(whole)}\n\`\`\`\n\`\`\`\n${said({ ...whole, architecture: '8M' })}\n\`\`\``,
      'more than one',
    ],
    ['in prose', 'I would take 16M.', 'not JSON'],
  ])('%s', (_name, text, reason) => {
    const read = readLeniently(text, form);
    expect(read.ok).toBe(false);
    expect(!read.ok && read.problem).toContain(reason);
  });
});
