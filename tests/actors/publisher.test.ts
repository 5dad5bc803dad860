/** What the archivist publishes: in order, without a round trip for each, and again what was not confirmed. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { OutboxPublisher } from '../../src/actors/archivist.ts';
import type { Bus } from '../../src/bus/index.ts';
import { RetryableError } from '../../src/domain/errors.ts';
import type { AgentName } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { searchSpec } from '../support/specs.ts';
import { quiet, settle } from './support.ts';

const spec = searchSpec();

/** An archive with two decided trainings, and a bus whose confirmations the test gives. */
function decided() {
  const archive = Archive.open(temporaryFolder(), manualClock());
  onTestFinished(() => archive.close());
  archive.handlers['search-open']({ spec, source: '' });
  for (const [index, candidate] of ['4M', '4mA'].entries()) {
    archive.handlers['agent-submit']({
      ...{
        search: spec.id,
        agent: 'walker' as AgentName,
        ordinal: index + 1,
        operator: 'draft',
        parents: [],
        candidate,
      },
      rationale: { choice: '', change: '', expected: null, retrieved: [], evidence: [] },
    });
  }
  const sent: { readonly id: string; confirm(): void; refuse(): void }[] = [];
  const publication = (id: string) =>
    new Promise((resolve, reject) => {
      const refuse = () => reject(new RetryableError('queue-full', 'the stream is full', 1));
      sent.push({ id, confirm: () => resolve({ seq: 1, duplicate: false }), refuse });
    });
  const bus = {
    publishJob: (_: string, __: unknown, id: string) => publication(id),
    publishEvent: (_: unknown, id: string) => publication(id),
  } as unknown as Bus;
  const timers: (() => void)[] = [];
  const manual = {
    after: (_: number, action: () => void) => timers.push(action) > 0 && (() => {}),
    every: () => () => {},
  };
  const publisher = new OutboxPublisher({ archive, bus, timers: manual as never, log: quiet });
  const ids = archive.unsent(100).map(({ messageId }) => messageId);
  return { archive, publisher, sent, ids, unsent: () => archive.unsent(100).map(({ messageId }) => messageId), timers };
}

describe('the publisher', () => {
  it('waits for no confirmation before the next entry, and marks each when it is confirmed (PUB-1, PUB-2)', async () => {
    const { publisher, sent, ids, unsent } = decided();
    expect(ids.length).toBe(4);
    publisher.wake();
    await settle();
    expect(sent.map(({ id }) => id)).toEqual(ids);
    expect(unsent()).toEqual(ids);
    for (const each of [...sent].reverse()) each.confirm();
    await settle();
    expect(unsent()).toEqual([]);
  });

  it('publishes again what was refused, and nothing that was confirmed', async () => {
    const { publisher, sent, ids, unsent, timers } = decided();
    publisher.wake();
    await settle();
    for (const each of sent.splice(0)) each.id === ids[1] ? each.refuse() : each.confirm();
    await settle();
    expect(unsent()).toEqual([ids[1]]);
    expect([sent.length, timers.length]).toEqual([0, 1]);
    timers[0]?.();
    await settle();
    expect(sent.map(({ id }) => id)).toEqual([ids[1]]);
    sent[0]?.confirm();
    await settle();
    expect(unsent()).toEqual([]);
    await publisher.stop();
  });

  it('tries one entry alone after a failure, and the others when it is confirmed (PUB-3)', async () => {
    const { publisher, sent, ids, unsent, timers } = decided();
    publisher.wake();
    await settle();
    for (const each of sent.splice(0)) each.refuse();
    await settle();
    expect(unsent()).toEqual(ids);
    timers[0]?.();
    await settle();
    expect(sent.map(({ id }) => id)).toEqual(ids.slice(0, 1));
    sent.splice(0)[0]?.confirm();
    await settle();
    expect(sent.map(({ id }) => id)).toEqual(ids.slice(1));
    for (const each of sent) each.confirm();
    await settle();
    expect([unsent(), timers.length]).toEqual([[], 1]);
  });
});
