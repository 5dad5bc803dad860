/**
 * Dashboard: the HTTP server behind `aira dashboard`.
 *
 * Role: the API that `views` computes, server-sent events, the built pages, commands of people to a running lab. Non-role:
 * figures (views), rendering (pages), deciding what a command does (the archivist).
 *
 * - Read-only on the archive, for any number of homes; a running lab adds heartbeats and commands.
 * - This machine's own addresses unless a host is given, then with a token for every request; see `guard.ts`.
 * - Loaded on demand: no other command needs its libraries.
 */

export type { LiveLab } from './labs.ts';
export { type Dashboard, startDashboard } from './server.ts';
