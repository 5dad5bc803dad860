export { type AuditOptions, audit } from './audit.ts';
export type { TrainAlone } from './batchIndependence.ts';
export type { FilesNow } from './namedContent.ts';
export { type Secret, secretsOf } from './secrets.ts';
export type { Finding } from './subject.ts';
