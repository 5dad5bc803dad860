import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { deferred } from '../../src/platform/timers.ts';
import { probeSandbox, type SandboxOptions } from '../../src/sandbox/index.ts';
import { openFolder, ordinaryUser, python, runText } from './support.ts';

/** As the current user; as root in a namespace only; as an ordinary user without control groups; and without a sandbox. */
const ways = ['this user', 'own identity', 'ordinary user', 'unsafe'] as const;

describe.each(ways)('a program run as %s', (way) => {
  let options: SandboxOptions;
  beforeAll(async () => {
    const capability = await probeSandbox({ python, unsafe: way === 'unsafe' });
    if (way === 'ordinary user') options = await ordinaryUser();
    else if (way === 'own identity') options = { capability: { ...capability, identity: 'own' } };
    else options = { capability };
  });

  it('leaves its files, its text and its exit code', async () => {
    const text = `
import os, sys
os.makedirs("deep/er"); open("deep/er/a.txt", "w").write("one"); open("b", "w").write("")
print("said"); print("complained", file=sys.stderr); sys.exit(3)`;
    const result = await runText(options, text);
    expect(result).toMatchObject({ end: 'exited', exitCode: 3, unsafe: way === 'unsafe' });
    expect(result.left).toEqual({ 'deep/er/a.txt': 'one', b: '' });
    expect(result.stdout).toBe('said\n');
    expect(result.stderr).toContain('complained');
    expect(result.peakMemoryBytes).toBeGreaterThan(2 ** 20);
    expect(result.cpuSeconds).toBeGreaterThan(0);
  });

  it('reads what it was given, under the name inside', async () => {
    const folder = openFolder();
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'x'), 'given');
    const text = 'import sys; open("copy", "w").write(open(sys.argv[1] + "/x").read())';
    const { left } = await runText(options, text, {
      argv: [python, '-I', '-c', text, '/box/data'],
      readOnly: [{ source: join(folder, 'data'), target: '/box/data' }],
    });
    expect(left).toEqual({ copy: 'given' });
  });

  it('knows no variable but those it was given', async () => {
    const { stdout } = await runText(options, 'import os; print(sorted(os.environ))', { env: { EXTRA: '1' } });
    expect(stdout).not.toContain('USER');
    expect(stdout).toContain("'EXTRA'");
  });

  it('is ended at its deadline, with all that it has started', async () => {
    const text = `
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0: os._exit(0)
while True: time.sleep(1)`;
    const { end, exitCode, files } = await runText(options, text, { limits: { seconds: 0.5 } });
    expect({ end, exitCode, files }).toEqual({ end: 'timeout', exitCode: null, files: [] });
  });

  it('is killed when it is cancelled', async () => {
    const abort = new AbortController();
    const running = runText(options, 'import time; time.sleep(60)', {}, abort.signal);
    abort.abort();
    expect((await running).end).toBe('cancelled');
  });

  it('is ended when it takes more memory than it may', async () => {
    const text = 'import time\nkept = []\nwhile True:\n    kept.append(bytearray(2 ** 24)); time.sleep(0.01)';
    const { end, exitCode } = await runText(options, text, { limits: { memoryBytes: 100 * 2 ** 20 } });
    // Without a control group a process may meet its own limit before the watch looks.
    expect(['oom', 'exited 1']).toContain(end === 'exited' ? `exited ${exitCode}` : end);
  });

  it('is ended when it floods its output', async () => {
    const text = 'while True: print("x" * 10000)';
    const { end, stdout } = await runText(options, text, { limits: { logBytes: 2 ** 20 } });
    expect(end).toBe('flooded');
    expect(stdout.length).toBeLessThan(300_000);
  });

  it('leaves no link and nothing but plain files', async () => {
    const text = `
import os, socket
os.symlink("/etc/passwd", "link"); os.symlink("/", "root"); open("a", "w").write("x"); os.link("a", "b")
socket.socket(socket.AF_UNIX).bind("sock"); open("bad name", "w"); open("n\\nl", "w")`;
    const { files, strange } = await runText(options, text);
    expect(files).toEqual([]);
    expect(strange.map(({ kind }) => kind).sort()).toEqual([
      'link',
      'link',
      'linked',
      'linked',
      'name',
      'name',
      'socket',
    ]);
  });

  it('leaves no more than it may', async () => {
    const text =
      'f = open("a", "w"); f.truncate(1 << 21)\nfor i in range(200):\n    try: open(f"f{i}", "w")\n    except OSError: break';
    const { files, strange } = await runText(options, text, { limits: { scratchBytes: 2 ** 22 } });
    expect(files.length).toBeLessThanOrEqual(50);
    expect(strange).toContainEqual({ path: 'a', kind: 'large' });
  });
});

describe('where there is no control group, the watch counts', () => {
  const scratch = { memoryBytes: 150 * 2 ** 20, scratchBytes: 300 * 2 ** 20 };
  const kinds = [
    ['files below /tmp', 'file = open("/tmp/a", "wb")\nwhile True: file.write(bytes(2 ** 20)); file.flush()'],
    [
      'files below /dev/shm that are deleted',
      'import os\nfile = open("/dev/shm/a", "wb", 0); os.unlink("/dev/shm/a")\nwhile True: file.write(bytes(2 ** 20))',
    ],
    ['files that it would leave', 'file = open("a", "wb")\nwhile True: file.write(bytes(2 ** 20)); file.flush()'],
    [
      'memory that it shares and no longer maps',
      'import mmap\nheld = mmap.mmap(-1, 2 ** 28)\nfor at in range(0, 2 ** 28, 4096):\n    held[at] = 1\n    if at % 2 ** 20 == 0: held.madvise(mmap.MADV_DONTNEED)',
    ],
  ] as const;
  it.each(kinds)('%s', async (_, text) => {
    const options = await ordinaryUser();
    const waiting = `try:\n    ${text.replaceAll('\n', '\n    ')}\nexcept OSError: pass\nimport time\nwhile True: time.sleep(1)`;
    const output = { directory: openFolder(), maxBytes: 300 * 2 ** 20 };
    const { end, peakMemoryBytes } = await runText(options, waiting, { output, limits: { ...scratch, seconds: 10 } });
    expect(end).toBe('oom');
    expect(peakMemoryBytes).toBeGreaterThan(scratch.memoryBytes);
  });

  it('and memory of other kinds cannot be had', async () => {
    const text = `
import ctypes, os
print(ctypes.CDLL(None).shmget(0, 4096, 0o1600))
try: os.memfd_create("a"); print("made")
except OSError: print(-1)`;
    expect((await runText(await ordinaryUser(), text)).stdout).toBe('-1\n-1\n');
  });
});

it.skipIf(process.getuid?.() !== 0)('shares no device node with the machine', async () => {
  const text =
    'import fcntl\nheld = open("/dev/null"); fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB); print("locked", flush=True)';
  const holder = spawn(python, ['-c', `${text}; input()`], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await once(holder.stdout, 'data');
    const { exitCode, stdout } = await runText({ capability: await probeSandbox({ python }) }, text);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'locked\n' });
  } finally {
    holder.kill('SIGKILL');
  }
});

it.each([
  ['this user', null],
  ['a mask', 0o077],
] as const)('reads what it is given, made under %s', async (_, mask) => {
  const [folder, before] = [openFolder(), mask === null ? null : process.umask(mask)];
  try {
    mkdirSync(join(folder, 'data', 'inner'), { recursive: true });
    writeFileSync(join(folder, 'data', 'inner', 'x'), 'given');
    writeFileSync(join(folder, 'settings'), 'too');
  } finally {
    if (before !== null) process.umask(before);
  }
  const text = 'import os; print(open("/box/data/inner/x").read(), open("/box/settings").read())';
  const { stdout, stderr } = await runText({ capability: await probeSandbox({ python }) }, text, {
    readOnly: ['data', 'settings'].map((name) => ({ source: join(folder, name), target: `/box/${name}` })),
  });
  expect({ stdout, stderr }).toEqual({ stdout: 'given too\n', stderr: '' });
});

describe('a channel to a trusted process', () => {
  /** Answers each connection with what it has said, twice. */
  async function listen(mode: number): Promise<{ path: string; close: () => Promise<void> }> {
    const folder = openFolder();
    const path = join(folder, 'socket');
    const server = createServer((socket) => {
      socket.on('error', () => {}).on('data', (data) => socket.end(Buffer.concat([data, data])));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    chmodSync(path, 0o777);
    chmodSync(folder, mode);
    return { path, close: () => new Promise((resolve) => void server.close(() => resolve())) };
  }
  const speak = `
import os, socket
channel = socket.socket(fileno=3)
channel.sendall(b"hello")
print(channel.recv(100), sorted(int(name) for name in os.listdir("/proc/self/fd"))[:4])`;

  it.each(ways)('is descriptor 3 of a program run as %s', async (way) => {
    const capability = await probeSandbox({ python, unsafe: way === 'unsafe' });
    // The launcher connects with the rights of the user who starts it, so a folder of this user with mode 0700 is enough.
    const server = await listen(way === 'ordinary user' ? 0o755 : 0o700);
    const options: SandboxOptions =
      way === 'ordinary user'
        ? await ordinaryUser()
        : { capability: way === 'own identity' ? { ...capability, identity: 'own' } : capability };
    expect((await runText(options, speak, { channel: server.path })).stdout).toBe("b'hellohello' [0, 1, 2, 3]\n");
    await server.close();
  });

  it('is the only one: the socket itself cannot be reached from inside', async () => {
    const server = await listen(0o755);
    const text = `
import socket
other = socket.socket(socket.AF_UNIX)
try:
    other.connect("${server.path}"); print("reached")
except OSError as error:
    print(type(error).__name__)`;
    const { stdout } = await runText({ capability: await probeSandbox({ python }) }, text, { channel: server.path });
    expect(stdout).toBe('FileNotFoundError\n');
    await server.close();
  });

  it('is refused in one sentence where no process listens', async () => {
    const nowhere = join(openFolder(), 'socket');
    await expect(runText({ capability: await probeSandbox({ python }) }, speak, { channel: nowhere })).rejects.toThrow(
      /failed to start the sandbox: channel: No such file/,
    );
  });

  it('ends with the program', async () => {
    const folder = openFolder();
    const path = join(folder, 'socket');
    const closed = deferred<void>();
    const server = createServer((socket) =>
      socket
        .on('end', () => closed.resolve())
        .on('error', () => {})
        .resume(),
    );
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await runText({ capability: await probeSandbox({ python }) }, 'pass', { channel: path });
    await closed.promise;
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  });
});

it('leaves nothing on the machine: no group', async () => {
  const capability = await probeSandbox({ python });
  await runText({ capability }, 'pass');
  const groups =
    capability.groups?.version === 1 ? Object.values(capability.groups.folders) : [capability.groups?.folder];
  const left = groups
    .flatMap((folder) => (folder ? readdirSync(folder) : []))
    .filter((name) => name.startsWith('aira-'));
  expect(left.filter((name) => name.includes(`-${process.pid}-`))).toEqual([]);
});

it('does not copy into a folder by way of a link', async () => {
  const folder = openFolder();
  const elsewhere = openFolder();
  symlinkSync(elsewhere, join(folder, 'a'));
  const capability = await probeSandbox({ python });
  await expect(
    runText({ capability }, 'open("a", "w").write("x")', { output: { directory: folder, maxBytes: 100 } }),
  ).rejects.toThrow();
  expect(readdirSync(elsewhere)).toEqual([]);
});
