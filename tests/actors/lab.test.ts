/** A lab as a whole: what opens together closes together, whatever fails. */
import { existsSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type LabOptions, openLab } from '../../src/actors/index.ts';
import { connectBus } from '../../src/bus/index.ts';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { systemClock, systemTimers } from '../../src/platform/index.ts';
import { binary, quiet } from '../bus/support.ts';
import { temporaryFolder } from '../support/home.ts';
import { searchSpec } from '../support/specs.ts';

function optionsFor(home: string, changes: Partial<LabOptions> = {}) {
  const closed: string[] = [];
  const unused = (): never => {
    throw new Error('no model and no evaluator is part of this test');
  };
  const options: LabOptions = {
    home,
    url: null,
    access: null,
    natsServer: () => binary,
    port: undefined,
    ackWaitMs: 3000,
    helpers: { python: unused } as never,
    workers: {} as never,
    programs: [],
    scaffolds: [],
    openRetriever: unused as never,
    closeReading: () => closed.push('reading'),
    chat: { environment: {}, addresses: [] },
    clock: systemClock,
    timers: systemTimers,
    log: quiet,
    ...changes,
  };
  return { options, closed };
}

async function opened(home = temporaryFolder(), changes: Partial<LabOptions> = {}) {
  const { options, closed } = optionsFor(home, changes);
  const lab = await openLab(options, ['workers', 'agents']);
  onTestFinished(() => lab.close());
  return { lab, closed, home };
}

const isReachable = async (url: string): Promise<boolean> =>
  connectBus({
    url,
    access: {},
    role: 'viewer',
    name: 'probe',
    ids: () => 'x',
    clock: systemClock,
    log: quiet,
    limits: {},
  } as never).then(
    async (bus) => {
      await bus.close();
      return true;
    },
    // A server that refuses our lack of credentials is there.
    (thrown) => thrown instanceof PrerequisiteError && /credentials|authori/i.test(thrown.message),
  );

describe('a lab', () => {
  it('answers once it is open, and leaves neither server nor lock when it is closed', async () => {
    const home = temporaryFolder();
    const { lab, closed } = await opened(home);
    expect(await lab.bus.ask('search-name', { family: 'quick' as never }, {})).toEqual({ search: 'quick-1' });
    expect(await isReachable(lab.url)).toBe(true);
    await lab.close();
    expect(closed).toEqual(['reading']);
    expect(await isReachable(lab.url)).toBe(false);
    const again = await opened(home);
    expect(await again.lab.bus.ask('search-name', { family: 'quick' as never }, {})).toEqual({ search: 'quick-1' });
  });

  it('refuses a home whose lab is open, and takes nothing from it', async () => {
    const { lab, home } = await opened();
    const { options, closed } = optionsFor(home);
    await expect(openLab(options, ['workers', 'agents'])).rejects.toBeInstanceOf(PrerequisiteError);
    expect(closed).toEqual(['reading']);
    expect(await lab.bus.ask('search-name', { family: 'quick' as never }, {})).toEqual({ search: 'quick-1' });
  });

  it('says what is missing, with a remedy, where it has no server to start', async () => {
    const home = temporaryFolder();
    const { options, closed } = optionsFor(home, { natsServer: () => '/nowhere/nats-server' });
    await expect(openLab(options, [])).rejects.toMatchObject({ remedy: expect.stringMatching(/\S/) });
    expect(closed).toEqual(['reading']);
    expect(existsSync(`${home}/archive.db-wal`)).toBe(false);
  });

  it('runs a search whose workers and agents are elsewhere, until it is drained', async () => {
    const { lab } = await opened();
    const spec = searchSpec();
    const running = lab.runSearch(spec, 'file', { devices: [], without: ['workers', 'agents'] });
    await expect.poll(() => running.searchStatus()?.phase, { timeout: 10_000 }).toBe('screening');
    running.drain();
    expect(await running.ended).toEqual({ how: 'stopped' });
  });
});
