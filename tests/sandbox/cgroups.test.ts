import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Cgroup, findCgroups, sweepCgroups } from '../../src/sandbox/cgroups.ts';

/** The kernel fills a new group with files; a plain folder stays empty, so that the tree plays the kernel. */
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  const files: Record<string, string[]> = {
    unified: [
      'cgroup.procs',
      'cgroup.kill',
      'memory.max',
      'memory.swap.max',
      'memory.oom.group',
      'pids.max',
      'cpu.max',
    ],
    bare: ['cgroup.procs'],
    memory: ['cgroup.procs', 'memory.limit_in_bytes'],
    pids: ['cgroup.procs', 'pids.max'],
    cpu: ['cgroup.procs', 'cpu.cfs_period_us', 'cpu.cfs_quota_us'],
  };
  const kindOf = (path: string): string | undefined =>
    /\/(unified|bare|memory|pids|cpu)\/(?:.*\/)?aira-/.exec(path)?.[1];
  return {
    ...real,
    mkdirSync: (path: string, options?: object) => {
      real.mkdirSync(path, options);
      for (const file of files[kindOf(path) ?? ''] ?? []) real.writeFileSync(join(path, file), '');
    },
    rmdirSync: (path: string) => {
      if (kindOf(path)) for (const file of real.readdirSync(path)) real.unlinkSync(join(path, file));
      real.rmdirSync(path);
    },
  };
});

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aira-groups-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const mountLine = (type: string, folder: string, options: string) =>
  `36 25 0:31 / ${join(root, folder)} rw,relatime shared:9 - ${type} ${type} rw${options}`;
const text = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');

describe('control groups of version 2', () => {
  const source = () => ({ mountinfo: mountLine('cgroup2', 'unified', ''), cgroup: '0::/user/me\n' });

  it('are made in the nearest group that passes the controllers on', () => {
    mkdirSync(join(root, 'unified/user/me'), { recursive: true });
    expect(findCgroups(source())).toEqual({ version: 2, folder: join(root, 'unified/user/me') });
    expect(readdirSync(join(root, 'unified/user/me'))).toEqual([]);
  });

  it('are not used without delegated controllers', () => {
    mkdirSync(join(root, 'bare'));
    expect(findCgroups({ mountinfo: mountLine('cgroup2', 'bare', ''), cgroup: '0::/\n' })).toBeNull();
  });

  it('limit memory without swap, processes and processor time', () => {
    mkdirSync(join(root, 'unified'));
    const place = { version: 2, folder: join(root, 'unified') } as const;
    const group = new Cgroup(place, '7-1', { memoryBytes: 1000, processes: 5, cores: 1.5 });
    const limits = ['memory.max', 'memory.swap.max', 'memory.oom.group', 'pids.max', 'cpu.max'];
    expect(limits.map((file) => text('unified/aira-7-1', file))).toEqual(['1000', '0', '1', '5', '150000 100000']);
    expect(group.entrances).toEqual([join(root, 'unified/aira-7-1/cgroup.procs')]);
    expect(group.remove()).toBe(true);
    expect(readdirSync(join(root, 'unified'))).toEqual([]);
  });

  it('tell what was used', () => {
    mkdirSync(join(root, 'unified'));
    const group = new Cgroup({ version: 2, folder: join(root, 'unified') }, '7-2', {});
    expect(group.usage()).toEqual({ cpuSeconds: null, peakMemoryBytes: null, outOfMemoryKills: 0 });
    const put = (file: string, content: string) => writeFileSync(join(root, 'unified/aira-7-2', file), content);
    put('cpu.stat', 'usage_usec 2500000\nuser_usec 1\n');
    put('memory.peak', '4096\n');
    put('memory.events', 'low 0\noom 1\noom_kill 2\n');
    expect(group.usage()).toEqual({ cpuSeconds: 2.5, peakMemoryBytes: 4096, outOfMemoryKills: 2 });
  });
});

describe('control groups of version 1', () => {
  const source = () => ({
    mountinfo: ['memory', 'pids', 'cpu'].map((name) => mountLine('cgroup', name, `,${name}`)).join('\n'),
    cgroup: '4:memory:/a/b\n8:pids:/\n1:cpu:/\n0::/\n',
  });

  it('are made in each tree below the own group', () => {
    for (const folder of ['memory/a/b', 'pids', 'cpu']) mkdirSync(join(root, folder), { recursive: true });
    const place = findCgroups(source());
    const folders = { memory: join(root, 'memory/a/b'), pids: join(root, 'pids'), cpu: join(root, 'cpu') };
    expect(place).toEqual({ version: 1, folders });
    if (place === null) return;
    const group = new Cgroup(place, '7-3', { memoryBytes: 1000, processes: 5, cores: 1 });
    expect(text('memory/a/b/aira-7-3/memory.limit_in_bytes')).toBe('1000');
    expect(text('pids/aira-7-3/pids.max')).toBe('5');
    expect(text('cpu/aira-7-3/cpu.cfs_quota_us')).toBe('100000');
    expect(group.folders).toHaveLength(3);
    group.remove();
  });

  it('are not used without a memory tree', () => {
    mkdirSync(join(root, 'pids'));
    expect(findCgroups({ mountinfo: mountLine('cgroup', 'pids', ',pids'), cgroup: '8:pids:/\n' })).toBeNull();
  });
});

describe('groups of a dead process', () => {
  it('is taken away, and that of a living one is not', () => {
    mkdirSync(join(root, 'unified'));
    const place = { version: 2, folder: join(root, 'unified') } as const;
    for (const id of ['1-1', '2-1']) new Cgroup(place, id, {});
    mkdirSync(join(root, 'unified/other'));
    sweepCgroups(place, (pid) => pid === 2);
    expect(readdirSync(join(root, 'unified')).sort()).toEqual(['aira-2-1', 'other']);
  });
});

it('a limit that cannot be written is an error and leaves no group', () => {
  mkdirSync(join(root, 'bare'));
  const place = { version: 2, folder: join(root, 'bare') } as const;
  expect(() => new Cgroup(place, '7-4', { memoryBytes: 1000 })).toThrow(/cannot create a control group/);
  expect(readdirSync(join(root, 'bare'))).toEqual([]);
});
