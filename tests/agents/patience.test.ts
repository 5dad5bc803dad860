/** An agent whose answers are refused again and again asks for something else, and ends at last. */
import { describe, expect, it } from 'vitest';
import { changedAfterRefusals, namedBy, refusals } from '../../src/agents/scaffolds/decision.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { Archive } from '../../src/memory/archive.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';
import { viewNode, viewOf } from './support.ts';

const scored = [1, 2, 3].map((ordinal) => viewNode(ordinal, { fitness: ordinal / 10 }));
const refusedOf = (count: number, after = 3) =>
  Array.from({ length: count }, (_, index) =>
    viewNode(after + 1 + index, { status: index % 2 ? 'duplicate' : 'rejected', parents: [3], operator: 'improve' }),
  );
const decided = (count: number, isOneShot = false, nodes = scored) => {
  const view = viewOf([...nodes, ...refusedOf(count, nodes.length)]);
  const best = { operator: 'improve' as const, parents: [scored[2]?.id as never], reason: 'best' };
  const rng = rngFor('patience', count);
  return changedAfterRefusals(best, view, { patience: 4, isOneShot, named: namedBy(false), rng });
};

describe('refusals in a row', () => {
  it('are counted back to the last candidate, among own attempts', () => {
    expect(refusals(viewOf([...scored, ...refusedOf(3)]))).toHaveLength(3);
    expect(refusals(viewOf([...refusedOf(2), viewNode(9, { fitness: 1 })]))).toEqual([]);
  });

  it('count the candidates of one thought as one, and none of a thought that gave a new candidate', () => {
    const best = { operator: 'improve' as const, parents: [scored[2]?.id as never], reason: 'best' };
    const shared = (ordinal: number, thought: number) =>
      viewNode(ordinal, {
        status: 'duplicate',
        parents: [3],
        operator: 'improve',
        ...(thought < ordinal ? { thought } : {}),
      });
    const decide = (...firsts: number[]) => {
      // Attempt 3 was accepted, and attempt 4 is a further candidate of its thought.
      const nodes = [
        ...scored,
        shared(4, 3),
        ...firsts.flatMap((first) => [shared(first, first), shared(first + 1, first)]),
      ];
      const rest = { patience: 3, isOneShot: false, named: namedBy(false), rng: rngFor('patience') };
      return changedAfterRefusals(best, viewOf(nodes), rest);
    };
    expect(decide(5, 7).reason).toBe('best');
    expect(decide(5, 7, 9).reason).toMatch(/7 attempts in a row were refused: another parent/);
  });

  it('change nothing while they are few', () => {
    for (const count of [0, 1, 2, 3]) expect(decided(count)).toMatchObject({ operator: 'improve', reason: 'best' });
  });

  it('change the parent, then the operator, then to a draft, and so on', () => {
    for (const count of [4, 5, 6, 7, 16]) {
      const { operator, parents, reason } = decided(count);
      expect([operator, reason]).toEqual([
        'improve',
        expect.stringMatching(/^\d+ attempts in a row were refused: another parent/),
      ]);
      expect(parents).not.toContain(scored[2]?.id);
    }
    expect(decided(8)).toMatchObject({ operator: 'crossover', parents: expect.arrayContaining([scored[2]?.id]) });
    expect(decided(12)).toMatchObject({ operator: 'draft', parents: [] });
  });

  it('lead to a draft where nothing has a score, and leave a one-shot agent what it is', () => {
    expect(decided(4, false, [])).toMatchObject({ operator: 'draft' });
    expect(decided(40, true)).toMatchObject({ reason: 'best' });
  });
});

describe('an agent that is refused twenty times in a row', () => {
  const rationale = {
    choice: 'c',
    change: 'no usable answer after 2 tries (malformed): architecture: missing',
    expected: null,
    retrieved: [],
    evidence: [],
  };
  /** Of `of` candidates per thought, none is new but the attempt `fresh`. */
  const run = (patience: number | undefined, { of = 1, fresh = 0 } = {}) => {
    const several = of > 1 ? { proposals: of } : {};
    const self = agentSpec({
      evaluations: 8,
      ...several,
      ...(patience ? { model: 'openai/gpt-6-luna', patience } : {}),
    });
    const spec = searchSpec({ agents: [self], budget: { evaluations: 8 } });
    const archive = Archive.open(temporaryFolder(), manualClock());
    const { handlers: ask } = archive;
    ask['search-open']({ spec, source: '' });
    const about = { search: spec.id, agent: self.name };
    const submit = (first: number, place: number) => {
      const ordinal = first + place - 1;
      const candidate = ordinal === fresh ? 'M M M M' : '(malformed) oops';
      const thought = of > 1 ? { thought: { first, place, of } } : {};
      const draft = { ...about, ordinal, operator: 'draft' as const, parents: [], candidate };
      ask['agent-submit']({ ...draft, rationale: { ...rationale, ...thought } });
    };
    let ordinal = 1;
    for (; ask['agent-view']({ ...about, ordinal }).state !== 'closed'; ordinal += of) {
      for (let place = 1; place <= of; place++) submit(ordinal, place);
    }
    const end = ask['agent-view']({ ...about, ordinal });
    archive.close();
    return { attempts: ordinal - 1, end };
  };

  it('ends, with the reason of the last refusal in plain words', () => {
    const { attempts, end } = run(4);
    expect(attempts).toBe(20);
    expect(end).toMatchObject({
      state: 'closed',
      code: 'attempts-used',
      reason: expect.stringContaining('(malformed): architecture: missing'),
    });
  });

  it('has as many thoughts where each gives several candidates, without one that gave a new candidate', () => {
    const { attempts, end } = run(4, { of: 2, fresh: 1 });
    expect(attempts).toBe(2 + 40);
    expect(end).toMatchObject({ reason: expect.stringMatching(/^its last 20 thoughts gave no new candidate/) });
  });

  it('has all its attempts where its search is older than patience', () => {
    expect(run(undefined).attempts).toBe(52);
  });
});
