export { type Bus, type BusOptions, connectBus } from './bus.ts';
export { type Access, isAnonymous, withoutCredentials } from './connection.ts';
export { agentSecret, type BusUser, labAccess, labUsers, sealingKey } from './credentials.ts';
export type { Meta } from './envelope.ts';

export type { Heartbeat } from './heartbeats.ts';
export type { BusSubscription } from './loop.ts';

export type { Handlers } from './requests.ts';
export { openResult, sealResult } from './results.ts';
export { type Role, roles } from './roles.ts';
export { type EmbeddedServer, embedServer, type NatsServer, startServer } from './server.ts';

export type { Delivery } from './work.ts';
