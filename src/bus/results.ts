/**
 * Delivery of results to their recorder.
 *
 * Role: passes each result to a handler, in order, and acknowledges it after the handler resolves. Further results are passed
 * on meanwhile, so a handler may record several together. Non-role: recording, detecting duplicates.
 *
 *   RES-1  At least once: a result is acknowledged only after its handler resolved. Handlers must be idempotent, because a
 *          server that dies may forget even a confirmed acknowledgement.
 *   RES-2  If a handler throws, its result is redelivered.
 *   RES-3  Consumer and stream are recreated if they are missing, or twice in a row report pending results without
 *          delivering any: their files are missing then, and the ledger requests the results again. Workers, which may not
 *          create streams, may request this; a working stream is replaced at most once a minute on such a request.
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
import { busFailure, isConsumerMissing, type Link } from './connection.ts';
import { decodeEnvelope, type Meta } from './envelope.ts';
import { type BusSubscription, pull, runLoop, settlementOf } from './pull.ts';
import type { Streams } from './streams.ts';
import { bodies, streamNames, subjects } from './subjects.ts';

/** `ack`: recorded, or a duplicate. `term`: will never be recorded. Throwing: not yet. */
export type ResultHandler = (result: ResultMessage, meta: Meta) => 'ack' | 'term' | Promise<'ack' | 'term'>;

const pullMs = 5_000;
const batch = 64;
const secondLookMs = 1_000;
const betweenReplacementsMs = 60_000;

/** Answers workers that find the stream of results missing or broken. */
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

/** @throws RetryableError, PrerequisiteError if the consumer cannot be created at first; later it is retried without limit. */
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
        'recording a result failed; it will be redelivered',
      );
      await nak(thrown instanceof RetryableError ? thrown.retryAfterMs : 1_000);
      return;
    }
    await (verdict === 'ack' ? ack() : term('refused by its handler'));
  }

  /** Whether the server reports pending results that the last pull should have delivered. */
  async function isOwed(): Promise<boolean> {
    try {
      return (await link.jsm.consumers.info(streamNames.results, durable)).num_pending > 0;
    } catch (thrown) {
      if (isConsumerMissing(thrown)) return false;
      throw busFailure(thrown, 'checking the results consumer');
    }
  }

  await streams.ensure();
  await streams.ensureResultsDurable(durable);
  let ready = true;
  let owed = false;
  const restoring = restoreWhenAsked(link, streams);
  const running = runLoop(link, 'the results consumer', async (signals) => {
    if (!ready) {
      await streams.recover();
      await streams.ensureResultsDurable(durable);
      ready = true;
      owed = false;
    }
    const handling: Promise<{ failure: unknown } | null>[] = [];
    const expiresMs = owed ? secondLookMs : pullMs;
    const request = { stream: streamNames.results, consumer: durable, batch, expiresMs, signals, acknowledged: true };
    const end = await pull(link, request, (message) => {
      handling.push(
        handle(message).then(
          () => null,
          (failure) => ({ failure }),
        ),
      );
    });
    const failed = (await Promise.all(handling)).find((each) => each !== null);
    if (failed) throw failed.failure;
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

/** A seal is bound to one training. */
const contextOf = ({ key, worker, attempt }: Pick<EvaluationResult, 'key' | 'worker' | 'attempt'>): string =>
  `${key} ${worker} ${attempt}`;

/**
 * Seals the hidden scores of a result, so that only the archive can read them.
 *
 * @param publicKey the archive's, from the reply to the claim.
 * @throws TerminalError `no-seal` for hidden scores without a key.
 */
export function sealResult(result: EvaluationResult, publicKey: string | undefined): ResultMessage {
  if (result.outcome.status !== 'ok') return result;
  const { open, hidden } = splitHidden(result.outcome);
  if (hidden === null) return result;
  if (publicKey === undefined)
    throw new TerminalError('no-seal', 'hidden scores cannot be sealed without the archive’s key');
  return { ...result, outcome: open, sealed: seal(JSON.stringify(hidden), publicKey, contextOf(result)) };
}

/** Opens a sealed result; null if the seal does not open or has other contents. */
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
