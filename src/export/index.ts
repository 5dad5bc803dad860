/**
 * Export: what leaves the lab for other programs.
 *
 * Role: tables of a search for pandas, polars and the like, with a versioned schema. Non-role: reports, and anything that an
 * archive does not hold.
 */

export { type TableFormat, tableFormats, tablesPage, writeTables } from './formats.ts';
