/** Zero-shot accuracies of a plan's largest models: which are asked, and what their answers show. */
import { expect, it } from 'vitest';
import {
  largestTrainings,
  type ScaleObservation,
  type ZeroShotScore,
  zeroShotResult,
  zeroShotText,
} from '../../src/scale/index.ts';

let keys = 0;
function trained(architecture: string, size: string, budgetFlops: number, seed = 1): ScaleObservation {
  keys += 1;
  return {
    ...{
      architecture,
      pattern: 'mA+M',
      family: 'llama',
      size,
      nonEmbedding: size === '2M' ? 2e6 : 1e6,
      embedding: 1e4,
    },
    ...{ budgetFlops, trainedFlops: budgetFlops, tokens: 1e6, seed, loss: 3, seconds: 1, tokensPerSecond: 1e6 },
    ...{ mfu: null, peakMemoryBytes: null, cacheBytesPerToken: 0 },
    evaluation: keys.toString(16).padStart(64, '0'),
  };
}

const file = (digit: string) => digit.repeat(64);
function score(of: ScaleObservation, correct: readonly (0 | 1)[], itemsSha256 = file('a')): ZeroShotScore {
  const acc = correct.filter((each) => each === 1).length / correct.length;
  return {
    ...{ evaluation: of.evaluation, task: 'piqa', itemsSha256, scorer: 'twin', acc, accNorm: acc },
    ...{ correct: [...correct], correctNorm: [...correct] },
  };
}
const answers = (right: number, of: number): (0 | 1)[] =>
  Array.from({ length: of }, (_, item) => (item < right ? 1 : 0));

it('asks the largest size, at the largest budget that all architectures have there', () => {
  const wanted = [trained('llama', '2M', 1e12), trained('found', '2M', 1e12), trained('found', '2M', 1e12, 2)];
  const others = [
    trained('llama', '1M', 1e13),
    trained('found', '2M', 6e12),
    trained('llama', '2M', 1e11),
    trained('found', '2M', 1e11),
  ];
  expect(largestTrainings([...others, ...wanted])).toEqual(wanted);
  expect(largestTrainings([])).toEqual([]);
});

it('compares with the reference, paired over items and seeds', () => {
  const [llama, found, alone] = [
    trained('llama', '2M', 1e12),
    trained('found', '2M', 1e12),
    trained('alone', '2M', 1e12),
  ];
  const observations = [llama, found, alone];
  const scores = [score(llama, answers(300, 1000)), score(found, answers(420, 1000))];
  const result = zeroShotResult(observations, scores, 'llama');
  const [reference, row, ...more] = result?.rows ?? [];
  expect(more).toEqual([]);
  expect(reference).toMatchObject({
    architecture: 'llama',
    against: null,
    tasks: [{ task: 'piqa', acc: 0.3, accNorm: 0.3 }],
  });
  expect(row?.against?.difference).toBeCloseTo(0.12, 12);
  // 120 of 1,000 items differ, all to one side: a standard error near 0.0103.
  expect(row?.against?.interval.low).toBeGreaterThan(0.12 - 3 * 0.0103);
  expect(row?.against?.interval.high).toBeLessThan(0.12 + 3 * 0.0103);
  expect(row?.against?.interval.low).toBeGreaterThan(0.09);
  expect(zeroShotText(result as NonNullable<typeof result>)).toMatch(
    /found +llama +1 +42\.0 % \/ 42\.0 % +\+12\.0 \[\+\d+\.\d, \+\d+\.\d\]/,
  );
});

it('counts the last file of a task alone, and nothing of other trainings', () => {
  const [llama, found, small] = [
    trained('llama', '2M', 1e12),
    trained('found', '2M', 1e12),
    trained('found', '1M', 1e12),
  ];
  const scores = [
    score(llama, answers(1, 10)),
    score(found, answers(9, 10)),
    score(small, answers(10, 10)),
    score(llama, answers(5, 10), file('b')),
    score(found, answers(6, 10), file('b')),
  ];
  const result = zeroShotResult([llama, found, small], scores, 'llama');
  expect(result?.rows.map(({ architecture, tasks }) => [architecture, tasks[0]?.acc])).toEqual([
    ['llama', 0.5],
    ['found', 0.6],
  ]);
  expect(zeroShotResult([llama, found], [], 'llama')).toBe(null);
  // Scores of small models alone say nothing about the largest, nor does a scorer of theirs.
  const other = { ...score(small, answers(1, 10), file('b')), scorer: 'lm-evaluation-harness 0.4.13' };
  expect(zeroShotResult([llama, found, small], [...scores, other], 'llama')?.scorers).toEqual(['twin']);
  expect(zeroShotResult([llama, found, small], [score(small, answers(1, 2))], 'llama')).toBe(null);
});

it('names the family, and counts the seeds that have answered', () => {
  const seeds = [trained('llama', '2M', 1e12), trained('llama', '2M', 1e12, 2)];
  const observations = [...seeds, { ...trained('llama', '2M', 1e12), family: 'nemotron' }];
  const [first, , other] = observations as [ScaleObservation, ScaleObservation, ScaleObservation];
  const scores = [score(first, answers(1, 4)), score(other, answers(2, 4))];
  const result = zeroShotResult(observations, scores, 'llama');
  expect(result?.rows.map((row) => [row.family, row.seeds])).toEqual([
    ['llama', 1],
    ['nemotron', 1],
  ]);
  expect(zeroShotText(result as NonNullable<typeof result>)).toMatch(/\nllama +llama +1 .*\nllama +nemotron +1 /);
});
