import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { busFailure } from '../../src/bus/connection.ts';
import { decodeEnvelope, encodeEnvelope, maxEnvelopeBytes } from '../../src/bus/envelope.ts';
import { fromWire, toWire } from '../../src/bus/requests.ts';
import { AiraError, PrerequisiteError, RetryableError, TerminalError } from '../../src/domain/errors.ts';
import { agentStateSchema } from '../../src/domain/messages.ts';

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const meta = { id: 'id-1', at: 5 };
const anything = z.json();

function failure(action: () => unknown): AiraError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof AiraError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

describe('an envelope', () => {
  it('carries any JSON body and its meta data unchanged', () => {
    const traceparents = fc
      .tuple(fc.stringMatching(/^[0-9a-f]{32}$/), fc.stringMatching(/^[0-9a-f]{16}$/))
      .map(([trace, span]) => `00-${trace}-${span}-01`);
    fc.assert(
      fc.property(
        fc.jsonValue({ noUnicodeString: false }),
        fc.record(
          { id: fc.string({ minLength: 1, maxLength: 64 }), at: fc.nat(), traceparent: traceparents },
          { requiredKeys: ['id', 'at'] },
        ),
        (body, about) => {
          // JSON knows no negative zero, and a key `__proto__` is dropped by the parser of schemas.
          const plain = JSON.parse(JSON.stringify(body).replaceAll('__proto__', 'proto'));
          expect(decodeEnvelope(anything, encodeEnvelope(anything, plain, about))).toEqual({
            meta: about,
            body: plain,
          });
        },
      ),
    );
  });

  it('never takes arbitrary bytes for a message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(failure(() => decodeEnvelope(anything, noise)).code).toBe('envelope-malformed');
      }),
    );
  });

  it('of another version is refused with a remedy, whatever else it holds', () => {
    const thrown = failure(() => decodeEnvelope(anything, bytes({ v: 2, news: true })));
    expect(thrown).toBeInstanceOf(TerminalError);
    expect(thrown.code).toBe('envelope-version');
    expect(thrown.message).toContain('version 2');
  });

  it.each([
    ['a foreign key', { v: 1, ...meta, body: 1, extra: 1 }],
    ['no version', { ...meta, body: 1 }],
    ['no id', { v: 1, at: 1, body: 1 }],
    ['a traceparent that is none', { v: 1, ...meta, traceparent: 'x', body: 1 }],
    ['truncated text', '{"v":1,'],
    ['bytes that are no UTF-8', new Uint8Array([0xff, 0xfe])],
  ])('with %s is refused', (_what, content) => {
    const data = content instanceof Uint8Array ? content : bytes(content);
    expect(failure(() => decodeEnvelope(anything, data)).code).toBe('envelope-malformed');
  });

  it('refuses a body that its subject does not carry, both ways, and names the place', () => {
    const state = { search: 'a', agent: 'b', state: 'thinking', note: '' };
    const wrong = { ...state, mood: 'fine' };
    expect(failure(() => encodeEnvelope(agentStateSchema, wrong as never, meta)).code).toBe('message-invalid');
    expect(failure(() => encodeEnvelope(z.number(), Number.NaN, meta)).code).toBe('message-invalid');
    const thrown = failure(() =>
      decodeEnvelope(agentStateSchema, bytes({ v: 1, ...meta, body: { ...state, agent: 'B.*' } })),
    );
    expect(thrown.code).toBe('message-invalid');
    expect(thrown.message).toContain('agent');
  });

  it('holds up to 512 KiB and not a byte more', () => {
    const frame = encodeEnvelope(z.string(), '', meta).length;
    const largest = 'x'.repeat(maxEnvelopeBytes - frame);
    expect(encodeEnvelope(z.string(), largest, meta)).toHaveLength(512 * 1024);
    const thrown = failure(() => encodeEnvelope(z.string(), `${largest}x`, meta));
    expect(thrown).toBeInstanceOf(TerminalError);
    expect(thrown.code).toBe('message-too-large');
  });
});

describe('an error on the wire', () => {
  it.each([
    new TerminalError('budget', 'the budget is spent'),
    new RetryableError('busy', 'try later', 1234),
    new PrerequisiteError('disk-full', 'No room.', 'Make some.'),
  ])('arrives as the class it left as: $name', (sent) => {
    const received = fromWire(toWire(sent));
    expect(received).toBeInstanceOf(sent.constructor);
    expect(received).toEqual(sent);
  });

  it('makes a fault that nobody threw on purpose a terminal one', () => {
    const received = fromWire(toWire(new TypeError('x is not a function')));
    expect(received).toBeInstanceOf(TerminalError);
    expect(received).not.toBeInstanceOf(PrerequisiteError);
    expect(received.code).toBe('internal');
  });

  it('leaves errors of the house alone when it explains those of the client', () => {
    const own = new TerminalError('x', 'y');
    expect(busFailure(own, 'asking')).toBe(own);
    expect(busFailure(new Error('odd'), 'asking')).toBeInstanceOf(RetryableError);
  });
});
