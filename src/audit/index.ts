export { type AuditSetting, audit } from './audit.ts';
export type { Retraining, TrainAlone } from './companions.ts';
export type { Finding } from './finding.ts';
export type { FilesNow, FilesOf } from './namedContent.ts';
export { type Secret, secretsOf } from './secretShapes.ts';
