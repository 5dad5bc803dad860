/** What the commands have in common that run one component of a lab in a process of its own, connected to a NATS server. */
import { existsSync } from 'node:fs';
import { type Component, type ComponentDeps, limitsFor, roleConnections, tokensOf } from '../actors/index.ts';
import type { Role } from '../bus/index.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { primitiveFolders } from '../evaluators/index.ts';
import { privateHome } from '../memory/index.ts';
import { ensureSetUp } from './commands/setup.ts';
import { exitCodes, onInterrupt } from './fail.ts';
import { unseparated } from './nats.ts';
import { labOptions, type SystemOptions } from './setting.ts';

/** Other keys are of a whole lab. */
export type PartOptions = Omit<SystemOptions, 'port' | 'replay'>;

export const say = (sentence: string): boolean => process.stderr.write(`${sentence}\n`);

/** Runs components until they end or are interrupted. */
export async function untilEnded(parts: readonly Component[]): Promise<number> {
  const interrupts = onInterrupt(() => {
    for (const part of parts) part.drain();
  });
  const ends = await Promise.all(parts.map((part) => part.ended));
  interrupts.dispose();
  const error = ends.find((end) => end !== null);
  if (error) throw error;
  return interrupts.code() ?? exitCodes.ok;
}

export interface Connection {
  readonly setting: Awaited<ReturnType<typeof labOptions>>;
  readonly lab: ComponentDeps;
  /** Address of the server. */
  readonly url: string;
}

export async function connectPart(options: PartOptions, role: Role): Promise<Connection> {
  await ensureSetUp();
  // A worker trains for whichever search has jobs: it offers every primitive that it finds.
  const primitives = role === 'worker' ? primitiveFolders(options.primitives ?? []) : [];
  const setting = await labOptions({ ...options, primitives });
  const { url, access, home, ackWaitMs, clock, timers, log } = setting;
  if (url === null) {
    throw new PrerequisiteError(
      'nats-url',
      'a separate component needs the address of a NATS server',
      'give --nats, or set NATS_URL',
    );
  }
  // A worker needs no home, and its machine may have no room for one.
  if (role !== 'worker' || existsSync(home)) privateHome(home);
  const buses = roleConnections({ url, access }, home, { limits: limitsFor(ackWaitMs), clock, log });
  const bus = await buses.open(role);
  if (role !== 'archive' && !(await bus.separatesRoles())) say(unseparated(url));
  return { setting, lab: { bus, tokenOf: tokensOf(home), ackWaitMs, clock, timers, log }, url };
}
