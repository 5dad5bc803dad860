import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assemble,
  auditArchitecture,
  errnos,
  jump,
  label,
  load,
  refused,
  returns,
  type Syscall,
  seccompFilter,
  syscalls,
  verdicts,
} from '../../src/sandbox/seccomp.ts';
import { judge } from './filterMachine.ts';

const processors = ['x64', 'arm64'] as const;
const refusal = verdicts.errno(errnos.EPERM);

describe.each(processors)('the filter for %s', (processor) => {
  const filter = seccompFilter(processor);
  const ask = (number: number, ...args: number[]) =>
    judge(filter, { architecture: auditArchitecture[processor], number, arguments: args });
  const numberOf = (name: Syscall): number => syscalls[name][processor] ?? -1;

  it('refuses every call of the list that the processor has', () => {
    const permitted = refused.filter((name) => numberOf(name) >= 0 && ask(numberOf(name)) !== refusal);
    expect(permitted).toEqual([]);
    expect(refused.length).toBeGreaterThan(50);
  });

  it('permits every other call', () => {
    const named = new Set<number | null>(Object.values(syscalls).map((numbers) => numbers[processor]));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 600 }), fc.array(fc.nat(), { maxLength: 6 }), (number, args) => {
        fc.pre(!named.has(number));
        expect(ask(number, ...args)).toBe(verdicts.allow);
      }),
    );
  });

  it('permits threads and processes, and no new namespace by any of its bits', () => {
    const thread = 0x003d0f00;
    expect(ask(numberOf('clone'), thread)).toBe(verdicts.allow);
    expect(ask(numberOf('clone'), 17)).toBe(verdicts.allow);
    for (const bit of [17, 25, 26, 27, 28, 29, 30]) {
      expect(ask(numberOf('clone'), (thread | (1 << bit)) >>> 0)).toBe(refusal);
    }
    expect(ask(numberOf('clone3'), 0)).toBe(verdicts.errno(errnos.ENOSYS));
  });

  it.each(['socket', 'socketpair'] as const)('permits a %s between processes and of no other family', (name) => {
    expect(ask(numberOf(name), 1, 1)).toBe(verdicts.allow);
    for (const family of [0, 2, 10, 16, 17, 30, 38, 40, 44]) {
      expect(ask(numberOf(name), family, 1)).toBe(verdicts.errno(errnos.EAFNOSUPPORT));
    }
  });

  it('permits locks of files, and neither leases nor notices of what others do with a file', () => {
    const commands = { setlk: 6, setlkw: 7, openFileLock: 37, dupCloexec: 1030, seals: 1033 };
    for (const command of Object.values(commands)) expect(ask(numberOf('fcntl'), 3, command)).toBe(verdicts.allow);
    for (const command of [1024, 1026]) expect(ask(numberOf('fcntl'), 3, command)).toBe(refusal);
    expect(ask(numberOf('inotify_init1'), 0)).toBe(refusal);
  });

  it('refuses memory that only a control group counts, where there is none', () => {
    const watched = seccompFilter(processor, { memoryWatched: true });
    for (const name of ['memfd_create', 'shmget'] as const) {
      const call = { architecture: auditArchitecture[processor], number: numberOf(name) };
      expect(judge(filter, call)).toBe(verdicts.allow);
      expect(judge(watched, call)).toBe(verdicts.errno(errnos.ENOSYS));
    }
  });

  it('permits questions to a terminal and no input to it', () => {
    expect(ask(numberOf('ioctl'), 0, 0x5413)).toBe(verdicts.allow);
    expect(ask(numberOf('ioctl'), 0, 0x5412)).toBe(refusal);
    expect(ask(numberOf('ioctl'), 0, 0x541c)).toBe(refusal);
  });

  it('ends a process that calls by the numbers of another processor', () => {
    for (const architecture of [0x40000003, 0x40000028, auditArchitecture[processor === 'x64' ? 'arm64' : 'x64']]) {
      expect(judge(filter, { architecture, number: 1 })).toBe(verdicts.killProcess);
    }
  });
});

describe('the filters', () => {
  it('know that x86-64 has a second set of numbers', () => {
    const call = { architecture: auditArchitecture.x64, number: 0x40000000 | (syscalls.ptrace.x64 ?? 0) };
    expect(judge(seccompFilter('x64'), call)).toBe(verdicts.errno(errnos.ENOSYS));
  });

  it('are not made for a processor whose numbers are not known', () => {
    expect(() => seccompFilter('riscv64')).toThrow(/no system call filter for riscv64/);
  });

  const headers = {
    x64: ['/usr/include/x86_64-linux-gnu/asm/unistd_64.h', /#define __NR_(\w+) (\d+)/g],
    arm64: ['/usr/include/asm-generic/unistd.h', /#define __NR(?:3264)?_(\w+) (\d+)/g],
  } as const;
  it.each(processors.filter((each) => existsSync(headers[each][0])))(
    'have the numbers of the headers for %s',
    (each) => {
      const [path, pattern] = headers[each];
      const found = new Map(
        [...readFileSync(path, 'utf8').matchAll(pattern)].map(([, name, id]) => [name, Number(id)]),
      );
      const wrong = Object.entries(syscalls).filter(([name, ids]) => found.has(name) && found.get(name) !== ids[each]);
      expect(wrong).toEqual([]);
      expect(found.size).toBeGreaterThan(200);
    },
  );
});

describe('assemble', () => {
  it('refuses labels that are missing, behind, or too far', () => {
    expect(() => assemble([jump('equal', 1, { yes: 'nowhere' }), returns(0)])).toThrow(/nowhere/);
    expect(() => assemble([label('back'), load(0), jump('equal', 1, { yes: 'back' })])).toThrow(/back/);
    const far = Array.from({ length: 256 }, () => load(0));
    expect(() => assemble([jump('equal', 1, { yes: 'far' }), ...far, label('far'), returns(0)])).toThrow(/far/);
    expect(assemble([jump('equal', 1, { yes: 'near' }), ...far.slice(1), label('near'), returns(0)])).toHaveLength(
      257 * 8,
    );
  });
});
