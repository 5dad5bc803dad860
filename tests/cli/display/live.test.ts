/** The live block on a real terminal emulator: it stays one block, whatever the lines and the size of the window. */
import { EventEmitter } from 'node:events';
import xterm from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { plainDisplay } from '../../../src/cli/display.ts';
import { liveDisplay } from '../../../src/cli/liveDisplay.ts';
import type { SearchStatus } from '../../../src/domain/messages.ts';
import { manualClock } from '../../support/home.ts';
import { agentSpec, searchSpec } from '../../support/specs.ts';

const counts = { proposed: 7, evaluated: 4, failed: 1, rejected: 1, duplicate: 0, pending: 1, cached: 2 };
const status = (changes: Partial<SearchStatus> = {}): SearchStatus => ({
  ...{ phase: 'confirming', proposals: counts, training: 1, elapsedMs: 60_000, deviceSeconds: 9, meanSeconds: {} },
  ...{ pendingOn: { screen: 0, confirm: 1, final: 0 }, doneOn: { screen: 6, confirm: 1, final: 0 } },
  ...{ timedOn: { screen: 5, confirm: 1, final: 0 }, trainings: { pending: 1, done: 6, failed: 1, cached: 2 } },
  ...{ spend: { calls: 0, tokens: 0, dollars: 0 }, agents: [] },
  best: {
    node: 'ada-1',
    origin: 'draft',
    validation: 0.5,
    short: '層'.repeat(150),
    rung: 'screen',
  } as SearchStatus['best'],
  ...changes,
});

/** A display on an emulated terminal, which reflows its lines as terminals do. */
function onTerminal(columns: number, rows: number, agents = 3) {
  const terminal = new xterm.Terminal({
    cols: columns,
    rows,
    allowProposedApi: true,
    convertEol: true,
    scrollback: 1000,
  });
  let text = '';
  const stream = Object.assign(new EventEmitter(), {
    columns,
    rows,
    write: (part: string) => {
      text += part;
      return true;
    },
  });
  let tick = (): void => undefined;
  const timers = {
    after: () => () => undefined,
    every: (_: number, action: () => void) => {
      tick = action;
      return () => undefined;
    },
  };
  const clock = manualClock();
  const display = liveDisplay(stream as unknown as NodeJS.WriteStream, timers, clock);
  const names = Array.from({ length: agents }, (_, index) => `agent-${index + 1}`);
  const spec = searchSpec({ agents: names.map((name) => agentSpec({ name })), budget: { evaluations: 4 * agents } });
  /** What is on the screen, without empty lines. What a smaller window pushes out of it, no program can erase. */
  const lines = async (): Promise<string[]> => {
    const part = text;
    text = '';
    await new Promise<void>((resolve) => terminal.write(part, resolve));
    const { active } = terminal.buffer;
    return Array.from(
      { length: terminal.rows },
      (_, at) => active.getLine(active.baseY + at)?.translateToString(true) ?? '',
    ).filter((line) => line !== '');
  };
  const resize = async (cols: number, height: number) => {
    await lines();
    terminal.resize(cols, height);
    Object.assign(stream, { columns: cols, rows: height });
    stream.emit('resize');
  };
  return { display, spec, clock, names, lines, resize, tick: () => tick() };
}

describe('the live block', () => {
  it('is one block after any change of the window, with lines of wide characters cut to it', async () => {
    const { display, spec, names, lines, resize, tick } = onTerminal(120, 30);
    display.started(spec, false);
    for (const name of names) {
      display.agent({ search: spec.id, agent: name as never, state: 'thinking', note: '漢字かな交じり文'.repeat(20) });
    }
    display.worker({
      worker: 'cpu-1-w0' as never,
      device: 'cpu',
      deviceName: '',
      evaluators: [],
      state: 'training',
      key: null,
      progress: 0.5,
    });
    display.searchStatus(status());
    for (const [columns, rows] of [
      [120, 30],
      [60, 30],
      [33, 40],
      [119, 24],
      [45, 18],
      [200, 50],
    ] as const) {
      await resize(columns, rows);
      tick();
      const shown = await lines();
      expect(
        shown.filter((line) => line.startsWith('trial-1')),
        `${columns} x ${rows}`,
      ).toHaveLength(1);
      expect(
        shown.filter((line) => line.includes('agent-1')),
        `${columns} x ${rows}`,
      ).toHaveLength(1);
      // Nothing wraps: each line of the block is one row.
      expect(shown.filter((line) => /^\S*[層漢字]{2}/.test(line))).toEqual([]);
      expect(shown.find((line) => line.startsWith('best'))).toMatch(/^best .*…$/);
    }
  });

  it('leaves out agents that do not fit, and says how many', async () => {
    const { display, spec, lines, tick } = onTerminal(80, 20, 40);
    display.started(spec, false);
    display.searchStatus(status());
    for (let turn = 0; turn < 5; turn++) tick();
    const shown = await lines();
    expect(shown.length).toBeLessThan(20);
    expect(shown.filter((line) => line.startsWith('trial-1'))).toHaveLength(1);
    expect(shown.join('\n')).toMatch(/and \d+ more agents/);
    expect(shown.join('\n')).toContain('best 0.500');
  });

  it('stays below what was printed above it', async () => {
    const { display, spec, lines, resize, tick } = onTerminal(100, 30);
    display.started(spec, false);
    display.searchStatus(status());
    tick();
    display.event({
      kind: 'node-failed',
      search: spec.id,
      node: 'ada-2' as never,
      agent: 'agent-1' as never,
      rung: 'screen',
      seed: 1,
      reason: 'nan',
      message: '損失'.repeat(70),
    });
    tick();
    await resize(50, 30);
    tick();
    const shown = await lines();
    expect(shown[0]).toMatch(/^ada-2 failed on the screen rung/);
    expect(shown.filter((line) => line.startsWith('trial-1'))).toHaveLength(1);
  });

  it('names the rung, with the trainings that have ended on each', async () => {
    const { display, spec, lines, tick } = onTerminal(120, 30);
    display.started(spec, false);
    display.searchStatus(status());
    tick();
    // Seven were screened: two confirm, and two finalists and the aggregate have two final trainings each.
    expect((await lines()).join('\n')).toContain('on the rung confirm 1 of 2, final 0 of 6');
  });

  it('says whom a distributed launch waits for, also when a worker has died', async () => {
    const { display, spec, clock, names, lines, tick } = onTerminal(120, 30);
    display.started(spec, false);
    const screening = status({ phase: 'screening' });
    display.searchStatus(screening);
    const hear = (count: number) => {
      for (const name of names.slice(0, count))
        display.agent({ search: spec.id, agent: name as never, state: 'waiting', note: '' });
    };
    const shown = async () => {
      tick();
      return (await lines()).join('\n');
    };
    hear(1);
    expect(await shown()).toContain('waiting for a worker; start one with: aira worker');
    expect(await shown()).toContain('waiting for agents agent-2, agent-3');
    display.worker({
      worker: 'cpu-1-w0' as never,
      device: 'cpu',
      deviceName: '',
      evaluators: [],
      state: 'idle',
      key: null,
      progress: null,
    });
    hear(3);
    expect(await shown()).not.toContain('waiting for');
    clock.advance(31_000);
    hear(3);
    expect(await shown()).toContain('waiting for a worker');
  });
});

describe('plain lines', () => {
  it('say once whom the search waits for', () => {
    let text = '';
    const display = plainDisplay((line) => {
      text += line;
    }, manualClock());
    const spec = searchSpec({});
    display.started(spec, false);
    for (let turn = 0; turn < 3; turn++)
      display.searchStatus(status({ phase: 'screening', elapsedMs: 60_000 + 500 * turn }));
    expect(text.match(/waiting for a worker; start one with: aira worker; waiting for the agent walker/g)).toHaveLength(
      1,
    );
    expect(text).toContain('(on the rung screen 6 of');
  });
});
