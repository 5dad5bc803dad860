/** What a trace shows beyond decisions: exchanges with models, timelines, and two sides next to each other. */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { SearchId } from '../../../src/domain/ids.ts';
import { Cassette } from '../../../src/llm/index.ts';
import { Archive } from '../../../src/memory/archive.ts';
import { readArchive } from '../../../src/memory/reader.ts';
import { noColours } from '../../../src/platform/text.ts';
import { confrontationText, storyHtml, storyText } from '../../../src/report/index.ts';
import { confront, exchangesOf, type FullTrace, storyOf, timelineOf } from '../../../src/views/index.ts';
import { argumentsText } from '../../../src/views/trace/exchanges.ts';
import { manualClock, temporaryFolder } from '../../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../../support/specs.ts';
import { partsOf } from '../page.ts';

const attack = '<script>alert(1)</script>\u001b[2J';
const key = (letter: string) => letter.repeat(64);
const model = 'openai/gpt-6-sol';

/** A search of two agents, one of which talked to a model: a tool call, a refused answer, its repair, and a failed try. */
function scene() {
  const home = temporaryFolder();
  const clock = manualClock();
  const archive = Archive.open(home, clock);
  const claims = { distance: 2, minutes: 30 };
  const limits = { checks: 1, experiments: 1, looks: 1, share: 0.5, deviceSeconds: 90 };
  const operators = { kind: 'multi-turn', scripts: true, ...limits } as const;
  const walker = agentSpec({ name: 'walker', model, patience: 4, effort: 'low', claims, operators });
  const spec = searchSpec({ agents: [walker, agentSpec({ name: 'rival', claims })], budget: { evaluations: 8 } });
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const search = spec.id;
  const who = (agent: string) => ({ search, agent: agent as never, ordinal: 1 });

  const scope = { agent: 'walker' as never, ordinal: 1, purpose: 'draft' as const, round: 0 };
  const usage = { input: 1000, cached: 400, written: 0, output: 50 };
  const paid = { served: 'gpt-6-sol-2026-10', usage, dollars: 0.002, estimated: false, latencyMs: 1500 };
  const system = 'You are a researcher.';
  const first = { role: 'user', text: `What next? ${attack}` };
  const call = { id: 'c1', name: 'search_literature', arguments: '{"query":"mixing"}' };
  const asks = {
    role: 'assistant',
    text: '',
    calls: [call],
    carried: [{ type: 'reasoning', summary: [{ text: 'I wonder.' }] }],
  };
  const results = { role: 'tools', results: [{ id: 'c1', text: 'a paper', failed: false }] };
  const repair = { role: 'user', text: 'That answer is not usable.' };
  const request = (...messages: object[]) => ({ model, system, effort: 'low', messages }) as never;
  const recording = Cassette.record(join(home, 'calls', `${search}.jsonl`), (text) => text);
  const answer = { kind: 'answer' as const, finish: 'complete' as const, call: 'x', ...paid };
  const add = (letter: string, round: number, asked: never, result: object) =>
    recording.add({ v: 2, key: key(letter), scope: { ...scope, round }, request: asked, result: result as never });
  const carried = asks.carried as never;
  add('a', 0, request(first), { ...answer, text: '', calls: [call], carried });
  add('b', 0, { read: { calls: [call] } } as never, { kind: 'read', found: { results: ['a paper'] } });
  add('c', 0, request(first, asks, results), { ...answer, text: 'not JSON' });
  add('d', 1, request(first, asks, results, { role: 'assistant', text: 'not JSON' }, repair), {
    ...answer,
    text: '{"a":1}',
  });
  recording.close();

  const settled = (letter: string, number: number, outcome: 'complete' | 'timeout', message: string | null = null) => {
    const name = `${letter}${number}`;
    ask['call-reserve']({
      ...who('walker'),
      call: name,
      purpose: 'draft',
      model,
      request: key(letter),
      dollars: 0.01,
      tokens: 2000,
    });
    clock.advance(1500);
    ask['call-settle']({ search, call: name, outcome, ...paid, message });
  };
  settled('a', 1, 'timeout', 'no byte for 300 s');
  settled('a', 2, 'complete');
  settled('c', 1, 'complete');
  settled('d', 1, 'complete');

  ask['rehearsal-reserve']({ ...who('walker'), run: 'r1', tool: 'run_experiment', seconds: 30 });
  clock.advance(1500);
  ask['rehearsal-settle']({ search, run: 'r1', seconds: 2.5, outcome: 'failed' });

  const tried = [
    {
      ...{ tool: 'run_experiment' as const, short: '4M', fitness: null, seconds: 2.5 },
      script: true as const,
      failed: 'KeyError',
    },
  ];
  const rationale = { choice: 'draft', change: 'x', expected: null, retrieved: [], evidence: [] };
  const submit = (agent: string, candidate: string) =>
    ask['agent-submit']({
      ...{ ...who(agent), operator: 'draft' as const, parents: [], candidate },
      rationale: agent === 'walker' ? { ...rationale, tried } : rationale,
    });
  submit('rival', 'M M M M');
  ask['idea-claim']({ ...who('walker'), candidate: 'M M M mA' });
  clock.advance(1000);
  submit('walker', 'mA M M mA');
  const traceback = Array.from({ length: 60 }, (_, index) => `  File "model.py", line ${index}`).join('\n');
  let trained = 0;
  for (const entry of archive.unsent(100)) {
    if (entry.kind !== 'job') continue;
    ask['job-claim']({ key: entry.body.key, worker: 'worker-1' as never, attempt: 1 });
    clock.advance(1000);
    const failed = {
      status: 'failed',
      reason: 'crash',
      message: `${traceback}\nValueError: ${attack}`,
      seconds: 1,
      device: 'cpu',
    };
    // The rival submitted first.
    const isRival = trained++ === 0;
    archive.record(resultOf(entry.body, isRival ? measurement(0.5) : (failed as never)));
  }
  ask['insight-post']({
    ...{ search, agent: 'rival' as never, ordinal: 2 },
    insight: { hypothesis: attack, verdict: 'refuted', evidence: ['rival-1' as never], supersedes: null },
  });
  archive.close();
  const reader = readArchive(home);
  onTestFinished(() => reader.close());
  const story = storyOf(reader, search, null);
  const full: FullTrace = {
    exchanges: exchangesOf(reader, search, join(home, 'calls', `${search}.jsonl`)),
    timelines: new Map(story.agents.map(({ agent }) => [agent, timelineOf(reader, search, agent as never)])),
  };
  return { reader, search, story, full };
}

describe('the exchanges of an attempt', () => {
  it('have prompt, reasoning, tool rounds, answers, the repair and every try, each text once', () => {
    const { full } = scene();
    const [tool, lookup, refused, repaired, ...rest] = full.exchanges.get('walker-1') ?? [];
    expect(rest).toEqual([]);
    expect(tool).toMatchObject({
      ...{ purpose: 'draft', round: 0, model, effort: 'low', system: 'You are a researcher.', reasoning: 'I wonder.' },
      ...{ served: 'gpt-6-sol-2026-10', dollars: 0.002, latencyMs: 1500, tokens: { input: 1000, cached: 400 } },
      toolCalls: [{ name: 'search_literature', arguments: '{"query":"mixing"}' }],
      tries: [{ outcome: 'timeout', message: 'no byte for 300 s' }, { outcome: 'complete' }],
    });
    expect(tool?.prompt).toContain('What next?');
    expect(lookup).toMatchObject({ kind: 'read', found: { results: ['a paper'] } });
    expect(refused).toMatchObject({ system: null, answer: 'not JSON', tries: [{ outcome: 'complete' }] });
    expect(refused?.prompt).not.toContain('What next?');
    expect(refused?.prompt).toContain('a paper');
    expect(repaired).toMatchObject({ round: 1, answer: '{"a":1}' });
    expect(repaired?.prompt).toContain('That answer is not usable.');
    expect(repaired?.prompt).not.toContain('a paper');
  });

  it('are shown whole and as data, with the whole traceback', async () => {
    const { story, full } = scene();
    const text = storyText(story, noColours, full);
    for (const shown of [
      'You are a researcher.',
      'I wonder.',
      'not JSON',
      'draft, repair 1',
      'timeout (no byte for 300 s)',
    ]) {
      expect(text).toContain(shown);
    }
    expect(text).toContain('line 0');
    expect(text).toContain('line 59');
    expect(text).not.toContain('\u001b[2J');
    const page = await storyHtml(story, null, { full });
    expect(page).toContain('line 59');
    expect(page).toContain('You are a researcher.');
    expect(partsOf(page).body).not.toContain('<script');
    // Without being asked for, prompts stay out.
    expect(storyText(story, noColours)).not.toContain('You are a researcher.');
  });
});

it('a tool call shows a text of several lines with its lines, and other arguments as they are', () => {
  const script = 'import aira_stack\nprint(1)';
  const given = JSON.stringify({ architecture: '4M', script });
  expect(argumentsText(given)).toBe('{"architecture":"4M","script":"(below)"}\nscript:\nimport aira_stack\nprint(1)');
  const nested = JSON.stringify({ files: [{ name: 'a.py', text: 'x\ny' }] });
  expect(argumentsText(nested)).toBe('{"files":[{"name":"a.py","text":"(below)"}]}\nfiles[0].text:\nx\ny');
  for (const plain of ['{"query":"a"}', '{"broken', '[1]', 'null', `${'['.repeat(5000)}"a\\nb"${']'.repeat(5000)}`])
    expect(argumentsText(plain)).toBe(plain);
});

it('a step has the calls of its attempt, and what its claims met', () => {
  const { story } = scene();
  const [step] = story.agents.find(({ agent }) => agent === 'walker')?.steps ?? [];
  expect(step?.calls).toMatchObject({ calls: 4, cached: 1600, failed: 1, served: ['gpt-6-sol-2026-10'] });
  expect(step).toMatchObject({
    effort: 'low',
    claims: [{ state: 'taken', text: expect.stringContaining('rival-1 of rival') }],
  });
  const text = storyText(story, noColours);
  expect(text).toContain('1 without an answer, served by gpt-6-sol-2026-10, effort low');
  expect(text).toContain('insight rival-i2x1 (refuted)');
  expect(text).toContain('ran a script with 4M, 2.5 s: failed: KeyError');
});

it('a timeline has everything of an agent in the order of the clock', () => {
  const { full } = scene();
  const moments = full.timelines.get('walker') ?? [];
  const kinds = ['call', 'call', 'call', 'call', 'rehearsal', 'claim', 'submitted', 'failed'];
  expect(moments.map(({ kind }) => kind)).toEqual(kinds);
  expect(moments[4]?.text).toBe('run_experiment: failed after 2.5 device seconds');
  expect(moments.map(({ at }) => at)).toEqual(moments.map(({ at }) => at).sort((a, b) => a - b));
  expect(full.timelines.get('rival')?.map(({ kind }) => kind)).toEqual(['submitted', 'evaluated', 'insight']);
});

describe('two sides', () => {
  const none = () => null;
  it('are compared figure by figure', async () => {
    const { reader, search } = scene();
    const [one, other] = ['walker', 'rival'].map((agent) => storyOf(reader, search, agent as never)) as [never, never];
    const both = confront(one, other, none);
    expect(both).toMatchObject({ comparable: true, common: 0 });
    const [mine, its] = both.sides;
    expect(mine).toMatchObject({
      attempts: 1,
      scored: 0,
      failed: 1,
      best: null,
      calls: 4,
      failedCalls: 1,
      claimsTaken: 1,
    });
    expect(its).toMatchObject({ attempts: 1, scored: 1, best: { node: 'rival-1', score: 0.5 }, insights: 1, calls: 0 });
    const text = confrontationText(both);
    expect(text).toMatch(/best +– +0\.5000 \(rival-1\)/);
    expect(text).toContain('a difference between them is no claim');
    expect(text).toMatch(/checks, experiments +1, 2\.5 s of device time +–/);
    expect(await storyHtml(one, null, { against: both })).toContain('against trial-1 rival');
  });

  it('of different metrics say that their scores do not compare', () => {
    const { story } = scene();
    const text = confrontationText(confront(story, { ...story, search: 'other' as SearchId, metric: 'loss' }, none));
    expect(text).toContain('scores do not compare');
    expect(text).toMatch(/candidates in common +2/);
  });
});
