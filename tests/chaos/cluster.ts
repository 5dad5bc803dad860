import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { vi } from 'vitest';
import { findNatsServer } from '../../src/platform/installation.ts';
import { freePort } from './distributedLab.ts';

/** nats-servers with JetStream that form a cluster on the loopback address, as on three machines. */
export class NatsCluster {
  /** The addresses, separated by commas. */
  readonly url: string;
  readonly #files: readonly string[];
  readonly #ports: readonly number[];
  readonly #servers: (ChildProcess | null)[];

  private constructor(files: readonly string[], ports: readonly number[]) {
    this.#files = files;
    this.#ports = ports;
    this.#servers = ports.map(() => null);
    this.url = ports.map((port) => `nats://127.0.0.1:${port}`).join(',');
  }

  /** The first `running` servers of `size`; each knows the addresses of the first two, and learns those of others from them. */
  static async begin(folder: string, size: number, running = size): Promise<NatsCluster> {
    const ports = await Promise.all(Array.from({ length: size }, freePort));
    const routes = await Promise.all(Array.from({ length: size }, freePort));
    const files = ports.map((port, index) => {
      const own = join(folder, `nats-${index}`);
      mkdirSync(own, { recursive: true });
      const file = join(own, 'nats.conf');
      const config = {
        server_name: `nats-${index}`,
        host: '127.0.0.1',
        port,
        max_payload: 8 * 1024 * 1024,
        jetstream: { store_dir: own },
        cluster: {
          name: 'lab',
          host: '127.0.0.1',
          port: routes[index],
          routes: routes.slice(0, 2).map((route) => `nats://127.0.0.1:${route}`),
        },
      };
      writeFileSync(file, JSON.stringify(config));
      return file;
    });
    const cluster = new NatsCluster(files, ports);
    for (let index = 0; index < running; index++) cluster.start(index);
    await cluster.#settled();
    return cluster;
  }

  start(index: number): void {
    this.#servers[index] = spawn(findNatsServer(), ['-c', this.#files[index] as string], { stdio: 'ignore' });
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(index: number): Promise<void> {
    const server = this.#servers[index];
    this.#servers[index] = null;
    if (!server) return;
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await gone;
  }

  /** Which server leads a stream, once all copies of it are in step. */
  async leaderOf(stream: string): Promise<{ leader: number; copies: number }> {
    return await vi.waitFor(
      () =>
        this.#ask(async (nc) => {
          const { config, cluster } = await (await nc.jetstreamManager()).streams.info(stream);
          const replicas = cluster?.replicas ?? [];
          const inStep = replicas.every(({ current, offline }) => current && offline !== true);
          if (!inStep || !cluster?.leader) throw new Error(`${stream} is not in step: ${JSON.stringify(cluster)}`);
          return { leader: Number(cluster.leader.replace('nats-', '')), copies: config.num_replicas };
        }),
      { timeout: 60_000, interval: 250 },
    );
  }

  async end(): Promise<void> {
    await Promise.all(this.#ports.map((_, index) => this.kill(index)));
  }

  async #ask<T>(question: (nc: NatsConnection) => Promise<T>): Promise<T> {
    const nc = await connect({ servers: this.url.split(','), reconnect: false });
    try {
      return await question(nc);
    } finally {
      await nc.close();
    }
  }

  /** Waits until the servers have elected who assigns streams. */
  async #settled(): Promise<void> {
    await vi.waitFor(() => this.#ask(async (nc) => (await nc.jetstreamManager()).getAccountInfo()), {
      timeout: 30_000,
      interval: 200,
    });
  }
}
