/**
 * Exclusive ownership of a stream store.
 *
 * Role: two servers on one store destroy it, and nats-server does not check. A file in the directory names the process that
 * started the server, and the server; it is created by a system call that only one process can win. Non-role: starting the
 * server.
 *
 *   STR-1  While its owner lives, a claim is refused to everyone else.
 *   STR-2  A claim of a dead owner is taken over; its server is stopped first, and only a process with the recorded number
 *          and start time is ever signalled.
 *   STR-3  The file is complete whenever it exists: it is written aside, then linked or renamed into place.
 */

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { identify, isAlive, type Logger, type ProcessIdentity, processSchema } from '../platform/index.ts';

const claimSchema = z.strictObject({ v: z.literal(1), owner: processSchema, server: processSchema.nullable() });
type Claim = z.infer<typeof claimSchema>;

export interface StoreClaim {
  /** Records the server process, so that the next owner can stop it if this process dies. */
  record(serverPid: number): void;
  release(): void;
}

function readClaim(path: string): { text: string; claim: Claim } | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  try {
    return { text, claim: claimSchema.parse(JSON.parse(text)) };
  } catch (cause) {
    throw new PrerequisiteError(
      'nats-storeClaim',
      `The file ${path} is not a valid claim for this version of Aira.`,
      'Check that no nats-server uses the directory, then delete the file.',
      { cause },
    );
  }
}

async function stopOrphan(server: ProcessIdentity, storeDir: string, log: Logger): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!isAlive(server)) return;
    log.warn({ pid: server.pid, storeDir, signal }, 'stopping a nats-server whose owner has died');
    try {
      process.kill(server.pid, signal);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') break;
    }
    for (let waited = 0; waited < 5_000 && isAlive(server); waited += 20) await delay(20);
  }
  if (isAlive(server)) {
    throw new PrerequisiteError(
      'nats-orphan',
      `A nats-server (process ${server.pid}) is still running on ${storeDir} and cannot be stopped.`,
      `Stop process ${server.pid}, then retry.`,
    );
  }
}

/**
 * Claims the directory for this process; stops the server of a dead owner.
 *
 * @throws PrerequisiteError `nats-store-in-use` while another owner lives, `nats-orphan` if its server survives.
 */
export async function claimStore(storeDir: string, log: Logger): Promise<StoreClaim> {
  const path = join(storeDir, 'owner.json');
  const aside = join(storeDir, `owner.${process.pid}.tmp`);
  const owner = identify(process.pid);
  if (owner === undefined) throw new Error('cannot determine the start time of this process from /proc or ps');
  const write = (claim: Claim) => writeFileSync(aside, JSON.stringify(claim), { mode: 0o600, flush: true });

  for (;;) {
    write({ v: 1, owner, server: null });
    try {
      linkSync(aside, path);
      rmSync(aside);
      break;
    } catch (cause) {
      rmSync(aside, { force: true });
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    }
    const found = readClaim(path);
    if (found === undefined) continue;
    if (isAlive(found.claim.owner)) {
      throw new PrerequisiteError(
        'nats-store-in-use',
        `Another aira process (PID ${found.claim.owner.pid}) is using ${storeDir}.`,
        'Stop that process, or use another directory.',
      );
    }
    if (found.claim.server !== null) await stopOrphan(found.claim.server, storeDir, log);
    // Several processes may reach this point: the moved file must still be the one inspected, or it is moved back.
    const stale = join(storeDir, `owner.${process.pid}.stale`);
    try {
      renameSync(path, stale);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
      continue;
    }
    if (readFileSync(stale, 'utf8') !== found.text) renameSync(stale, path);
    rmSync(stale, { force: true });
  }

  let released = false;
  return {
    record(serverPid) {
      write({ v: 1, owner, server: identify(serverPid) ?? null });
      renameSync(aside, path);
    },
    release() {
      // Once only: afterwards the file may belong to another process.
      if (!released) rmSync(path, { force: true });
      released = true;
    },
  };
}
