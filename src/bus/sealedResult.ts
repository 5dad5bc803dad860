import { TerminalError } from '../domain/errors.ts';
import {
  type EvaluationResult,
  hiddenFiguresSchema,
  joinHidden,
  type ResultMessage,
  splitHidden,
} from '../domain/evaluation.ts';
import { seal, unseal } from '../platform/seal.ts';

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
