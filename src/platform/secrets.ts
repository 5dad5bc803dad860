/**
 * Sealed boxes: anyone can seal, only the private key opens.
 *
 * X25519 with a fresh key per message, HKDF-SHA-256 over the shared secret and both public keys, AES-256-GCM. `context` is
 * authenticated but not contained: a seal opens only in the context it was made for.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** DER prefix of an X25519 public key (RFC 8410); its 32 bytes follow. */
const spkiPrefix = Buffer.from('302a300506032b656e032100', 'hex');
const [keyBytes, ivBytes, tagBytes] = [32, 12, 16];

const rawPublic = (publicKey: KeyObject): Buffer =>
  publicKey.export({ format: 'der', type: 'spki' }).subarray(-keyBytes);
const publicFrom = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });

/** A new private key as PEM. */
export function newSealingKey(): string {
  return generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
}

/** The public half, as 43 characters of base64url. */
export function publicSealingKey(privatePem: string): string {
  return rawPublic(createPublicKey(privatePem)).toString('base64url');
}

const secretOf = (shared: Buffer, ephemeral: Buffer, recipient: Buffer): Buffer =>
  Buffer.from(hkdfSync('sha256', shared, Buffer.concat([ephemeral, recipient]), 'aira seal v1', keyBytes));

/** Seals a text for the owner of `publicKey`. */
export function seal(text: string, publicKey: string, context: string): string {
  const recipient = Buffer.from(publicKey, 'base64url');
  const { privateKey, publicKey: own } = generateKeyPairSync('x25519');
  const ephemeral = rawPublic(own);
  const shared = diffieHellman({ privateKey, publicKey: publicFrom(recipient) });
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', secretOf(shared, ephemeral, recipient), iv);
  cipher.setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([ephemeral, iv, cipher.getAuthTag(), body]).toString('base64url');
}

/** Opens a seal; null for another key or context, altered data, or text that is not a seal. */
export function unseal(sealed: string, privatePem: string, context: string): string | null {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < keyBytes + ivBytes + tagBytes) return null;
  const privateKey = createPrivateKey(privatePem);
  const ephemeral = bytes.subarray(0, keyBytes);
  const iv = bytes.subarray(keyBytes, keyBytes + ivBytes);
  const tag = bytes.subarray(keyBytes + ivBytes, keyBytes + ivBytes + tagBytes);
  try {
    const shared = diffieHellman({ privateKey, publicKey: publicFrom(ephemeral) });
    const decipher = createDecipheriv(
      'aes-256-gcm',
      secretOf(shared, ephemeral, rawPublic(createPublicKey(privatePem))),
      iv,
    );
    decipher.setAAD(Buffer.from(context)).setAuthTag(tag);
    const body = bytes.subarray(keyBytes + ivBytes + tagBytes);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

/**
 * Secrets in their own files: mode 0600, in a folder of mode 0700.
 *
 * If several processes create the same secret, one wins and all use it; a file is complete whenever it exists, because it is
 * written aside and then linked into place.
 */

/** The text of a secret; null if it does not exist. */
export function readSecret(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

/** The text of a secret, created if it does not exist. */
export function keptSecret(path: string, make: () => string): string {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (readSecret(path) === null) {
    const aside = `${path}.${process.pid}`;
    try {
      writeFileSync(aside, `${make()}\n`, { mode: 0o600, flush: true });
      linkSync(aside, path);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    } finally {
      rmSync(aside, { force: true });
    }
  }
  chmodSync(path, 0o600);
  return readSecret(path) ?? keptSecret(path, make);
}

/** A random token: 24 bytes as base64url. */
export const newToken = (): string => randomBytes(24).toString('base64url');

/** A token for one purpose, derived from the secret. */
export const derivedToken = (secret: string, purpose: string): string =>
  createHmac('sha256', secret).update(purpose).digest('base64url');

/** Digest of a token, stored to recognise it. */
export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('hex');

export function isToken(token: string | undefined, digest: string): boolean {
  return token !== undefined && timingSafeEqual(Buffer.from(tokenDigest(token)), Buffer.from(digest));
}
