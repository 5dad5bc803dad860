import { describe, expect, it } from 'vitest';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import type { NodeRecord } from '../../src/memory/records.ts';
import { resultsTsv } from '../../src/report/index.ts';

const spec = { metric: 'BitsPerByte', lowerIsBetter: true };

const node = (candidate: string, fitness: number | null, change: string, more: object = {}): NodeRecord =>
  ({
    ...{ candidate, verdict: 'accepted', origin: 'improve', rationale: { change } },
    evaluations: [
      { rung: 'confirm', status: 'ok', validation: -9 },
      {
        ...{ rung: 'screen', status: fitness === null ? 'failed' : 'ok', validation: fitness },
        peakMemoryBytes: fitness === null ? null : 1.26 * 2 ** 30,
      },
    ],
    ...more,
  }) as unknown as NodeRecord;

describe('results.tsv', () => {
  it('has the published columns, and keeps what is better than all before', () => {
    const text = resultsTsv(spec, [
      node('{"train.py":"a"}', -2.5, 'ignored', { origin: 'reference' }),
      node('{"train.py":"b"}', -2.6, 'a tab\there and\na line'),
      node('{"train.py":"c"}', null, 'broken'),
      node('{"train.py":"d"}', -2.25, 'better'),
      node('{"train.py":"e"}', -2.25, 'a tie'),
      node('{"train.py":"f"}', -1, 'twice', { verdict: 'duplicate' }),
      node('{"train.py":"g"}', -1, 'not yet', { evaluations: [] }),
    ]);
    const lines = text.split('\n').map((line) => line.split('\t'));
    expect(lines[0]).toEqual(['commit', 'val_bpb', 'memory_gb', 'status', 'description']);
    expect(lines.slice(1, -1).map((line) => line.slice(1))).toEqual([
      ['2.500000', '1.3', 'keep', 'baseline'],
      ['2.600000', '1.3', 'discard', 'a tab here and a line'],
      ['0.000000', '0.0', 'crash', 'broken'],
      ['2.250000', '1.3', 'keep', 'better'],
      ['2.250000', '1.3', 'discard', 'a tie'],
    ]);
    for (const line of lines.slice(1, -1)) expect(line[0]).toMatch(/^[0-9a-f]{7}$/);
    expect(lines.at(-1)).toEqual(['']);
  });

  it('is refused where nothing is scored in bits per byte', () => {
    expect(() => resultsTsv({ metric: 'Accuracy', lowerIsBetter: false }, [])).toThrow(PrerequisiteError);
  });
});
