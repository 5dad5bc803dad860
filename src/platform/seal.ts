/**
 * Sealing: what everybody may close and only the holder of the private key can open.
 *
 * X25519 with a fresh key per message, HKDF-SHA-256 over the shared secret and both public keys, AES-256-GCM. `context` is
 * authenticated and not contained: what was sealed for one purpose opens for no other.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

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

/** Closes a text for the holder of `publicKey`. */
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

/** The sealed text; null for what was sealed for another key or context, was altered, or is no seal. */
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
