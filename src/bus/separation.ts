import { PrerequisiteError } from '../domain/errors.ts';
import { type Link, withoutCredentials } from './connection.ts';
import type { Role } from './roles.ts';
import { subjects } from './subjects.ts';

/**
 * Does the server let this connection hear a subject? Its refusal is on the line before the answer to the flush.
 *
 * @throws TerminalError `bus-closed`.
 */
async function mayHear(link: Link, subject: string): Promise<boolean> {
  let refused = false;
  const subscription = link.nc.subscribe(subject, {
    callback(error) {
      refused ||= error !== null;
    },
  });
  await link.subscribed();
  refused ||= subscription.isClosed();
  if (!subscription.isClosed()) subscription.unsubscribe();
  return !refused;
}

/** Does the server keep this connection from hearing what is meant for the archive? Tried with a subject that nobody uses. */
export const separatesRoles = async (link: Link): Promise<boolean> => !(await mayHear(link, subjects.separationProbe));

/**
 * Credentials of another role would be let in, and then wait for replies that the server keeps from them.
 *
 * @throws PrerequisiteError `nats-role`.
 */
export async function requireInbox(link: Link, role: Role, url: string): Promise<void> {
  if (await mayHear(link, link.inbox())) return;
  throw new PrerequisiteError(
    'nats-role',
    `The NATS server at ${withoutCredentials(url)} does not let these credentials act as the ${role} of a lab.`,
    `Give the key of that role, credentials/${role}.nk in the home of the lab.`,
  );
}
