import { describe, expect, it } from 'vitest';
import { RetryableError, TerminalError } from '../../src/domain/errors.ts';
import { retry } from '../../src/platform/timers.ts';
import { ManualTime } from '../evaluators/support/manualTime.ts';

const passing = (ms: number) => new RetryableError('away', 'no answer', ms);

/** An action that fails with each of these in turn, then answers. */
function failing(...failures: readonly Error[]) {
  const attempts: number[] = [];
  const action = async (attempt: number): Promise<string> => {
    attempts.push(attempt);
    const failure = failures[attempts.length - 1];
    if (failure) throw failure;
    return 'answer';
  };
  return { action, attempts };
}

describe('retry', () => {
  it('waits as long as each failure says, and answers', async () => {
    const time = new ManualTime();
    const { action, attempts } = failing(passing(100), passing(2000));
    const first = time.nextArmed(100);
    const answer = retry(action, { timers: time, signal: new AbortController().signal });
    await first;
    const second = time.nextArmed(2000);
    time.advance(100);
    await second;
    expect(attempts).toEqual([1, 2]);
    time.advance(2000);
    expect(await answer).toBe('answer');
    expect(time.armed).toBe(0);
  });

  it('throws at once what waiting cannot cure', async () => {
    const final = new TerminalError('wrong', 'never');
    const { action, attempts } = failing(final);
    const options = { timers: new ManualTime(), signal: new AbortController().signal };
    await expect(retry(action, options)).rejects.toBe(final);
    expect(attempts).toEqual([1]);
  });

  it('throws the last failure once its tries are used', async () => {
    const last = passing(1);
    const { action, attempts } = failing(passing(0), last);
    const time = new ManualTime();
    const armed = time.nextArmed(0);
    const answer = retry(action, { timers: time, signal: new AbortController().signal, tries: 2 });
    await armed;
    time.advance(0);
    await expect(answer).rejects.toBe(last);
    expect(attempts).toEqual([1, 2]);
  });

  it('ends while it waits when it is aborted, and leaves no timer', async () => {
    const time = new ManualTime();
    const ending = new AbortController();
    const armed = time.nextArmed(60_000);
    const answer = retry(failing(passing(60_000)).action, { timers: time, signal: ending.signal });
    await armed;
    ending.abort(new Error('over'));
    await expect(answer).rejects.toThrow('over');
    expect(time.armed).toBe(0);
  });

  it('asks the policy for each delay, with the number of failures so far', async () => {
    const time = new ManualTime();
    const asked: number[] = [];
    const heard: unknown[] = [];
    const armed = time.nextArmed(7);
    const answer = retry(failing(new Error('odd'), passing(5)).action, {
      timers: time,
      signal: new AbortController().signal,
      delayMs: (_, failed) => {
        asked.push(failed);
        return failed === 1 ? 7 : null;
      },
      onRetry: (thrown) => heard.push((thrown as Error).message),
    });
    await armed;
    time.advance(7);
    await expect(answer).rejects.toThrow('no answer');
    expect(asked).toEqual([1, 2]);
    expect(heard).toEqual(['odd']);
  });
});
