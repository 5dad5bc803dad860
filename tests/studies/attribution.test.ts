import { describe, expect, it, onTestFinished } from 'vitest';
import { rungSeeds } from '../../src/domain/evaluation.ts';
import { nodeIdSchema } from '../../src/domain/ids.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import type { NodeRecord } from '../../src/memory/records.ts';
import { attributionText, storyHtml } from '../../src/report/index.ts';
import { type AttributionPlan, conclude, planAttribution } from '../../src/studies/attribution.ts';
import { attributionSentence } from '../../src/views/index.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

const id = (text: string) => nodeIdSchema.parse(text);
const usual = { against: null, seeds: 5, mostChanges: 8, minutes: null };

/** A search with a draft, a child that differs in three layers, one that differs in one, and one that was rejected. */
function ledger() {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  const spec = searchSpec({
    agents: [agentSpec({ evaluations: 8 })],
    corpus: 'v1',
    budget: { evaluations: 8, dollars: 1 },
  });
  archive.handlers['search-open']({ spec, source: '' });
  const submit = (ordinal: number, candidate: string, parents: number[]) =>
    archive.handlers['agent-submit']({
      ...{ search: spec.id, agent: 'walker', ordinal, operator: parents.length > 0 ? 'improve' : 'draft', candidate },
      parents: parents.map((parent) => `walker-${parent}`),
      rationale: { choice: '', change: '', expected: null, retrieved: [], evidence: [] },
    } as never);
  submit(1, 'M M M M', []);
  submit(2, 'mA M Mb mA', [1]);
  submit(3, 'mA M Mb M', [2]);
  submit(4, 'hm', []);
  archive.close();
  const reader = readArchive(home);
  onTestFinished(() => reader.close());
  return { reader, spec };
}

const plan = (given: object = {}): AttributionPlan => {
  const { reader, spec } = ledger();
  return planAttribution(reader, spec.id, { node: id('walker-2'), ...usual, ...given });
};

describe('the plan of an attribution', () => {
  it('is a search without agents that trains the node, the other, and the node without each change', () => {
    const made = plan({});
    expect(made.base).toBe('walker-1');
    expect(made.changes.map(({ label }) => label)).toEqual([
      'layer 0: M -> mA',
      'layer 2: M -> Mb',
      'layer 3: M -> mA',
    ]);
    expect(made.spec).toMatchObject({ agents: [], budget: { evaluations: 8 }, ladder: { finalSeeds: 5 } });
    expect(made.spec.references.map(({ name, candidate }) => [name, candidate])).toEqual([
      ['whole', 'mA M Mb mA'],
      ['base', 'M M M M'],
      ['without-1', 'M M Mb mA'],
      ['without-2', 'mA M M mA'],
      ['without-3', 'mA M Mb M'],
    ]);
    expect(made.source).toContain('# without-2: layer 2: M -> Mb');
    // Neither money nor notes: nobody thinks in it.
    expect(made.spec.budget.dollars).toBeUndefined();
    expect(made.spec.corpus).toBeUndefined();
  });

  it('is the same search for the same wish, and another for another', () => {
    expect(plan({})).toEqual(plan({}));
    const names = [{}, { seeds: 6 }, { mostChanges: 2 }, { against: id('walker-3') }, { minutes: 3 }].map(
      (given) => plan(given).spec.id,
    );
    expect(new Set(names).size).toBe(names.length);
  });

  it('takes neighbouring changes together where there are many, and the other for the node without its only change', () => {
    expect(plan({ mostChanges: 2 }).changes.map(({ label }) => label)).toEqual([
      'layer 0: M -> mA',
      'layer 2: M -> Mb, layer 3: M -> mA',
    ]);
    const single = plan({ node: id('walker-3') });
    expect(single.changes).toEqual([{ label: 'layer 3: mA -> M', reference: 'base' }]);
    expect(single.spec.references).toHaveLength(2);
  });

  it.each([
    [{ node: id('walker-9') }, /no node "walker-9"/],
    [{ node: id('walker-1') }, /walker-1 is a draft without a parent/],
    [{ node: id('walker-4'), against: id('walker-1') }, /walker-4 is not a candidate/],
    [{ against: id('walker-2') }, /does not differ from walker-2/],
  ])('is refused with a reason: %j', (given, message) => {
    expect(() => plan(given)).toThrow(message);
  });
});

/** The records of a search in which each reference scores its truth, with noise that seeds share and noise of its own. */
function trained(plan: AttributionPlan, truth: (name: string) => number | null, noise: number, lot = 0): NodeRecord[] {
  const gauss = (...labels: (string | number)[]) => {
    const rng = rngFor(...labels);
    return (rng.float() + rng.float() + rng.float() + rng.float() - 2) * Math.sqrt(3);
  };
  return plan.spec.references.map(({ name }) => {
    const score = truth(name);
    return {
      id: `reference-${name}-1`,
      evaluations: rungSeeds('final', plan.seeds).map((seed) => ({
        ...{ rung: 'final', seed, status: score === null ? 'failed' : 'ok' },
        ...(score === null ? { reason: 'nan', message: 'the loss is not a number' } : { reason: null, message: null }),
        validation: score === null ? null : score + 0.05 * gauss(lot, 'seed', seed) + noise * gauss(lot, name, seed),
      })),
    } as unknown as NodeRecord;
  });
}

const concluded = (truth: (name: string) => number | null, noise: number) => {
  const made = plan();
  return conclude(made, trained(made, truth, noise));
};

describe('the conclusion of an attribution', () => {
  const truths: Record<string, number> = {
    whole: 0.7,
    base: 0.6,
    'without-1': 0.61,
    'without-2': 0.7,
    'without-3': 0.73,
  };

  it('names the change that earned the gain, the one that lessened it, and what cannot be told', async () => {
    const found = concluded((name) => truths[name] ?? null, 0.004);
    expect(found.gain).toMatchObject({ kind: 'measured', verdict: 'better', n: 5 });
    expect(found.changes.map(({ comparison }) => comparison.kind === 'measured' && comparison.verdict)).toEqual([
      'better',
      'even',
      'worse',
    ]);
    const sentence = attributionSentence(found);
    expect(sentence).toMatch(/^walker-2 is better than walker-1 at 5 paired seeds \(\+0\.(09|1)/);
    expect(sentence).toMatch(/The gain is due to layer 0: M -> mA \(\+0\.0\d+\)\./);
    expect(sentence).toMatch(/reduced by layer 3: M -> mA \(−0\.0\d+\)/);
    expect(sentence).toContain('One other change is not distinguishable from zero.');
    expect(attributionText(found)).toMatch(/layer 2: M -> Mb +not distinguishable +/);
    const page = await storyHtml(
      { search: 's', task: 't', metric: 'm', lowerIsBetter: false, primitives: [], agents: [] },
      found,
    );
    expect(page).toContain('Attribution of walker-2');
  });

  it('says so where noise hides everything', () => {
    const found = concluded(() => 0.6, 0.05);
    expect(
      found.changes.every(({ comparison }) => comparison.kind === 'measured' && comparison.verdict === 'even'),
    ).toBe(true);
    expect(attributionSentence(found)).toContain('No single change is distinguishable from noise at 5 seeds.');
  });

  it('errs about a change that does nothing in few of many repetitions', () => {
    const made = plan();
    let wrong = 0;
    for (let lot = 1; lot <= 200; lot++) {
      const { changes } = conclude(
        made,
        trained(made, () => 0.6, 0.02, lot),
      );
      if (changes.some(({ comparison }) => comparison.kind === 'measured' && comparison.verdict !== 'even')) wrong++;
    }
    // One in twenty is what the intervals promise; three standard deviations on top.
    expect(wrong).toBeLessThan(20);
    expect(wrong).toBeGreaterThan(0);
  });

  it('tells a change without which nothing trains', () => {
    const found = concluded((name) => (name === 'without-2' ? null : (truths[name] ?? null)), 0.004);
    expect(attributionSentence(found)).toContain('Without layer 2: M -> Mb training fails.');
    expect(attributionText(found)).toMatch(/cannot be undone alone +nan: the loss is not a number/);
    expect(found.interplay).toBeNull();
  });
});
