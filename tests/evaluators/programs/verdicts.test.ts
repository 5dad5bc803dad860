import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failureReasons, laboratoryFailures } from '../../../src/domain/evaluation.ts';
import { scriptVerdict, stageVerdict, withoutDetails } from '../../../src/evaluators/programs/stage.ts';
import { forPrediction, forTraining } from '../../../src/evaluators/programs/trial.ts';
import type { SandboxResult } from '../../../src/sandbox/index.ts';

const limits = { seconds: 10, cpuSeconds: 5, memoryBytes: 2 ** 30 };
const ended = (more: Partial<SandboxResult>): SandboxResult => ({
  ...{ end: 'exited', exitCode: 0, stdout: '', stderr: '', seconds: 1, cpuSeconds: 1, peakMemoryBytes: 1 },
  ...{ files: [], strange: [], unsafe: false, ...more },
});
const hosted = (program: Partial<SandboxResult>, host: Parameters<typeof scriptVerdict>[1]['host']) => ({
  ...{ program: ended(program), host, result: null, cpuSeconds: 0 },
});

describe('a verdict on a program that has seen hidden rows', () => {
  it('says the same whatever the program said', () => {
    const words = fc.tuple(fc.string(), fc.string());
    fc.assert(
      fc.property(fc.constantFrom(...failureReasons), words, (reason, [one, other]) => {
        // Aira's own messages: it failed, was cancelled, or counted parameters of the training.
        if (laboratoryFailures.includes(reason) || reason === 'toobig' || reason === 'poison') return;
        expect(withoutDetails({ reason, message: one })).toEqual(withoutDetails({ reason, message: other }));
      }),
    );
  });

  it('keeps neither last words nor the exit status', () => {
    const last = (exitCode: number, stderr: string) =>
      withoutDetails(
        scriptVerdict('prediction', hosted({ exitCode, stderr }, 'gone'), limits, '') ?? { reason: 'nan', message: '' },
      );
    expect(last(1, 'row 7 is 1 2 3')).toEqual(last(42, ''));
    expect(last(1, 'row 7 is 1 2 3').message).toBe('the program crashed on hidden rows; details are withheld');
  });

  it('which the training keeps', () => {
    expect(scriptVerdict('training', hosted({ exitCode: 1, stderr: 'ValueError: 3' }, 'ok'), limits, '')).toEqual({
      reason: 'crash',
      message: 'the training exited with 1; stderr: ValueError: 3',
    });
  });
});

it('more processor time than is allowed has a reason of its own, before how the program ended', () => {
  const late = { reason: 'over-budget', message: 'the training used 6.0 s of processor time; the limit is 5.0 s' };
  expect(stageVerdict('training', ended({ cpuSeconds: 6 }), limits, '')).toEqual(late);
  expect(scriptVerdict('training', hosted({ cpuSeconds: 6, exitCode: 152 }, 'ok'), limits, '')).toEqual(late);
  expect(scriptVerdict('prediction', hosted({ cpuSeconds: 6, end: 'cancelled' }, 'ok'), limits, '')?.reason).toBe(
    'over-budget',
  );
  expect(scriptVerdict('prediction', hosted({ cpuSeconds: 4, end: 'cancelled' }, 'ok'), limits, '')).toBeNull();
});

it('a script that hangs up before it was asked everything has no score, however well it ends', () => {
  expect(scriptVerdict('prediction', hosted({}, 'gone'), limits, '')?.reason).toBe('crash');
  expect(scriptVerdict('training', hosted({}, 'ok'), limits, '')).toBeNull();
});

describe('the allowance of processor time', () => {
  const allowance = { start: 2, work: 10 };

  it('is one for training and prediction together', () => {
    expect(forTraining(90, allowance)).toBe(12);
    expect(forPrediction(90, allowance, 7)).toBe(7);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 12, noNaN: true }), (trained) => {
        const both = trained + forPrediction(90, allowance, trained);
        expect(both).toBeLessThanOrEqual(2 * allowance.start + allowance.work + 1e-9);
      }),
    );
    expect(forPrediction(90, allowance, 50)).toBe(2);
  });

  it('is never above the limit of the budget, and that limit where nothing was measured', () => {
    expect(forTraining(5, allowance)).toBe(5);
    expect(forPrediction(5, allowance, 0)).toBe(5);
    expect([forTraining(90, undefined), forPrediction(30, undefined, 80)]).toEqual([90, 30]);
  });
});
