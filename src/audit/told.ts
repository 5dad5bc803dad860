import { eventSchema, type LabEvent } from '../domain/messages.ts';
import { rowsOf, type Subject } from './subject.ts';

/** An announcement as it stands in the outbox. */
export interface Told {
  readonly seq: number;
  readonly event: LabEvent;
}

/** An entry that is no announcement. */
export interface Unreadable {
  readonly seq: number;
}

/** All that was announced of a search, in the order of the decisions. */
export function toldOf(subject: Subject): { told: Told[]; unreadable: Unreadable[] } {
  const told: Told[] = [];
  const unreadable: Unreadable[] = [];
  const rows = rowsOf<{ seq: number; body: string }>(
    subject,
    `SELECT seq, body FROM outbox WHERE kind = 'event' AND json_extract(body, '$.search') = ? ORDER BY seq`,
    subject.search,
  );
  for (const { seq, body } of rows) {
    const parsed = eventSchema.safeParse(JSON.parse(body));
    if (parsed.success) told.push({ seq, event: parsed.data });
    else unreadable.push({ seq });
  }
  return { told, unreadable };
}

/** The announcements of one kind. */
export function ofKind<K extends LabEvent['kind']>(told: readonly Told[], kind: K): Extract<LabEvent, { kind: K }>[] {
  return told.flatMap(({ event }) => (event.kind === kind ? [event as Extract<LabEvent, { kind: K }>] : []));
}

/** Names the wish that an outcome answers. */
export const wishOf = ({ node, rung, seed }: { node: string; rung: string; seed: number }): string =>
  `${node} on ${rung} with seed ${seed}`;
