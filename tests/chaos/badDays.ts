import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { inject } from 'vitest';
import { Program } from '../support/program.ts';
import { DistributedLab, freePort, type PartName, partNames } from './distributedLab.ts';
import type { Fault } from './schedule.ts';
import { serve } from './server.ts';
import { Wire } from './wire.ts';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const clockModule = resolve(import.meta.dirname, '../support/clockJump.mjs');

/** An installation whose trainers differ from the search's by a remark, and so in their version. */
function strangerOf(folder: string): string {
  const [original, copy] = [inject('installation'), join(folder, 'stranger')];
  mkdirSync(copy);
  for (const shared of ['dist', 'package.json', 'tasks', 'primitives', 'node_modules']) {
    symlinkSync(join(original, shared), join(copy, shared));
  }
  cpSync(join(original, 'gpu-workers'), join(copy, 'gpu-workers'), { recursive: true });
  const model = join(copy, 'gpu-workers/aira_workers/model.py');
  writeFileSync(model, `${readFileSync(model, 'utf8')}\n# Another version.\n`);
  return copy;
}

/**
 * A distributed lab on a network, a server, a disk and clocks that a schedule spoils.
 *
 * The server is one of our own, so that it can come back with its streams or without. Each part reaches it through a proxy.
 */
export class BadDays {
  readonly lab: DistributedLab;
  /** What should have been refused, and was not. */
  readonly wrong: string[] = [];
  /** Faults that this machine or moment did not allow, by kind. */
  readonly skipped: string[] = [];
  readonly #folder: string;
  readonly #proxies: ReadonlyMap<PartName, Wire>;
  readonly #serverPort: number;
  readonly #disk: string | null;
  #server: ChildProcess;
  #stranger: Program | null = null;

  private constructor(
    folder: string,
    lab: DistributedLab,
    proxies: ReadonlyMap<PartName, Wire>,
    server: ChildProcess,
    serverPort: number,
    disk: string | null,
  ) {
    this.#folder = folder;
    this.lab = lab;
    this.#proxies = proxies;
    this.#server = server;
    this.#serverPort = serverPort;
    this.#disk = disk;
  }

  static async begin(folder: string, file: string, search: string): Promise<BadDays> {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    let mounted: string | null = disk;
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=640m', 'tmpfs', disk], { stdio: 'pipe' });
    } catch {
      mounted = null;
    }
    const serverPort = await freePort();
    const server = await serve(join(folder, 'store'), serverPort);
    const proxies = new Map<PartName, Wire>();
    for (const name of partNames) proxies.set(name, await Wire.between(serverPort));
    const urlOf = (name: PartName) => `nats://127.0.0.1:${proxies.get(name)?.port}`;
    const envOf = (name: PartName) => ({
      NODE_OPTIONS: `--import ${clockModule}`,
      AIRA_TEST_CLOCK: join(folder, `clock-${name}`),
    });
    const lab = new DistributedLab({ folder: disk, file, search, network: { urlOf, envOf } });
    await lab.start();
    return new BadDays(folder, lab, proxies, server, serverPort, mounted);
  }

  /** Lets a fault happen, and waits until it is over. Returns false where there was nothing to hit. */
  async suffer(fault: Fault): Promise<boolean> {
    const { lab } = this;
    switch (fault.kind) {
      case 'kill':
        return lab.kill(fault.victim);
      case 'stop': {
        if (!lab.signal(fault.part, 'SIGSTOP')) return false;
        await sleep(fault.ms);
        lab.signal(fault.part, 'SIGCONT');
        return true;
      }
      case 'partition': {
        const { direction, ms } = fault;
        const proxy = this.#proxyOf(fault.part);
        proxy.cut({ up: direction !== 'down', down: direction !== 'up' });
        await sleep(ms);
        proxy.cut({ up: false, down: false });
        return true;
      }
      case 'reset':
        this.#proxyOf(fault.part).reset();
        return true;
      case 'delay': {
        const proxy = this.#proxyOf(fault.part);
        proxy.delay(fault.latencyMs);
        await sleep(fault.ms);
        // A shorter way must not overtake what is under way.
        proxy.reset();
        proxy.delay(0);
        return true;
      }
      case 'lose':
        this.#proxyOf(fault.part).meddle('drop', fault.messages);
        return true;
      case 'repeat':
        this.#proxyOf(fault.part).meddle('duplicate', fault.messages);
        return true;
      case 'server': {
        this.#server.kill('SIGKILL');
        await once(this.#server, 'exit');
        const store = join(this.#folder, 'store');
        if (fault.streams === 'lost') rmSync(store, { recursive: true, force: true });
        this.#server = await serve(store, this.#serverPort);
        return true;
      }
      case 'clock':
        writeFileSync(join(this.#folder, `clock-${fault.part}`), `${fault.hours}`);
        return true;
      case 'stranger':
        return this.#meetStranger();
      case 'second archive':
        return await this.#openAgain();
      case 'read-only':
        return await this.#writeNothing();
      case 'disk full':
        return await this.#fill(fault.ms);
    }
  }

  async end(): Promise<void> {
    if (this.#stranger) {
      this.#stranger.kill('SIGTERM');
      await this.#stranger.ended;
    }
    await this.lab.stop();
    for (const proxy of this.#proxies.values()) await proxy.close();
    this.#server.kill('SIGKILL');
  }

  /** After the archive has been read. */
  unmount(): void {
    if (this.#disk !== null) execFileSync('umount', ['-l', this.#disk]);
  }

  #proxyOf(part: PartName): Wire {
    return this.#proxies.get(part) as Wire;
  }

  /** A worker of another version: it may train nothing. */
  #meetStranger(): boolean {
    if (this.#stranger) return false;
    const installation = strangerOf(this.#folder);
    const url = `nats://127.0.0.1:${this.#serverPort}`;
    const args = ['worker', '--workers', '1', '--nats', url, '--home', join(this.#folder, 'stranger-home')];
    this.#stranger = new Program(args, { installation });
    return true;
  }

  /** A second archive on the home: refused in a sentence while the first one lives. */
  async #openAgain(): Promise<boolean> {
    const url = `nats://127.0.0.1:${this.#serverPort}`;
    // One that is still starting may lose its place to this one, which is in order as well.
    if (!this.lab.lives('archive') || this.#writer() !== this.lab.pidOf('archive')) return false;
    const second = new Program(['archive', '--home', this.lab.home, '--nats', url], {});
    const late = setTimeout(() => second.kill('SIGKILL'), 30_000);
    const { code, stderr } = await second.ended;
    clearTimeout(late);
    if (code !== 2 || !/is in use by process/.test(stderr))
      this.wrong.push(`a second archive ended with ${code}: ${stderr}`);
    return true;
  }

  /** The process that has the archive open; null where none has. */
  #writer(): number | null {
    try {
      return Number(readFileSync(join(this.lab.home, 'archive.pid'), 'utf8'));
    } catch {
      return null;
    }
  }

  /** The archive comes back to a file system that it may not write: it ends in a sentence until it may. */
  async #writeNothing(): Promise<boolean> {
    if (this.#disk === null || !this.lab.kill('archive')) return false;
    try {
      execFileSync('mount', ['-o', 'remount,ro', this.#disk], { stdio: 'pipe' });
    } catch {
      // Another part has a file open.
      this.skipped.push('read-only');
      return true;
    }
    await sleep(1500);
    execFileSync('mount', ['-o', 'remount,rw', this.#disk]);
    return true;
  }

  async #fill(ms: number): Promise<boolean> {
    if (this.#disk === null) return false;
    const path = join(this.#disk, 'ballast');
    const ballast = openSync(path, 'w');
    try {
      const block = Buffer.alloc(1024 * 1024);
      for (;;) writeSync(ballast, block);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
    } finally {
      closeSync(ballast);
    }
    await sleep(ms);
    rmSync(path);
    return true;
  }
}
