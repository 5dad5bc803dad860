/** The page of a node: how its proposal came about. */
import { h } from 'preact';
import { render } from 'preact-render-to-string';
import { expect, it } from 'vitest';
import { AttemptSections } from '../../pages/src/views/attempt.tsx';
import type { NodeDetail } from '../../src/views/api.ts';

const call = (outcome: string | null) => ({
  ...{ purpose: 'draft', model: 'openai/gpt-6-sol', served: null, outcome, message: null },
  ...{ inputTokens: 10, cachedTokens: 0, writtenTokens: 0, outputTokens: 5, costUsd: 0.01, estimated: false },
  ...{ latencyMs: 1500, at: 1 },
});
const long = (text: string) => ({ text, cut: 0, raw: null });
const round = (given: string) => ({
  ...{
    purpose: 'draft',
    round: 0,
    model: null,
    kind: 'answer',
    messages: [],
    reasoning: null,
    answer: null,
    finish: null,
  },
  toolCalls: [{ name: 'run_experiment', arguments: long(given) }],
});

const shown = (attempt: object) =>
  render(
    h(AttemptSections, {
      detail: {
        node: { id: 'walker-1' },
        attempt: { calls: [], rounds: [], roundsMissing: null, readings: [], tried: [], ...attempt },
      } as unknown as NodeDetail,
    }),
  );

it('marks calls without a usable answer, and no others', () => {
  expect(shown({ calls: [call('complete'), call(null)] })).not.toContain('class="bad"');
  expect(shown({ calls: [call('refused')] })).toContain('<span class="bad">refused</span>');
});

it('lists what was tried before the proposal, as text, and shows a script with its lines', () => {
  const tried = ['ran a script with 4M, 2.5 s: failed: <b>KeyError</b>'];
  const page = shown({ tried, rounds: [round('{"architecture":"4M"}\nscript:\nimport aira_stack\nprint(1)')] });
  expect(page).toContain('Tried before the proposal');
  expect(page).toContain('ran a script with 4M, 2.5 s: failed: &lt;b>KeyError');
  expect(page).toMatch(/import aira_stack/);
});
