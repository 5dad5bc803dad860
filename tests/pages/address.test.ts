/** Links, numbers as text, and the stream of events of the pages. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { bytes, dollars, duration, percent, scoreText, short, signed } from '../../pages/src/parts/format.ts';
import { layersOf, runLength } from '../../pages/src/parts/strip.tsx';
import { readEvents } from '../../pages/src/state/events.ts';
import { href, parsePlace } from '../../pages/src/state/location.ts';

describe('the address', () => {
  it('has any name and value, and gives them back', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 4 }),
        fc.dictionary(fc.string({ minLength: 1 }), text, { noNullPrototype: true }),
        (parts, query) => {
          const place = parsePlace(href(parts, query));
          expect(place.parts).toEqual(parts);
          expect(place.query).toEqual(query);
        },
      ),
    );
  });

  it('of any text is a place', () => {
    fc.assert(fc.property(fc.string(), (hash) => Array.isArray(parsePlace(hash).parts)));
    expect(parsePlace('#/%')).toEqual({ parts: [], query: {} });
  });
});

it('numbers are short, with units, and a dash where there is none', () => {
  expect([scoreText(0.61234), scoreText(null), scoreText(12_345.6), scoreText(0)]).toEqual([
    '0.6123',
    '–',
    '1.235e+4',
    '0.0000',
  ]);
  expect([short(999), short(12_340), short(4.1e9), short(Number.NaN)]).toEqual(['999', '12.3 k', '4.10 G', '–']);
  expect([bytes(384), bytes(412e6)]).toEqual(['384 B', '412 MB']);
  expect([duration(350), duration(4200), duration(200_000), duration(8.1e7), duration(4e8)]).toEqual([
    '350 ms',
    '4.2 s',
    '3 min 20 s',
    '22 h 30 min',
    '4 d 15 h',
  ]);
  expect([percent(0.995), percent(0.5), percent(0.031), percent(null)]).toEqual(['99.5 %', '50 %', '3.1 %', '–']);
  expect([dollars(0), dollars(0.0042), dollars(3)]).toEqual(['$0', '$0.0042', '$3.00']);
  expect([signed(0.01), signed(-0.01)]).toEqual(['+0.0100', '−0.0100']);
});

it('layers are read from a run-length text and written as one', () => {
  const layers = fc.array(fc.constantFrom('M', 'mA', 'Mb', 'gla2x'), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(layers, (each) => {
      expect(layersOf(runLength(each))).toEqual(each);
    }),
  );
  expect(layersOf('train.py, 40 lines')).toBeNull();
  expect(layersOf('100000M')).toBeNull();
});

describe('the stream of events', () => {
  let server: Server;
  let stop = () => {};
  afterEach(async () => {
    stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('resumes after the last event when the connection breaks, and hands on each event once', async () => {
    const asked: (string | undefined)[] = [];
    server = createServer((request, response) => {
      const after = request.headers['last-event-id'] as string | undefined;
      asked.push(after);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const from = after === undefined ? 1 : Number(after) + 1;
      // Cut in the middle of an event: the half is not one.
      response.write(
        `: hello\n\nid: ${from}\nevent: changed\ndata: ${from}\n\nid: ${from + 1}\nevent: changed\ndata: half`,
        () => response.destroy(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const seen: string[] = [];
    const states: string[] = [];
    await new Promise<void>((resolve) => {
      stop = readEvents({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
        after: null,
        onState: (state) => states.push(state),
        onEvent: (_, data) => {
          seen.push(data);
          if (seen.length === 3) resolve();
        },
      });
    });
    expect(seen).toEqual(['1', '2', '3']);
    expect(asked.slice(0, 3)).toEqual([undefined, '1', '2']);
    expect(states.slice(0, 3)).toEqual(['live', 'reconnecting', 'live']);
  });

  it('ends where the token is refused', async () => {
    let requests = 0;
    server = createServer((_, response) => {
      requests++;
      response.writeHead(401).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await new Promise<void>((resolve) => {
      stop = readEvents({ url, after: null, onEvent: () => {}, onState: (state) => state === 'refused' && resolve() });
    });
    expect(requests).toBe(1);
  });
});
