import { createHash } from 'node:crypto';

/** Values that JSON represents without loss. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * One text per value: object keys sorted by code unit, no spaces. Equal values give equal bytes on every machine, so a hash
 * identifies them.
 *
 * @throws TypeError for a number that is not finite, which JSON would silently turn into null.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError(`${value} is not finite and has no canonical JSON`);
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const record = value as { readonly [key: string]: Json };
  const entries = Object.keys(record)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(record[key] as Json)}`);
  return `{${entries.join(',')}}`;
}

/** SHA-256 of the canonical text, as 64 hexadecimal digits. */
export function contentHash(value: Json): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}
