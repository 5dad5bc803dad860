import type { Link } from './connection.ts';
import { subjects } from './subjects.ts';

/**
 * Does the server keep this connection from hearing what is meant for the archive? Tried with a subject that nobody uses: its
 * refusal is on the line before the answer to the flush.
 *
 * @throws TerminalError `bus-closed`.
 */
export async function separatesRoles(link: Link): Promise<boolean> {
  let refused = false;
  const subscription = link.nc.subscribe(subjects.separationProbe, {
    callback(error) {
      refused ||= error !== null;
    },
  });
  await link.subscribed();
  refused ||= subscription.isClosed();
  if (!subscription.isClosed()) subscription.unsubscribe();
  return refused;
}
