import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { connectBus, startServer } from '../../src/bus/index.ts';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { identify, isAlive, type ProcessIdentity } from '../../src/platform/processes.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { binary, everyAccess, laboratory, quiet, until } from './support.ts';

const root = join(import.meta.dirname, '../..');
const lab = laboratory();
afterEach(() => lab.clear());

/** Why it did not start; stops it and fails when it did. */
async function refusal(options: Partial<Parameters<typeof startServer>[0]> & { storeDir: string }) {
  const started = await startServer({ binary, users: [], log: quiet, ...options }).catch((thrown) => thrown);
  if ('stop' in started) {
    await started.stop();
    throw new Error('it started');
  }
  expect(started).toBeInstanceOf(PrerequisiteError);
  expect(started.message).toMatch(/\.$/);
  expect(started.remedy).toMatch(/\.$/);
  return started as PrerequisiteError;
}

/** The room's sources as JavaScript, for processes of their own. */
function compiled(): string {
  const out = lab.directory();
  const options =
    '--ignoreConfig --module nodenext --target es2023 --rewriteRelativeImportExtensions --skipLibCheck --noCheck';
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const files = ['src/bus/server.ts', '--rootDir', 'src', '--outDir', out];
  execFileSync(process.execPath, [compiler, ...options.split(' '), '--types', 'node', ...files], { cwd: root });
  writeFileSync(join(out, 'package.json'), '{"type":"module"}');
  symlinkSync(join(root, 'node_modules'), join(out, 'node_modules'));
  return out;
}

/** Starts processes that each try to start a server on the directory and tell its pid, or why there is none. */
function others(storeDir: string, count: number): { owner: ChildProcess; told: Promise<string> }[] {
  const out = compiled();
  const main = join(out, 'main.js');
  const options = `{ binary: ${JSON.stringify(binary)}, storeDir: ${JSON.stringify(storeDir)}, users: [], log: createLogger('other') }`;
  const program = [
    `import { startServer } from './bus/server.js';`,
    `import { createLogger } from './platform/text.js';`,
    `await startServer(${options}).then(({ pid }) => console.log(pid), ({ code }) => console.log(code));`,
  ];
  writeFileSync(main, program.join('\n'));
  return Array.from({ length: count }, () => {
    const owner = spawn(process.execPath, [main], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, AIRA_LOG: 'error' },
    });
    lab.later(async () => {
      owner.kill('SIGKILL');
      if (owner.exitCode === null && owner.signalCode === null) await once(owner, 'exit');
    });
    const told = once(createInterface({ input: owner.stdout }), 'line').then(([line]) => String(line));
    return { owner, told };
  });
}

/** Another process with a server on the directory. */
async function otherOwner(storeDir: string): Promise<{ owner: ChildProcess; server: ProcessIdentity }> {
  const [other] = others(storeDir, 1);
  const server = identify(Number(await other?.told));
  if (other === undefined || server === undefined) throw new Error('there is no server');
  return { owner: other.owner, server };
}

/** The child of the owner that watches over the server, known by its command line. */
function watchdogOf(owner: ChildProcess, serverPid: number): number | undefined {
  const children = readFileSync(`/proc/${owner.pid}/task/${owner.pid}/children`, 'utf8').trim().split(' ');
  const found = children.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith(`\0watchdog\0${serverPid}\0`);
    } catch {
      return false;
    }
  });
  return found === undefined ? undefined : Number(found);
}

describe('the embedded server', () => {
  it('listens on the loopback alone, on a port of its choice, with a store for its owner alone', async () => {
    const storeDir = join(lab.directory(), 'a "quoted" dir', 'bus');
    const server = await lab.server(storeDir);
    expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
    const bus = await lab.bus(server);
    await bus.ensureStreams();
    expect(statSync(storeDir).mode & 0o777).toBe(0o700);
    expect(existsSync(join(storeDir, 'jetstream'))).toBe(true);
    expect(readFileSync(`/proc/${server.pid}/environ`, 'utf8').split('\0').filter(Boolean)).toEqual([
      `PATH=${process.env.PATH}`,
    ]);
  });

  it('says when it has ended, gives its store free, and may be started again on the same port', async () => {
    const storeDir = lab.directory();
    const first = await lab.server(storeDir);
    process.kill(first.pid, 'SIGKILL');
    expect(await first.closed).toEqual({ code: null, signal: 'SIGKILL' });
    const second = await lab.server(storeDir, first.port);
    expect(second.port).toBe(first.port);
    await second.stop();
    await second.stop();
    expect((await second.closed).signal).not.toBe('SIGKILL');
    expect(existsSync(join(storeDir, 'owner.json'))).toBe(false);
  });

  it('is refused for a program that does not exist', async () => {
    const failure = await refusal({ storeDir: lab.directory(), binary: '/nowhere/nats-server' });
    expect(failure.code).toBe('nats-missing');
    expect(failure.message).toContain('/nowhere/nats-server');
  });

  it('is refused for a program that is no nats-server', async () => {
    expect((await refusal({ storeDir: lab.directory(), binary: '/bin/false' })).code).toBe('nats-start-failed');
  });

  it('is refused for a port that is taken, and leaves the store free', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    lab.later(() => void squatter.close());
    await once(squatter, 'listening');
    const { port } = squatter.address() as { port: number };
    const storeDir = lab.directory();
    const failure = await refusal({ storeDir, port });
    expect(failure.code).toBe('port-taken');
    expect(failure.message).toContain(String(port));
    await lab.server(storeDir);
  });

  it('is refused for a store that cannot be written', async () => {
    const file = join(lab.directory(), 'file');
    writeFileSync(file, 'in the way');
    expect((await refusal({ storeDir: join(file, 'bus') })).code).toBe('nats-store-unwritable');
    const blocked = lab.directory();
    mkdirSync(join(blocked, 'nats.conf'));
    expect((await refusal({ storeDir: blocked })).code).toBe('nats-store-unwritable');
  });
});

describe('a store', () => {
  it('is one server’s at a time', async () => {
    const storeDir = lab.directory();
    await lab.server(storeDir);
    const failure = await refusal({ storeDir });
    expect(failure.code).toBe('nats-store-in-use');
    expect(failure.message).toContain(String(process.pid));
  });

  it('goes to exactly one of several that want it at once', async () => {
    const storeDir = lab.directory();
    const { owner, server } = await otherOwner(storeDir);
    const watchdog = await until(() => watchdogOf(owner, server.pid));
    process.kill(watchdog, 'SIGKILL');
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    // All of them find the claim stale and the server alive.
    const told = await Promise.all(others(storeDir, 4).map((each) => each.told));
    expect(told.filter((each) => /^\d+$/.test(each))).toHaveLength(1);
    expect(told.filter((each) => each === 'nats-store-in-use')).toHaveLength(3);
    expect(isAlive(server)).toBe(false);
  });

  it('is not taken from a file that nobody understands', async () => {
    const storeDir = lab.directory();
    writeFileSync(join(storeDir, 'owner.json'), '{"v":7}');
    const failure = await refusal({ storeDir });
    expect(failure.code).toBe('nats-storeClaim');
    expect(existsSync(join(storeDir, 'owner.json'))).toBe(true);
  });

  it('is free again soon after its owner was killed, because the server goes with it', async () => {
    const storeDir = lab.directory();
    const { owner, server } = await otherOwner(storeDir);
    expect((await refusal({ storeDir })).message).toContain(String(owner.pid));
    owner.kill('SIGKILL');
    await until(() => !isAlive(server));
    await lab.server(storeDir);
  });

  it('is taken over from a server that was left behind, with all that is in it', async () => {
    const storeDir = lab.directory();
    const { owner, server } = await otherOwner(storeDir);
    const watchdog = await until(() => watchdogOf(owner, server.pid));
    process.kill(watchdog, 'SIGKILL');
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    expect(isAlive(server)).toBe(true);
    const successor = await lab.server(storeDir);
    expect(isAlive(server)).toBe(false);
    expect(successor.pid).not.toBe(server.pid);
  });

  it('never has a stranger stopped that was given the number of a server of old', async () => {
    const storeDir = lab.directory();
    const stranger = spawn('/bin/sleep', ['600']);
    lab.later(() => void stranger.kill('SIGKILL'));
    const old = { pid: Number(stranger.pid), started: 'before the stranger' };
    writeFileSync(join(storeDir, 'owner.json'), JSON.stringify({ v: 1, owner: old, server: old }));
    await lab.server(storeDir);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });
});

describe('the first connection', () => {
  const options = { name: 'test', clock: systemClock, ids: () => 'id', log: quiet, connectWithinMs: 300 };

  it('is refused where nobody answers, without telling the password', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as { port: number };
    squatter.close();
    await once(squatter, 'close');
    const failure = await connectBus({ ...options, url: `nats://me:secret@127.0.0.1:${port}` }).catch(
      (thrown) => thrown,
    );
    expect(failure).toBeInstanceOf(PrerequisiteError);
    expect(failure.code).toBe('nats-unreachable');
    expect(failure.message).toContain(`nats://127.0.0.1:${port}`);
    expect(JSON.stringify([failure.message, failure.remedy])).not.toContain('secret');
  });

  it('is refused where someone answers who is no NATS server', async () => {
    const mute = createServer(() => undefined).listen(0, '127.0.0.1');
    lab.later(() => void mute.close());
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };
    await expect(connectBus({ ...options, url: `nats://127.0.0.1:${port}` })).rejects.toMatchObject({
      code: 'nats-unreachable',
    });
  });

  it('is given up where the server cuts it off at once and lets it in no more, as one that reads a revocation', async () => {
    let connections = 0;
    const revoking = createServer((socket) => {
      connections += 1;
      const isFirst = connections === 1;
      socket.on('error', () => undefined);
      socket.write('INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"jetstream":true}\r\n');
      socket.on('data', (data) => {
        const text = data.toString();
        if (!isFirst) socket.end("-ERR 'Authorization Violation'\r\n");
        else if (text.includes('SUB ')) socket.end();
        else if (text.includes('PING')) socket.write('PONG\r\n');
      });
    }).listen(0, '127.0.0.1');
    lab.later(() => void revoking.close());
    await once(revoking, 'listening');
    const { port } = revoking.address() as { port: number };
    const failure = connectBus({ ...options, url: `nats://127.0.0.1:${port}`, role: 'worker' });
    await expect(failure).rejects.toMatchObject({ code: 'nats-unreachable' });
  });

  it('waits for a server that is about to come up', async () => {
    const storeDir = lab.directory();
    const first = await lab.server(storeDir);
    await first.stop();
    const connecting = connectBus({ ...options, connectWithinMs: 20_000, url: first.url, access: everyAccess });
    await lab.server(storeDir, first.port);
    const bus = await connecting;
    await bus.close();
  });

  it('is refused by a server without JetStream', async () => {
    const directory = lab.directory();
    const plain = spawn(binary, ['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', directory], { stdio: 'ignore' });
    lab.later(async () => {
      plain.kill();
      await once(plain, 'exit');
    });
    const file = join(directory, `nats-server_${plain.pid}.ports`);
    const { nats } = await until(() => JSON.parse(readFileSync(file, 'utf8')) as { nats: [string] });
    await expect(connectBus({ ...options, url: nats[0] })).rejects.toMatchObject({ code: 'nats-no-jetstream' });
  });
});
