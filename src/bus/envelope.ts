import * as z from 'zod';
import { errorMessage, TerminalError } from '../domain/errors.ts';

/** Larger payloads go to disk under their hash. Half of the server's default limit, to leave room for headers. */
export const maxEnvelopeBytes = 512 * 1024;

const metaShape = {
  id: z.string().min(1).max(128),
  /** Milliseconds since the epoch by the sender's clock: for people, never for decisions. */
  at: z.number(),
  /** W3C trace context, https://www.w3.org/TR/trace-context/#traceparent-header */
  traceparent: z
    .string()
    .regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
    .optional(),
  /**
   * Proves ownership of an agent's name in a search, or of a job's claim. Created by the sender, and sent to the archive
   * only, because all connections of a role receive each other's replies (I12).
   */
  token: z.string().min(16).max(128).optional(),
};
const envelopeSchema = z.strictObject({ v: z.literal(1), ...metaShape, body: z.unknown() });
const versionSchema = z.looseObject({ v: z.int().positive() });

/** Metadata of a message. */
export interface Meta {
  readonly id: string;
  readonly at: number;
  readonly traceparent?: string;
  readonly token?: string;
}

function invalid(code: string, what: string, error: z.ZodError): TerminalError {
  const issues = error.issues.slice(0, 5).map((issue) => {
    const where = z.core.toDotPath(issue.path);
    return where === '' ? issue.message : `${where}: ${issue.message}`;
  });
  return new TerminalError(code, `${what}: ${issues.join('; ')}`, { cause: error });
}

/** @throws TerminalError `message-invalid` for a body that does not match the schema. */
export function checkBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success)
    throw invalid('message-invalid', 'the body of a message does not match the schema of its subject', parsed.error);
  return parsed.data;
}

/**
 * Encodes a message.
 *
 * @throws TerminalError `message-invalid` for a body that does not match the schema, `message-too-large` above 512 KiB.
 */
export function encodeEnvelope<T>(schema: z.ZodType<T>, body: T, meta: Meta): Uint8Array {
  const text = JSON.stringify({ v: 1, ...meta, body: checkBody(schema, body) });
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > maxEnvelopeBytes) {
    throw new TerminalError(
      'message-too-large',
      `a message of ${bytes.length} bytes exceeds the limit of ${maxEnvelopeBytes}; send large payloads by reference`,
    );
  }
  return bytes;
}

/**
 * Decodes a message.
 *
 * @throws TerminalError `envelope-malformed` for bytes that are not an envelope, `envelope-version` for another version,
 * `message-invalid` for a body that does not match the schema.
 */
export function decodeEnvelope<T>(schema: z.ZodType<T>, bytes: Uint8Array): { meta: Meta; body: T } {
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TerminalError('envelope-malformed', `a message is not JSON: ${errorMessage(cause)}`, { cause });
  }
  const version = versionSchema.safeParse(raw);
  if (version.success && version.data.v !== 1) {
    throw new TerminalError(
      'envelope-version',
      `a message has version ${version.data.v} but this program supports version 1: run the same version of Aira on all machines`,
    );
  }
  const envelope = envelopeSchema.safeParse(raw);
  if (!envelope.success) throw invalid('envelope-malformed', 'a message is not an envelope', envelope.error);
  const { body, v: _, traceparent, token, ...rest } = envelope.data;
  const proven = { ...(traceparent !== undefined && { traceparent }), ...(token !== undefined && { token }) };
  return { meta: { ...rest, ...proven }, body: checkBody(schema, body) };
}
