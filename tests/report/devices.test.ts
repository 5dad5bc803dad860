import { describe, expect, it } from 'vitest';
import type { EvaluationRecord, NodeRecord } from '../../src/memory/records.ts';
import { reportHtml } from '../../src/report/index.ts';
import { devicesOf } from '../../src/views/report/collect.ts';
import { fixture } from './fixture.ts';

const training = (worker: string, from: number, to: number, more: Partial<EvaluationRecord> = {}) =>
  ({ worker, seconds: to - from, finishedAt: 1_000_000 + 1000 * to, saved: false, ...more }) as EvaluationRecord;
const node = (...evaluations: EvaluationRecord[]) => ({ evaluations }) as NodeRecord;

describe('devices', () => {
  it('are busy for their share of the time from the first training to the last', () => {
    const nodes = [node(training('cpu-1', 5, 10)), node(training('cpu-2', 6, 9), training('cpu-1', 11, 15))];
    expect(devicesOf(nodes, 100_000)).toEqual({ count: 2, busy: (5 + 3 + 4) / 20 });
  });

  it('are not charged with the pause of an interrupted search, nor with what was known before', () => {
    const saved = training('cpu-9', -500, 0, { saved: true });
    const nodes = [node(training('cpu-1', 0, 10), saved), node(training('cpu-1', 990, 1000))];
    expect(devicesOf(nodes, 25_000)).toEqual({ count: 1, busy: 20 / 25 });
  });

  it('are none where nothing was trained', () => {
    const pending = training('', 0, 0, { worker: null, seconds: null, finishedAt: null });
    expect(devicesOf([node(pending), node()], 1000)).toBeNull();
  });

  it('are told on the page, and left out where there were none', async () => {
    const data = fixture({ agents: 2, attempts: 2 });
    expect(await reportHtml(data)).toContain('2 workers were busy 97 % of the time');
    expect(await reportHtml({ ...data, devices: { count: 1, busy: 1 } })).toContain('One worker was busy');
    expect(await reportHtml({ ...data, devices: null })).not.toContain('busy for');
  });
});
