import { workerIdSchema } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { manualClock, temporaryFolder } from './home.ts';
import { agentSpec, measurement, searchSpec } from './specs.ts';

/** What an agent may write to break a table: separators, quotes, line ends, a formula, an escape sequence, other scripts. */
export const hostile = 'a,"b"\r\nc\n=1+1\t\u001b[31m 環境 😀 \u202e';

/** A lab with an evaluated node, a failed one, a rejected one and a reading. */
export function smallLab(): string {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock(1_700_000_000_000));
  const spec = searchSpec({ agents: [agentSpec({ name: 'ada', evaluations: 8 })], lowerIsBetter: true });
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const submit = (ordinal: number, candidate: string) =>
    ask['agent-submit']({
      search: spec.id,
      agent: 'ada' as never,
      ordinal,
      operator: 'draft',
      parents: [],
      candidate,
      rationale: {
        choice: hostile,
        change: '',
        expected: -0.25,
        retrieved: [],
        evidence: [],
        readings: [{ how: 'search-literature', query: hostile, found: [], failed: 'no service answered' }],
      },
    });
  submit(1, 'M mA Mb M');
  submit(2, 'M M M M');
  submit(3, 'nonsense');
  const jobs = archive.unsent(100).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
  for (const [index, { key, evaluator }] of jobs.entries()) {
    const holder = { worker: workerIdSchema.parse('w-1'), attempt: index + 1 };
    ask['job-claim']({ key, ...holder });
    const outcome =
      index === 0
        ? { ...measurement(-0.5), tasks: { recall: { validation: 0.5 } }, curve: [[10, -0.75] as [number, number]] }
        : ({ status: 'failed', reason: 'nan', message: hostile, seconds: 2, device: 'cpu' } as const);
    archive.record({ key, ...holder, evaluator, outcome });
  }
  // The scored node fails on the final rung: that does not take its screening score away.
  ask['node-evaluate']({ search: spec.id, nodes: ['ada-1' as never], rung: 'final', seeds: 1 });
  for (const entry of archive.unsent(100)) {
    if (entry.kind !== 'job' || entry.body.rung !== 'final') continue;
    const holder = { worker: workerIdSchema.parse('w-1'), attempt: 9 };
    ask['job-claim']({ key: entry.body.key, ...holder });
    const outcome = { status: 'failed', reason: 'oom', message: 'no memory', seconds: 2, device: 'cpu' } as const;
    archive.record({ key: entry.body.key, ...holder, evaluator: entry.body.evaluator, outcome });
  }
  archive.close();
  return home;
}
