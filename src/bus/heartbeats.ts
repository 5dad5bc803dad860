import type { Msg } from 'nats';
import type * as z from 'zod';
import { errorMessage } from '../domain/errors.ts';
import type { AgentState, WorkerState } from '../domain/messages.ts';
import type { Link } from './connection.ts';
import { decodeEnvelope, encodeEnvelope, type Meta } from './envelope.ts';
import type { BusSubscription } from './pull.ts';
import { bodies, subjects } from './subjects.ts';

/** A heartbeat: not stored, not confirmed, received by current subscribers only. */
export type Heartbeat =
  | { readonly kind: 'worker'; readonly state: WorkerState; readonly meta: Meta }
  | { readonly kind: 'agent'; readonly state: AgentState; readonly meta: Meta };

export interface Heartbeats {
  /** @throws TerminalError for a state that does not match the schema; never for a missing connection. */
  announceWorker(state: WorkerState): void;
  announceAgent(state: AgentState): void;
  /** Resolves when the server has registered the subscription. */
  watchHeartbeats(handler: (heartbeat: Heartbeat) => void): Promise<BusSubscription>;
}

export function heartbeatsOn(link: Link): Heartbeats {
  function announce<T>(subject: string, schema: z.ZodType<T>, state: T): void {
    const bytes = encodeEnvelope(schema, state, link.stamp());
    if (link.connected && !link.nc.isClosed() && !link.nc.isDraining()) link.nc.publish(subject, bytes);
  }

  function listen<T>(subject: string, schema: z.ZodType<T>, onState: (state: T, meta: Meta) => void) {
    const callback = (_error: unknown, message: Msg) => {
      try {
        const { meta, body } = decodeEnvelope(schema, message.data);
        onState(body, meta);
      } catch (thrown) {
        link.log.warn({ subject: message.subject, error: errorMessage(thrown) }, 'a heartbeat could not be decoded');
      }
    };
    return link.nc.subscribe(subject, { callback });
  }

  return {
    announceWorker: (state) => announce(subjects.workerSign(state.worker), bodies.workerSign, state),
    announceAgent: (state) => announce(subjects.agentSign(state.search, state.agent), bodies.agentSign, state),
    async watchHeartbeats(handler) {
      const subscriptions = [
        listen(subjects.anyWorkerSign, bodies.workerSign, (state, meta) => handler({ kind: 'worker', state, meta })),
        listen(subjects.anyAgentSign, bodies.agentSign, (state, meta) => handler({ kind: 'agent', state, meta })),
      ];
      await link.subscribed();
      return {
        async stop() {
          for (const subscription of subscriptions) subscription.unsubscribe();
        },
      };
    },
  };
}
