/**
 * Export: what leaves the lab for other programs.
 *
 * Role: tables of a search for pandas, polars and the like, with a versioned schema; the same as runs of experiment trackers,
 * written by their own libraries; a whole search as one file that
 * others can check (`crate.ts`). Non-role: reports, and anything that an archive does not hold.
 */

export { openCrate, writeCrate } from './crate.ts';
export { type TableFormat, tableFormats, tablesPage, writeTables } from './tables.ts';
export { type Tracker, trackers, writeRuns } from './trackers.ts';
