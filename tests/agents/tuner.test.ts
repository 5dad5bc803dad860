import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  drawValue,
  keyOf,
  knobsOf,
  skeleton,
  stepValue,
  tunerModel,
  valuesOf,
  withValues,
} from '../../src/agents/models/tuner.ts';
import { canonicalCandidate, parseCandidate } from '../../src/domain/candidate.ts';
import type { Operator, View, ViewNode } from '../../src/domain/node.ts';
import {
  type Brief,
  type Files,
  type ProgramSpace,
  parseProgram,
  programInSpace,
  programText,
} from '../../src/domain/program.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { viewNode } from './support.ts';

const space: ProgramSpace = {
  kind: 'program',
  files: [
    { name: 'train.py', maxBytes: 4000 },
    { name: 'config.toml', maxBytes: 400 },
  ],
};
const config = 'batch = 16  # tune: 8|16|32\n';
const source = (width: number, extra = '') =>
  `import torch\n\nWIDTH = ${width}  # tune: 16..128\nRATE = 3e-3  # tune: 1e-4..1e-1 log\nKIND = "gelu"  # tune: gelu|relu2\n${extra}\ndef main():\n    DEPTH = 2 # tune: 1|2|3\n`;
const program = (text: string): Files => programInSpace({ 'train.py': text, 'config.toml': config }, space);
const brief: Brief = {
  contract: 'write a program',
  baseline: { ...program(source(64)) },
  library: [
    { name: 'deep', files: { ...program(source(32, 'DECAY = 0.1  # tune: 0.0..0.3\n')) } },
    { name: 'bare', files: { ...program('WIDTH = 8  # tune: 4..64\n') } },
  ],
};
const tuner = tunerModel();
const viewOf = (nodes: readonly ViewNode[]): View => ({ ordinal: nodes.length + 1, remaining: 10, nodes: [...nodes] });
const propose = (
  operator: Operator,
  parents: readonly ViewNode[],
  nodes: readonly ViewNode[],
  seed: number,
  own = brief,
) => tuner.propose({ operator, parents, view: viewOf(nodes), space, brief: own, rng: rngFor(seed) });

describe('declared constants', () => {
  it('are read with their domains, in order, the first of a name in a file', () => {
    const files = { 'train.py': source(64, 'WIDTH = 3  # tune: 1..4\n'), 'config.toml': config };
    expect(knobsOf(files).map(({ name, value, domain }) => [name, value, domain.kind])).toEqual([
      ['batch', '16', 'choice'],
      ['WIDTH', '64', 'range'],
      ['RATE', '3e-3', 'range'],
      ['KIND', 'gelu', 'choice'],
      ['DEPTH', '2', 'choice'],
    ]);
  });

  it.each([
    ['X = 3  # tune: 5..2', 'an empty range'],
    ['X = 3  # tune: 0..2 log', 'a ratio from zero'],
    ['X = f(3)  # tune: 0..2', 'a value that is no number'],
    ['X = "a"  # tune: 0..2', 'a text in a range'],
    ['X = "a"  # tune: a', 'one option'],
    ['X = "a"  # tune: a|b"', 'an option that ends the text'],
    ['X == 3  # tune: 0..4', 'a comparison'],
    ['X = 3  # 0..4', 'no word'],
  ])('%s is none: %s', (line) => {
    const files = { 'train.py': `${line}\n` };
    expect(knobsOf(files)).toEqual([]);
    expect(withValues(files, new Map([['train.py:X', '1']]))).toEqual(files);
  });

  it('change nothing else, take only values of their domain, and read back what was written', () => {
    const files = { ...brief.baseline };
    const wanted = new Map([
      ['train.py:WIDTH', '48'],
      ['train.py:RATE', '7'],
      ['train.py:KIND', 'relu2'],
      ['train.py:DEPTH', '9'],
      ['config.toml:batch', '8'],
    ]);
    const changed = withValues(files, wanted);
    expect(Object.fromEntries(valuesOf(changed))).toEqual({
      ...{ 'train.py:WIDTH': '48', 'train.py:RATE': '3e-3', 'train.py:KIND': 'relu2', 'train.py:DEPTH': '2' },
      'config.toml:batch': '8',
    });
    expect(changed['train.py']).toContain('KIND = "relu2"  # tune: gelu|relu2\n');
    expect(skeleton(changed)).toBe(skeleton(files));
    expect(withValues(changed, valuesOf(files))).toEqual(files);
  });

  it('take any step and any draw within their domain, whatever it is', () => {
    const ranges = fc
      .record({
        low: fc.oneof(fc.integer({ min: -50, max: 50 }), fc.double({ min: 1e-6, max: 2, noNaN: true })),
        span: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.double({ min: 1e-3, max: 5, noNaN: true })),
        log: fc.boolean(),
      })
      .filter(({ low, log }) => !log || low > 0);
    fc.assert(
      fc.property(ranges, fc.integer(), fc.integer({ min: 1, max: 6 }), ({ low, span, log }, seed, strength) => {
        const [from, to] = [Number(low.toPrecision(3)), Number((low + span).toPrecision(4))];
        fc.pre(from < to);
        const line = `X = ${from}  # tune: ${from}..${to}${log ? ' log' : ''}\n`;
        const [knob] = knobsOf({ 'train.py': line });
        if (!knob) throw new Error(line);
        const rng = rngFor(seed);
        for (const value of [stepValue(knob, rng, strength), drawValue(knob, rng)]) {
          const read = knobsOf(withValues({ 'train.py': line }, new Map([[keyOf(knob), value]])))[0];
          expect(Number(read?.value)).toBe(Number(value));
          expect(Number(value)).toBeGreaterThanOrEqual(from);
          expect(Number(value)).toBeLessThanOrEqual(to);
        }
      }),
    );
  });

  it('that are whole always move by at least one', () => {
    const [knob] = knobsOf({ 'train.py': 'X = 3  # tune: 1..4\n' });
    for (let seed = 0; seed < 50; seed++)
      expect(stepValue(knob as NonNullable<typeof knob>, rngFor(seed), 1)).not.toBe('3');
  });
});

describe('local/tuner', () => {
  it('drafts the library first, and after it redrawn constants; never node 0', async () => {
    const nodes: ViewNode[] = [];
    for (let index = 0; index < 8; index++) {
      const { candidate, change } = await propose('draft', [], nodes, index);
      expect(candidate).not.toBe(programText(brief.baseline));
      if (index < 2) expect(brief.library.map(({ files }) => programText(files))).toContain(candidate);
      else expect(change).toMatch(/redrawn constants/);
      nodes.push(viewNode(index + 1, { candidate, fitness: index }));
    }
    expect(new Set(nodes.map(({ candidate }) => candidate)).size).toBe(8);
  });

  it('says what it changed, and what of it the text really says', async () => {
    const parent = viewNode(1, { candidate: programText(brief.baseline), fitness: 1 });
    const { change, candidate } = await propose('improve', [parent], [parent], 3, { ...brief, library: [] });
    const [, name, old, now] = /: (\w+) (\S+) -> ([^;\s]+)/.exec(change) ?? [];
    expect(
      valuesOf(brief.baseline).get(`train.py:${name}`) ?? valuesOf(brief.baseline).get(`config.toml:${name}`),
    ).toBe(old);
    const values = valuesOf(parseProgram(candidate));
    expect(values.get(`train.py:${name}`) ?? values.get(`config.toml:${name}`)).toBe(now);
  });

  it('joins constants of both parents', async () => {
    const first = viewNode(1, {
      candidate: programText(withValues(brief.baseline, new Map([['train.py:WIDTH', '32']]))),
      fitness: 1,
    });
    const second = viewNode(2, {
      candidate: programText(withValues(brief.baseline, new Map([['train.py:RATE', '0.01']]))),
      fitness: 2,
    });
    const widths = new Set<string | undefined>();
    for (let seed = 0; seed < 40; seed++) {
      const { candidate } = await propose('crossover', [first, second], [first, second], seed);
      widths.add(valuesOf(parseProgram(candidate)).get('train.py:RATE'));
    }
    expect([...widths]).toEqual(expect.arrayContaining(['3e-3', '0.01']));
  });

  it('repairs by resetting constants', async () => {
    const values = new Map([
      ['train.py:WIDTH', '128'],
      ['train.py:RATE', '0.1'],
      ['train.py:DEPTH', '3'],
    ]);
    const broken = viewNode(1, {
      candidate: programText(withValues(brief.baseline, values)),
      status: 'failed',
      reason: 'oom',
    });
    const { candidate } = await propose('debug', [broken], [broken], 1);
    const original = valuesOf(brief.baseline);
    const back = [...valuesOf(parseProgram(candidate))].filter(
      ([key, value]) => values.has(key) && original.get(key) === value,
    );
    expect(back).toHaveLength(2);
  });

  it('proposes an unseen program of the space, and the same one for the same seed, whatever is asked of it', async () => {
    const operators: Operator[] = ['draft', 'improve', 'crossover', 'debug'];
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.constantFrom(...operators), { minLength: 1, maxLength: 12 }),
        async (seed, asked) => {
          const nodes: ViewNode[] = [];
          for (const [index, operator] of asked.entries()) {
            const rng = rngFor('parents', seed, index);
            const wanted = operator === 'draft' ? 0 : operator === 'crossover' ? 2 : 1;
            const parents = nodes.length < wanted ? [] : nodes.toSorted(() => rng.float() - 0.5).slice(0, wanted);
            const real = parents.length === 0 ? 'draft' : operator;
            const proposal = await propose(real, parents, nodes, seed + index);
            expect(await propose(real, parents, nodes, seed + index)).toEqual(proposal);
            expect(canonicalCandidate(proposal.candidate, space)).toBe(proposal.candidate);
            expect(nodes.map(({ candidate }) => candidate)).not.toContain(proposal.candidate);
            expect(proposal.change.length).toBeLessThanOrEqual(2000);
            parseCandidate(proposal.candidate, space);
            nodes.push(viewNode(index + 1, { operator: real, candidate: proposal.candidate, fitness: rng.float() }));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('works on programs that declare nothing', async () => {
    const plain: Brief = { ...brief, baseline: { 'train.py': 'x = 1\n', 'config.toml': 'y = 2\n' }, library: [] };
    const parent = viewNode(1, { candidate: programText(plain.baseline), fitness: 1 });
    const { candidate, change } = await propose('improve', [parent], [parent], 1, plain);
    expect(candidate).toBe(programText(plain.baseline));
    expect(change).toMatch(/no constant changed/);
  });
});
