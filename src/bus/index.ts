/**
 * Bus: everything that speaks NATS.
 *
 * Role: the embedded server and its credentials, one connection per role, subjects and their schemas (`subjects.ts`), request
 * and reply, the work queue, results, events, heartbeats. Non-role: what a message means, what is stored.
 *
 * - Streams are `WORK` (one durable consumer per device class), `RESULTS` and `EVENTS`. Only the archive creates them; a
 *   worker asks it to restore `RESULTS` when that is missing.
 * - Only features of nats-server 2.9 are used. Stream settings are read back and compared.
 * - Progress is never read off a stream: streams can be deleted, and the archive publishes again (I1).
 * - A role may publish and hear only what its allow-list names (I12); `docs/nats.md` has the table.
 */

export type { Heartbeat } from './bus.ts';
export { type Bus, type BusOptions, connectBus } from './bus.ts';
export { type Access, isAnonymous, withoutCredentials } from './connection.ts';
export {
  accessOfSeedFile,
  agentSecret,
  credentialNameSchema,
  type IssuableRole,
  type Issued,
  isAdmitted,
  issuableRoles,
  issueCredential,
  issuedCredentials,
  labAccess,
  labUsers,
  revokeCredential,
  sealingKey,
} from './credentials.ts';
export type { Meta } from './envelope.ts';
export type { BusSubscription } from './pull.ts';
export type { Handlers } from './requests.ts';
export { openResult, sealResult } from './results.ts';
export { type EmbeddedServer, embeddedUrl, embedServer, type NatsServer, startServer } from './server.ts';
export { accountsOf, listeningOf, makeCertificates, recordListening } from './serverConfig.ts';
export { type BusUser, type Role, roles } from './subjects.ts';
export type { Delivery } from './work.ts';
