import { randomUUID } from 'node:crypto';
import { type Access, type Bus, type BusOptions, connectBus, isAnonymous, labAccess, type Role } from '../bus/index.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import type { Clock, Logger, Timers } from '../platform/index.ts';

/** The server, and the credentials for it. */
export interface BusAddress {
  readonly url: string;
  /** Credentials from the user; null for the keys of the home's own lab, if it has any. */
  readonly access: Access | null;
}

/** A connection for each role of this process (I12). */
export interface RoleConnections {
  /** @throws PrerequisiteError as `connectBus`; `credentials`. */
  open(role: Role): Promise<Bus>;
  /** @throws Error for a role that was not opened: a mistake of the caller. */
  as(role: Role): Bus;
  close(): Promise<void>;
}

/** One connection per role. Credentials from the user serve every role; without any, the home's keys are used. */
export function roleConnections(
  { url, access }: BusAddress,
  home: string,
  options: Pick<BusOptions, 'limits' | 'clock' | 'log'>,
): RoleConnections {
  const opened = new Map<Role, Bus>();
  return {
    async open(role) {
      // A CA certificate identifies the server, not us.
      const own = access === null || isAnonymous(access) ? labAccess(home, role) : null;
      // An address of `tls://` names no CA: the home's own certificate is still its lab's.
      const tls = own?.tls || access?.tls ? { tls: { ...own?.tls, ...access?.tls } } : {};
      const shown = { ...own, ...access, ...tls };
      const bus = await connectBus({ ...options, url, access: shown, role, name: `aira-${role}`, ids: randomUUID });
      opened.set(role, bus);
      return bus;
    },
    as(role) {
      const bus = opened.get(role);
      if (!bus) throw new Error(`no connection as ${role} was opened`);
      return bus;
    },
    async close() {
      const closed = await Promise.allSettled([...opened.values()].map((bus) => bus.close()));
      const failed = closed.find((each) => each.status === 'rejected');
      if (failed) throw failed.reason;
    },
  };
}

/** Dependencies of every component of a lab. */
export interface ComponentDeps {
  /** The connection of the component's role. */
  readonly bus: Bus;
  /** The token by which this process proves to be an agent of a search. */
  readonly tokenOf: (search: SearchId, agent: AgentName) => string;
  /** Silence of a worker, in milliseconds, after which its jobs go to others. */
  readonly ackWaitMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}
