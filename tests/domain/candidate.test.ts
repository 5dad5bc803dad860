import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StackSpace } from '../../src/domain/architecture.ts';
import { candidateText, canonicalCandidate, parseCandidate, shortCandidate } from '../../src/domain/candidate.ts';
import { CandidateError } from '../../src/domain/errors.ts';
import { evaluationKey, type Job } from '../../src/domain/evaluation.ts';
import { ProgramError, type ProgramSpace, programInSpace, programSpaceSchema } from '../../src/domain/program.ts';
import { fitnessOf, metricValue } from '../../src/domain/task.ts';

const space: ProgramSpace = {
  kind: 'program',
  files: [
    { name: 'model.py', maxBytes: 200 },
    { name: 'config.json', maxBytes: 40 },
  ],
};
const files = { 'model.py': 'WIDTH = 3\n', 'config.json': '{}\n' };

describe('a program', () => {
  it('has one canonical text, whatever the order of its files and the ends of its lines', () => {
    const text = canonicalCandidate(JSON.stringify({ 'config.json': '{}', 'model.py': 'WIDTH = 3\r\n\n' }), space);
    expect(text).toBe(canonicalCandidate(JSON.stringify(files), space));
    expect(canonicalCandidate(text, space)).toBe(text);
    expect(parseCandidate(text, space)).toEqual({ kind: 'program', files });
  });

  it.each([
    [{ 'model.py': 'x' }, 'config.json is missing'],
    [{ ...files, 'other.py': 'x' }, '"other.py" is not a file of this task; the files are model.py, config.json'],
    [{ ...files, '../model.py': 'x' }, 'a program is a JSON object'],
    [{ ...files, 'model.py': ' \n ' }, 'model.py is missing or empty'],
    [{ ...files, 'model.py': `# ${'é'.repeat(100)}` }, 'has 203 bytes; the limit is 200'],
    [{ ...files, 'model.py': 'a\0b' }, 'not text'],
    [{ ...files, 'model.py': '\ud800' }, 'not text'],
    [{ ...files, 'model.py': 3 }, 'a program is a JSON object'],
    [['model.py'], 'a program is a JSON object'],
  ])('is refused: %j', (value, message) => {
    expect(() => parseCandidate(JSON.stringify(value), space)).toThrow(ProgramError);
    expect(() => parseCandidate(JSON.stringify(value), space)).toThrow(message);
  });

  it('is refused with an error of its own for any text at all', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(() => parseCandidate(text, space)).toThrow(CandidateError);
      }),
    );
  });

  it('keeps every text that fits, up to the end of its lines', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), (body) => {
        fc.pre(body.trim() !== '' && !body.includes('\0') && Buffer.byteLength(body) < 150);
        const kept = programInSpace({ ...files, 'model.py': body }, space);
        expect(kept['model.py']).toBe(`${body.replace(/\r\n?/g, '\n').replace(/\s+$/, '')}\n`);
        expect(programInSpace(kept, space)).toEqual(kept);
      }),
    );
  });

  it('is told in one short line', () => {
    expect(shortCandidate(canonicalCandidate(JSON.stringify(files), space))).toMatch(
      /^config\.json 1 lines, model\.py 1 lines #[0-9a-f]{8}$/,
    );
    expect(shortCandidate('M M mA')).toBe('2M+mA');
    expect(shortCandidate('{"model.py": 3}')).toBe('{"model.py": 3}');
  });

  it('may not be asked for under two files of one name, or of more bytes than the bus carries', () => {
    const [first] = space.files;
    expect(programSpaceSchema.safeParse({ kind: 'program', files: [first, first] }).success).toBe(false);
    const large = { kind: 'program', files: [{ name: 'model.py', maxBytes: 10 ** 6 }] };
    expect(programSpaceSchema.safeParse(large).success).toBe(false);
  });
});

describe('the identity of an evaluation', () => {
  const stack: StackSpace = { kind: 'stack', layers: 3, primitives: ['M', 'mA'] };
  const job: Omit<Job, 'key' | 'timeoutSeconds'> = {
    ...{ task: 'toy', taskVersion: 'v1', evaluator: 'torch-000000000000', deviceClass: 'cpu', rung: 'screen' },
    ...{ space: stack, settings: {}, seed: 1, measure: 'validation', lowerIsBetter: false },
    candidate: parseCandidate('M M mA', stack),
  };

  it('is that of earlier versions for layers', () => {
    expect(evaluationKey(job)).toBe('bdb6f27ae61dbefc610ec563027d8d848951d88ccbc805dd88c75d70914e46e5');
  });

  it('differs between programs', () => {
    const of = (text: string) => evaluationKey({ ...job, candidate: parseCandidate(text, space) });
    const one = candidateText({ kind: 'program', files });
    expect(of(one)).toBe(of(JSON.stringify({ ...files, 'config.json': '{}' })));
    expect(of(one)).not.toBe(of(JSON.stringify({ ...files, 'config.json': '[]' })));
  });
});

describe('fitness', () => {
  it('rises as things improve, and leads back to the metric', () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        (a, b, lower) => {
          expect(metricValue(fitnessOf(a, lower), lower) === a).toBe(true);
          fc.pre(a < b);
          expect(fitnessOf(a, lower) < fitnessOf(b, lower)).toBe(!lower);
        },
      ),
    );
    expect(Object.is(fitnessOf(0, true), 0)).toBe(true);
  });
});
