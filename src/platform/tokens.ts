import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** A token that nobody can guess: 24 random bytes as base64url. */
export const newToken = (): string => randomBytes(24).toString('base64url');

/** A token for one purpose, the same whenever it is derived from this secret. */
export const derivedToken = (secret: string, purpose: string): string =>
  createHmac('sha256', secret).update(purpose).digest('base64url');

/** What is kept of a token by whoever has to recognise it. */
export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('hex');

export function isToken(token: string | undefined, digest: string): boolean {
  return token !== undefined && timingSafeEqual(Buffer.from(tokenDigest(token)), Buffer.from(digest));
}
