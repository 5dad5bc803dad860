import { type AnyStateMachine, createActor, type SnapshotFrom } from 'xstate';
import type { Logger } from '../platform/log.ts';

/** A part that has been started. */
export interface RunningPart<M extends AnyStateMachine> {
  send(event: Parameters<ReturnType<typeof createActor<M>>['send']>[0]): void;
  snapshot(): SnapshotFrom<M>;
  /** Resolves with the last snapshot when the part has come to its end, whichever end that is. */
  readonly ended: Promise<SnapshotFrom<M>>;
}

/** Starts a machine without input. A mistake in a machine ends it and rejects `ended`; it never goes unnoticed. */
export function run<M extends AnyStateMachine>(machine: M, log: Logger): RunningPart<M> {
  const actor = createActor(machine);
  const ended = new Promise<SnapshotFrom<M>>((resolve, reject) => {
    actor.subscribe({
      complete: () => resolve(actor.getSnapshot() as SnapshotFrom<M>),
      error: (thrown) => {
        log.error({ err: thrown, machine: machine.id }, 'a machine broke');
        reject(thrown);
      },
    });
  });
  actor.start();
  return { send: (event) => actor.send(event), snapshot: () => actor.getSnapshot() as SnapshotFrom<M>, ended };
}
