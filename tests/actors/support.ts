import type { Bus, Heartbeat } from '../../src/bus/index.ts';
import type { LabEvent, ReplyOf, RequestOf, Verb } from '../../src/domain/messages.ts';

type Answer<V extends Verb> = (request: RequestOf<V>) => ReplyOf<V> | Promise<ReplyOf<V>>;
export type Answers = { [V in Verb]?: Answer<V> };

export const quiet = { info() {}, warn() {}, error() {}, debug() {} } as never;

/** A bus whose archive is a table of answers, and which records what it was asked. A verb without an answer never resolves. */
export class ScriptedBus {
  readonly requests: { readonly verb: Verb; readonly request: Readonly<Record<string, unknown>> }[] = [];
  readonly announced: { readonly state: string; readonly note: string }[] = [];
  readonly answers: Answers;
  readonly #events: ((event: LabEvent) => void)[] = [];
  readonly #heartbeats: ((heartbeat: Heartbeat) => void)[] = [];

  constructor(answers: Answers) {
    this.answers = answers;
  }

  get bus(): Bus {
    const subscription = { stop: async () => undefined };
    return {
      ask: async (verb: Verb, request: never) => {
        this.requests.push({ verb, request });
        const answer = this.answers[verb] as Answer<Verb> | undefined;
        return answer ? answer(request) : new Promise(() => {});
      },
      consumeEvents: async (_: unknown, handler: (event: LabEvent) => void) => {
        this.#events.push(handler);
        return subscription;
      },
      watchHeartbeats: async (handler: (heartbeat: Heartbeat) => void) => {
        this.#heartbeats.push(handler);
        return subscription;
      },
      announceAgent: ({ state, note }: { state: string; note: string }) => this.announced.push({ state, note }),
    } as unknown as Bus;
  }

  of(verb: Verb): Readonly<Record<string, unknown>>[] {
    return this.requests.filter((each) => each.verb === verb).map(({ request }) => request);
  }

  publish(event: unknown): void {
    for (const handler of this.#events) handler(event as LabEvent);
  }

  beat(heartbeat: unknown): void {
    for (const handler of this.#heartbeats) handler(heartbeat as Heartbeat);
  }
}

/** Lets all that is ready happen; timers of a manual clock stay where they are. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
