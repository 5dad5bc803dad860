/**
 * The way of results to whoever records them.
 *
 * Role: delivers each result to a handler, in order, and acknowledges it after the handler has resolved. The next ones are
 * handed over meanwhile, so that a handler may take several in together.
 * Not here: recording, and telling a first result from a repeated one.
 *
 * Invariants
 *  1. At least once: a result is acknowledged after its handler resolved, never before. Handlers must be idempotent,
 *     because even a confirmed acknowledgement is forgotten by a server that dies within the next moments.
 *  2. A handler that throws has its result back later.
 *  3. The consumer and its stream are set up anew whenever they are found missing, or owe results twice in a row without
 *     bringing any: their files are gone then, and whoever wants the results has them made again. So they are when a worker,
 *     who may not make streams, asks for it; one that works is not deleted more than once a minute at a worker's word.
 */

import type { Msg, Subscription } from 'nats';
import { errorMessage, RetryableError, TerminalError } from '../domain/errors.ts';
import {
  type EvaluationResult,
  hiddenFiguresSchema,
  joinHidden,
  type ResultMessage,
  splitHidden,
} from '../domain/evaluation.ts';
import { seal, unseal } from '../platform/index.ts';
import type { Link } from './connection.ts';
import { decodeEnvelope, type Meta } from './envelope.ts';
import { busFailure, isConsumerMissing } from './failures.ts';
import { type BusSubscription, runLoop } from './loop.ts';
import { pull, settlementOf } from './pull.ts';
import type { Streams } from './streams.ts';
import { bodies, streamNames, subjects } from './subjects.ts';

/** `ack`: recorded, or known already. `term`: never to be recorded. Throwing: not yet. */
export type ResultHandler = (result: ResultMessage, meta: Meta) => 'ack' | 'term' | Promise<'ack' | 'term'>;

const pullMs = 5_000;
const batch = 64;
const secondLookMs = 1_000;
const betweenReplacementsMs = 60_000;

/** Answers workers that find the stream of results missing, or broken. */
function restoreWhenAsked(link: Link, streams: Streams): Subscription {
  let replaced = Number.NEGATIVE_INFINITY;
  async function restore(message: Msg): Promise<void> {
    const mayReplace = link.clock.monotonic() - replaced >= betweenReplacementsMs;
    if (message.string() !== 'broken' || !mayReplace) await streams.recover();
    else {
      replaced = link.clock.monotonic();
      await streams.replace(streamNames.results);
    }
    message.respond();
  }
  return link.nc.subscribe(subjects.restoreResults, {
    callback(_error, message) {
      restore(message).catch((thrown) =>
        link.log.warn({ error: errorMessage(thrown) }, 'the stream of results could not be restored'),
      );
    },
  });
}

/** @throws RetryableError, PrerequisiteError when the consumer cannot be set up at first; later it is tried for ever. */
export async function consumeResultsOn(
  link: Link,
  streams: Streams,
  durable: string,
  handler: ResultHandler,
): Promise<BusSubscription> {
  async function handle(message: Msg): Promise<void> {
    const { ack, nak, term } = settlementOf(link, message);
    let decoded: { meta: Meta; body: ResultMessage };
    try {
      decoded = decodeEnvelope(bodies.result, message.data);
    } catch (thrown) {
      await term(errorMessage(thrown));
      return;
    }
    let verdict: 'ack' | 'term';
    try {
      verdict = await handler(decoded.body, decoded.meta);
    } catch (thrown) {
      link.log.warn(
        { error: errorMessage(thrown), key: decoded.body.key },
        'a result could not be taken in; it comes again',
      );
      await nak(thrown instanceof RetryableError ? thrown.retryAfterMs : 1_000);
      return;
    }
    await (verdict === 'ack' ? ack() : term('refused by its handler'));
  }

  /** Whether results are said to wait which the last pull should have brought. */
  async function isOwed(): Promise<boolean> {
    try {
      return (await link.jsm.consumers.info(streamNames.results, durable)).num_pending > 0;
    } catch (thrown) {
      if (isConsumerMissing(thrown)) return false;
      throw busFailure(thrown, 'looking after the consumer of results');
    }
  }

  await streams.ensure();
  await streams.ensureResultsDurable(durable);
  let ready = true;
  let owed = false;
  const restoring = restoreWhenAsked(link, streams);
  const running = runLoop(link, 'the consumer of results', async (signals) => {
    if (!ready) {
      await streams.recover();
      await streams.ensureResultsDurable(durable);
      ready = true;
      owed = false;
    }
    const handling: Promise<{ failure: unknown } | null>[] = [];
    const expiresMs = owed ? secondLookMs : pullMs;
    const request = { stream: streamNames.results, consumer: durable, batch, expiresMs, signals };
    const end = await pull(link, request, (message) => {
      handling.push(
        handle(message).then(
          () => null,
          (failure) => ({ failure }),
        ),
      );
    });
    const stumbled = (await Promise.all(handling)).find((each) => each !== null);
    if (stumbled) throw stumbled.failure;
    if (end === 'missing' || end === 'silent') ready = false;
    else if (end === 'refused') throw new RetryableError('bus-refused', 'the server refused to deliver results', 1_000);
    else if (end !== 'expired' || handling.length > 0) owed = false;
    else if (!owed) owed = await isOwed();
    else {
      await streams.replace(streamNames.results);
      ready = false;
    }
  });
  return {
    async stop() {
      restoring.unsubscribe();
      await running.stop();
    },
  };
}

/** A seal opens for the training that it was made for. */
const contextOf = ({ key, worker, attempt }: Pick<EvaluationResult, 'key' | 'worker' | 'attempt'>): string =>
  `${key} ${worker} ${attempt}`;

/**
 * The result as it travels: hidden figures can be read by the archive alone.
 *
 * @param publicKey the archive's, as the answer to the claim brought it.
 * @throws TerminalError `no-seal` for hidden figures without a key.
 */
export function sealResult(result: EvaluationResult, publicKey: string | undefined): ResultMessage {
  if (result.outcome.status !== 'ok') return result;
  const { open, hidden } = splitHidden(result.outcome);
  if (hidden === null) return result;
  if (publicKey === undefined)
    throw new TerminalError('no-seal', 'the archive gave no key to seal hidden figures with');
  return { ...result, outcome: open, sealed: seal(JSON.stringify(hidden), publicKey, contextOf(result)) };
}

/** The result as it was sealed; null where the seal does not open or holds something else. */
export function openResult({ sealed, ...result }: ResultMessage, privateKey: string): EvaluationResult | null {
  if (sealed === undefined) return result;
  const text = unseal(sealed, privateKey, contextOf(result));
  if (text === null || result.outcome.status !== 'ok') return null;
  try {
    const hidden = hiddenFiguresSchema.safeParse(JSON.parse(text));
    return hidden.success ? { ...result, outcome: joinHidden(result.outcome, hidden.data) } : null;
  } catch {
    return null;
  }
}
