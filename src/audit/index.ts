export { type AuditOptions, audit } from './audit.ts';
export type { Retraining, TrainAlone } from './batchIndependence.ts';
export type { FilesNow, FilesOf } from './namedContent.ts';
export { type Secret, secretsOf } from './secrets.ts';
export type { Finding } from './subject.ts';
